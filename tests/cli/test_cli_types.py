"""types: what was seen, the schema of a type, and what changed since."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from records import NOW, make_event

from bridge.core.errors import CompileError, NotFound
from bridge.routing.schemas.validator import compile_schema
from bridge.services.events.event_types import infer_schema, list_types
from bridge.services.records.report_records import EVENT_TYPE, EVENT_TYPES, INFERRED_SCHEMA
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import events
from bridge.store.queries import event_types

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:NOT_SET}"}
  shop: {provider: stripe, secret: "${env:NOT_SET}"}
routes:
  - {name: all, on: github, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: paid, on: shop, inputs: {n: "${body.n}"}, flow: local/echo}
"""


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    return folder


def add(store: Database, body: Any, at: float = 0.0, **changes: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    events.add(store, make_event(now=NOW + at, body=raw, **changes), [], lambda *_: [])


@pytest.fixture
def stored(store: Database, project: Path) -> Database:
    add(store, {"action": "opened", "n": 1}, 1)
    add(store, {"action": "closed", "n": 1.5, "x": None}, 2)
    add(store, {"ref": "main"}, 3, type="push")
    add(store, {"id": "in_1"}, 4, source="shop", type="invoice.paid")
    return store


def test_types_are_counted_with_their_first_and_last_time(stored: Database) -> None:
    found = lines(run("types", "--json"))
    assert [(one["source"], one["type"], one["count"]) for one in found] == [
        ("shop", "invoice.paid", 1),
        ("github", "push", 1),
        ("github", "issues", 2),
    ]
    assert found[2]["first_at"] < found[2]["last_at"]
    assert set(found[0]) == {"source", "type", "count", "first_at", "last_at"}
    assert len(lines(run("types", "github", "--json"))) == 2
    text = run("types").stdout
    assert "SOURCE" in text and "invoice.paid" in text


def test_a_count_stops_at_its_bound_and_says_so(database: Database) -> None:
    for number in range(7):
        add(database, {"n": number}, number, type="push" if number % 2 else "issues")
    for chunk_rows in (1, 2, 7, 100):
        whole = event_types.count_types(database, chunk_rows=chunk_rows)
        assert {one.type: one.count for one in whole.rows} == {"issues": 4, "push": 3}
        assert whole.read_until is None
    some = event_types.count_types(database, max_rows=5, chunk_rows=2)
    assert sum(one.count for one in some.rows) == 5
    assert some.read_until == NOW + 2


def test_a_count_of_very_many_types_says_that_it_is_not_whole(
    database: Database,
) -> None:
    for number in range(7):
        add(database, {"n": number}, number, type=f"type-{number % 4}")
    for chunk_rows, read_until in ((1, NOW + 4), (2, NOW + 4), (100, NOW)):
        some = event_types.count_types(database, most_types=3, chunk_rows=chunk_rows)
        assert [one.type for one in some.rows] == ["type-2", "type-1", "type-0"]
        assert some.read_until == read_until, "older events and other types are left"
    assert event_types.count_types(database, most_types=4).read_until is None


def test_the_newest_events_of_a_type_are_read_with_their_bodies(database: Database) -> None:
    for number in range(120):
        add(database, {"n": number}, number, type="push" if number % 2 else "issues")
    found = list(event_types.newest_of_type(database, "github", "issues", 55))
    assert [one.body for one in found if one is not None] == [
        b'{"n": %d}' % number for number in range(118, 8, -2)
    ]
    assert list(event_types.newest_of_type(database, "shop", "issues", 5)) == []
    database.sealer = Sealer(["A" * 43 + "="])
    add(database, {"n": 1}, 200, type="issues")
    sealed, other = event_types.newest_of_type(database, "github", "issues", 2)
    assert sealed is None and other is not None


def test_a_search_that_takes_long_ends_and_says_how_far_it_looked(database: Database) -> None:
    sources: dict[str, Any] = {}
    for number in range(60):
        add(database, {"n": number}, number)
    some = event_types.count_types(database, chunk_rows=2, is_late=lambda: True)
    assert ([one.count for one in some.rows], some.read_until) == ([2], NOW + 58)
    first = infer_schema(database, sources, "github", "issues", seconds=0)
    assert (first.count, first.read_until) == (1, NOW + 59)
    assert INFERRED_SCHEMA.write(first)["complete"] is False
    whole = infer_schema(database, sources, "github", "issues", seconds=60)
    assert (whole.count, whole.read_until) == (60, None)
    with pytest.raises(NotFound, match="within the time limit, no event of github has the type"):
        infer_schema(database, sources, "github", "push", seconds=0)
    found = list_types(database, seconds=0)
    assert EVENT_TYPES.write(found) == {
        "items": [EVENT_TYPE.write(one) for one in found.rows],
        "next": None,
        "complete": True,
        "looked_until": None,
    }


def test_a_body_that_begins_like_an_encrypted_one_is_read(database: Database) -> None:
    body = b"$fb1$ and so on"
    events.add(database, make_event("1", body=body, received_at=NOW), [], lambda *_: [])
    [found] = event_types.newest_of_type(database, "github", "issues", 2)
    assert found is not None and found.body == body


def test_a_schema_is_made_from_the_bodies_of_a_type(stored: Database) -> None:
    result = run("types", "github", "--schema", "issues")
    schema = json.loads(result.stdout)
    assert schema["title"] == "github issues"
    assert schema["properties"] == {
        "action": {"type": "string"},
        "n": {"type": "number"},
        "x": {"type": "null"},
    }
    assert schema["required"] == ["action", "n"]
    assert "From 2 bodies." in result.stderr
    assert compile_schema(schema).errors({"action": "x", "n": 1}) == []
    assert lines(run("types", "github", "--schema", "issues", "--json")) == [schema]


def test_the_schema_is_accepted_as_payload_schema(stored: Database, project: Path) -> None:
    (project / "issue.json").write_text(run("types", "github", "--schema", "issues").stdout)
    changed = ROUTES.replace("on: github,", "on: github, payload_schema: issue.json,")
    (project / "routes.yaml").write_text(changed)
    found = lines(run("explain", "--sample", "github", "ping", "--json"))[0]["routes"][0]
    assert "the payload does not fit payload_schema" in found["problem"]


def test_bodies_that_say_nothing_are_left_out_and_counted(stored: Database) -> None:
    add(stored, {"action": "[redacted 0123]", "secret": 1}, 5)
    add(stored, b"", 6, body_sha256="0" * 64)
    add(stored, b"{", 7)
    add(stored, {"junk": 1}, 8, spam="token")
    sealed = replace(make_event(now=NOW + 9, body=b'{"hidden": 1}'))
    stored.sealer = Sealer(["A" * 43 + "="])
    events.add(stored, sealed, [], lambda *_: [])
    result = run("types", "github", "--schema", "issues")
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)["properties"]) == {"action", "n", "x"}
    assert (
        "From 2 bodies; left out: 1 encrypted, 1 spam, 1 unreadable, 1 deleted, 1 redacted."
        in result.stderr
    )


