"""The access tokens of a bridge: in the store here, or through the admin API of a server.

Both ways return the JSON of the admin API, and commands print from that only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.options import wrong_usage
from bridge.core.errors import NotFound
from bridge.services.records.bridge_records import NEW_TOKEN, TOKEN
from bridge.services.store_access import open_or_create_store, open_store

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape
    from bridge.store.db.database import Database


class TokenAccess(Protocol):
    """Reads and changes the access tokens of a bridge. `url`: where its admin API is."""

    url: str

    def add(self, name: str, scopes: str, expires: str | None) -> Shape:
        """Create a token, and return it with its secret as `token`."""

    def list_all(self) -> Sequence[Shape]:
        """Return the tokens, the oldest first."""

    def find(self, text: str) -> Shape:
        """Return the token with this name or id. Raises `NotFound`."""

    def remove(self, found: Shape) -> Shape:
        """Remove a token that `find` returned, and return it."""


@contextmanager
def open_tokens(config: str | None) -> Iterator[TokenAccess]:
    """Give the tokens of this machine's store, or of the bridge at a server.

    A wrong name, scope or lifetime is wrong usage.
    """
    server = find_server()
    if server is None:
        with wrong_usage():
            yield StoredTokens(config)
        return
    from bridge.cli.remote.connection import open_remote
    from bridge.cli.remote.remote_tokens import RemoteTokens

    with open_remote(server, RemoteTokens) as tokens:
        yield tokens


class StoredTokens:
    """The tokens in the store of this machine. See `TokenAccess`."""

    def __init__(self, config: str | None) -> None:
        self._settings = settings_of(config)
        self.url = self._settings.private_url

    def add(self, name: str, scopes: str, expires: str | None) -> Shape:
        """See `TokenAccess`. The database is created where there is none."""
        from bridge.services.access_tokens import create_token
        from bridge.services.operations import find_audit_actor

        by = find_audit_actor(self._settings)
        with open_or_create_store(self._settings) as database:
            new, secret = create_token(database, name, scopes, expires, now=time.time(), by=by)
        return NEW_TOKEN.write(new, token=secret)

    def list_all(self) -> Sequence[Shape]:
        """See `TokenAccess`."""
        from bridge.store.operations import tokens

        with open_store(self._settings) as database:
            found = [] if database is None else tokens.list_tokens(database)
        return [TOKEN.write(one) for one in found]

    def find(self, text: str) -> Shape:
        """See `TokenAccess`."""
        from bridge.store.operations import tokens

        with self._open_store(text) as database:
            return TOKEN.write(tokens.find(database, text))

    def remove(self, found: Shape) -> Shape:
        """See `TokenAccess`."""
        from bridge.services.access_tokens import remove_token
        from bridge.services.operations import find_audit_actor

        by = find_audit_actor(self._settings)
        id_ = str(found["id"])
        with self._open_store(id_) as database:
            return TOKEN.write(remove_token(database, id_, by))

    @contextmanager
    def _open_store(self, text: str) -> Iterator[Database]:
        """Open the store to look for a token. Raises `NotFound` where there is none."""
        with open_store(self._settings) as database:
            if database is None:
                raise NotFound(f"there is no token {text!r}: there is no database yet")
            yield database
