"""Gumloop API: start, poll and kill runs; list flows, inputs and runs; upload files; read the
answers. Pure.

https://docs.gumloop.com/api-reference/running-an-automation/start-automation
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlencode

from bridge.core.http_messages import Answer, Call
from bridge.core.local_runs import TAKES_ANY
from bridge.core.model import JSON, Delivery, RunState
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.model import InputNode, KillReport, ListedRun, Listing, SavedFlow
from bridge.delivery.platforms.responses import (
    USER_AGENT,
    as_text,
    dump,
    error_text,
    load,
    load_truncated,
    parse_time,
    printable,
    read_date,
)
from bridge.delivery.unknown_outcomes import classify_unreadable_answer, read_failure
from bridge.routing.model import Platform
from bridge.routing.templates import RESERVED_INPUTS

LOG_LINES = 50
MAX_LOG_LINE_CHARS = 500
RUN_STATES: Final = {
    "QUEUED": RunState.QUEUED,
    "STARTED": RunState.RUNNING,
    "RUNNING": RunState.RUNNING,
    "TERMINATING": RunState.RUNNING,
    "DONE": RunState.DONE,
    "FAILED": RunState.FAILED,
    "TERMINATED": RunState.TERMINATED,
}
T = TypeVar("T")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def read_report(value: JSON, lines: int = LOG_LINES) -> RunReport:
    """Return the report of a run from its record; `state` is None if the record has none."""
    if not isinstance(value, dict):
        return RunReport(state=None)
    state = value.get("state")
    outputs = value.get("outputs")
    raw = state.strip() if isinstance(state, str) else ""
    return RunReport(
        state=RUN_STATES.get(raw.upper(), RunState.RUNNING) if raw else None,
        raw_state=printable(raw, 50) if raw else None,
        outputs={} if outputs is None else outputs,
        log=_read_log(value.get("log"), lines),
        created_at=parse_time(value.get("created_ts")),
        finished_at=parse_time(value.get("finished_ts")),
    )


def read_listing(
    answer: Answer, key: str, read: Callable[[dict[str, JSON]], T | None]
) -> Listing[T]:
    value = load(answer.body)
    entries = value.get(key) if isinstance(value, dict) else None
    if answer.status // 100 != 2 or not isinstance(entries, list):
        return unreadable_listing(answer)
    read_ones = (read(entry) for entry in entries if isinstance(entry, dict))
    return Listing(items=tuple(item for item in read_ones if item is not None))


def unreadable_listing(answer: Answer) -> Listing[T]:
    if answer.status // 100 != 2:
        return Listing(
            items=None,
            detail=error_text(answer),
            unknown=answer.status == 404,
            status_code=answer.status,
        )
    return Listing(
        items=None,
        detail=(
            f"HTTP {answer.status}: the answer is"
            f" {'cut off' if answer.truncated else 'no such list'}"
        ),
    )


def read_flow(entry: dict[str, JSON]) -> SavedFlow | None:
    id_ = read_identifier(entry.get("saved_item_id"))
    name = as_text(entry.get("name"))
    description = as_text(entry.get("description"))
    return (
        SavedFlow(
            id=id_,
            name=name,
            description=description,
            created_at=parse_time(entry.get("created_ts")),
        )
        if id_
        else None
    )


def read_input(entry: dict[str, JSON]) -> InputNode | None:
    name = as_text(entry.get("name"))
    return (
        InputNode(
            name=name,
            type=as_text(entry.get("data_type")),
            description=as_text(entry.get("description")),
        )
        if name
        else None
    )


def read_listed_runs(flow: str, entries: list[JSON]) -> Iterator[ListedRun]:
    for entry in entries:
        run_id = read_identifier(entry.get("run_id")) if isinstance(entry, dict) else ""
        if run_id:
            yield ListedRun(id=run_id, saved_item_id=flow, report=read_report(entry))


def read_identifier(value: JSON) -> str:
    """Return an id that is safe to print and to send again; else an empty text."""
    return value if isinstance(value, str) and len(value) <= 200 and value.isprintable() else ""


def read_link(value: JSON) -> str | None:
    """Return the URL of a run's page if it is http(s) and safe to print, else None."""
    fit = (
        isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) <= 2000
    )
    return value if fit and value.isprintable() else None


