"""Records of every status, with hostile contents, for readers of a bridge."""

from __future__ import annotations

import json
import time
from functools import partial

from records import make_delivery, make_event, put
from signed_rejects import make_reject
from sqlalchemy import insert

from bridge.core.model import (
    DeadKind,
    Debounce,
    FormFile,
    Order,
    RunState,
    Status,
)
from bridge.core.trends import step_of
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.operations import log, trend_rows
from bridge.store.operations.actions import MOVES, MoveHandler
from bridge.store.tables import schema

HOSTILE = (
    "\x1b]0;owned\x07\x1b[31m\u202eevil\u202c <script>alert(1)</script> \u2028 \t'\"\\ é 😀 "
    "${jndi:x} %00 \r\nSet-Cookie: a=b"
)
SECRET = "s3cret-c0ntent"  # in contents only
BODIES = (
    json.dumps(
        {"action": "opened", HOSTILE: [HOSTILE, 1e300, -0.0, 12345678901234567890], "s": SECRET}
    ).encode(),
    b"\xff\xfe\x00binary",
    b"",
    HOSTILE.encode() * 400,
    b"[" * 60 + b"]" * 60,
)
EVENTS = 60  # plain ones, so that lists have several pages of rejects and many rows
REJECTS = 45
ACT = "act_01kav9f000000000000000000a"


def add_records(database: Database) -> None:
    """Store events, deliveries, attempts, rejects, an operation and trends."""
    now = time.time()
    for number in range(EVENTS):
        event = make_event(f"plain-{number}", now=now - 5000 + number)
        events.add(database, event, [make_delivery(event, now=now - 5000)], lambda *_: [])
    for number, body in enumerate(BODIES):
        _add_hostile_event(database, number, body, now - 1000 + number + 0.123456)
    _add_settled(database, now)
    for number in range(REJECTS):
        _add_reject(database, number, now - 900 + number)
    _add_trends(database, step_of(now) - 600)


def _add_trends(database: Database, minute: int) -> None:
    """Store what two nodes counted in a minute, and the length of a queue."""
    series = {("github", "accepted"): 3.0, (HOSTILE[:20], "refused"): 1.0}
    for node in ("a", "b"):
        for counted in ({}, {"events": series}):  # a node counts from its first values on
            database.write(partial(trend_rows.add_counts, node=node, at=minute, counters=counted))
    queue = {"queued": {("triage",): 7.5, (HOSTILE,): 2.0}}
    database.write(partial(trend_rows.add_highest, at=minute, values=queue))


def _add_hostile_event(database: Database, number: int, body: bytes, now: float) -> None:
    event = make_event(
        f"{HOSTILE}{number}",
        now=now,
        body=body,
        type=HOSTILE,
        headers={"content-type": "application/json", "x-evil": HOSTILE, "b": SECRET, "a": "2"},
        query_string=f"a={HOSTILE}{SECRET}",
        problem=HOSTILE if number == 1 else None,
        spam=HOSTILE if number == 2 else None,
        client="203.0.113.9",
        sender_retry=3,
        files=(
            FormFile(field=HOSTILE, name=SECRET, type="application/pdf", size=7, sha256="0" * 64),
        )
        if number == 3
        else (),
    )
    deliveries = [
        make_delivery(
            event,
            f"route-{status}",
            now=now,
            status=status,
            reason=HOSTILE if status in (Status.DEAD, Status.UNKNOWN) else None,
            dead_kind=DeadKind.PLATFORM if status is Status.DEAD else None,
            inputs={HOSTILE: [SECRET, None, {"deep": {"er": 1.5}}]},
            due_at=now + 86_400,
            order=Order(key=HOSTILE + SECRET) if status is Status.BLOCKED else None,
            debounce=Debounce(key="k", until=now + 90_000) if status is Status.QUEUED else None,
        )
        for status in Status
    ]
    events.add(database, event, deliveries, lambda *_: [])


def _add_settled(database: Database, now: float) -> None:
    """Put deliveries into states that planning cannot give them."""
    for number, state in enumerate(RunState):
        event = make_event(f"run-{state}", now=now - 400 + number)
        one = make_delivery(event, f"run-{state}", now=now - 400)
        events.add(database, event, [one], lambda *_: [])
        put(
            database,
            one.id,
            status="delivered",
            run_id=f"run-{number}",
            run_url=f"https://example.com/{number}",
            run_state=state.value,
            outputs=json.dumps({"out": SECRET}),
            log=json.dumps([HOSTILE, SECRET]),
            delivered_at=now - 390.0004,
            finished_at=now - 380.7 if state in ("done", "failed", "terminated") else None,
            attempts=2,
            throttled=1,
            reruns=1,
        )
        _add_attempts(database, one.id, now - 395)
    _add_unknown(database, now)
    operation = log.begin(
        database,
        ACT,
        command="retry",
        actor=HOSTILE,
        request={"filters": {"body": HOSTILE, "since": now - 9000}, "to": "queued", "names": []},
        ids=[one.id, "dlv_gone"],
        now=now,
    )
    log.advance(database, operation, MoveHandler(move=MOVES["retry"], to=Status.QUEUED), now)


def _add_unknown(database: Database, now: float) -> None:
    event = make_event("lost", now=now - 300)
    one = make_delivery(event, "lost", now=now - 300, on_unknown="reconcile", platform="gone")
    events.add(database, event, [one], lambda *_: [])
    evidence = {
        "attempt": 1,
        "since": now - 310,
        "until": now - 250,
        "looks": 2,
        "looked_at": now - 200,
        "listed": 3,
        "covers": True,
        "candidates": [{"run_id": "r1", "state": "done", "created_at": now - 305, "echo": None}],
        "why": HOSTILE + SECRET,
        "decided": "hold",
    }
    put(database, one.id, status="unknown", evidence=json.dumps(evidence), attempts=1)
    _add_attempts(database, one.id, now - 299)


def _add_attempts(database: Database, delivery_id: str, at: float) -> None:
    rows = [
        {
            "delivery_id": delivery_id,
            "number": number,
            "started_at": at + number,
            "finished_at": at + number + 0.0125,
            "outcome": "failed",
            "status_code": 503,
            "detail": HOSTILE,
            "run_id": f"r{number}",
            "run_state": "failed",
            "run_finished_at": at + number + 1.25,
            "outputs": json.dumps([HOSTILE]),
            "log": json.dumps([SECRET]),
            "late_at": at + 9 if number == 2 else None,
        }
        for number in (1, 2)
    ]
    database.write(lambda connection: connection.execute(insert(schema.attempt), rows))


def _add_reject(database: Database, number: int, now: float) -> None:
    body = HOSTILE.encode() if number % 2 else b"\xff\x00"
    rejects.add(
        database,
        make_reject(
            id=f"rej_01kav9f0000000000000000{number:03}",
            received_at=now,
            path=f"/hooks/github/{HOSTILE}",
            headers={"x-evil": HOSTILE, "x-hub-signature-256": "sha256=00"},
            query_string=f"a={HOSTILE}{SECRET}",
            url="http://localhost/hooks/github",
            body=body,
            size=len(body) + (5 if number == 1 else 0),
            cut=number == 1,
            client="203.0.113.9",
        ),
    )
