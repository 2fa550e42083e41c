"""Requests to the admin API that nobody foresaw: each gets a documented answer, none a 500."""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from admin_client import AdminClient, lift_rates
from conftest import new_postgres_database
from hypothesis import example, given, settings
from hypothesis import strategies as st
from records import NOW, make_delivery, make_event
from trials_here import evaluate_here

from bridge.core.model import DeadKind, Status
from bridge.core.scopes import Scope
from bridge.services.lists import PageRequest, digest_filters
from bridge.services.operations import execution
from bridge.services.trials import background
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.admin.endpoints import ENDPOINTS, Endpoint

FEW_EXAMPLES = 200
MAX_EXAMPLES = int(os.environ.get("ADMIN_FUZZ_EXAMPLES", FEW_EXAMPLES))
NAMES = sorted({one.name for endpoint in ENDPOINTS for one in endpoint.parameters})
VALUES = (
    "",
    "0",
    "-1",
    "1e9",
    "500",
    "dead",
    "none",
    "true",
    "null",
    "evt_",
    "dlv_",
    "1d",
    "99999999999d",
    "2026-11-28",
    "9999-12-31T23:59:59Z",
    "0001-01-01",
    "body.action=opened",
    "body.a.0.b!=null",
    "headers.x>1",
    "event.received_at>=1",
    "form=1",
    "%",
    "_",
    "\\",
    "*",
    "'",
    "a\0b",
    "/action",
    "/0/~1/-",
    "/~2",
    "…",
    "evt_…abcd",
    "\U0010ffff",
    "events",
    "MTIz",
)
texts = st.one_of(st.sampled_from(VALUES), st.text(max_size=40))
queries = st.lists(
    st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), texts), max_size=4
)
ids = st.one_of(st.sampled_from(VALUES), st.text(min_size=1, max_size=30))
KEYS = sorted(
    {
        key
        for endpoint in ENDPOINTS
        if endpoint.body is not None
        for part in (endpoint.body.schema, *endpoint.body.schema["properties"].values())
        for key in part.get("properties", {})
    }
    | {"x"}
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
bodies = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner, max_size=5),
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def admin(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[AdminClient]:
    folder = tmp_path_factory.mktemp("fuzzed")
    if request.param == "sqlite":
        copy = folder / "flowbridge.db"
        copy.write_bytes(migrated_file.read_bytes())
        database = Database(f"sqlite:///{copy}")
    else:
        server = request.getfixturevalue("postgres")
        template = request.getfixturevalue("migrated_postgres")
        database = Database(new_postgres_database(server, template))
    for number in range(20):
        event = make_event(str(number), now=NOW + number, body=b'{"action": "opened"}')
        dead = make_delivery(
            event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM, reason="HTTP 401: no"
        )
        events.add(database, event, (dead,), lambda *_: [])
    with pytest.MonkeyPatch.context() as patch:
        lift_rates(patch)
        # no trial is evaluated: each takes a process
        patch.setattr(background, "evaluate_request", lambda *_: None)
        evaluate_here(patch)
        yield AdminClient(database, folder)
    database.close()


def find_endpoint(method: str, path: str) -> Endpoint:
    return next(one for one in ENDPOINTS if (one.method, one.path) == (method, path))


@pytest.mark.usefixtures("slow")
@settings(max_examples=MAX_EXAMPLES)
@given(
    endpoint=st.sampled_from(ENDPOINTS),
    id_=ids,
    query=queries,
    body=bodies,
    may=st.sampled_from([(Scope.READ,), tuple(Scope)]),
)
@example(find_endpoint("GET", "/events/{id}"), "%", [], None, (Scope.READ,))
@example(find_endpoint("GET", "/events"), "", [("where", "body.a=[1,{}]")], None, tuple(Scope))
@example(
    find_endpoint("GET", "/events"), "", [("where", "body.a=" + "[" * 900)], None, tuple(Scope)
)
@example(find_endpoint("GET", "/events"), "", [("where", "body.a=1e999")], None, tuple(Scope))
@example(find_endpoint("GET", "/find"), "", [("q", "\ud800")], None, tuple(Scope))
def test_no_request_is_answered_with_500(
    admin: AdminClient,
    endpoint: Endpoint,
    id_: str,
    query: list[tuple[str, str]],
    body: Any,
    may: tuple[Scope, ...],
) -> None:
    there = endpoint.path.replace("{id}", quote(id_, safe="", errors="surrogatepass"))
    asked = "&".join(
        f"{quote(name, safe='', errors='surrogatepass')}={quote(value, safe='', errors='surrogatepass')}"
        for name, value in query
    )
    answer = admin.client.open(
        f"/admin/v1{there}?{asked}",
        method=endpoint.method,
        headers={"Authorization": f"Bearer {admin.token(may)}"},
        data=None if endpoint.body is None else json.dumps(body),
        content_type=None if endpoint.body is None else "application/json",
    )
    is_busy = endpoint.path == "/trials" and answer.status_code == 503
    assert answer.status_code < 500 or is_busy, answer.text
    if "{id}" not in endpoint.path or (id_ and "/" not in id_):
        admin.validate(endpoint.path.replace("{id}", "x"), answer, endpoint.method)


# -- values for which databases differ


OPERATION = "act_01kav9f000000000000000000a"
#: Each is sent as parameters and as parts of paths.
VALUES_OF_DATABASES = (
    "a\0b",
    "\0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1" * 400,
    "1e999",
    "NaN",
    "body.a=1e999",
    "body.a>NaN",
    "body.a>=" + "1" * 900,
    'body.a="\\ud800"',
    "body.a=a\0b",
    "\\",
    "%\\",
    "*\\*_%",
    "\U0010ffff",
    "\ufffe\uffff",
    "0x7fffffff",
    "infinity",
    "evt_\U0010ffff",
    "evt_" + "z" * 150,
    "act_\x7f…\\\\\\\\",
)
#: Bytes of a path or a query that are not UTF-8, percent-encoded or not.
SPOILED_QUERIES = (
    "%ff",
    "%ed%a0%80",
    "%c0%80",
    "%f4%90%80%80",
    "\xff",
    "\xed\xa0\x80",
    "%",
    "%%0",
    "%u0000",
)
SPOILED_BODIES = (
    b"",
    b"\xff",
    b'"\\ud800"',
    b'{"text": "\\ud800"}',
    b'{"text": "\xed\xa0\x80"}',
    b'{"text": "\\u0000"}',
    b'{"reason": "\\u0000"}',
    b'{"reason": NaN}',
    b'{"expect": 1e999}',
    b'{"expect": 9223372036854775808}',
    b'{"seconds": 1e308}',
    b'{"seconds": ' + b"9" * 400 + b"}",
    b'{"name": "a\\u0000", "scopes": ["read"]}',
    b'{"name": "\xf4\x8f\xbf\xbf", "scopes": ["read"], "expires": "999999999d"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"[" + b"0," * 500_000 + b"0]",
    b'{"command": "retry", "mode": "dry_run", "ids": ["\\u0000", "evt_\xf4\x8f\xbf\xbf", "\\\\"]}',
    b'{"command": "replay", "mode": "do", "ids": ["' + b"9" * 200 + b'"]}',
    b'{"command": "retry", "mode": "dry_run", "filters": {"where": ["body.a=\\u0000"]}}',
    b'{"command": "retry", "mode": "dry_run", "filters": {"type": "*\\\\", "since": "0001-01-01"}}',
    b'{"command": "resolve", "mode": "propose", "ids": ["dlv_"], "how": {"run_id": "\\\\\\u0000"}}',
)


FORGED_TAILS: tuple[Any, ...] = (
    [2**62 - 1, 2**62 - 1, [[2**62 - 1, 2**62 - 1]] * 200, [2**62 - 1] * 50],
    [0, 0, [[2**62 - 1, 0]] * 200, [2**62 - 1] * 50],
    [2**62, 0, [], []],
    [-1, 0, [], []],
    [0, 0, {"ab": 1}, {}],
    [0, 0, [[1]], []],
    [0, 0, [[1, 2, 3]], []],
    [1e308, 0, [], []],
    [True, 0, [], []],
    [0, 0, "ab", "cd"],
    [0, 0, None, []],
    {"a": 1, "b": 2, "c": 3, "d": 4},
    0,
    None,
)


def ask(admin: AdminClient, method: str, path: str, query: str = "", **more: Any) -> None:
    """Send a request with a query as it is, and check that its answer is no error of ours."""
    answer = admin.client.open(
        f"/admin/v1{path}",
        method=method,
        headers={"Authorization": f"Bearer {admin.token(tuple(Scope))}", **more.pop("headers", {})},
        environ_overrides={"QUERY_STRING": query, **more.pop("environ", {})},
        **more,
    )
    is_busy = path.startswith("/trials") and answer.status_code == 503
    assert answer.status_code < 500 or is_busy, (method, path, query[:200], more, answer.text)
    assert answer.get_data() is not None  # streams too, to their end


def test_no_value_that_a_database_refuses_is_a_500(admin: AdminClient) -> None:
    step = 4 if MAX_EXAMPLES <= FEW_EXAMPLES else 1  # with more examples, each with all values
    for number, endpoint in enumerate(ENDPOINTS):
        path = re.sub(r"\{\w+\}", "x", endpoint.path)
        body = {} if endpoint.body is None else {"json": {}}
        for value in VALUES_OF_DATABASES[number % step :: step]:
            text = quote(value, safe="")
            if "{" in endpoint.path:
                ask(admin, endpoint.method, re.sub(r"\{\w+\}", text, endpoint.path), **body)
            for one in endpoint.parameters:
                ask(admin, endpoint.method, path, f"{one.name}={text}", **body)


def test_no_bytes_that_are_not_utf_8_are_a_500(admin: AdminClient) -> None:
    for endpoint in ENDPOINTS:
        path = re.sub(r"\{\w+\}", "x", endpoint.path)
        body = {} if endpoint.body is None else {"json": {}}
        for text in SPOILED_QUERIES:
            ask(admin, endpoint.method, path, f"{text}={text}&limit={text}", **body)
        raw = re.sub(r"\{\w+\}", "\xff\xed\xa0\x80", endpoint.path)
        ask(admin, endpoint.method, path, environ={"PATH_INFO": f"/admin/v1{raw}"}, **body)


def test_no_body_is_a_500(admin: AdminClient) -> None:
    for endpoint in ENDPOINTS:
        path = re.sub(r"\{\w+\}", OPERATION, endpoint.path)
        if endpoint.method != "GET":
            for raw in SPOILED_BODIES:
                ask(admin, endpoint.method, path, data=raw, content_type="application/json")


HEADERS = (
    {"Accept": "application/x-ndjson;q=1e999, */*;q=nan, a/b;q=" + "9" * 500},
    {"Accept": "\xff\0", "If-None-Match": '"' * 300 + "W/" * 300},
    {"If-None-Match": "\xff", "If-Modified-Since": "Sun, 99 Foo 99999999999 99:99:99 +9999999"},
    {"Idempotency-Key": "\xff", "X-Flowbridge-Actor": "\xed\xa0\x80\x00\x1b[31m"},
    {"Idempotency-Key": "a" * 300, "X-Flowbridge-Actor": "\xf4\x90\x80\x80" * 2000},
    {"Authorization": "Bearer \xff\xfe\x00"},
    {"Authorization": "Bearer " + "\xe9" * 43},
    {"Authorization": "Bearer fbt_" + "a" * 42 + "\0"},
    {"X-Forwarded-For": "fe80::1%\x00\xff, ::, " + "," * 5000},
    {"Content-Type": "application/json; charset=\xff\0"},
    {"Range": "bytes=-" + "9" * 400, "Content-Encoding": "\xff"},
)


@pytest.mark.parametrize("headers", HEADERS, ids=",".join)
def test_no_header_is_a_500(admin: AdminClient, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/events"), ("POST", "/operations"), ("POST", "/hold")):
        environ = {
            "CONTENT_TYPE"
            if name == "Content-Type"
            else f"HTTP_{name.upper().replace('-', '_')}": text
            for name, text in headers.items()
        }
        answer = admin.client.open(
            f"/admin/v1{path}",
            method=method,
            headers={"Authorization": f"Bearer {admin.token(tuple(Scope))}"},
            environ_overrides=environ,
            data=None if method == "GET" else b'{"reason": "x"}',
            content_type=None if method == "GET" else "application/json",
        )
        assert answer.status_code < 500, (method, path, answer.text)


def test_a_forged_cursor_is_refused_or_read_as_its_number(admin: AdminClient) -> None:
    """The digest of a cursor is no secret: a client can write any number into it."""
    operation = execution.begin_operation(
        admin.database, "retry", ["dlv_gone"], actor="ann", request={}
    )
    lists = {f"/operations/{operation.id}/items": f"items of {operation.id}"}
    lists |= {f"/{one}": one for one in ("events", "deliveries", "rejects", "operations", "audit")}
    for path, name in lists.items():
        for number in (0, 1, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 10**60, -1):
            cursor = PageRequest(digest=digest_filters(name, {})).make_cursor(number)
            for headers in ({}, {"Accept": "application/x-ndjson"}):
                ask(admin, "GET", path, f"before={cursor}", headers=headers)
    for state in FORGED_TAILS:
        packed = urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")
        ask(admin, "GET", "/tail", f"after={packed}")
