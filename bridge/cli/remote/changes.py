"""Changes of a bridge elsewhere, read from its admin API with a cursor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.cli.remote.client import AdminClient, Query
from bridge.services.bridge_reader import ChangeShape, Shape
from bridge.services.records.json_record import (
    UNREADABLE,
    UnreadableAnswer,
    expect_shape,
    require_time,
)

MAX_CURSOR_CHARS: Final = 8000


class RemoteChanges:
    """Reads changes, from those in flight now on. See `services.bridge_reader`."""

    poll_seconds = 1.0

    def __init__(self, client: AdminClient, query: Query) -> None:
        self._client = client
        self._query = query
        self._cursor = _read_cursor(client.get("/tail", [*query, ("in_flight", "true")]))

    def read_changes(self) -> Iterator[ChangeShape]:
        """Yield new events, and deliveries whose state changed."""
        page = self._client.get("/tail", [*self._query, ("after", self._cursor)])
        with expect_shape():
            changes = [_read_change(one) for one in page["items"]]
        self._cursor = _read_cursor(page)
        yield from changes


def _read_change(shape: Shape) -> ChangeShape:
    found = {name: shape[name] for name in ("event", "delivery") if shape[name] is not None}
    if len(found) != 1 or not all(isinstance(one, dict) for one in found.values()):
        raise ValueError
    return ChangeShape(require_time(shape["at"]), **found)


def _read_cursor(page: Shape) -> str:
    cursor = page.get("next")
    if not isinstance(cursor, str) or not 0 < len(cursor) <= MAX_CURSOR_CHARS:
        raise UnreadableAnswer(UNREADABLE)
    return cursor
