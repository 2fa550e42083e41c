"""Gumloop's records of runs, flows and inputs, read from its answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from bridge.core.http_messages import Answer
from bridge.core.model import JSON, RunState
from bridge.core.outcomes import RunReport
from bridge.delivery.platforms.model import InputNode, ListedRun, Listing, SavedFlow
from bridge.delivery.platforms.responses import (
    as_text,
    error_text,
    load,
    parse_time,
    printable,
)

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
    return Listing(items=tuple(one for one in read_ones if one is not None))


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


def _read_log(value: JSON, most: int) -> tuple[str, ...]:
    """Return the last `most` lines without colour codes, each at most MAX_LOG_LINE_CHARS long."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    lines: list[str] = []
    for entry in reversed(entries):
        lines += [
            line for line in reversed(_ANSI.sub("", as_text(entry)).splitlines()) if line.strip()
        ]
        if len(lines) >= most:
            break
    return tuple(printable(line, MAX_LOG_LINE_CHARS) for line in reversed(lines[:most]))
