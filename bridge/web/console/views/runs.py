"""`/runs`: the runs in flight, and one run of the local platform, whose answers name its URL."""

from __future__ import annotations

from typing import Final

from bridge.services.local_run_details import read_local_run
from bridge.web.admin import flow_answers, resources
from bridge.web.admin.parameters import FLOW, PLATFORM
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.payload_tree import build_tree

MAX_ID_CHARS: Final = 200


def show_runs(asked: ConsoleRequest) -> Screen:
    """Return one run of the local platform, else the runs in flight, or those of a flow."""
    run_id = asked.http.args.get("run_id", "")[:MAX_ID_CHARS]
    if run_id:
        return _show_run(asked, run_id)
    given = {name: texts for name, texts in asked.given.items() if name != "flow_id"}
    found = asked.read(flow_answers.list_runs, (FLOW, PLATFORM), given)
    flow = asked.given.get("flow", [""])[0]
    return Screen(
        template="runs.html",
        title=f"Runs of {flow}" if flow else "Runs in flight",
        values={"items": found["items"], "complete": found["complete"], "flow": flow},
    )


def _show_run(asked: ConsoleRequest, run_id: str) -> Screen:
    details = resources.look_up(lambda: read_local_run(asked.context.database, run_id))
    run = details.as_json(with_contents=asked.may_read_contents)
    return Screen(
        template="run.html",
        title=f"Run of {run['saved_item_id']}",
        values={
            "run": run,
            "took": _took(details.run.created_at, details.run.finished_at),
            "inputs": [] if run["inputs"] is None else build_tree(run["inputs"], path="inputs"),
            "outputs": [] if run["outputs"] is None else build_tree(run["outputs"], path="outputs"),
            "may_read_contents": asked.may_read_contents,
        },
    )


def _took(began: float, ended: float | None) -> float | None:
    return None if ended is None else max(ended - began, 0.0)
