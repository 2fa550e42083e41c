"""Requests to the admin API with a method and a body, by endpoints of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from admin_client import ADMIN_TOKEN, AdminClient
from werkzeug.test import Client, TestResponse

from bridge.api.bodies import MAX_ERRORS, RequestBody, body_schema
from bridge.api.context import Answer, ApiContext, ApiRequest, StatusAnswer
from bridge.api.endpoint import Endpoint
from bridge.api.problems import MEDIA_TYPE, TYPE_PREFIX
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.web.admin import limits
from bridge.web.admin.api import AdminApi
from bridge.web.admin.context import ReaderContext
from bridge.web.admin.openapi import describe_endpoints
from bridge.web.receiving.rate_limiter import RateLimiter

THING = RequestBody(
    "Thing",
    body_schema(
        "name",
        name={"type": "string", "minLength": 1, "maxLength": 5},
        count={"type": "integer", "minimum": 1, "maximum": 9},
        mode={"type": "string", "enum": ["slow", "quick"]},
        how=body_schema(rate={"type": "string"}),
        ids={"type": "array", "items": {"type": "string"}, "maxItems": 2},
    ),
)


def list_things(_context: ApiContext, _asked: ApiRequest) -> Answer:
    return {"items": []}


def make_thing(_context: ApiContext, asked: ApiRequest) -> Answer:
    if asked.body.get("mode") == "quick":
        return StatusAnswer({"actor": asked.actor}, 202, {"Location": "/things/1"})
    return {"actor": asked.actor, "body": asked.body}


def delete_thing(_context: ApiContext, _asked: ApiRequest) -> Answer:
    return {}


THINGS = (
    Endpoint(path="/things", summary="Things.", answer=list_things, schema="Api"),
    Endpoint(
        path="/things",
        summary="Make one.",
        answer=make_thing,
        schema="Api",
        method="POST",
        scope=Scope.ACT,
        body=THING,
        status=201,
        more_answers={202: "Api"},
    ),
    Endpoint(
        path="/things/{id}",
        summary="Delete one.",
        answer=delete_thing,
        schema=None,
        method="DELETE",
        status=204,
    ),
)


class Things:
    """Sends requests to an admin API that has the endpoints of this test."""

    def __init__(self, admin: AdminClient) -> None:
        self.admin = admin
        context = ReaderContext(
            settings=admin.settings,
            store=admin.database,
            config=lambda: None,  # type: ignore[arg-type, return-value]  # no endpoint reads it
            limiter=RateLimiter(),
            overview=lambda: None,  # type: ignore[arg-type, return-value]  # the same
        )
        api = AdminApi(context, THINGS)
        self.client = Client(lambda environ, start: api(_request(environ))(environ, start))

    def post(self, data: Any = b"", *, token: str = ADMIN_TOKEN, **headers: str) -> TestResponse:
        """POST a body to /things: bytes as they are, anything else as JSON."""
        given = {"data": data} if isinstance(data, bytes) else {"json": data}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(data, bytes):
            names = {"Content-Type": "application/json", **names}
        return self.client.post(
            "/admin/v1/things", headers={"Authorization": f"Bearer {token}", **names}, **given
        )


def _request(environ: Any) -> Any:
    from werkzeug.wrappers import Request

    return Request(environ)


@pytest.fixture
def things(database: Database, tmp_path: Path) -> Things:
    return Things(AdminClient(database, tmp_path))


def word_of(answer: TestResponse) -> str:
    assert answer.mimetype == MEDIA_TYPE, answer.text
    return str(answer.get_json()["type"]).removeprefix(TYPE_PREFIX)


def test_two_endpoints_share_a_path(things: Things) -> None:
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert things.client.get("/admin/v1/things", headers=bearer).get_json() == {"items": []}
    made = things.post({"name": "a", "count": 2})
    assert (made.status_code, made.get_json()["body"]) == (201, {"name": "a", "count": 2})
    assert made.headers["Cache-Control"] == "no-store"
    assert "ETag" not in made.headers


def test_an_answer_may_have_another_status_and_headers(things: Things) -> None:
    answer = things.post({"name": "a", "mode": "quick"})
    assert (answer.status_code, answer.headers["Location"]) == (202, "/things/1")


def test_an_answer_without_content_has_no_body(things: Things) -> None:
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    answer = things.client.delete("/admin/v1/things/1", headers=bearer)
    assert (answer.status_code, answer.data) == (204, b"")
    refused = things.client.delete("/admin/v1/things/1", headers=bearer, data=b"{}")
    assert word_of(refused) == "malformed_body"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/things", "GET, HEAD, POST"),
        ("GET", "/things/1", "DELETE"),
        ("HEAD", "/things/1", "DELETE"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_those_that_are_allowed(
    things: Things, method: str, path: str, allowed: str
) -> None:
    answer = things.client.open(
        f"/admin/v1{path}", method=method, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
    )
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("body", "pointer", "near", "detail"),
    [
        ({}, "/name", None, "it is missing"),
        ([], "", None, "it is of the type array, not object"),
        ({"name": "a", "cuont": 1}, "/cuont", "count", "did you mean count?"),
        ({"name": "a", "x": 1}, "/x", None, "there is no such key"),
        ({"name": "a", "a/~b": 1}, "/a~1~0b", None, "there is no such key"),
        ({"name": "a", "how": {"rat": 1}}, "/how/rat", "rate", "did you mean rate?"),
        ({"name": "a", "mode": "slwo"}, "/mode", "slow", "'slwo' is not one of slow, quick"),
        ({"name": "a", "mode": 1}, "/mode", None, "it is of the type number, not string"),
        ({"name": 1}, "/name", None, "it is of the type number, not string"),
        ({"name": ""}, "/name", None, "allowed are 1 or more"),
        ({"name": "abcdef"}, "/name", None, "allowed are at most 5"),
        ({"name": "a", "count": 0}, "/count", None, "it is less than 1"),
        ({"name": "a", "count": True}, "/count", None, "it is of the type boolean"),
        ({"name": "a", "ids": ["1", "2", "3"]}, "/ids", None, "allowed are at most 2"),
        ({"name": "a", "ids": [1]}, "/ids/0", None, "not string"),
        ({"name": "a\0"}, "/name", None, "null character"),
    ],
    ids=str,
)
def test_a_wrong_body_is_refused_with_the_place_of_each_error(
    things: Things, body: Any, pointer: str, near: str | None, detail: str
) -> None:
    answer = things.post(body)
    assert (answer.status_code, word_of(answer)) == (400, "invalid_body")
    error = answer.get_json()["errors"][0]
    assert (error["param"], error["pointer"], error["near"]) == (None, pointer, near)
    assert detail in error["detail"]
    things.admin.validate("/events", answer)


def test_all_errors_of_a_body_are_named_at_once(things: Things) -> None:
    answer = things.post({"mode": "x", "y": 1, "count": "1"})
    found = [one["pointer"] for one in answer.get_json()["errors"]]
    assert sorted(found) == ["/count", "/mode", "/name", "/y"]


def test_an_answer_has_a_limited_number_of_errors(things: Things) -> None:
    unknown = dict.fromkeys(map(str, range(2 * MAX_ERRORS)), 1)
    answer = things.post({"name": "a", "how": unknown, **unknown})
    assert len(answer.get_json()["errors"]) == MAX_ERRORS


def test_a_body_that_no_request_takes_is_refused(sqlite: Database, tmp_path: Path) -> None:
    answer = AdminClient(sqlite, tmp_path).send("POST", "/hold/release", body={})
    assert (word_of(answer), answer.get_json()["detail"]) == (
        "malformed_body",
        "send no body: this request takes none",
    )


def test_each_missing_key_is_named_once(sqlite: Database, tmp_path: Path) -> None:
    answer = AdminClient(sqlite, tmp_path).send("POST", "/operations", body={})
    found = [one["pointer"] for one in answer.get_json()["errors"]]
    assert sorted(found) == ["/command"]


@pytest.mark.parametrize(
    ("raw", "status", "word"),
    [
        (b"", 400, "malformed_body"),
        (b"{", 400, "malformed_body"),
        (b'{"name": NaN}', 400, "malformed_body"),
        (b'{"name": "\xff"}', 400, "malformed_body"),
        (b'{"name": "\\ud800"}', 400, "malformed_body"),
        (b'{"name": ' + b"[" * 30 + b"]" * 30 + b"}", 400, "malformed_body"),
        (b"[" * 500_000, 400, "malformed_body"),
        (b"[" + b"0," * 100_000 + b"0]", 400, "malformed_body"),
        (b" " * (1024 * 1024 + 1), 413, "too_large"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_a_body_that_cannot_be_read_is_refused(
    things: Things, raw: bytes, status: int, word: str
) -> None:
    answer = things.post(raw)
    assert (answer.status_code, word_of(answer)) == (status, word)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": ""},
        {"Content_Encoding": "gzip"},
    ],
    ids=str,
)
def test_another_media_type_is_refused(things: Things, headers: dict[str, str]) -> None:
    answer = things.post(b'{"name": "a"}', **headers)
    assert (answer.status_code, word_of(answer)) == (415, "unsupported_media_type")


def test_the_media_type_may_have_a_charset(things: Things) -> None:
    answer = things.post(b'{"name": "a"}', Content_Type="application/json; charset=utf-8")
    assert answer.status_code == 201


def test_the_scope_is_checked_before_the_body_is_read(things: Things) -> None:
    answer = things.post(b"{", token=things.admin.token([Scope.READ]))
    assert (answer.status_code, word_of(answer)) == (403, "missing_scope")


def test_operations_are_counted_apart(things: Things, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPERATION_RATE", Rate(count=2, per=3600.0))
    statuses = [things.post({"name": "a"}).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert things.client.get("/admin/v1/things", headers=bearer).status_code == 200
    other = things.post({"name": "a"}, token=things.admin.token([Scope.ACT]))
    assert other.status_code == 201


@pytest.mark.parametrize(
    ("said", "actor"),
    [
        ("", "act-read"),
        ("  ", "act-read"),
        ("ada@laptop", "act-read (ada@laptop)"),
        ("a\tb\x7f", "act-read (a\ufffdb\ufffd)"),
        ("Zoë".encode().decode("latin-1"), "act-read (Zoë)"),
        ("x" * 500, f"act-read ({'x' * 100})"),
        ("\u202eadmin".encode().decode("latin-1"), "act-read (\ufffdadmin)"),
    ],
    ids=str,
)
def test_the_actor_is_the_token_with_the_name_that_the_client_gives(
    things: Things, said: str, actor: str
) -> None:
    token = things.admin.token([Scope.READ, Scope.ACT])
    answer = things.post({"name": "a"}, token=token, X_Flowbridge_Actor=said)
    assert answer.get_json()["actor"] == actor


def test_the_document_describes_methods_and_bodies(things: Things) -> None:
    paths = describe_endpoints(THINGS)["paths"]
    assert set(paths["/things"]) == {"get", "post"}
    described = paths["/things"]["post"]
    content = described["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Thing"}
    assert {"201", "202", "409", "413", "415"} <= set(described["responses"])
    assert "content" not in paths["/things/{id}"]["delete"]["responses"]["204"]
    assert "requestBody" not in paths["/things"]["get"]
