"""The tail: the newest events with what became of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from console_client import ConsoleClient
from records import make_delivery, make_event

from bridge.core.model import OWN_SOURCE_NAME, Event, Status
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.console.views.event_lists import TAIL_ROWS

SECRET = "s3cret-c0ntent"


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    client = ConsoleClient(database, tmp_path)
    client.log_in()
    return client


def store(console: ConsoleClient, route: str | None = "triage", **changes: object) -> Event:
    event = make_event(None, now=time.time(), **changes)
    dead = make_delivery(event, str(route), status=Status.DEAD, reason=f"HTTP 500: {SECRET}")
    events.add(console.database, event, (dead,) if route else (), lambda *_: [])
    return event


def test_the_newest_is_first_with_what_became_of_it(console: ConsoleClient) -> None:
    assert "flowbridge add github" in console.html("/tail")
    first = store(console)
    second = store(console, None)
    html = console.html("/tail")
    assert html.index(second.id) < html.index(first.id)
    assert "no route matched" in html and SECRET in html
    assert 'href="/console/tail">Refresh</a>' in html
    console.log_in((Scope.READ,))
    html = console.html("/tail")
    assert first.id in html and SECRET not in html


def test_it_has_as_many_rows_as_a_screen_unless_more_are_asked_for(console: ConsoleClient) -> None:
    for _ in range(TAIL_ROWS + 1):
        store(console)
    html = console.html("/tail")
    assert (html.count('id="row-'), f"The newest {TAIL_ROWS}." in html) == (TAIL_ROWS, True)
    assert console.html("/tail?limit=26").count('id="row-') == 26


def test_it_is_filtered_as_the_list_of_events(console: ConsoleClient) -> None:
    event = store(console)
    assert event.id in console.html("/tail?status=dead&source=github")
    html = console.html("/tail?status=none&before=x")
    assert event.id not in html
    assert 'href="/console/tail?status=none">Refresh</a>' in html
    assert 'href="/console/events?status=none">Older events</a>' in html
    answer = console.get("/tail?status=ded")
    assert answer.status_code == 400 and "did you mean dead?" in answer.text


@pytest.mark.parametrize("path", ["/events", "/tail"])
def test_events_leave_out_alerts_with_a_link_to_them(console: ConsoleClient, path: str) -> None:
    alert = make_event("alert", source=OWN_SOURCE_NAME, type="alert.raised")
    events.add(console.database, alert, [], lambda *_: [])
    html = console.html(f"{path}?status=none")
    assert alert.id not in html
    assert f'href="/console{path}?status=none&amp;source=flowbridge"' in html
    html = console.html(f"{path}?status=none&source=flowbridge")
    assert alert.id in html and "Without flowbridge" not in html
