"""The access tokens of the bridge of another machine. See `cli.token_access`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge.cli.bridge.client import Bridge
from bridge.cli.bridge.request_parts import quote_id
from bridge.cli.remote.client import AdminClient
from bridge.core.errors import InvalidRequest
from bridge.core.scopes import list_scopes, parse_scopes
from bridge.services.records.json_record import expect_shape

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape


class RemoteTokens:
    """The tokens of a bridge, through its admin API. See `TokenAccess`."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._bridge = Bridge(client)
        self.url = client.server.origin

    def add(self, name: str, scopes: str, expires: str | None) -> Shape:
        """See `TokenAccess`."""
        try:
            words = list_scopes(parse_scopes(scopes))
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        lifetime = {} if expires is None else {"expires": expires}
        return self._bridge.post("/tokens", {"name": name, "scopes": words, **lifetime})

    def list_all(self) -> Sequence[Shape]:
        """See `TokenAccess`."""
        with expect_shape():
            return list(self._client.get("/tokens")["items"])

    def find(self, text: str) -> Shape:
        """See `TokenAccess`."""
        with expect_shape():
            named = [one for one in self.list_all() if one["name"] == text]
        return named[0] if named else self._client.get(f"/tokens/{quote_id(text)}")

    def remove(self, found: Shape) -> Shape:
        """See `TokenAccess`."""
        self._client.delete(f"/tokens/{quote_id(str(found['id']))}")
        return found
