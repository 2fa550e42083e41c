"""The page of settings: the session, and tokens that are made and ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from console_client import ConsoleClient

from bridge import __version__
from bridge.core.scopes import Scope
from bridge.services.access_tokens import authenticate_token, create_token
from bridge.store.db.database import Database
from bridge.store.operations import tokens


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    client = ConsoleClient(database, tmp_path)
    client.log_in()
    return client


def test_the_session_and_the_version_are_shown_to_each(console: ConsoleClient) -> None:
    console.log_in((Scope.READ,))
    html = console.html("/settings")
    assert "someone@here" in html and __version__ in html and "MIT" in html
    assert 'action="/console/logout"' in html
    assert "flowbridge token add" in html and "NAME" not in html
    assert 'action="/console/settings/tokens"' not in html


def test_a_token_is_shown_once_and_in_no_url(console: ConsoleClient) -> None:
    form = {"name": "deploy-bot", "scopes": ["read", "act"], "expires": "12h"}
    answer = console.post("/settings/tokens", form)
    assert answer.status_code == 201
    assert "Location" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    secret = answer.text.split("<code>fbt_")[1].split("<")[0]
    found = authenticate_token(console.database, f"fbt_{secret}", time.time())
    assert found is not None
    assert (found.name, found.scopes) == ("deploy-bot", {Scope.READ, Scope.ACT})
    assert found.ends_at is not None and found.ends_at - time.time() < 12 * 3600 + 1
    html = console.html("/settings")
    assert "deploy-bot" in html and secret not in html


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"name": ""}, "1 to 100 printable characters"),
        ({"name": "taken"}, "already exists"),
        ({"name": "a", "expires": "soon"}, "not a valid lifetime"),
        ({"name": "a", "expires": "9999999d"}, "not a valid lifetime"),
        ({"name": '"><b>' * 30}, "1 to 100 printable characters"),
    ],
)
def test_a_wrong_form_is_shown_again(
    console: ConsoleClient, form: dict[str, str], text: str
) -> None:
    create_token(console.database, "taken", "read", None, now=time.time())
    answer = console.post("/settings/tokens", {"scopes": "read", **form})
    assert answer.status_code == 400
    assert text in answer.text
    assert '"><b>' not in answer.text
    assert len(tokens.list_tokens(console.database)) == 1


def test_without_a_scope_a_token_may_read(console: ConsoleClient) -> None:
    console.post("/settings/tokens", {"name": "a", "scopes": ["nonsense"], "expires": ""})
    (made,) = tokens.list_tokens(console.database)
    assert (made.scopes, made.ends_at) == ({Scope.READ}, None)


def test_a_token_ends_at_once_with_its_sessions(console: ConsoleClient) -> None:
    new, secret = create_token(console.database, "ann", "reader", None, now=time.time())
    admin = console.client
    console.client = console.app.test_client()
    console.send_token(secret)
    assert console.html("/settings")
    console.client, anns = admin, console.client
    path = f"/settings/tokens/{new.id}/remove"
    assert path in console.html("/settings")
    assert console.post(path).headers["Location"] == "/console/settings#tokens"
    assert tokens.list_tokens(console.database) == []
    assert anns.get("/console/settings").status_code == 303  # to the login
    assert console.post(path).status_code == 404


def test_tokens_need_the_scope_admin(console: ConsoleClient) -> None:
    new, _ = create_token(console.database, "ann", "reader", None, now=time.time())
    console.log_in((Scope.READ, Scope.BODIES, Scope.ACT))
    assert console.post("/settings/tokens", {"name": "x"}).status_code == 403
    assert console.post(f"/settings/tokens/{new.id}/remove").status_code == 403
    assert len(tokens.list_tokens(console.database)) == 1
