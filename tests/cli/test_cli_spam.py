"""flowbridge spam: what is held is listed, let go once, or said by a person; what acts on the rest
passes it over.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from records import NOW, make_delivery, make_event

from bridge.config.settings import load_settings
from bridge.core.model import Event, Status
from bridge.services.operations.handlers import make_replay_handler
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import log, operation_records
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.system.ids import operation_id

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {contact: {provider: form}, other: {provider: form}}
routes:
  - {name: greet, on: contact, inputs: {name: "${form.name}"}, flow: local/echo}
"""
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def routes(folder: Path) -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    return folder / "routes.yaml"


def held(database: Database, reason: str = "honeypot: filled in", **changes: Any) -> Event:
    return kept(database, spam=reason, **changes)


def kept(database: Database, deliveries: int = 0, **changes: Any) -> Event:
    given = {"source": "contact", "provider": "form", "headers": FORM, "type": None} | changes
    one = make_event(body=b"name=Ann&_gotcha=x", **given)
    events.add(
        database, one, [make_delivery(one, f"r{n}") for n in range(deliveries)], lambda *_: []
    )
    return one


def deliveries(database: Database, event: Event) -> list[Any]:
    return events.deliveries_of(database, [event.id])[event.id]


def test_what_is_held_is_listed_with_the_reason(store: Database, routes: Path) -> None:
    first = held(store, client="203.0.113.0/24")
    second = held(store, "captcha: could not be checked", source="other")
    good = kept(store)
    shown = run("spam")
    assert (
        first.id in shown.stdout
        and "honeypot: filled in" in shown.stdout
        and "203.0.113.0/24" in shown.stdout
    )
    assert good.id not in shown.stdout
    assert [one["id"] for one in lines(run("spam", "--json"))] == [second.id, first.id]
    assert [one["id"] for one in lines(run("spam", "--json", "--reason", "COULD NOT"))] == [
        second.id
    ]
    assert [one["id"] for one in lines(run("spam", "--json", "--source", "contact"))] == [first.id]
    assert lines(run("spam", "--json", "--until", "2020-01-01")) == []
    assert run("spam", "--source", "flowbridge").stderr == "No spam matches.\n"


def test_events_show_it_and_leave_it_out_when_asked(store: Database, routes: Path) -> None:
    spam = held(store)
    good = kept(store)
    ids = {
        flags: {one["id"] for one in lines(run("events", "--json", *flags))}
        for flags in ((), ("--spam",), ("--not-spam",))
    }
    assert ids == {(): {spam.id, good.id}, ("--spam",): {spam.id}, ("--not-spam",): {good.id}}
    assert "none · spam: honeypot" in run("events").stdout
    assert [
        one["spam"] for one in lines(run("events", "--json", "--spam", "--reason", "honey"))
    ] == ["honeypot: filled in"]
    shown = run("show", spam.id).stdout
    assert "honeypot: filled in" in shown and f"flowbridge spam release {spam.id}" in shown
    assert run("export").stdout.count("Ann") == 1 == run("export", "--spam").stdout.count("Ann")


def test_what_is_let_go_is_planned_once(store: Database, routes: Path) -> None:
    one = held(store)
    done = run("spam", "release", one.id[:-2], "--yes")
    assert done.exit_code == 0 and f"{one.id}  released: " in done.stdout, done.stderr
    assert events.get(store, one.id).spam is None
    [planned] = deliveries(store, one)
    assert (planned.status, planned.inputs) == (Status.QUEUED, {"name": "Ann"})
    again = run("spam", "release", one.id, "--yes")
    assert (again.exit_code, len(deliveries(store, one))) == (
        1,
        1,
    ) and "is not marked as spam" in again.stdout
    acts = list(operation_records.list_operations(store))
    assert [act.command for act in acts] == ["spam release"] * 2
    assert f"spam release {one.id}" in run("operations").stdout
    assert "was honeypot: filled in" in run("show", one.id).stdout


