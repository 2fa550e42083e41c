"""The pages of routes: the rule, what it did in a day, and the events that it nearly took."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import orjson
import pytest
from console_client import ConsoleClient
from console_config import write_config
from records import make_delivery, make_event

from bridge.core.model import JSON, DeadKind, Event, Status
from bridge.core.scopes import Scope
from bridge.core.trends import step_of
from bridge.services.explain import near_misses
from bridge.services.lists import WalkedList
from bridge.services.project.config_text import write_yaml
from bridge.store.db import row_walk
from bridge.store.db.database import Database
from bridge.store.db.row_walk import FIRST_CHUNK_ROWS, Budget
from bridge.store.encryption import Sealer
from bridge.store.inbound import events
from bridge.store.operations import trend_rows
from bridge.web.console.views import routes

READ = (Scope.READ,)
SECRET = "s3cret-c0ntent"


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    client = ConsoleClient(database, tmp_path, write_config(tmp_path))
    client.log_in()
    return client


@pytest.fixture
def _timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search on a page ends because its time is up, however slow the machine is."""
    search = partial(near_misses.find_near_misses, clock=lambda: 0.0)
    monkeypatch.setattr(routes, "find_near_misses", search)


def store(
    console: ConsoleClient, body: JSON, *, is_planned: bool = False, **changes: object
) -> Event:
    event = make_event(None, now=time.time(), body=orjson.dumps(body), **changes)
    dead = make_delivery(
        event,
        "triage",
        now=time.time(),
        platform="gumloop",
        status=Status.DEAD,
        dead_kind=DeadKind.OURS,
        reason=f"payload_schema /title: '{SECRET}' is too long",
    )
    events.add(console.database, event, (dead,) if is_planned else (), lambda *_: [])
    return event


def test_the_list_has_each_route_with_its_state(console: ConsoleClient) -> None:
    html = console.html("/routes")
    assert 'href="/console/routes/triage"' in html
    assert "paused" in html
    assert "flowbridge test --routes new.yaml --since 1d" in html


def test_without_a_route_the_next_command_is_named(database: Database, tmp_path: Path) -> None:
    empty = ConsoleClient(database, tmp_path)
    empty.log_in(READ)
    assert "flowbridge add github" in empty.html("/routes")


def test_a_route_shows_its_rule_and_its_day(console: ConsoleClient) -> None:
    store(console, {"action": "opened"}, is_planned=True)
    html = console.html("/routes/triage")
    assert "name: triage\non: github issues\nmatch:\n" in html
    assert "title: ${body.title}" in html
    assert "dead, config × 1" in html
    assert SECRET not in html
    assert 'href="/console/platforms/gumloop/flows?flow=echo"' in html
    assert 'href="/console/routes/triage/misses"' in html
    console.log_in(READ)
    assert "/misses" not in console.html("/routes/triage")
    assert "did you mean <code>triage</code>?" in console.get("/routes/triagge").text


def test_a_route_says_that_its_chart_counts_runs_that_were_retried(console: ConsoleClient) -> None:
    note = "the last of each delivery; the chart counts every run"
    assert note not in console.html("/routes/triage")
    minute = step_of(time.time() - 120)
    for counts in ({}, {"runs": {("triage", "failed"): 1.0, ("triage", "done"): 1.0}}):
        console.database.write(
            lambda connection, counts=counts: trend_rows.add_counts(
                connection, "n1", minute, counts
            )
        )
    html = console.html("/routes/triage")
    assert "2 runs ended in 24 hours" in html and note in html


@pytest.mark.usefixtures("_timeless")
def test_the_events_that_it_missed_by_one_clause_are_listed(console: ConsoleClient) -> None:
    near = store(console, {"action": "opened", "repository": "sites"})
    store(console, {"action": "closed", "repository": "other"})
    store(console, {"action": "opened", "repository": "site"}, type="push")
    store(console, {"action": "opened", "repository": "sites"}, is_planned=True)
    store(console, {"action": "opened", "repository": "sites"}, spam="blocked word")
    store(console, {"action": "opened", "repository": "sites"}, problem="not valid")
    store(console, {"action": "opened", "repository": "sites"}, source="asana")
    late = store(console, {"action": "opened", "repository": "site", "title": "t"})
    html = console.html("/routes/triage/misses")
    assert html.count("one clause away</span>") == 1
    assert f'href="/console/events/{near.id}/explain?route=triage"' in html
    assert "<code>body.repository</code>" in html and "&#34;sites&#34;" in html
    assert html.count("matches now</span>") == 1
    assert f"flowbridge replay {late.id} --through triage" in html
    assert "Keep looking" not in html