def _read_log(value: JSON, max_lines: int) -> tuple[str, ...]:
    """Return the last `max_lines` lines without colour codes, each cut to MAX_LOG_LINE_CHARS."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    lines: list[str] = []
    for entry in reversed(entries):
        lines += [
            line for line in reversed(_ANSI.sub("", as_text(entry)).splitlines()) if line.strip()
        ]
        if len(lines) >= max_lines:
            break
    return tuple(printable(line, MAX_LOG_LINE_CHARS) for line in reversed(lines[:max_lines]))


BASE_URL: Final = "https://api.gumloop.com/api/v1"
MAX_LIST_BYTES: Final = 4 * 1024 * 1024  # ten runs, possibly with all their outputs
CUT_OFF_LINE: Final = "(the platform's answer was too long: outputs or log are incomplete)"


def build_start(platform: Platform, delivery: Delivery) -> Call:
    """Return the call that starts the delivery's flow.

    The inputs are top-level keys of the body, followed by our ids. With a whole payload, the
    payload is the body and the ids are in the query.
    """
    ids = _ids(platform, saved_item_id=delivery.saved_item_id)
    url = f"{_base(platform)}/start_pipeline"
    inputs = delivery.inputs
    if delivery.whole_body or not isinstance(inputs, dict):
        return Call(
            method="POST",
            url=f"{url}?{urlencode(ids)}",
            headers=_headers(platform),
            body=dump(inputs),
        )
    # Planning rejects reserved names; this is the last check before the call.
    body = {name: value for name, value in inputs.items() if name.lower() not in RESERVED_INPUTS}
    return Call(method="POST", url=url, headers=_headers(platform), body=dump(body | ids))


def read_start(answer: Answer, now: float) -> Outcome:
    """Return the outcome of a start. A 2xx without a usable `run_id` is unknown."""
    if answer.status // 100 != 2:
        return read_failure(answer, now)
    value = load(answer.body)
    run_id = read_identifier(value.get("run_id")) if isinstance(value, dict) else ""
    if run_id:
        return Outcome(
            kind=OutcomeKind.STARTED,
            run_id=run_id,
            run_url=read_link(value.get("url")),
            status_code=answer.status,
            saved_item_id=as_text(value.get("saved_item_id")) or None,
        )
    fault = (
        "cut off"
        if answer.truncated
        else "not JSON"
        if value is None
        else "without a usable run_id"
    )
    return classify_unreadable_answer(answer, fault)


def build_run(platform: Platform, run_id: str) -> Call:
    """Return the call that polls a run."""
    return _get(platform, "get_pl_run", run_id=run_id)


def read_run(answer: Answer, lines: int = LOG_LINES) -> RunReport:
    """Return the report of a run, with the last `lines` of its log.

    An unknown state counts as running; the report has its name.
    """
    if answer.status == 404:
        return RunReport(state=None, detail=error_text(answer), gone=True)
    if answer.status // 100 != 2:
        return RunReport(state=None, detail=error_text(answer))
    value = load_truncated(answer.body) if answer.truncated else load(answer.body)
    report = read_report(value, lines)
    if report.state is None:
        defect = (
            "cut off" if answer.truncated else "not JSON" if value is None else "without a state"
        )
        return RunReport(state=None, detail=f"HTTP {answer.status}: the answer is {defect}")
    return replace(report, log=(*report.log, CUT_OFF_LINE)) if answer.truncated else report


def build_list(platform: Platform) -> Call:
    """Return the call that lists the saved flows."""
    return _get(platform, "list_saved_items")


def read_list(answer: Answer) -> Listing[SavedFlow]:
    """Return the saved flows; an entry without a usable id is left out."""
    return read_listing(answer, "saved_items", read_flow)


def build_inputs(platform: Platform, saved_item_id: str) -> Call:
    """Return the call that lists a flow's Input nodes."""
    return _get(platform, "get_inputs", saved_item_id=saved_item_id)


