"""The event types that were seen, and the schema of the bodies of a type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.errors import NotFound
from bridge.core.model import JSON, Event
from bridge.core.retention import is_content_deleted
from bridge.core.times import iso
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

MAX_SCHEMA_EVENTS: Final = 1000  # newest events of a type that a schema is made from
MAX_SCHEMA_BYTES: Final = 64 * 1024 * 1024  # of their bodies
_MARK: Final = MARK_BEGINNING.encode()


@dataclass(frozen=True, slots=True)
class InferredSchema:
    """The schema of the bodies of a type.

    `count`: of the bodies that it was made from. `left_out`: how many others were not used, by
    reason.
    """

    schema: dict[str, JSON]
    count: int
    left_out: Mapping[str, int]


def list_types(database: Database | None, source: str | None = None) -> TypeCounts:
    """Return the event types of the newest events, the latest first; none without a store."""
    return TypeCounts(()) if database is None else count_types(database, source)


def type_json(one: TypeCount) -> dict[str, JSON]:
    """Return an event type in the shape of `types --json`."""
    return {
        "source": one.source,
        "type": one.type,
        "count": one.count,
        "first_at": iso(one.first_at),
        "last_at": iso(one.last_at),
    }


def infer_schema(
    database: Database, sources: Mapping[str, Source], source: str, type_: str
) -> InferredSchema:
    """Return the schema of `body` of the newest events of a type.

    Encrypted, redacted, deleted and unreadable bodies are left out. Raises `NotFound` where no body
    is left.
    """
    read = body_reader(sources)
    shape = Shape()
    left_out: Counter[str] = Counter()
    count = 0
    size = 0
    for event in newest_of_type(database, source, type_, MAX_SCHEMA_EVENTS):
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
        raise NotFound(_explain_none(database, source, type_, left_out))
    return InferredSchema(write_schema(shape, f"{source} {type_}"), count, dict(left_out))


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


def _explain_none(database: Database, source: str, type_: str, left_out: Mapping[str, int]) -> str:
    if left_out:
        return (
            f"no body of {source} {type_} can be used for a schema: {describe_left_out(left_out)}"
        )
    from bridge.core.typos import suggest

    seen = _names(count_types(database, source).rows)
    return (
        f"no event of {source} has the type {type_!r}; {suggest(type_, seen)}seen:"
        f" {', '.join(seen) or 'none yet'}"
    )


def _names(rows: Sequence[TypeCount]) -> list[str]:
    return [one.type for one in rows if one.type is not None][:20]
