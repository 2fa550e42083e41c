"""console: print a URL that logs in to the web console."""

from __future__ import annotations

import time
import webbrowser
from html import escape
from pathlib import Path
from typing import Final

import click

from bridge.cli.command_settings import find_server, refuse_server, settings_of
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.core.scopes import Scope, expand_scopes, list_scopes, suggest_token
from bridge.core.units import iso
from bridge.services.console_tickets import TICKET_SECONDS, create_ticket, make_login_url
from bridge.services.operations.execution import find_actor
from bridge.services.store_access import open_or_create_store

OPENED_FILE: Final = "console-login.html"
NO_BROWSER: Final = "note: no browser was found: open the URL yourself"
REDIRECT: Final = (
    '<!doctype html><meta charset="utf-8"><title>flowbridge</title>'
    '<meta http-equiv="refresh" content="0;url={url}"><a href="{url}">Open the console</a>\n'
)


@click.command()
@click.option("--read", "is_read", is_flag=True, help="Only look: no contents, no operations.")
@click.option("--open", "opens", is_flag=True, help="Also open the URL in the browser.")
@AS_JSON
@click.pass_obj
def console(config: str | None, /, is_read: bool, opens: bool, as_json: bool) -> None:
    """Print a URL that logs in to the web console, once and within five minutes.

    The session lasts for 12 hours, and may do everything. Only the URL goes to stdout. From another
    machine, open the console through an SSH tunnel (ssh -L 8081:127.0.0.1:8081 HOST), or log in
    with a token at the URL that `flowbridge --server URL console` prints.

    \b
    flowbridge console
    flowbridge console --open
    flowbridge console --read
    """
    server = find_server()
    if server is not None:
        if is_read or as_json:
            refuse_server()
        _show_login_page(server, opens=opens)
        return
    settings = settings_of(config)
    scopes = expand_scopes({Scope.READ if is_read else Scope.ADMIN})
    now = time.time()
    with open_or_create_store(settings) as database:
        ticket = create_ticket(database, scopes, find_actor(settings), now)
    url = make_login_url(settings.private_url, ticket)
    if as_json:
        output.json_line(
            {"url": url, "scopes": list_scopes(scopes), "ends_at": iso(now + TICKET_SECONDS)}
        )
    else:
        output.answer(url)
        output.say("Open it within five minutes: it logs in once. A session lasts for 12 hours.")
    if not _is_served(settings.data):
        output.say("note: no flowbridge runs here: start it with `flowbridge serve` first")
    if opens and not _open_browser(url, settings.data):
        output.say(NO_BROWSER)


def _show_login_page(server: str, *, opens: bool) -> None:
    """Print the URL where people log in to the console of another bridge."""
    from bridge.cli.remote.server_url import parse_server_url

    url = f"{parse_server_url(server)}/console/login"
    output.answer(url)
    output.say(f"Log in with a token: `{suggest_token('operator')}` there makes one.")
    if opens and not webbrowser.open(url):
        output.say(NO_BROWSER)


def _is_served(data: Path) -> bool:
    from bridge.monitoring.presence import find_addresses

    return find_addresses(data) is not None


def _open_browser(url: str, data: Path) -> bool:
    """Open a URL in the browser; return whether there is one.

    The browser is given a file, since all users of a machine see the arguments of a process.
    """
    file = data / OPENED_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(REDIRECT.format(url=escape(url)), "utf-8")
    return webbrowser.open(file.absolute().as_uri())