def test_hostile_keys_are_escaped(stored: Database) -> None:
    add(stored, {"\x1b[31m\u202e\x9b": 1}, 5, type="odd")
    result = run("types", "github", "--schema", "odd")
    assert not set("\x1b\u202e\x9b") & set(result.stdout)
    assert "\x1b[31m\u202e\x9b" in json.loads(result.stdout)["properties"]


def test_drift_names_what_is_new_or_gone(stored: Database, project: Path) -> None:
    file = project / "issue.json"
    file.write_text(run("types", "github", "--schema", "issues").stdout)
    arguments = ("types", "github", "--schema", "issues", "--drift", "issue.json")
    same = run(*arguments)
    assert (same.exit_code, same.stdout) == (0, "") and "Nothing is new or gone" in same.stderr
    add(stored, {"action": 1, "n": 2, "label": "bug"}, 9)
    changes = lines(run(*arguments, "--json"))
    assert [(one["path"], one["change"]) for one in changes] == [
        ("body.action", "type"),
        ("body.label", "new"),
    ]
    assert "body.label" in run(*arguments).stdout


WRONG = [
    (("githb",), 2, "did you mean `github`?"),
    (("--schema", "issues"), 2, "needs the name of a source"),
    (("github", "--drift", "routes.yaml"), 2, "--drift needs --schema"),
    (("github", "--schema", "issue"), 1, "did you mean `issues`?"),
    (("github", "--schema", "issues", "--drift", "none.json"), 2, "none.json"),
    (("github", "--schema", "issues", "--drift", "routes.yaml"), 2, "it is not JSON"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG)
def test_wrong_usage_says_what_is_wrong(
    stored: Database, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run("types", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_without_events_there_is_a_note(project: Path) -> None:
    for arguments, what in (
        ((), "events"),
        (("shop",), "events of shop"),
        (("github", "ping"), "events of github ping"),
    ):
        result = run("types", *arguments)
        note = f"No {what} yet.\nStart `flowbridge serve`, then send one: flowbridge sample "
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"{note}{arguments[0] if arguments else 'github'} --to\n"
    assert run("types", "github", "--schema", "issues").exit_code == 1


def test_a_schema_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(CompileError):
        compile_schema([1])


def test_one_type_is_listed(stored: Database) -> None:
    (row,) = lines(run("types", "github", "issues", "--json"))
    assert (row["source"], row["type"], row["count"]) == ("github", "issues", 2)
    none = run("types", "github", "ping")
    assert (none.exit_code, none.stdout) == (0, "")
    assert "No events of github ping yet." in none.stderr
    both = run("types", "github", "issues", "--schema", "issues")
    assert both.exit_code == 2 and "cannot be combined" in both.stderr
