"""events, deliveries, show: what is kept, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lines, run
from conftest import NOW, make_delivery, make_event
from sqlalchemy import update

from bridge.cli import COMMANDS, SECTIONS
from bridge.cli.selection import Moment
from bridge.model import Status
from bridge.store import events, tables
from bridge.store.database import Database


def test_help_teaches_every_command_with_an_example() -> None:
    assert list(COMMANDS) == [name for commands in SECTIONS.values() for name in commands]
    overview = run("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in overview
        text = run(name, "--help").stdout
        assert f"flowbridge {name}" in text or name in ("serve", "web", "work", "flows", "db"), name
    for name, inner in (("flows", "list"), ("flows", "run"), ("db", "upgrade"), ("db", "check")):
        assert f"flowbridge {name} {inner}" in run(name, inner, "--help").stdout


def test_an_empty_store_is_empty_and_no_error(folder: Path) -> None:
    for command in ("events", "deliveries"):
        result = run(command)
        assert (result.exit_code, result.stdout) == (0, "")
        assert f"No {command} yet." in result.stderr and "flowbridge serve" in result.stderr
        assert lines(run(command, "--json")) == []
    assert run("show", "evt_1").exit_code == 1
    assert not (folder / "data" / "flowbridge.db").exists()  # looking makes no database


def test_events_are_lines_of_json_with_full_deliveries(store: Database) -> None:
    for number in range(3):
        event = make_event(str(number), now=NOW + number)
        events.add(store, event, [make_delivery(event)], lambda *_: [])
    found = lines(run("events", "--json"))
    assert [event["provider_id"] for event in found] == ["2", "1", "0"]
    assert found[0]["deliveries"][0]["route"] == "triage"
    assert [event["provider_id"] for event in lines(run("events", "--json", "--limit", "1"))] == ["2"]
    assert lines(run("events", "--json", "--source", "crm")) == []
    assert len(lines(run("events", "--json", "--since", "2025-11-24T16:00:01Z"))) == 2
    assert [one["status"] for one in lines(run("deliveries", "--json"))] == ["queued"] * 3


def test_lists_for_people_are_aligned_text_without_colour(store: Database) -> None:
    event = make_event("1", source="a\x1b[31m", type=None)
    events.add(store, event, [make_delivery(event, status=Status.DEAD, reason="no\nway\x07")], lambda *_: [])
    result = run("events")
    assert result.stdout.splitlines() == [
        "RECEIVED              ID                              SOURCE     TYPE  DELIVERIES",
        f"2025-11-24T16:00:00Z  {event.id}  a\\x1b[31m  -     dead",
    ]
    assert run("deliveries").stdout.splitlines()[1].endswith("triage  dead    local/echo  no\\nway\\x07")
    assert run("events", "--status", "none").stderr.startswith("No events like that.")


def test_an_event_says_what_is_odd_about_it(store: Database) -> None:
    event = make_event("1", problem="cannot be read")
    events.add(store, event, [], lambda *_: [])
    events.add(store, make_event("1"), [], lambda *_: [])
    assert run("events").stdout.splitlines()[1].endswith("none · cannot be read · 1 duplicates")
    events.add(store, make_event("2", body=b"other"), [], lambda *_: [])
    assert run("events", "--limit", "1").stdout.splitlines()[1].endswith("none: no route matched")


def test_show_tells_all_of_one_event_by_any_id(store: Database) -> None:
    event = make_event("1", headers={"x-evil": "a\x1b[2J", "content-type": "text/plain"}, body=b"first\nsecond\x9b\xe2\x80\xae")
    delivery = make_delivery(event)
    events.add(store, event, [delivery], lambda *_: [])
    with store.engine.begin() as connection:
        done = {"status": "delivered", "run_id": "Run1", "run_state": "done", "outputs": '{"a":"\\u001b"}'}
        connection.execute(update(tables.delivery).values(done))
    text = run("show", event.id).stdout
    assert run("show", "Run1").stdout == text == run("show", delivery.id[:-2]).stdout
    for part in (event.id, "github", "triage → local/echo", "delivered, done", "Run1", "x-evil: a\\x1b[2J", "that are no text"):
        assert part in text
    assert not any(char < " " and char != "\n" for char in text)


def test_show_gives_headers_body_and_attempts_as_json(store: Database) -> None:
    event = make_event("1", headers={"x-a": "b"})
    events.add(store, event, [make_delivery(event)], lambda *_: [])
    (shape,) = lines(run("show", event.id, "--json"))
    assert (shape["headers"], shape["body"], shape["body_base64"]) == ({"x-a": "b"}, '{"n":1}', None)
    assert shape["deliveries"][0]["attempt_list"] == []


def test_an_id_that_names_nothing_or_too_much_is_a_problem(store: Database) -> None:
    for id_ in ("evt_aa", "evt_ab"):
        events.add(store, make_event(id_, id=id_), [], lambda *_: [])
    assert (run("show", "evt_a").exit_code, run("show", "evt_x").exit_code) == (1, 1)
    assert "several ids begin with 'evt_a'" in run("show", "evt_a").stderr


@pytest.mark.parametrize("text", ["1", "yesterday", "1y", "2026-13-01", ""])
def test_a_time_that_is_none_is_wrong_usage(folder: Path, text: str) -> None:
    result = run("events", "--since", text)
    assert result.exit_code == 2 and "is no time" in result.stderr


def test_times_are_spans_dates_and_iso_8601(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cli.selection.time.time", lambda: NOW)
    convert = lambda text: Moment().convert(text, None, None)  # noqa: E731
    assert [NOW - convert(text) for text in ("90s", "15m", "1h", "1.5h", "2d", "1w")] == [90, 900, 3600, 5400, 172800, 604800]
    assert convert("2025-11-24") == NOW - 16 * 3600
    assert convert("2025-11-24T16:00") == convert("2025-11-24T16:00:00Z") == convert("2025-11-24T17:00:00+01:00") == NOW


def test_a_database_of_another_schema_is_said(store: Database) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    result = run("events")
    assert result.exit_code == 1 and "the database has schema 9999" in result.stderr


def test_db_check_and_upgrade(folder: Path) -> None:
    assert run("db", "check").exit_code == 1
    assert "the schema is" in run("db", "upgrade").stdout
    assert "already" in run("db", "upgrade").stdout
    (found,) = lines(run("db", "check", "--json"))
    assert (found["problems"], found["counts"]["event"]) == ([], 0)
    database = Database(f"sqlite:///{folder / 'data' / 'flowbridge.db'}")
    event = make_event("1")
    events.add(database, event, [make_delivery(event)], lambda *_: [])
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM event")
    database.close()
    result = run("db", "check")
    assert (result.exit_code, "1 deliveries without an event" in result.stdout) == (1, True)
