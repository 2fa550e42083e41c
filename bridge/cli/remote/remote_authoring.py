"""The bridge of another machine, read from its admin API. See `services.authoring_reader`."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.cli.remote.client import PAGE_ITEMS, AdminClient
from bridge.cli.remote.request_parts import quote_id, write_filters, write_page_size
from bridge.core.errors import InvalidRequest, NotFound
from bridge.services.bridge_reader import Shape


class RemoteAuthoring:
    """Reads a bridge through its admin API."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client

    def list_types(self, source: str | None) -> Shape:
        """Return the event types of the newest events."""
        return self._client.get("/types", write_filters({"source": source}))

    def infer_schema(self, source: str, type_: str) -> Shape:
        """Return the schema of the bodies of a type."""
        return self._client.get("/types/schema", write_filters({"source": source, "type": type_}))

    def compare_shadow(
        self, new: str, live: str | None, *, since: float, until: float | None
    ) -> Iterator[Shape]:
        """Yield the pages of a comparison, newest first."""
        asked = {"live": live, "since": since, "until": until}
        query = write_filters(asked) + write_page_size(0, PAGE_ITEMS)
        try:
            yield from self._client.list_pages(f"/routes/{quote_id(new)}/shadow", query)
        except NotFound as error:
            raise InvalidRequest(str(error)) from None

    def find_mode_place(self, route: str) -> str | None:  # noqa: ARG002 - the protocol
        """Return None: the files are on the bridge's machine."""
        return None