def test_what_filters_choose_is_counted_first(store: Database, routes: Path) -> None:
    some = [held(store, "captcha: could not be checked") for _ in range(3)]
    other = held(store)
    release = ("spam", "release", "--reason", "could not be checked")
    assert run(*release, "--dry-run").stdout == "3 events to release\n"
    assert json.loads(run(*release, "--dry-run", "--json").stdout) == {"count": 3}
    unasked = run(*release)
    assert unasked.exit_code == 2 and "pass --yes" in unasked.stderr
    assert [line["ok"] for line in lines(run(*release, "--yes", "--json"))] == [True] * 3
    assert [len(deliveries(store, one)) for one in (*some, other)] == [1, 1, 1, 0]
    assert "No matching events to release" in run(*release, "--yes").stderr
    assert run("spam", "release", "--yes").exit_code == 2


def test_of_two_who_let_it_go_at_once_one_does(
    database: Database, folder: Path, routes: Path
) -> None:
    one = held(database)
    make = make_replay_handler(
        load_settings({}, config=str(routes), secrets=False), {}, releases=True
    )

    def release(number: int) -> bool:
        act = log.begin(
            database,
            operation_id(NOW + number),
            command="spam release",
            actor="me",
            request={},
            ids=[one.id],
            now=NOW,
        )
        [result] = log.advance(database, act, make(database, act), NOW)
        return result.problem is None

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(release, range(6))) == [False] * 5 + [True]
    assert len(deliveries(database, one)) == 1


def test_one_that_no_route_matches_is_no_spam_any_more_all_the_same(
    store: Database, routes: Path
) -> None:
    one = held(store, source="other")
    done = run("spam", "release", one.id, "--yes")
    assert (done.exit_code, events.get(store, one.id).spam) == (
        0,
        None,
    ) and "no delivery" in done.stdout


def test_spam_is_neither_replayed_nor_retried(store: Database, routes: Path) -> None:
    one = held(store, "person: marked as spam", deliveries=1)
    assert run("replay", "--status", "none", "--since", "2000-01-01", "--yes").stderr.startswith(
        "No matching events"
    )
    refused = run("replay", one.id, "--yes")
    assert refused.exit_code == 1 and "flowbridge spam release" in refused.stdout
    [waiting] = deliveries(store, one)
    run("cancel", waiting.id, "--yes")
    again = run("retry", waiting.id, "--yes")
    assert again.exit_code == 1 and "is marked as spam" in again.stdout
    assert [each.status for each in deliveries(store, one)] == [Status.CANCELLED]


def test_a_person_marks_what_is_spam_and_what_waits_goes_nowhere(
    store: Database, routes: Path
) -> None:
    one = kept(store, deliveries=2)
    assert run("spam", "mark", one.id, "--yes").exit_code == 0
    assert events.get(store, one.id).spam == "person: marked as spam"
    assert [each.status for each in deliveries(store, one)] == [Status.CANCELLED] * 2
    twice = run("spam", "mark", one.id, "--yes")
    assert twice.exit_code == 1 and "already" in twice.stdout
    assert run("spam", "release", one.id, "--yes").exit_code == 0
    assert [each.status for each in deliveries(store, one)] == [Status.CANCELLED] * 2 + [
        Status.QUEUED
    ]
    other = make_event()
    events.add(store, other, [], lambda *_: [])
    assert "only form submissions can be spam" in run("spam", "mark", other.id, "--yes").stdout


def test_an_interrupted_release_goes_on_where_it_was(store: Database, routes: Path) -> None:
    some = [held(store) for _ in range(3)]
    act = log.begin(
        store,
        operation_id(NOW),
        command="spam release",
        actor="me",
        request={},
        ids=[one.id for one in some],
        now=NOW,
    )
    make = make_replay_handler(
        load_settings({}, config=str(routes), secrets=False), {}, releases=True
    )
    log.advance(store, act, make(store, act), NOW, 1)
    assert (
        run("operations", "resume", act.id, "--dry-run").stdout == "2 events of 3 left to release\n"
    )
    assert run("operations", "resume", act.id, "--yes").exit_code == 0
    assert [len(deliveries(store, one)) for one in some] == [1] * 3
    assert event_queries.event_ids(store, Filters(spam=True)) == []
