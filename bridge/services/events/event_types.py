"""The event types that were seen, and the schema of the bodies of a type."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.errors import NotFound
from bridge.core.model import JSON, Event
from bridge.core.retention import is_content_deleted
from bridge.ingest.redaction import MARK_BEGINNING
from bridge.routing.schemas.inference import Shape, merge_shapes, shape_of, write_schema
from bridge.services.usable_config import body_reader
from bridge.store.queries.event_types import (
    TypeCount,
    TypeCounts,
    count_types,
    newest_of_type,
)

if TYPE_CHECKING:
    from bridge.routing.model import Source
    from bridge.store.db.database import Database

NO_TIME_LIMIT: Final = float("inf")
MAX_SCHEMA_EVENTS: Final = 1000  # newest events of a type that a schema is made from
MAX_SCHEMA_BYTES: Final = 64 * 1024 * 1024  # of their bodies
_MARK: Final = MARK_BEGINNING.encode()


@dataclass(frozen=True, slots=True)
class InferredSchema:
    """The schema of the bodies of a type.

    `source` and `type` are those that were asked for. `count`: of the bodies that it was made from.
    `left_out`: how many others were not used, by reason. `read_until`: when the oldest event that
    was read came, if there was no time for more; None otherwise.
    """

    source: str
    type: str
    schema: dict[str, JSON]
    count: int
    left_out: Mapping[str, int]
    read_until: float | None = None


def list_types(
    database: Database | None, source: str | None = None, *, seconds: float = NO_TIME_LIMIT
) -> TypeCounts:
    """Return the event types of the newest events, the latest first; none without a store.

    `seconds`: for which events are counted.
    """
    if database is None:
        return TypeCounts(())
    return count_types(database, source, is_late=_make_deadline(seconds))


def infer_schema(
    database: Database,
    sources: Mapping[str, Source],
    source: str,
    type_: str,
    *,
    seconds: float = NO_TIME_LIMIT,
) -> InferredSchema:
    """Return the schema of `body` of the newest events of a type.

    Encrypted, redacted, deleted and unreadable bodies are left out. `seconds`: for which bodies are
    read. Raises `NotFound` where no body is left.
    """
    is_late = _make_deadline(seconds)
    read = body_reader(sources)
    shape = Shape()
    left_out: Counter[str] = Counter()
    count = 0
    size = 0
    oldest: float | None = None
    for event in newest_of_type(database, source, type_, MAX_SCHEMA_EVENTS, is_late=is_late):
        if count and is_late():
            break
        oldest = oldest if event is None else event.received_at
        reason = _obstacle(event)
        if event is None or reason is not None:
            left_out[reason or "encrypted"] += 1
            continue
        size += len(event.body)
        if size > MAX_SCHEMA_BYTES and count:
            left_out["too large in all"] += 1
            break
        body = read(event)
        if body.problem is not None:
            left_out["unreadable"] += 1
            continue
        shape = merge_shapes(shape, shape_of(body.value))
        count += 1
    if not count:
        raise NotFound(_explain_none(database, source, type_, left_out, is_late))
    schema = write_schema(shape, f"{source} {type_}")
    return InferredSchema(
        source, type_, schema, count, dict(left_out), oldest if is_late() else None
    )


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Return how many bodies were left out and why: `2 encrypted, 1 redacted`."""
    return ", ".join(f"{count} {reason}" for reason, count in left_out.items())


def _obstacle(event: Event | None) -> str | None:
    if event is None:
        return "encrypted"
    if is_content_deleted(event):
        return "deleted"
    if _MARK in event.body:
        return "redacted"
    return "spam" if event.spam is not None else None


def _explain_none(
    database: Database,
    source: str,
    type_: str,
    left_out: Mapping[str, int],
    is_late: Callable[[], bool],
) -> str:
    if left_out:
        return (
            f"no body of {source} {type_} can be used for a schema: {describe_left_out(left_out)}"
        )
    from bridge.core.typos import suggest

    seen = _names(count_types(database, source, is_late=is_late).rows)
    what = "no event of" if not is_late() else "within the time limit, no event of"
    return (
        f"{what} {source} has the type {type_!r}; {suggest(type_, seen)}seen:"
        f" {', '.join(seen) or 'none yet'}"
    )


def _make_deadline(seconds: float) -> Callable[[], bool]:
    """Return a function that says whether so many seconds have passed."""
    ends_at = time.monotonic() + seconds
    return lambda: time.monotonic() >= ends_at


def _names(rows: Sequence[TypeCount]) -> list[str]:
    return [row.type for row in rows if row.type is not None][:20]
