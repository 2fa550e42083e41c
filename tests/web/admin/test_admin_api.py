"""The admin API: tokens, scopes, lists, lookups and errors, each answer validated by its document."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from admin_client import ADMIN_TOKEN, AdminClient
from endpoint_groups import RECORDS
from records import NOW, make_delivery, make_event
from signed_rejects import make_reject
from tables import check_each

from bridge.api.problems import MEDIA_TYPE, TYPE_PREFIX
from bridge.core.model import JSON, DeadKind, FormFile, Reject, Status
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.operations import log, tokens
from bridge.store.operations.actions import MOVES, MoveHandler
from bridge.system.cpu_affinity import READING_SWITCH_SECONDS
from bridge.web.admin import limits
from bridge.web.admin.endpoints import ENDPOINTS, Endpoint
from bridge.web.admin.entry import admin_app
from bridge.web.admin.streams import NDJSON
from bridge.web.late_app import LateUse

READ = (Scope.READ,)
READER = (Scope.READ, Scope.BODIES)
SECRET = "s3cret-c0ntent"
TOKEN_COMMAND = "flowbridge token add new-"  # of a refusal
SHA256 = hashlib.sha256(SECRET.encode()).hexdigest()
OPERATION = "act_01kav9f000000000000000000a"
REJECT = "rej_01kav9f000000000000000000a"


@pytest.fixture
def admin(database: Database, tmp_path: Path) -> AdminClient:
    return AdminClient(database, tmp_path)


@pytest.fixture
def one(admin: AdminClient) -> Any:
    """An event with contents in every place that has some, and two deliveries."""
    BlobStore.of(admin.settings).store(SECRET.encode())
    event = make_event(
        "gh-1",
        body=b'{"action": "opened", "note": "%s"}' % SECRET.encode(),
        headers={"content-type": "application/json", "x-note": SECRET},
        query_string=f"a={SECRET}",
        problem=f"the body is not valid: '{SECRET}'",
        spam=f"blocked word: {SECRET}",
        client=SECRET,
        files=(
            FormFile(
                field=SECRET, name=f"{SECRET}.pdf", type="application/pdf", size=7, sha256=SHA256
            ),
        ),
    )
    dead = make_delivery(
        event,
        status=Status.DEAD,
        dead_kind=DeadKind.OURS,
        reason=f"payload_schema /title: '{SECRET}' is too long",
        inputs={"note": SECRET},
    )
    events.add(
        admin.database, event, (dead, make_delivery(event, "other", inputs=[SECRET])), lambda *_: []
    )
    operation = log.begin(
        admin.database,
        OPERATION,
        command="retry",
        actor="someone",
        request={"filters": {"body": SECRET, "route": "triage"}, "to": "queued"},
        ids=[dead.id, "dlv_gone"],
        now=NOW,
    )
    handler = MoveHandler(move=MOVES["retry"], to=Status.QUEUED)
    log.advance(admin.database, operation, handler, NOW)
    add_reject(admin)
    return event


def add_reject(admin: AdminClient) -> Reject:
    """Store a reject with contents in every place that has some."""
    reject = make_reject(
        id=REJECT,
        source="a",
        received_at=NOW,
        path=f"/hooks/a/{SECRET}",
        headers={"x-note": SECRET},
        query_string=f"a={SECRET}",
        url=f"http://localhost/hooks/a?{SECRET}",
        body=SECRET.encode(),
        size=1,
        client=SECRET,
    )
    rejects.add(admin.database, reject)
    return reject


def problem_of(answer: Any) -> str:
    assert answer.mimetype == MEDIA_TYPE, answer.text
    problem = answer.get_json()
    assert problem["status"] == answer.status_code
    assert problem["instance"] == answer.headers["X-Request-Id"]
    return str(problem["type"]).removeprefix(TYPE_PREFIX)


def path_of(path: str, event: Any) -> str:
    if path.startswith("/rejects/"):
        return path.replace("{id}", REJECT)
    if path.startswith("/operations/"):
        return path.replace("{id}", OPERATION)
    if path.startswith("/deliveries/"):
        return path.replace("{id}", make_delivery(event).id)
    return path.replace("{id}", event.id).replace("{sha256}", SHA256)


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


READS = [each for each in RECORDS if each.method == "GET"]
#: Bodies for the endpoints that take one, by method and path.
BODIES: dict[str, Any] = {
    "POST /operations": {"command": "retry", "mode": "dry_run", "filters": {"status": "dead"}},
}
QUERIES = {"/find": {"q": "gh-1"}, "/trends": {"name": "events", "since": "1h"}}


# -- tokens and scopes


@pytest.mark.parametrize("scopes", [READ, READER, (Scope.READ, Scope.ACT), (Scope.ADMIN,)], ids=str)
def test_each_endpoint_wants_its_scope(
    admin: AdminClient, one: Any, scopes: tuple[Scope, ...]
) -> None:
    def check(endpoint: Endpoint) -> None:
        path = path_of(endpoint.path, one)
        body = BODIES.get(name_of(endpoint))
        query = QUERIES.get(endpoint.path)
        answer = admin.send(endpoint.method, path, query, body, scopes=scopes)
        may = endpoint.scope in scopes or endpoint.scope is Scope.READ or Scope.ADMIN in scopes
        if may:
            # The operation of these tests has ended, and belongs to a command.
            ended = {409} if endpoint.path.startswith("/operations/{id}/") else set[int]()
            if endpoint.path == "/rejects/{id}/explain":  # its source is gone
                ended |= {400}
            expected = {endpoint.status, *endpoint.more_answers} | ended
            assert answer.status_code in expected, answer.text
        else:
            assert answer.status_code == 403, answer.text
            assert problem_of(answer) == "missing_scope"
            assert TOKEN_COMMAND in answer.get_json()["detail"]

    check_each(RECORDS, check, name_of)


def test_without_the_scope_bodies_no_answer_has_contents(admin: AdminClient, one: Any) -> None:
    def check(endpoint: Endpoint) -> None:
        path = path_of(endpoint.path, one)
        query = QUERIES.get(endpoint.path)
        hidden = admin.get(path, query, scopes=READ)
        assert SECRET not in hidden.text
        whole = admin.get(path, query, scopes=READER)
        if hidden.status_code == 200:
            assert hidden.get_json().keys() == whole.get_json().keys()
        if endpoint.path.endswith("/explain"):  # no route quotes the event
            return
        if endpoint.path.startswith(("/events", "/deliveries", "/operations", "/rejects/")):
            assert SECRET in whole.text
            assert whole.headers["Cache-Control"] == "no-store"

    check_each(READS, check, name_of)


@pytest.mark.parametrize("name", ["reason", "body", "where"])
@pytest.mark.parametrize("path", ["/events", "/deliveries"])
def test_contents_are_no_filter_without_the_scope(admin: AdminClient, path: str, name: str) -> None:
    value = "body.action=opened" if name == "where" else "opened"
    answer = admin.get(path, {name: value}, scopes=READ)
    assert problem_of(answer) == "missing_scope"
    assert TOKEN_COMMAND in answer.get_json()["detail"]
    assert admin.get(path, {name: value}, scopes=READER).status_code == 200


def test_a_search_without_the_scope_reads_no_body(admin: AdminClient, one: Any) -> None:
    assert admin.get("/find", {"q": SECRET}, scopes=READ).get_json()["items"] == []
    found = admin.get("/find", {"q": SECRET}, scopes=READER).get_json()["items"]
    assert [(each["id"], each["found_by"]) for each in found] == [(one.id, "body")]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer fbt_" + "a" * 43,
        f"Basic {ADMIN_TOKEN}",
        f"Bearer {ADMIN_TOKEN}x",
        f"Bearer {ADMIN_TOKEN[:-1]}",
        "Bearer " + "x" * 5000,
        "Bearer \udcff",
    ],
)
def test_a_request_without_a_valid_token_is_refused(
    admin: AdminClient, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = admin.client.get("/admin/v1/status", headers=headers)
    assert problem_of(answer) == "unauthorized"
    said = answer.get_json()["detail"]
    assert said.startswith("the token is unknown" if authorization else "pass a token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert ADMIN_TOKEN[:-1] not in answer.text


def test_the_token_of_the_settings_may_do_everything(admin: AdminClient) -> None:
    answer = admin.client.get("/admin/v1/", headers={"Authorization": f"bearer {ADMIN_TOKEN}"})
    assert answer.get_json()["scopes"] == [one.value for one in Scope]
    assert answer.get_json()["token"] == "FLOWBRIDGE_ADMIN_TOKEN"


def test_a_cookie_or_a_query_is_no_token(admin: AdminClient) -> None:
    secret = admin.token(READ)
    admin.client.set_cookie("token", secret)
    assert admin.client.get(f"/admin/v1/?token={secret}").status_code == 401
    assert admin.client.get("/admin/v1/", headers={"X-Api-Key": secret}).status_code == 401


def test_a_token_ends_at_once(admin: AdminClient) -> None:
    assert admin.get("/", scopes=READ).status_code == 200
    (token,) = tokens.list_tokens(admin.database)
    assert token.used_at is not None
    tokens.remove(admin.database, token.id)
    assert admin.get("/", scopes=READ).status_code == 401


def test_wrong_tokens_of_an_address_are_limited(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REFUSED_RATE", Rate(count=3, per=3600.0))
    statuses = [admin.client.get("/admin/v1/").status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert admin.get("/").status_code == 200  # a valid token is another count


def test_the_requests_of_a_token_are_limited(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_RATE", Rate(count=2, per=3600.0))
    statuses = [admin.get("/", scopes=READ).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    last = admin.get("/", scopes=READ)
    assert problem_of(last) == "rate_limited"
    assert int(last.headers["Retry-After"]) > 0
    assert admin.get("/", scopes=READER).status_code == 200


def test_answers_tell_the_rate_and_the_rest(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_RATE", Rate(count=3, per=3600.0))
    for path, status, left in (
        ("/", 200, 2),
        ("/nothing", 404, 1),
        ("/events/evt_zz", 404, 0),
        ("/", 429, 0),
    ):
        answer = admin.get(path, scopes=READ)
        assert answer.status_code == status
        assert answer.headers["RateLimit-Policy"] == '"reads";q=3;w=3600'
        assert answer.headers["RateLimit"].startswith(f'"reads";r={left};t=')
    assert "RateLimit" not in admin.client.get("/admin/v1/").headers


def test_few_threads_are_for_readers(admin: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_REQUESTS", 0)
    answer = admin.client.get("/admin/v1/status")
    assert problem_of(answer) == "busy"
    assert answer.headers["Retry-After"] == "1"


# -- lists


def fill(admin: AdminClient, count: int) -> list[str]:
    made = []
    for number in range(count):
        event = make_event(str(number), now=NOW + number, source="ab"[number % 2])
        events.add(admin.database, event, (make_delivery(event),), lambda *_: [])
        made.append(event.id)
    return made[::-1]


@pytest.mark.parametrize("path", ["/events", "/deliveries"])
def test_pages_go_back_to_the_oldest(admin: AdminClient, path: str) -> None:
    ids = fill(admin, 7)
    key = "id" if path == "/events" else "event_id"
    found: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    for size in (3, 3, 1):
        page = admin.get(path, query).get_json()
        found += [one[key] for one in page["items"]]
        assert len(page["items"]) == size
        assert page["complete"] is (page["next"] is None)
        assert (page["looked_until"] is None) is page["complete"]
        fill(admin, 1)  # newer ones change nothing
        query["before"] = page["next"]
    assert page["complete"]
    assert found == ids


def test_a_cursor_belongs_to_its_list_and_filters(admin: AdminClient) -> None:
    fill(admin, 7)
    cursor = admin.get("/events", {"limit": 2, "source": "a"}).get_json()["next"]
    assert admin.get("/events", {"limit": 5, "source": "a", "before": cursor}).status_code == 200
    for path, query in (
        ("/events", {"source": "b"}),
        ("/events", {}),
        ("/deliveries", {"source": "a"}),
    ):
        answer = admin.get(path, {**query, "before": cursor})
        assert problem_of(answer) == "cursor_of_another_list"
    for wrong in (
        "x",
        "é",
        cursor + "A",
        cursor[:-2],
        "A" * 101,
        "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4",
    ):
        assert admin.get("/events", {"source": "a", "before": wrong}).status_code == 400


def test_the_filters_are_those_of_the_commands(admin: AdminClient, one: Any) -> None:
    fill(admin, 4)
    assert len(admin.items("/events")) == 5
    assert [each["id"] for each in admin.items("/events", source="github")] == [one.id]
    assert [each["id"] for each in admin.items("/events", status="dead")] == [one.id]
    assert [each["id"] for each in admin.items("/events", spam="true")] == [one.id]
    assert len(admin.items("/events", spam="false")) == 4
    assert [each["id"] for each in admin.items("/events", where="body.action=opened")] == [one.id]
    two = ["body.action=opened", "body.note=other"]
    assert admin.items("/events", where=two) == []
    assert [each["id"] for each in admin.items("/events", body=SECRET)] == [one.id]
    assert [each["route"] for each in admin.items("/deliveries", dead_kind="config")] == ["triage"]
    assert len(admin.items("/events", since="2025-11-24", until="2025-11-25")) == 5
    assert [each["count"] for each in admin.items("/causes")] == [1]
    assert admin.items("/causes", route="other") == []


@pytest.mark.parametrize("path", ["/events", "/deliveries", "/causes", "/rejects"])
@pytest.mark.parametrize("headers", [{}, {"Accept": NDJSON}], ids=["page", "stream"])
def test_an_unknown_name_is_refused_with_the_nearest(
    admin: AdminClient, one: Any, path: str, headers: dict[str, str]
) -> None:
    names = ("source",) if path == "/rejects" else ("source", "route")
    for name in names if path != "/causes" or not headers else ():
        answer = admin.get(path, {name: "flowbridgee"}, headers=headers)
        assert problem_of(answer) == "invalid_parameter"
        (error,) = answer.get_json()["errors"]
        assert (error["param"], error["detail"]) == (name, answer.get_json()["detail"])
        near = "flowbridge" if name == "source" else None
        assert (error["near"], error["allowed"]) == (near, [near] if near else [])


@pytest.mark.parametrize(
    ("query", "parameter", "near", "detail"),
    [
        ({"sorce": "a"}, "sorce", "source", "did you mean source?"),
        ({"nothing_like_it": "a"}, "nothing_like_it", None, "there is no such parameter"),
        ({"status": "dad"}, "status", "dead", "is not one of"),
        ({"limit": "0"}, "limit", None, "from 1 to 500"),
        ({"limit": "501"}, "limit", None, "from 1 to 500"),
        ({"limit": "١"}, "limit", None, "from 1 to 500"),
        ({"limit": ["1", "2"]}, "limit", None, "once"),
        ({"since": "yesterday"}, "since", None, "is not a valid time"),
        ({"dead_kind": "x"}, "dead_kind", None, "is not one of"),
        ({"where": "bodi.a=1"}, "where", None, "did you mean `body`?"),
        ({"where": ["body.a=1"] * 11}, "where", None, "10 times"),
        ({"body": ""}, "body", None, "1 to 1000"),
        ({"source": "a\0"}, "source", None, "null character"),
        ({"spam": "yes"}, "spam", None, "is not one of true, false"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused(
    admin: AdminClient, query: dict[str, Any], parameter: str, near: str | None, detail: str
) -> None:
    answer = admin.get("/events", query)
    assert problem_of(answer) == "invalid_parameter"
    (error,) = answer.get_json()["errors"]
    assert (error["param"], error["near"]) == (parameter, near)
    assert detail in error["detail"]


def test_all_wrong_parameters_are_named_at_once(admin: AdminClient) -> None:
    answer = admin.get("/events", {"limit": "x", "statsu": "dead", "spam": "maybe"})
    assert {one["param"] for one in answer.get_json()["errors"]} == {"limit", "statsu", "spam"}


def test_a_trend_has_a_point_for_each_step(admin: AdminClient) -> None:
    answer = admin.get("/trends", {"name": "events", "since": "2h", "step": "10m"}).get_json()
    assert answer["step"] == 600
    assert 11 <= len(answer["items"]) <= 13
    assert problem_of(admin.get("/trends", {"since": "1h"})) == "invalid_parameter"
    wrong = admin.get("/trends", {"name": "event", "since": "1h"})
    assert wrong.get_json()["errors"][0]["near"] == "events"
    for step in ("90s", "x"):
        query = {"name": "events", "since": "1h", "step": step}
        assert problem_of(admin.get("/trends", query)) == "invalid_parameter"


def test_a_trend_without_numbers_refuses_an_unknown_name(admin: AdminClient) -> None:
    answer = admin.get("/trends", {"name": "events", "since": "1h", "source": "nothing"})
    assert (problem_of(answer), answer.get_json()["errors"][0]["param"]) == (
        "invalid_parameter",
        "source",
    )
    query = {"name": "events", "since": "1h", "source": "flowbridge"}
    assert admin.get("/trends", query).status_code == 200


def test_a_reject_is_diagnosed(admin: AdminClient) -> None:
    reject = add_reject(admin)
    (found,) = admin.items("/rejects")
    assert found["diagnosis"], found
    assert admin.items("/rejects", source="flowbridge") == []
    whole = admin.get(f"/rejects/{reject.id[:-1]}").get_json()
    assert whole["body"] == SECRET
    assert problem_of(admin.get("/rejects", {"limit": "21"})) == "invalid_parameter"
    assert problem_of(admin.get("/rejects/rej_zz")) == "not_found"


def test_the_items_of_an_operation_are_listed_by_their_outcome(
    admin: AdminClient, one: Any
) -> None:
    (operation,) = admin.items("/operations")
    assert (operation["id"], operation["count"], operation["refused"]) == (OPERATION, 2, 2)
    assert admin.get(f"/operations/{OPERATION[:-2]}").get_json() == operation
    path = f"/operations/{OPERATION}/items"
    first = admin.get(path, {"limit": 1}).get_json()
    assert [item["number"] for item in first["items"]] == [1]
    second = admin.get(path, {"limit": 1, "before": first["next"]}).get_json()
    assert ([item["number"] for item in second["items"]], second["next"]) == ([2], None)
    assert len(admin.items(path, outcome="refused")) == 2
    assert admin.items(path, outcome="open") == []
    assert admin.items("/operations", unfinished="true") == []
    assert problem_of(admin.get("/operations/act_zz/items")) == "not_found"


# -- lookups


def test_a_record_is_found_by_its_id_or_a_part_of_it(admin: AdminClient, one: Any) -> None:
    for text in (one.id, one.id[:-3], one.id[-8:]):
        assert admin.get(f"/events/{text}").get_json()["id"] == one.id
    whole = admin.get(f"/events/{one.id}").get_json()
    assert whole["body"] == one.body.decode()
    delivery = whole["deliveries"][0]
    assert admin.get(f"/deliveries/{delivery['id']}").get_json() == delivery
    assert admin.get(f"/events/{one.id}/body").data == one.body


def test_an_unknown_or_ambiguous_id_is_said_to_be_so(admin: AdminClient) -> None:
    ids = fill(admin, 3)
    assert problem_of(admin.get("/events/evt_zz")) == "not_found"
    assert problem_of(admin.get(f"/events/{ids[0][:8]}")) == "ambiguous_id"
    assert problem_of(admin.get(f"/deliveries/{ids[0]}")) == "not_found"
    assert problem_of(admin.get("/nothing")) == "not_found"
    assert problem_of(admin.get("/events/a/b/c")) == "not_found"


def test_find_looks_for_ids_first_then_in_bodies(admin: AdminClient, one: Any) -> None:
    ids = fill(admin, 2)

    def found(text: str) -> Iterator[tuple[str, str, str]]:
        for each in admin.items("/find", q=text):
            yield each["kind"], each["id"], each["found_by"]

    delivery = make_delivery(one)
    assert list(found(one.id)) == [("event", one.id, "id")]
    assert list(found(delivery.id[:-3])) == [("delivery", delivery.id, "id")]
    assert list(found(REJECT)) == [("reject", REJECT, "id")]
    assert {each for _, each, _ in found(ids[0][:8])} == {one.id, *ids}
    assert list(found(SECRET)) == [("event", one.id, "body")]
    assert list(found("nothing of it")) == []


def test_find_knows_the_ids_of_senders(database: Database, tmp_path: Path, one_source: Any) -> None:
    admin = AdminClient(database, tmp_path, one_source)
    event = make_event("gh-1")
    events.add(database, event, (), lambda *_: [])
    (found,) = admin.items("/find", q=" gh-1\t")  # as it is pasted
    assert (found["id"], found["found_by"]) == (event.id, "provider_id")


@pytest.fixture
def one_source(tmp_path: Path) -> Any:
    from bridge.config.loader import load

    path = tmp_path / "one.yaml"
    path.write_text("version: 1\nsources:\n  github: {provider: github, secret: 's'}\n")
    return load(path, {}, strict_secrets=False)


def test_search_needs_a_text(admin: AdminClient) -> None:
    assert problem_of(admin.get("/find")) == "invalid_parameter"
    assert problem_of(admin.get("/find", {"q": ""})) == "invalid_parameter"


# -- HTTP


def test_an_unchanged_answer_is_not_sent_again(admin: AdminClient, one: Any) -> None:
    first = admin.get("/deliveries", scopes=READ)
    again = admin.get("/deliveries", scopes=READ, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    fill(admin, 1)
    after = admin.get("/deliveries", scopes=READ, headers={"If-None-Match": first.headers["ETag"]})
    assert after.status_code == 200


def test_the_server_alone_dates_an_answer(admin: AdminClient) -> None:
    first = admin.get("/deliveries", scopes=READ)
    again = admin.get("/deliveries", scopes=READ, headers={"If-None-Match": first.headers["ETag"]})
    assert ["Date" in one.headers for one in (first, again)] == [False, False]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_refused(admin: AdminClient, method: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    answer = admin.client.open("/admin/v1/events", method=method, headers=headers)
    assert problem_of(answer) == "method_not_allowed"
    assert answer.headers["Allow"] == "GET, HEAD"
    assert not any(name.startswith("Access-Control") for name, _ in answer.headers)


def test_a_body_is_a_download_that_runs_nothing(admin: AdminClient, one: Any) -> None:
    answer = admin.get(f"/events/{one.id}/body")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{one.id}.bin"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_only_a_file_of_the_event_is_answered(admin: AdminClient, one: Any) -> None:
    answer = admin.get(f"/events/{one.id}/files/{SHA256}")
    assert answer.data == SECRET.encode()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{SHA256}.bin"'
    other = BlobStore.of(admin.settings).store(b"of another event")
    for sha256 in (other, "0" * 64, "x"):
        assert problem_of(admin.get(f"/events/{one.id}/files/{sha256}")) == "not_found"
    BlobStore.of(admin.settings).path(SHA256).unlink()
    assert problem_of(admin.get(f"/events/{one.id}/files/{SHA256}")) == "not_found"


def test_the_document_needs_no_token(admin: AdminClient) -> None:
    answer = admin.client.get("/admin/v1/openapi.json")
    assert answer.get_json() == admin.document
    described = {
        f"{method.upper()} {path}"
        for path, methods in answer.get_json()["paths"].items()
        for method in methods
    }
    assert described == {name_of(one) for one in ENDPOINTS}


def test_an_error_of_the_store_is_said_without_details(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.token(READ)
    admin.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE attempt"))
    admin.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE event"))
    answer = admin.get("/events", scopes=READ)
    assert problem_of(answer) == "store_unavailable"
    assert "event" not in answer.get_json()["detail"]


@pytest.mark.usefixtures("new_processes")
def test_the_modules_are_imported_at_the_first_request() -> None:
    code = (
        "import sys, bridge.web.app; "
        "print(sorted(name.removeprefix('bridge.web.') for name in sys.modules"
        " if name.startswith(('bridge.api.', 'bridge.web.admin.', 'bridge.web.console.'))))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        shown.stdout.strip()
        == "['admin.context', 'admin.entry', 'admin.limits', 'bridge.api.context', 'console.entry']"
    )


def test_first_requests_at_once_share_one_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would count requests by itself."""
    made = []

    class SlowApi:
        def __init__(self, _context: object) -> None:
            made.append(self)
            for _ in range(1000):
                os.sched_yield()

        def __call__(self, _request: object) -> Any:
            return lambda _environ, _start: [b""]

    monkeypatch.setattr("bridge.web.admin.api.AdminApi", SlowApi)
    context: Any = SimpleNamespace(late_use=LateUse())
    app = admin_app(context)
    together = Barrier(4)

    def ask(_number: int) -> None:
        together.wait(60)
        app({"REQUEST_METHOD": "GET"}, None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    assert len(made) == 1


@pytest.mark.parametrize("waits", [True, False])
def test_others_may_interrupt_an_answer_that_is_computed(waits: bool) -> None:
    def answer(*_: object) -> dict[str, JSON]:
        return {"interval": sys.getswitchinterval()}

    usual = sys.getswitchinterval()
    endpoint = Endpoint(path="/", summary="", answer=answer, schema=None, waits=waits)
    nothing: Any = None
    found = endpoint.answer_request(nothing, nothing)
    assert found == {"interval": usual if waits else pytest.approx(READING_SWITCH_SECONDS)}
    assert sys.getswitchinterval() == usual


def test_an_id_with_a_null_character_is_not_found(admin: AdminClient) -> None:
    bearer = {"Authorization": f"Bearer {admin.token(tuple(Scope))}"}
    for endpoint in (one for one in ENDPOINTS if "{" in one.path):
        path = re.sub(r"{\w+}", "a%00b", endpoint.path)
        answer = admin.client.open(f"/admin/v1{path}", method=endpoint.method, headers=bearer)
        assert (answer.status_code, problem_of(answer)) == (404, "not_found"), endpoint.path
