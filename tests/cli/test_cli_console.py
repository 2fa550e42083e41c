"""`flowbridge console`: a URL with a ticket, printed or opened."""

from __future__ import annotations

import re
import time
import webbrowser
from pathlib import Path

import pytest
from command_line import lines, run

from bridge.core.scopes import Scope
from bridge.services.console_tickets import use_ticket
from bridge.store.db.database import Database

ROUTES = "version: 1\nplatforms: {local: {type: local}}\n"
URL = re.compile(r"http://127\.0\.0\.1:8181/console/login#(fbc_[A-Za-z0-9_-]{43})\n")


@pytest.fixture
def project(folder: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return the store of each kind, of a project in the current folder."""
    (folder / "routes.yaml").write_text(ROUTES)
    url = database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("FLOWBRIDGE_DATABASE_URL", url)
    monkeypatch.setenv("FLOWBRIDGE_PRIVATE_BIND", "127.0.0.1:8181")
    monkeypatch.setenv("FLOWBRIDGE_ACTOR", "ann@here")
    return database


def test_stdout_has_only_the_url_of_a_ticket(project: Database) -> None:
    done = run("console")
    assert done.exit_code == 0, done.output
    found = URL.fullmatch(done.stdout)
    assert found is not None
    assert "flowbridge serve" in done.stderr
    assert found[1] not in done.stderr
    used = use_ticket(project, found[1], time.time())
    assert used is not None
    assert (used.scopes, used.actor) == (set(Scope), "ann@here")


def test_a_session_that_only_looks(project: Database) -> None:
    [made] = lines(run("console", "--read", "--json"))
    assert list(made) == ["url", "scopes", "ends_at"]
    used = use_ticket(project, made["url"].partition("#")[2], time.time())
    assert used is not None
    assert used.scopes == {Scope.READ}
    assert made["scopes"] == ["read"]


def test_the_browser_is_given_a_file_of_this_user(
    project: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    for _ in range(2):
        done = run("console", "--open")
    file = folder / "data" / "console-login.html"
    assert opened == [file.as_uri()] * 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"0;url={done.stdout.strip()}" in file.read_text()
    assert "no browser was found" in done.stderr


def test_the_login_page_of_another_bridge_is_printed() -> None:
    result = run("--server", "https://bridge.example.com/", "console")
    assert (result.exit_code, result.stdout) == (0, "https://bridge.example.com/console/login\n")
    assert "`flowbridge token add new-operator --scope operator`" in result.stderr
    refused = run("--server", "https://bridge.example.com", "console", "--read")
    assert refused.exit_code == 2 and "own machine only" in refused.stderr
