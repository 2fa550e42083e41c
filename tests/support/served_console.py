"""A console that is served on a port of this machine, for a real browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from console_client import ConsoleClient
from console_records import Ids
from werkzeug.serving import WSGIRequestHandler, make_server

from bridge.config.loader import load
from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.services.console_tickets import create_ticket
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: a-long-enough-secret-of-a-test}
  contact: {provider: form}
routes:
  - name: triage
    on: github issues
    match: {body.action: opened}
    payload_schema: {type: object, required: [action]}
    inputs: {a: "${body.n}"}
    inputs_schema: {type: object, properties: {a: {type: string}}}
    flow: local/echo
  - {name: other, on: github issues, match: {body.action: closed}, inputs: {a: "${body.n}"}, flow: local/echo}
"""

GUMLOOP = """
  gumloop: {type: gumloop, api_key: a-key-of-a-test, user_id: us, base_url: "%s"}
"""


def add_gumloop(url: str) -> str:
    """Return ROUTES with a platform of the type gumloop at a URL."""
    local = "platforms: {local: {type: local}}\n"
    return ROUTES.replace(local, "platforms:\n  local: {type: local}" + GUMLOOP % url)


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log(self, *_: object) -> None:
        return


class ServedConsole:
    """The URL of a served console, and its store. `ids`: of the records of a test."""

    def __init__(self, console: ConsoleClient, config: Config, port: int) -> None:
        self.console = console
        self.config = config
        self.database = console.database
        self.url = f"http://127.0.0.1:{port}/console"
        self.ids: Ids = {}

    def ticket(self, *scopes: Scope) -> str:
        """Return a ticket that logs in once; a console tries few logins in a minute."""
        wanted = scopes or (Scope.ADMIN,)
        return create_ticket(self.database, wanted, "ann@here", time.time())

    def log_in(self, page: Page, path: str = "/") -> None:
        """Log in by keys, which Playwright can send to a Firefox without scripts too."""
        page.goto(f"{self.url}{path}")
        page.get_by_label("Token", exact=True).focus()
        page.keyboard.type(self.ticket())
        page.keyboard.press("Enter")
        page.wait_for_url(f"{self.url}{path}")


@contextmanager
def serve_console(folder: Path, routes: str = ROUTES) -> Iterator[ServedConsole]:
    """Serve a console with a store of its own."""
    (folder / "given.yaml").write_text(routes)
    config = load(folder / "given.yaml", {}, strict_secrets=False)
    database = Database(f"sqlite:///{folder}/console.db")
    upgrade.upgrade(database)
    console = ConsoleClient(database, folder, config)
    server = make_server("127.0.0.1", 0, console.app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield ServedConsole(console, config, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
        database.close()
