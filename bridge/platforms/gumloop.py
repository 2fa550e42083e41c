"""Gumloop: starts a saved flow and asks how its run is. Pure.

https://docs.gumloop.com/api-reference/running-an-automation/start-automation
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from bridge.model import JSON, Answer, Call, Delivery, Kind, Outcome, RunReport, RunState
from bridge.platforms.answers import USER_AGENT, as_text, dump, error_text, load, not_started, parse_time, printable
from bridge.routes import Platform
from bridge.templates import RESERVED_INPUTS

BASE_URL: Final = "https://api.gumloop.com/api/v1"
LOG_LINES, LOG_LENGTH = 50, 500
STATES: Final = {
    "QUEUED": RunState.QUEUED,
    "STARTED": RunState.RUNNING,
    "RUNNING": RunState.RUNNING,
    "TERMINATING": RunState.RUNNING,
    "DONE": RunState.DONE,
    "FAILED": RunState.FAILED,
    "TERMINATED": RunState.TERMINATED,
}
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def build_start(platform: Platform, delivery: Delivery) -> Call:
    """Return the call that starts the delivery's flow.

    The inputs are top-level keys of the body and our ids come last; a whole payload is the body, and the ids travel in the query.
    """
    ids = {"user_id": platform.user_id, "saved_item_id": delivery.saved_item_id}
    if platform.project_id:
        ids["project_id"] = platform.project_id
    url, inputs = f"{_base(platform)}/start_pipeline", delivery.inputs
    if delivery.whole_body or not isinstance(inputs, dict):
        return Call(method="POST", url=f"{url}?{urlencode(ids)}", headers=_headers(platform), body=dump(inputs))
    # Planning keeps reserved names out; here nothing can bring them back in.
    body = {name: value for name, value in inputs.items() if name.lower() not in RESERVED_INPUTS}
    return Call(method="POST", url=url, headers=_headers(platform), body=dump(body | ids))


def read_start(answer: Answer, now: float) -> Outcome:
    """Return what the answer to a start says. Only `run_id` is required of a success; a 2xx without one is unknown."""
    if answer.status // 100 != 2:
        return not_started(answer, now)
    value = load(answer.body)
    run_id = value.get("run_id") if isinstance(value, dict) else None
    if isinstance(run_id, str) and 0 < len(run_id) <= 200 and run_id.isprintable():
        return Outcome(kind=Kind.STARTED, run_id=run_id, run_url=_link(value.get("url")), status_code=answer.status)
    found = "cut off" if answer.truncated else "not JSON" if value is None else "without a usable run_id"
    return Outcome(kind=Kind.UNKNOWN, detail=f"HTTP {answer.status}: the answer is {found}", status_code=answer.status)


def build_run(platform: Platform, run_id: str) -> Call:
    """Return the call that asks how a run is."""
    query = {"run_id": run_id, "user_id": platform.user_id}
    if platform.project_id:
        query["project_id"] = platform.project_id
    return Call(method="GET", url=f"{_base(platform)}/get_pl_run?{urlencode(query)}", headers=_headers(platform))


def read_run(answer: Answer) -> RunReport:
    """Return what the platform says about a run. A state we do not know is not an end; its name is kept."""
    if answer.status == 404:
        return RunReport(state=None, detail=error_text(answer), gone=True)
    if answer.status // 100 != 2:
        return RunReport(state=None, detail=error_text(answer))
    value = load(answer.body)
    raw = value.get("state") if isinstance(value, dict) else None
    if not isinstance(raw, str) or not raw.strip():
        found = "cut off" if answer.truncated else "not JSON" if value is None else "without a state"
        return RunReport(state=None, detail=f"HTTP {answer.status}: the answer is {found}")
    outputs = value.get("outputs")
    return RunReport(
        state=STATES.get(raw.strip().upper(), RunState.RUNNING),
        raw_state=printable(raw, 50),
        outputs={} if outputs is None else outputs,
        log=_log(value.get("log")),
        created_at=parse_time(value.get("created_ts")),
        finished_at=parse_time(value.get("finished_ts")),
    )


def _base(platform: Platform) -> str:
    return (platform.base_url or BASE_URL).rstrip("/")


def _headers(platform: Platform) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {platform.api_key}",
        "x-auth-key": platform.user_id,
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
    }


def _link(value: JSON) -> str | None:
    """Return a run's page where it is an http link fit to be shown, else None."""
    fit = isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) <= 2000
    return value if fit and value.isprintable() else None


def _log(value: JSON) -> tuple[str, ...]:
    """Return the last LOG_LINES lines, without colour codes, each cut to LOG_LENGTH characters."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    lines: list[str] = []
    for entry in reversed(entries):
        lines += [line for line in reversed(_ANSI.sub("", as_text(entry)).splitlines()) if line.strip()]
        if len(lines) >= LOG_LINES:
            break
    return tuple(printable(line, LOG_LENGTH) for line in reversed(lines[:LOG_LINES]))
