"""Connections to the admin API of another machine's bridge, each with its access token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bridge.cli.options import wrong_usage
from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.server_url import ServerUrl, parse_server_url
from bridge.cli.remote.stored_logins import StoredLogins
from bridge.cli.ui import output
from bridge.core.advice import name_command
from bridge.core.errors import SettingsError

TOKEN_VARIABLE: Final = "FLOWBRIDGE_TOKEN"  # noqa: S105 - the name of a variable
MAX_TOKEN_CHARS: Final = 1000


@contextmanager
def open_admin_client(url: str, actor_prefix: str = "") -> Iterator[AdminClient]:
    """Open the admin API at a URL, with the token of FLOWBRIDGE_TOKEN or of `flowbridge login`.

    A parameter that the bridge does not accept is wrong usage.
    """
    server = parse_server_url(url)
    # such a token comes before a stored one, so that a login alone would change nothing
    login = name_command("login", str(server))
    next_step = (
        f"set another {TOKEN_VARIABLE}, or unset it and: {login}"
        if os.environ.get(TOKEN_VARIABLE)
        else None
    )
    client = AdminClient(
        server,
        find_token(server),
        say=output.say,
        next_step=next_step,
        actor_prefix=actor_prefix,
    )
    try:
        with wrong_usage():
            yield client
    finally:
        client.close()


def find_token(server: ServerUrl) -> str:
    """Return the token for a server. `SettingsError` where there is none."""
    token = os.environ.get(TOKEN_VARIABLE)
    if token:
        return check_token(token, TOKEN_VARIABLE)
    stored = StoredLogins.of_user(os.environ).find_token(server.origin)
    if stored is None:
        raise SettingsError(
            f"there is no token for {server}. Next: {name_command('login', str(server))}, or set"
            f" {TOKEN_VARIABLE}"
        )
    return check_token(stored, "the stored token")


def check_token(token: str, where: str) -> str:
    """Return a token that can be sent. `SettingsError`, without the token, where it cannot."""
    token = token.strip()
    is_sendable = token.isascii() and token.isprintable() and " " not in token
    if not 0 < len(token) <= MAX_TOKEN_CHARS or not is_sendable:
        raise SettingsError(
            f"{where} is not valid: a token has 1 to {MAX_TOKEN_CHARS} visible ASCII characters"
        )
    return token
