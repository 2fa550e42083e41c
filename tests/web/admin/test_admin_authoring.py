"""Event types, schemas and shadow routes over the admin API: answers, scopes and wrong requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from admin_client import AdminClient
from endpoint_groups import AUTHORING
from records import NOW, make_event
from shadow_records import NEW, OLD, add_comparable, write_routes

from bridge.api.problems import TYPE_PREFIX
from bridge.core.model import Event
from bridge.core.scopes import Scope
from bridge.routing.schemas.inference import MAX_SHAPE_DEPTH
from bridge.services.events import event_types
from bridge.store.db.database import Database
from bridge.store.inbound import events

READ = (Scope.READ,)
READER = (Scope.READ, Scope.BODIES)
SECRET = "s3cret_n4me"
DRIFT = {"source": "github", "type": "issues", "schema": {"type": "object", "properties": {}}}
QUERIES = {"/types/schema": {"source": "github", "type": "issues"}}
SHADOW = "/routes/triage-new/shadow"
#: Path, query, status, parameter, and a part of the text.
WRONG_REQUESTS: tuple[tuple[str, dict[str, str], int, str | None, str], ...] = (
    ("/types", {"source": "githup"}, 400, "source", "did you mean `github`?"),
    ("/types", {"sorce": "github"}, 400, "sorce", "did you mean source"),
    ("/types", {"source": ""}, 400, "source", "allowed are 1 to 200"),
    ("/types/schema", {"source": "github"}, 400, "type", "it is missing"),
    ("/types/schema", {"type": "issues"}, 400, "source", "it is missing"),
    ("/types/schema", {"source": "x\0", "type": "issues"}, 400, "source", "null character"),
    ("/types/schema", {"source": "githup", "type": "issues"}, 400, "source", "`github`?"),
    ("/types/schema", {"source": "github", "type": "issue"}, 404, None, "`issues`? seen:"),
    ("/types/schema", {"source": "crm", "type": "x"}, 404, None, "seen: none yet"),
    (SHADOW, {"live": "triagge"}, 400, "live", "did you mean `triage`?"),
    (SHADOW, {"live": "triage-new"}, 400, "live", "the same route: triage-new"),
    (SHADOW, {"since": "soon"}, 400, "since", "soon"),
    (SHADOW, {"before": "x"}, 400, "before", "not a cursor"),
    (SHADOW, {"limit": "501"}, 400, "limit", "1 to 500"),
    ("/routes/triage-nwe/shadow", {}, 404, None, "did you mean `triage-new`?"),
    ("/routes/a%2Fb/shadow", {}, 404, None, "no such path"),
)
#: Body, status and type of the problem.
WRONG_DRIFTS: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({}, 400, "invalid_body"),
    ({**DRIFT, "schema": []}, 400, "invalid_body"),
    ({**DRIFT, "source": "githup"}, 400, "invalid_body"),
    ({**DRIFT, "type": "issue"}, 404, "not_found"),
    ({**DRIFT, "more": 1}, 400, "invalid_body"),
)

pytestmark = pytest.mark.timings(shadow_page_seconds=60.0)


@pytest.fixture
def made(database: Database, tmp_path: Path) -> dict[str, Event]:
    """An event of each result of the comparison, by its result."""
    return add_comparable(database, tmp_path)


@pytest.fixture
def admin(database: Database, tmp_path: Path, made: dict[str, Event]) -> AdminClient:
    config = write_routes(tmp_path, OLD + NEW)
    return AdminClient(database, tmp_path, config)


def add(admin: AdminClient, body: bytes, at: float = NOW, **changes: Any) -> Event:
    event = make_event(None, now=at, body=body, **changes)
    events.add(admin.database, event, [], lambda *_: [])
    return event


def word_of(answer: Any) -> str:
    return str(answer.get_json()["type"]).removeprefix(TYPE_PREFIX)


def test_each_endpoint_wants_its_scope(admin: AdminClient) -> None:
    add(admin, b'{"%s": "%s", "old": true}' % (SECRET.encode(), SECRET.encode()))
    for scopes in (READ, READER, (Scope.READ, Scope.ACT), (Scope.ADMIN,)):
        for endpoint in AUTHORING:
            path = endpoint.path.replace("{name}", "triage-new")
            body = DRIFT if endpoint.method == "POST" else None
            answer = admin.send(endpoint.method, path, QUERIES.get(path), body, scopes=scopes)
            may = endpoint.scope in scopes or endpoint.scope is Scope.READ or Scope.ADMIN in scopes
            where = (path, scopes, answer.text)
            assert answer.status_code == (200 if may else 403), where
            if Scope.BODIES not in scopes and Scope.ADMIN not in scopes:
                assert SECRET not in answer.text, where


# -- types


def test_types_are_listed_with_counts(admin: AdminClient) -> None:
    add(admin, b"{}", NOW + 1e9, type="push")
    add(admin, b"{}", NOW + 1e9 + 1, source="crm", type=None)
    whole = admin.get("/types", scopes=READ).get_json()
    assert [(one["source"], one["type"], one["count"]) for one in whole["items"]] == [
        ("crm", None, 1),
        ("github", "push", 1),
        ("github", "issues", 7),
    ]
    assert (whole["complete"], whole["looked_until"]) == (True, None)
    assert [one["type"] for one in admin.items("/types", source="github")] == ["push", "issues"]


def test_a_schema_is_made_and_compared(admin: AdminClient) -> None:
    add(admin, b'{"a": [1, "x"], "b": null}', type="push")
    add(admin, b"{", type="push")
    query = {"source": "github", "type": "push"}
    answer = admin.get("/types/schema", query, scopes=READER)
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.get_json()
    assert (found["count"], found["left_out"], found["complete"]) == (1, {"unreadable": 1}, True)
    assert list(found["schema"]["properties"]) == ["a", "b"]
    same = admin.send("POST", "/types/drift", body={**query, "schema": found["schema"]})
    assert same.get_json()["items"] == []
    add(admin, b'{"a": true, "c": 1}', type="push")
    drift = admin.send("POST", "/types/drift", body={**query, "schema": found["schema"]}).get_json()
    assert [(one["path"], one["change"]) for one in drift["items"]] == [
        ("body.a", "type"),
        ("body.b", "optional"),
        ("body.c", "new"),
    ]
    assert drift["count"] == 2 and "schema" not in drift


def test_the_schema_of_a_deep_body_can_be_sent_back(admin: AdminClient) -> None:
    value: dict[str, Any] = {"of": [1, "x"]}
    for _ in range(MAX_SHAPE_DEPTH + 1):
        value = {"inner": value, "name": "x"}
    add(admin, orjson.dumps(value), type="push")
    query = {"source": "github", "type": "push"}
    schema = admin.get("/types/schema", query, scopes=READER).get_json()["schema"]
    answer = admin.send("POST", "/types/drift", body={**query, "schema": schema})
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["items"] == []


def test_a_wrong_request_is_a_problem_that_says_so(admin: AdminClient) -> None:
    for path, query, status, param, said in WRONG_REQUESTS:
        answer = admin.get(path, query)
        where = (path, query, answer.text)
        assert answer.status_code == status, where
        problem = answer.get_json()
        errors = problem["errors"]
        assert said in " ".join([problem["detail"], *(one["detail"] for one in errors)]), where
        assert param is None or param in [one["param"] for one in errors], where


def test_a_wrong_drift_is_a_problem(admin: AdminClient) -> None:
    for body, status, word in WRONG_DRIFTS:
        answer = admin.send("POST", "/types/drift", body=body)
        assert (answer.status_code, word_of(answer)) == (status, word), body


def test_a_strange_schema_is_compared(admin: AdminClient) -> None:
    nested: Any = {"properties": 3, "type": [None, 4], "required": "x"}
    for depth, status in ((5, 200), (200, 400)):
        for _ in range(depth):
            nested = {"type": "object", "properties": {"old": nested, "x": 1}, "items": [3]}
        answer = admin.send("POST", "/types/drift", body={**DRIFT, "schema": nested})
        assert answer.status_code == status, answer.text


def test_one_search_at_once(admin: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []
    whole = event_types.list_types

    def ask_meanwhile(*arguments: Any, **more: Any) -> Any:
        answer = admin.get("/types/schema", QUERIES["/types/schema"])
        held.append(f"{answer.status_code} {word_of(answer)} {answer.headers['Retry-After']}")
        return whole(*arguments, **more)

    monkeypatch.setattr(event_types, "list_types", ask_meanwhile)
    assert admin.get("/types").status_code == 200
    assert held == ["503 busy 1"]
    for type_, status in (("none", 404), ("issues", 200)):
        query = {"source": "github", "type": type_}
        assert admin.get("/types/schema", query).status_code == status


# -- a shadow route


def test_a_shadow_route_is_compared(admin: AdminClient, made: dict[str, Event]) -> None:
    answer = admin.get(SHADOW, scopes=READER)
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.get_json()
    assert (found["route"], found["live"], found["mode"]) == ("triage-new", "triage", "shadow")
    assert {one["result"]: one["event_id"] for one in found["items"]} == {
        name: event.id for name, event in made.items() if name != "same"
    }
    assert found["examples"] == {name: event.id for name, event in made.items()}
    assert found["summary"] == {**dict.fromkeys(made, 1), "skipped": 0}
    assert (found["paths"], found["next"], found["complete"]) == ({"inputs/n": 1}, None, True)
    differs = next(one for one in found["items"] if one["result"] == "differs")
    assert differs["diff"] == [{"op": "replace", "path": "/inputs/n", "before": 1, "after": 2}]
    assert admin.get(SHADOW, {"live": "triage"}, scopes=READER).get_json() == found


def test_without_bodies_it_has_counts_and_causes(
    admin: AdminClient, made: dict[str, Event]
) -> None:
    found = admin.get(SHADOW, scopes=READ).get_json()
    assert found["summary"]["differs"] == 1 and found["paths"] == {}
    assert {one["diff"] for one in found["items"]} == {None}
    dead = next(one for one in found["items"] if one["result"] == "dead")
    assert dead["event_id"] == made["dead"].id
    assert dead["reason"] and "body.m" not in dead["reason"]


def test_pages_continue_with_the_same_routes_and_filters_only(
    admin: AdminClient, made: dict[str, Event]
) -> None:
    query: dict[str, Any] = {"limit": 1, "since": "1h"}
    found: list[str] = []
    page = admin.get(SHADOW, query).get_json()
    cursor = page["next"]
    while True:
        found += [one["event_id"] for one in page["items"]]
        if page["next"] is None:
            break
        assert page["looked_until"] is not None and not page["complete"]
        page = admin.get(SHADOW, query | {"before": page["next"]}).get_json()
    assert found == [one.id for name, one in reversed(made.items()) if name != "same"]
    for path, other in (
        (SHADOW, {"since": "2h"}),
        (SHADOW, {"live": "triage"}),
        ("/routes/triage/shadow", {"live": "triage-new"}),
        ("/events", {}),
    ):
        answer = admin.get(path, {"before": cursor, "since": "1h", **other})
        assert word_of(answer) == "cursor_of_another_list", (path, other)


def test_there_may_be_nothing_to_compare(admin: AdminClient) -> None:
    for query in ({"since": "2999-01-01"}, {"until": "2001-01-01"}):
        found = admin.get(SHADOW, query).get_json()
        assert (found["items"], found["examples"], found["complete"]) == ([], {}, True)
    live = admin.get("/routes/triage/shadow", {"live": "triage-new"}).get_json()
    assert (live["mode"], {*live["examples"]}) == ("live", {"only_old"})


def test_a_route_without_one_to_replace_wants_it_named(database: Database, tmp_path: Path) -> None:
    admin = AdminClient(database, tmp_path, write_routes(tmp_path, NEW))
    answer = admin.get(SHADOW)
    assert answer.status_code == 400
    assert "name the route to compare 'triage-new' with" in answer.get_json()["detail"]
