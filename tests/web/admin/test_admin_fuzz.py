"""Requests to the admin API that nobody foresaw: each gets a documented answer, none a 500."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from admin_client import AdminClient, lift_rates
from hypothesis import example, given, settings
from hypothesis import strategies as st
from records import NOW, make_delivery, make_event

from bridge.core.model import DeadKind, Status
from bridge.core.scopes import Scope
from bridge.services.trials import background
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.admin.endpoints import ENDPOINTS, Endpoint
from bridge.web.admin.request_schemas import REQUEST_SCHEMAS

MAX_EXAMPLES = int(os.environ.get("ADMIN_FUZZ_EXAMPLES", "400"))
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
        for schema in REQUEST_SCHEMAS.values()
        for part in (schema, *schema["properties"].values())
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


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[AdminClient]:
    folder = tmp_path_factory.mktemp("fuzzed")
    copy = folder / "flowbridge.db"
    copy.write_bytes(migrated_file.read_bytes())
    database = Database(f"sqlite:///{copy}")
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
        yield AdminClient(database, folder)
    database.close()


def find_endpoint(method: str, path: str) -> Endpoint:
    return next(one for one in ENDPOINTS if (one.method, one.path) == (method, path))


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
