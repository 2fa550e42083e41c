"""login, logout: store the token of a bridge on another machine, or delete it."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from bridge.cli.command_settings import find_server
from bridge.cli.options import AS_JSON
from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.connection import MAX_TOKEN_CHARS, TOKEN_VARIABLE, check_token
from bridge.cli.remote.server_url import ServerUrl, parse_server_url
from bridge.cli.remote.stored_logins import StoredLogins
from bridge.cli.ui import output
from bridge.core.errors import NotFound
from bridge.services.records.json_record import expect_shape

MAX_INPUT_CHARS: Final = MAX_TOKEN_CHARS + 2  # with the end of its line


@click.command()
@click.argument("url", required=False)
@AS_JSON
def login(url: str | None, as_json: bool) -> None:
    """Store the token of a bridge, for commands with --server URL.

    The token is asked for without echo, or read from stdin. It is checked, then stored in your
    config folder, readable for you only: one for each server. `flowbridge token add`, on the
    bridge's machine, creates one.

    URL is https, or http to this machine only: a bridge here, or the end of an SSH tunnel. Without
    it, FLOWBRIDGE_SERVER is used.

    \b
    flowbridge login https://bridge.example.com
    ssh -N -L 8081:127.0.0.1:8081 HOST &
    flowbridge login http://127.0.0.1:8081 < token.txt
    """
    server = _server(url)
    token = check_token(_read_token(server), "the token")
    client = AdminClient(server, token)
    try:
        reply = client.get("/")
    finally:
        client.close()
    with expect_shape():
        name = str(reply["token"])
        scopes = [str(scope) for scope in reply["scopes"]]
        version = str(reply["version"])
    logins = StoredLogins.of_user(os.environ)
    logins.add(server.origin, token)
    if as_json:
        output.json_line(
            {"server": server.origin, "token": name, "scopes": scopes, "version": version}
        )
        return
    output.answer(f"Logged in to {server} (flowbridge {version}) as {name}: {', '.join(scopes)}.")
    output.say(f"The token is stored in {logins.path}. Try: flowbridge --server {server} status")
    if os.environ.get(TOKEN_VARIABLE):
        output.say(f"note: {TOKEN_VARIABLE} is set, and is used instead of the stored token")


@click.command()
@click.argument("url", required=False)
def logout(url: str | None) -> None:
    """Delete the stored token of a bridge from this machine.

    The token itself remains valid until `flowbridge token remove`, on the bridge's machine. Without
    URL, FLOWBRIDGE_SERVER is used.

    \b
    flowbridge logout https://bridge.example.com
    """
    server = _server(url)
    if not StoredLogins.of_user(os.environ).remove(server.origin):
        raise NotFound(f"no token for {server} is stored")
    output.answer(f"The token for {server} is deleted from this machine.")


def _server(url: str | None) -> ServerUrl:
    address = url or find_server()
    if address is None:
        raise click.UsageError("pass the URL of the bridge, such as https://bridge.example.com")
    return parse_server_url(address)


def _read_token(server: ServerUrl) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(f"Token for {server}", hide_input=True, err=True))
    return sys.stdin.readline(MAX_INPUT_CHARS)