def read_inputs(answer: Answer) -> Listing[InputNode]:
    """Return the Input nodes; an entry without a name is left out.

    A flow that lists none may have a Webhook Input node, which takes the whole body.
    """
    listing = read_listing(answer, "inputs", read_input)
    value = load(answer.body)
    takes_any = isinstance(value, dict) and value.get(TAKES_ANY) is True
    return replace(listing, takes_any=takes_any or listing.items == ())


def build_runs(platform: Platform, saved_item_id: str) -> Call:
    """Return the call that lists a flow's newest runs; the platform returns at most ten."""
    return replace(
        _get(platform, "get_plrun_saved_item_map", saved_item_id=saved_item_id), most=MAX_LIST_BYTES
    )


def read_runs(answer: Answer) -> Listing[ListedRun]:
    """Return the runs, the newest first. Their fields are undocumented; only the id is required."""
    value = load(answer.body)
    lists = (
        {flow: entries for flow, entries in value.items() if isinstance(entries, list)}
        if isinstance(value, dict)
        else {}
    )
    if answer.status // 100 != 2 or not (lists or value == {}):
        return unreadable_listing(answer)
    runs = [run for flow, entries in lists.items() for run in read_listed_runs(flow, entries)]
    newest_first = tuple(sorted(runs, key=lambda run: -(run.report.created_at or 0.0)))
    unread = sum(map(len, lists.values())) - len(runs)
    return Listing(items=newest_first, unread=unread, told_at=read_date(answer))


def build_kill(platform: Platform, run_id: str) -> Call:
    """Return the call that ends a run and all its subflow runs."""
    body = dump(_ids(platform, run_id=run_id))
    return Call(
        method="POST", url=f"{_base(platform)}/kill_pipeline", headers=_headers(platform), body=body
    )


def read_kill(answer: Answer) -> KillReport:
    """Return whether the platform accepted to end the run."""
    value = load(answer.body)
    if answer.status // 100 != 2:
        return KillReport(accepted=False, detail=error_text(answer), gone=answer.status == 404)
    if isinstance(value, dict) and value.get("success") is True:
        return KillReport(accepted=True)
    return KillReport(
        accepted=False,
        detail=f"HTTP {answer.status}: the answer does not say that the run is ended",
    )


def build_upload(platform: Platform, name: str, content: bytes) -> Call:
    """Return the call that uploads a file.
    https://docs.gumloop.com/api-reference/file-operations/upload-file
    """
    said = dump(_ids(platform, file_name=name))
    body = b"".join((said[:-1], b',"file_content":"', b64encode(content), b'"}'))
    return Call(
        method="POST", url=f"{_base(platform)}/upload_file", headers=_headers(platform), body=body
    )


def read_upload(answer: Answer, now: float) -> str | Outcome:
    """Return the name by which inputs refer to the uploaded file."""
    if answer.status // 100 != 2:
        return read_failure(answer, now)
    value = load(answer.body)
    name = (
        read_identifier(value.get("file_name"))
        if isinstance(value, dict) and value.get("success") is not False
        else ""
    )
    return name or Outcome(
        kind=OutcomeKind.REFUSED,
        detail=f"HTTP {answer.status}: the answer has no file name",
        status_code=answer.status,
    )


# -- calls
# --------------------------------------------------------------------------------------------------


def _get(platform: Platform, endpoint: str, **query: str) -> Call:
    url = f"{_base(platform)}/{endpoint}?{urlencode(query | _ids(platform))}"
    return Call(method="GET", url=url, headers=_headers(platform))


def _ids(platform: Platform, **more: str) -> dict[str, str]:
    return {"user_id": platform.user_id, **more} | (
        {"project_id": platform.project_id} if platform.project_id else {}
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


# -- answers
# --------------------------------------------------------------------------------------------------
