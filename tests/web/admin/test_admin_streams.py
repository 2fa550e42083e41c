"""Streams of the admin API: whole lists as NDJSON, within places, without an open transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient
from records import NOW, make_delivery, make_event

from bridge.api.problems import TYPE_PREFIX
from bridge.core.model import OWN_SOURCE_NAME, DeadKind, Status
from bridge.core.scopes import Scope
from bridge.store.db import row_walk
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import log
from bridge.store.operations.actions import MOVES, MoveHandler
from bridge.web.admin import limits
from bridge.web.admin.endpoints import ENDPOINTS
from bridge.web.admin.streams import NDJSON

READ = (Scope.READ,)
CHUNK = 20
COUNT = 45  # more than two chunks
ACCEPT = {"Accept": NDJSON}
OPERATION = "act_01kav9f000000000000000000a"
STREAMED = [one.path for one in ENDPOINTS if one.streams]


@pytest.fixture
def admin(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminClient:
    monkeypatch.setattr(row_walk, "PAGE_ROWS", CHUNK)
    return AdminClient(database, tmp_path)


@pytest.fixture
def ids(admin: AdminClient) -> list[str]:
    """The ids of many events, each with a delivery, newest first."""
    made = []
    for number in range(COUNT):
        event = make_event(str(number), now=NOW + number, source="ab"[number % 2])
        dead = make_delivery(
            event,
            status=Status.DEAD,
            dead_kind=DeadKind.OURS,
            reason="payload_schema /title: 's3cret' is too long",
            inputs={},
        )
        events.add(admin.database, event, (dead,), lambda *_: [])
        made.append(event.id)
    return made[::-1]


@pytest.fixture
def items(admin: AdminClient) -> list[str]:
    """The items of an operation."""
    made = [f"dlv_{number}" for number in range(COUNT)]
    operation = log.begin(
        admin.database,
        OPERATION,
        command="retry",
        actor="someone",
        request={},
        ids=made,
        now=NOW,
    )
    handler = MoveHandler(move=MOVES["retry"], to=Status.QUEUED)
    log.advance(admin.database, operation, handler, NOW)
    return made


def problem_of(answer: Any) -> str:
    return str(answer.get_json()["type"]).removeprefix(TYPE_PREFIX)


def test_a_stream_has_every_record(admin: AdminClient, ids: list[str]) -> None:
    assert [one["id"] for one in admin.stream("/events", {"limit": 0})] == ids
    assert [one["id"] for one in admin.stream("/events")] == ids
    assert [one["event_id"] for one in admin.stream("/deliveries")] == ids
    assert [one["id"] for one in admin.stream("/events", {"limit": 3})] == ids[:3]
    assert [one["id"] for one in admin.stream("/events", {"source": "b"})] == ids[1::2]
    assert admin.stream("/rejects") == []
    assert admin.stream("/operations") == []


def test_a_list_and_its_stream_leave_out_alerts_unless_asked_for(
    admin: AdminClient, ids: list[str]
) -> None:
    alert = make_event("alert", now=NOW + COUNT, source=OWN_SOURCE_NAME, type="alert.raised")
    events.add(admin.database, alert, (), lambda *_: [])
    assert [one["id"] for one in admin.stream("/events")] == ids
    page = admin.get("/events", {"limit": 2}).get_json()
    assert [one["id"] for one in page["items"]] == ids[:2]
    rest = admin.get("/events", {"limit": 3, "before": page["next"]}).get_json()
    assert [one["id"] for one in rest["items"]] == ids[2:5]
    for query in ({"source": OWN_SOURCE_NAME}, {"type": "alert.*"}):
        assert [one["id"] for one in admin.get("/events", query).get_json()["items"]] == [alert.id]
        assert [one["id"] for one in admin.stream("/events", query)] == [alert.id]


def test_a_stream_has_the_records_of_the_list(admin: AdminClient, ids: list[str]) -> None:
    for path in ("/events", "/deliveries"):
        for scopes in (READ, tuple(Scope)):
            page = admin.get(path, {"limit": 5}, scopes=scopes).get_json()["items"]
            assert admin.stream(path, {"limit": 5}, scopes=scopes) == page
    assert "s3cret" not in json.dumps(admin.stream("/deliveries", scopes=READ))


@pytest.mark.parametrize("path", ["/events", "/deliveries"])
def test_a_broken_stream_goes_on_after_its_last_record(
    admin: AdminClient, ids: list[str], path: str
) -> None:
    whole = admin.stream(path)
    assert admin.stream(path, {"before": whole[CHUNK - 1]["id"]}) == whole[CHUNK:]
    page = admin.get(path, {"before": whole[CHUNK - 1]["id"], "limit": 5}).get_json()
    assert page["items"] == whole[CHUNK : CHUNK + 5]
    cursor = admin.get(path, {"limit": 7}).get_json()["next"]
    assert admin.stream(path, {"before": cursor}) == whole[7:]


def test_a_record_of_another_list_is_no_start(admin: AdminClient, ids: list[str]) -> None:
    for path, start in (
        ("/events", "evt_gone"),
        ("/deliveries", ids[0]),
        ("/events", "7"),
    ):
        answer = admin.get(path, {"before": start}, headers=ACCEPT)
        assert problem_of(answer) == "cursor_of_another_list"


def test_the_items_of_an_operation_are_streamed(admin: AdminClient, items: list[str]) -> None:
    path = f"/operations/{OPERATION}/items"
    assert [one["id"] for one in admin.stream(path)] == items
    assert [one["number"] for one in admin.stream(path, {"before": COUNT - 2})] == [
        COUNT - 1,
        COUNT,
    ]
    assert len(admin.stream(path, {"outcome": "refused"})) == COUNT
    assert [one["id"] for one in admin.stream("/operations")] == [OPERATION]
    assert admin.stream("/operations", {"before": OPERATION}) == []


def test_json_stays_the_usual_answer(admin: AdminClient) -> None:
    for accept in ("*/*", "application/json", f"{NDJSON};q=0.5, application/json", "text/html"):
        assert admin.get("/events", headers={"Accept": accept}).mimetype == "application/json"
    preferring = {"Accept": f"{NDJSON}, application/json;q=0.5"}
    assert admin.get("/events", headers=preferring).mimetype == NDJSON


def test_only_lists_are_streamed(admin: AdminClient) -> None:
    assert problem_of(admin.get("/status", headers=ACCEPT)) == "not_acceptable"
    assert set(STREAMED) == {
        "/events",
        "/deliveries",
        "/rejects",
        "/operations",
        "/operations/{id}/items",
        "/audit",
        "/submissions",
    }


def test_a_client_that_would_not_see_a_break_gets_no_stream(admin: AdminClient) -> None:
    headers = {"Authorization": f"Bearer {admin.token(READ)}", **ACCEPT}
    answer = admin.client.get(
        "/admin/v1/events", headers=headers, environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"}
    )
    assert problem_of(answer) == "not_acceptable"


def test_a_wrong_limit_or_filter_is_an_error_before_the_stream(admin: AdminClient) -> None:
    for query in ({"limit": "-1"}, {"limit": "x"}, {"sorce": "a"}, {"before": "x"}):
        assert admin.get("/events", query, headers=ACCEPT).status_code == 400
    answer = admin.get("/events", {"body": "x"}, headers=ACCEPT, scopes=READ)
    assert problem_of(answer) == "missing_scope"


class OpenStream:
    """A stream whose answer is read a chunk at a time."""

    def __init__(
        self, admin: AdminClient, scopes: tuple[Scope, ...], path: str = "/events"
    ) -> None:
        headers = {"Authorization": f"Bearer {admin.token(scopes)}", **ACCEPT}
        self.answer = admin.client.get(f"/admin/v1{path}", headers=headers, buffered=False)
        self.chunks: Iterator[bytes] = iter(self.answer.response)

    def close(self) -> None:
        self.answer.close()


def test_a_token_has_one_stream_and_a_receiver_two(admin: AdminClient, ids: list[str]) -> None:
    kinds: list[tuple[Scope, ...]] = [READ, (Scope.READ, Scope.BODIES), (Scope.READ, Scope.ACT)]
    first = OpenStream(admin, kinds[0])
    again = admin.get("/events", headers=ACCEPT, scopes=kinds[0])
    assert (problem_of(again), again.headers["Retry-After"]) == ("busy", "5")
    assert admin.get("/events", scopes=kinds[0]).status_code == 200
    second = OpenStream(admin, kinds[1])
    third = admin.get("/events", headers=ACCEPT, scopes=kinds[2])
    assert (problem_of(third), third.headers["Retry-After"]) == ("busy", "5")
    first.close()
    assert admin.stream("/events", scopes=kinds[2])
    assert admin.stream("/events", scopes=kinds[0])
    second.close()


def test_a_stream_takes_a_seat_as_long_as_it_lasts(
    database: Database, tmp_path: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REQUESTS", 1)
    admin = AdminClient(database, tmp_path)
    assert admin.get("/", scopes=READ).status_code == 200
    stream = OpenStream(admin, READ)
    next(stream.chunks)
    assert problem_of(admin.get("/", scopes=READ)) == "busy"
    stream.close()
    assert admin.get("/", scopes=READ).status_code == 200


def test_no_transaction_is_open_while_a_client_stalls(admin: AdminClient, ids: list[str]) -> None:
    pool: Any = admin.database.engine.pool
    used = pool.checkedout()  # for writing
    stream = OpenStream(admin, READ)
    next(stream.chunks)
    assert pool.checkedout() == used
    if admin.database.is_sqlite:
        events.add(admin.database, make_event("late"), (), lambda *_: [])
        with admin.database.read() as connection:
            busy, pages, done = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        assert (busy, pages, done) == (0, 0, 0)
    stream.close()


def test_a_failure_breaks_the_stream_off(admin: AdminClient, ids: list[str]) -> None:
    stream = OpenStream(admin, READ)
    assert len(next(stream.chunks).splitlines()) == CHUNK
    admin.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE attempt"))
    admin.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE delivery"))
    with pytest.raises(BrokenPipeError):
        next(stream.chunks)
    stream.close()
    assert admin.get("/", scopes=READ).status_code == 200
