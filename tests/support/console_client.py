"""A browser of the console without scripts: cookies, forms and links, on a real store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from admin_client import ADMIN_TOKEN, NO_CONFIG
from shared_rules import create_app
from werkzeug.test import TestResponse

from bridge.config.settings import Settings
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.services.console_tickets import create_ticket
from bridge.store.db.database import Database
from bridge.web.app_context import AppContext
from bridge.web.console import login

#: The headers of a browser that sends a form of our own page.
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
SECRET_KEY = "a-secret-key-for-the-console-0123456789"
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{96})"')


def lift_login_rates(patch: pytest.MonkeyPatch) -> None:
    """Let one address log in as often as a test does."""
    patch.setattr(login, "ADDRESS_LOGIN_RATE", Rate(count=10**9, per=1.0))
    patch.setattr(login, "LOGIN_RATE", Rate(count=10**9, per=1.0))


class ConsoleClient:
    """Opens pages of the console; `log_in` first."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        config: Config = NO_CONFIG,
        **changes: Any,
    ) -> None:
        self.database = database
        (folder / "routes.yaml").write_text("version: 1\n")
        values: dict[str, Any] = {
            "config": folder / "routes.yaml",
            "data": folder / "data",
            "database_url": "",
            "bind": ("127.0.0.1", 8080),
            "admin_token": ADMIN_TOKEN,
            "secret_key": SECRET_KEY,
        }
        self.settings = Settings(**values | changes)
        self.app = create_app(
            AppContext(
                settings=self.settings, config=lambda: config, database=database, wake=lambda: None
            )
        )
        self.client = self.app.test_client()
        self._proof = ""  # of the session

    def log_in(self, scopes: Iterable[Scope] = (Scope.ADMIN,)) -> TestResponse:
        """Log in with a ticket for these scopes, in a fresh browser."""
        self.client = self.app.test_client()
        ticket = create_ticket(self.database, scopes, "someone@here", time.time())
        return self.send_token(ticket)

    def send_token(
        self, token: str, headers: Mapping[str, str] = OWN_PAGE, **form: str
    ) -> TestResponse:
        """Send the form of the login."""
        self._proof = ""
        form = {"token": token, **form}
        return self.client.post("/console/login", data=form, headers=headers)

    def get(self, path: str, **more: Any) -> TestResponse:
        """Open a page below /console."""
        return self.client.get(f"/console{path}", **more)

    def html(self, path: str, **more: Any) -> str:
        """Return the HTML of a page, which must be answered with 200."""
        answer = self.get(path, **more)
        assert answer.status_code == 200, (answer.status_code, answer.text[:3000])
        return answer.text

    def post(
        self,
        path: str,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = OWN_PAGE,
    ) -> TestResponse:
        """Send a form with the proof of this session."""
        return self.client.post(
            f"/console{path}", data={"csrf": self.csrf(), **(form or {})}, headers=headers
        )

    def csrf(self) -> str:
        """Return the proof that forms of this session carry."""
        if not self._proof:
            shown = _CSRF.search(self.get("/find?q=zz").text)
            assert shown is not None
            self._proof = shown[1]
        return self._proof
