"""Parts of pages that the script asks for again: counts, rows and numbers, with an ETag."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from console_client import ConsoleClient
from records import make_delivery, make_event
from sqlalchemy import select
from werkzeug.test import TestResponse

from bridge.core.model import Event
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.tables.schema import console_session
from bridge.web.console.live_parts import MAX_NEW

PART = {"HX-Request": "true"}
POLL = re.compile(r'id="new"[^>]*hx-get="/console([^"]+)"')


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    client = ConsoleClient(database, tmp_path)
    client.log_in()
    return client


def store(console: ConsoleClient, **changes: object) -> Event:
    event = make_event(None, now=time.time(), **changes)
    events.add(console.database, event, (make_delivery(event),), lambda *_: [])
    return event


def find_poll(html: str) -> str:
    found = POLL.search(html)
    assert found is not None
    return found[1].replace("&amp;", "&")


def poll(console: ConsoleClient, path: str, tag: str | None = None) -> TestResponse:
    return console.get(path, headers=PART | ({"If-None-Match": tag} if tag else {}))


@pytest.mark.parametrize("path", ["/events", "/deliveries"])
def test_new_rows_are_counted_since_the_first_of_the_page(
    console: ConsoleClient, path: str
) -> None:
    store(console)
    url = find_poll(console.html(f"{path}?source=github"))
    answer = poll(console, url)
    assert (answer.status_code, answer.text.strip()) == (200, "")
    tag = answer.headers["ETag"]
    assert poll(console, url, tag).status_code == 304
    store(console)
    store(console, source="other")
    answer = poll(console, url, tag)
    assert f'<a class="pill" href="/console{path}?source=github">1 new</a>' in answer.text
    assert "<html" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_empty_list_counts_all_up_to_a_bound(console: ConsoleClient) -> None:
    url = find_poll(console.html("/events"))
    arrivals = [(make_event(now=time.time()), ()) for _ in range(MAX_NEW + 1)]
    events.add_all(console.database, arrivals, lambda *_: [])
    assert f">{MAX_NEW}+ new</a>" in poll(console, url).text
    older = console.html("/events")
    following = re.search(r'href="/console(/events\?before=[^"]*)"', older)
    assert following is not None
    assert POLL.search(console.html(following[1])) is None  # an older page has no count


def test_the_rows_of_the_tail_and_the_numbers_are_parts(console: ConsoleClient) -> None:
    for path in ("/tail", "/"):
        answer = poll(console, path)
        tag = answer.headers["ETag"]
        assert "<html" not in answer.text and "<h1" not in answer.text
        unchanged = poll(console, path, tag)
        assert (unchanged.status_code, unchanged.data) == (304, b"")
    event = store(console)
    answer = poll(console, "/tail", '"another"')
    assert event.id in answer.text and answer.status_code == 200


def test_a_part_shows_no_contents_without_their_scope(console: ConsoleClient) -> None:
    store(console)
    console.log_in((Scope.READ,))
    for path in ("/events", "/deliveries", "/tail"):
        assert poll(console, f"{path}?body=x").status_code == 403, path
        assert poll(console, f"{path}?status=ded").status_code == 400, path


def test_polling_neither_logs_in_nor_keeps_a_session_alive(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time()
    monkeypatch.setattr("bridge.web.console.login.time.time", lambda: began + 600)

    def last_use() -> float:
        with console.database.read() as connection:
            return connection.execute(select(console_session.c.used_at)).scalar_one()

    assert poll(console, "/tail").status_code == 200
    assert last_use() < began + 600
    assert console.get("/tail").status_code == 200
    assert last_use() == began + 600
    console.client = console.app.test_client()
    assert poll(console, "/tail").status_code == 401
    assert console.get("/tail").status_code == 303


def test_the_script_of_the_parts_stores_and_evaluates_nothing(console: ConsoleClient) -> None:
    html = console.html("/events")
    (config,) = re.findall(r'<meta name="htmx-config" content="([^"]*)">', html)
    for setting in ("allowEval", "allowScriptTags", "includeIndicatorStyles", "historyEnabled"):
        assert f"&#34;{setting}&#34;:false" in config
    assert re.search(r'<script src="/console/assets/htmx\.min\.\w{12}\.js" defer>', html)
    console.client = console.app.test_client()
    assert "htmx" not in console.html("/login")
    console.log_in()
    assert "htmx 2.0.11: 0BSD" in console.html("/settings")