@pytest.mark.usefixtures("_timeless")
def test_a_search_goes_on_where_it_stopped(console: ConsoleClient) -> None:
    old = store(console, {"action": "opened", "repository": "sites"})
    for _ in range(near_misses.MAX_READ_EVENTS):
        store(console, {"action": "closed"})
    page = console.html("/routes/triage/misses")
    assert "None yet" in page and f"Of the {near_misses.MAX_READ_EVENTS} events looked at" in page
    (url,) = {part.split('"')[0] for part in page.split('href="/console')[1:] if "before=" in part}
    assert old.id in console.html(url)
    for wrong in ("x", "evt_nothing"):
        assert console.get(f"/routes/triage/misses?before={wrong}").status_code == 400
    assert console.get("/routes/triage/misses?nope=1").status_code == 400


def test_a_search_ends_with_its_time(console: ConsoleClient) -> None:
    for _ in range(7):
        store(console, {"action": "opened", "repository": "sites"})
    config = write_config(console.settings.config.parent)
    route = next(one for one in config.routes if one.name == "triage")
    times = iter([0.0, *([9.0] * 9)])
    found = near_misses.find_near_misses(
        console.database, console.settings, config, route, clock=lambda: next(times)
    )
    assert (found.read, len(found.misses)) == (near_misses.BODIES_AT_ONCE, 5)
    assert found.next == found.misses[-1].event.id


def test_a_search_goes_on_behind_the_events_of_other_sources(
    console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source has too many events for a list of them, and newer ones are of another source."""
    monkeypatch.setattr(row_walk, "_find_rare", lambda *_: None)
    old = store(console, {"action": "opened", "repository": "sites"})
    newer = [(make_event(None, source="asana", body=b"{}"), ()) for _ in range(FIRST_CHUNK_ROWS)]
    events.add_all(console.database, newer, lambda *_: [])
    real = WalkedList.read_page
    spent = Budget(seconds=0.0)
    monkeypatch.setattr(WalkedList, "read_page", lambda listed, page: real(listed, page, spent))
    page = console.html("/routes/triage/misses")
    assert "None yet" in page and "No event of this source was found so far." in page
    (url,) = {part.split('"')[0] for part in page.split('href="/console')[1:] if "before=" in part}
    assert old.id in console.html(url)


def test_an_event_that_cannot_be_decrypted_does_not_stop_a_search(console: ConsoleClient) -> None:
    near = store(console, {"action": "opened", "repository": "sites"})
    url = console.database.url.render_as_string(hide_password=False)
    sealed = Database(url, Sealer(["A" * 43 + "="]))
    other = make_event(None, now=time.time() + 1)
    events.add(sealed, other, [], lambda *_: [])
    sealed.close()
    config = write_config(console.settings.config.parent)
    route = next(one for one in config.routes if one.name == "triage")
    found = near_misses.find_near_misses(console.database, console.settings, config, route)
    assert (found.read, [one.event.id for one in found.misses]) == (1, [near.id])


def test_near_misses_need_the_scope_bodies(console: ConsoleClient) -> None:
    console.log_in(READ)
    assert console.get("/routes/triage/misses").status_code == 403


def test_yaml_is_as_people_write_it() -> None:
    value: JSON = {"name": "a", "in": ["x", "y"], "text": "one\ntwo\n", "more": [{"a": "${b}"}]}
    text, is_whole = write_yaml(value)
    assert is_whole
    assert text == "name: a\nin: [x, y]\ntext: |\n  one\n  two\nmore:\n  - a: ${b}\n"
    assert not write_yaml({"a": "x" * 300_000})[1]


def test_schemas_that_stand_in_a_route_are_a_part_of_its_definition(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "issue.json").write_text('{"required": ["of_the_file"]}')
    routes = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "%(literal)s"}}
routes:
  - name: inline
    on: github
    payload_schema: {type: object, required: [of_the_route]}
    inputs: {a: "${body.a}"}
    inputs_schema: issue.json
    flow: local/echo
"""
    console = ConsoleClient(database, tmp_path, write_config(tmp_path, text=routes))
    console.log_in(READ)
    html = console.html("/routes/inline")
    assert "of_the_route" in html and "of_the_file" in html
