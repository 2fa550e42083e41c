"""The page that compares a shadow route with a live one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console_client import ConsoleClient
from shadow_records import NEW, OLD, add_comparable, add_planned, write_routes

from bridge.core.model import Event
from bridge.core.scopes import Scope
from bridge.store.db.database import Database

READ = (Scope.READ,)
PATH = "/routes/triage-new/shadow"
HOSTILE = "<script>alert(1)</script>\u202e"

pytestmark = pytest.mark.timings(shadow_page_seconds=60.0)


@pytest.fixture
def made(database: Database, tmp_path: Path) -> dict[str, Event]:
    return add_comparable(database, tmp_path)


def open_console(database: Database, folder: Path, routes: str = OLD + NEW) -> ConsoleClient:
    client = ConsoleClient(database, folder, write_routes(folder, routes))
    client.log_in()
    return client


def test_the_comparison_is_shown(
    database: Database, tmp_path: Path, made: dict[str, Event]
) -> None:
    console = open_console(database, tmp_path)
    assert f'href="/console{PATH}"' in console.html("/routes/triage-new")
    assert "/shadow" not in console.html("/routes/triage")
    html = console.html(PATH)
    for name, event in made.items():
        assert f'href="/console/events/{event.id}"' in html, name
    assert "<code>inputs/n</code> triage: <code>1</code>, triage-new: <code>2</code>" in html
    assert "strict" in html and "flowbridge shadow triage-new triage" in html
    console.log_in(READ)
    hidden = console.html(PATH)
    assert "<code>inputs/n</code>" not in hidden and "they need the scope" in hidden


def test_a_comparison_goes_on_where_it_stopped(
    database: Database, tmp_path: Path, made: dict[str, Event]
) -> None:
    console = open_console(database, tmp_path)
    url = f"{PATH}?limit=1&since=1h"
    seen: list[str] = []
    for _ in range(9):
        html = console.html(url)
        seen += re.findall(r'<h2 id="s-1">.*?/console/events/(\w+)"', html)
        found = re.search(r'href="/console([^"]*before=[^"]*)" rel="next"', html)
        if found is None:
            break
        url = found[1].replace("&amp;", "&")
        assert "Looked back to" in html
    assert seen == [one.id for name, one in reversed(made.items()) if name != "same"]
    assert "Newest</a>" in html


def test_hostile_inputs_are_shown_and_do_nothing(
    database: Database, tmp_path: Path, made: dict[str, Event]
) -> None:
    console = open_console(database, tmp_path)
    config = write_routes(tmp_path, OLD + NEW)
    add_planned(database, config, old=True, new=True, n=[HOSTILE], m={HOSTILE: HOSTILE * 99})
    html = console.html(PATH)
    assert "<script>alert" not in html and "\u202e" not in html
    assert "alert(1)" in html


def test_the_other_route_is_chosen_where_there_are_several(
    database: Database, tmp_path: Path, made: dict[str, Event]
) -> None:
    more = OLD.replace("triage", "other") + NEW.replace("triage-new", "third")
    console = open_console(database, tmp_path, OLD + NEW + more)
    html = console.html(PATH)
    assert "Which route may it replace?" in html
    assert re.findall(r"<option[^>]*>([^<]+)", html) == ["triage", "other"]
    chosen = console.html(f"{PATH}?live=triage")
    assert "<option selected>triage</option>" in chosen and "differs" in chosen
    alone = open_console(database, tmp_path, NEW)
    assert "has no other route that sends" in alone.html(PATH)


def test_nothing_to_compare_and_wrong_requests(
    database: Database, tmp_path: Path, made: dict[str, Event]
) -> None:
    console = open_console(database, tmp_path)
    assert "Neither route planned a delivery" in console.html(f"{PATH}?since=2999-01-01")
    assert "It plans no shadow deliveries now" in console.html(
        "/routes/triage/shadow?live=triage-new"
    )
    for query in ("?live=triagge", "?since=soon", "?before=x", "?nope=1", "?live=triage-new"):
        assert console.get(PATH + query).status_code == 400, query
    assert "did you mean <code>triage-new</code>?" in console.get("/routes/triage-nwe/shadow").text
