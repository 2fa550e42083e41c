"""Changes of a bridge, read from its API with a cursor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bridge.cli.bridge.transport import Query, Shape, Transport
from bridge.services.records.json_record import (
    UNREADABLE,
    UnreadableAnswer,
    expect_shape,
    require_time,
)

MAX_CURSOR_CHARS: Final = 8000


@dataclass(frozen=True, slots=True)
class BridgeChange:
    """The JSON of a change: of an event with its deliveries, or of a delivery; the other is None.

    `at`: when the event was received, or the change of the delivery was seen.
    """

    at: float
    event: Shape | None = None
    delivery: Shape | None = None


class ChangeTail:
    """Reads changes, from those in flight now on. `poll_seconds`: the pause between two calls."""

    def __init__(self, transport: Transport, query: Query) -> None:
        self._transport = transport
        self.poll_seconds = transport.poll_seconds
        self._query = query
        self._cursor = _read_cursor(transport.get("/tail", [*query, ("in_flight", "true")]))

    def read_changes(self) -> Iterator[BridgeChange]:
        """Yield new events, and deliveries whose state changed."""
        page = self._transport.get("/tail", [*self._query, ("after", self._cursor)])
        with expect_shape():
            changes = [_read_change(shape) for shape in page["items"]]
        self._cursor = _read_cursor(page)
        yield from changes


def _read_change(shape: Shape) -> BridgeChange:
    records = {name: shape[name] for name in ("event", "delivery") if shape[name] is not None}
    if len(records) != 1 or not all(isinstance(record, dict) for record in records.values()):
        raise ValueError
    return BridgeChange(require_time(shape["at"]), **records)


def _read_cursor(page: Shape) -> str:
    cursor = page.get("next")
    if not isinstance(cursor, str) or not 0 < len(cursor) <= MAX_CURSOR_CHARS:
        raise UnreadableAnswer(UNREADABLE)
    return cursor
