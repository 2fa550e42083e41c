"""Times of others: what lies outside the years that everybody can write is dropped, and one bad row
never breaks a listing.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from command_line import lines, run
from records import NOW, make_delivery, make_event
from sqlalchemy import Float, update

from bridge.cli.ui import output
from bridge.config.schema.units import parse_moment
from bridge.core.http_messages import Answer
from bridge.core.model import RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.core.units import LATEST_TIME, iso, parse_iso
from bridge.delivery.platforms import gumloop
from bridge.delivery.platforms.responses import parse_time, read_date
from bridge.monitoring.spans import make_run_span
from bridge.monitoring.trace_ids import Trace
from bridge.services.records.delivery_records import DELIVERY, evidence_json
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue import claims, ledger, run_tracking
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.queue.ledger import EndedAttempt
from bridge.store.tables.schema import attempt, delivery
from bridge.worker.run_tracker import _took

STARTED = Outcome(kind=OutcomeKind.STARTED, run_id="r1")
OUTSIDE = [
    "0001-01-01T00:00:00+14:00",
    "0001-01-01",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.999999-00:01",
]
ODD = [
    math.nan,
    math.inf,
    -math.inf,
    1e300,
    -1e300,
    -62_135_596_801.0,
    253_402_300_800.0,
    253_402_300_799.999999999,
    1e12,
    -1e12,
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_time_outside_1970_to_9999_is_none_wherever_others_send_it(text: str) -> None:
    assert parse_time(text) is None
    assert parse_iso(text) is None
    record = {"state": "DONE", "created_ts": text, "finished_ts": text}
    report = gumloop.read_run(Answer(status=200, body=json.dumps(record).encode()))
    assert (report.state, report.created_at, report.finished_at) == (RunState.DONE, None, None)
    with pytest.raises(ValueError, match="is not a date"):
        parse_moment(text)


def test_a_time_within_them_is_read() -> None:
    assert parse_time("1970-01-01T00:00:00Z") == 0.0
    assert parse_time("2025-11-24T16:00:00") == NOW
    assert parse_time("9999-12-31T23:59:59Z") == LATEST_TIME
    assert iso(LATEST_TIME) == "9999-12-31T23:59:59.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 01 Jan 0900 00:00:00 GMT",
        "Sun, 31 Dec 1899 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -1400",
    ],
)
def test_the_clock_of_a_platform_is_not_believed_outside_them(text: str) -> None:
    assert read_date(Answer(status=200, headers={"date": text}, body=b"")) is None


@pytest.mark.parametrize("at", [*ODD, 10**400, -(10**400)])
def test_writing_a_time_never_raises(at: float) -> None:
    assert iso(at) is None
    assert output.moment(at) == "-"
    assert output.clock(at) == output.utc(at) == "-"
    assert evidence_json({"since": at, "seen_at": [at]})["since"] is None  # type: ignore[index,call-overload]


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e300])
def test_writing_a_length_of_time_never_raises(seconds: float) -> None:
    assert output.span(seconds) in ("-", "0.00 s")


@pytest.mark.parametrize("at", ODD)
def test_one_bad_row_never_breaks_a_listing(store: Database, at: float) -> None:
    good = make_event("good")
    bad = make_event("bad", now=NOW + 1)
    for event in (good, bad):
        events.add(store, event, [make_delivery(event)], lambda *_: [])
    allowed = ClaimLimits(caps={"local": 5})
    [one, other] = store.write(
        lambda connection: claims.claim(connection, allowed, limit=5, now=NOW + 2, lease="w")
    )
    store.write(
        lambda connection: ledger.record_attempts(
            connection,
            [EndedAttempt(one, STARTED), EndedAttempt(other, STARTED)],
            NOW + 3,
            jitter=0.5,
        )
    )
    for table, mine in (
        (delivery, delivery.c.event_id == bad.id),
        (attempt, attempt.c.delivery_id != one.delivery.id),
    ):
        times = [
            column.name
            for column in table.c
            if isinstance(column.type, Float) and column.name.endswith("_at")
        ]
        for name in times:
            value = (
                None if math.isnan(at) and table.c[name].nullable else 0.0 if math.isnan(at) else at
            )
            store.write(
                lambda connection, table=table, mine=mine, name=name, value=value: (
                    connection.execute(update(table).where(mine).values({name: value}))
                )
            )  # type: ignore[misc]
    assert [one["id"] for one in lines(run("events", "--json"))] == [bad.id, good.id]
    assert len(lines(run("deliveries", "--json"))) == 2
    for command in (
        "events",
        "deliveries",
        f"show {bad.id}",
        f"show {bad.id} --json",
        "status",
        "status --json",
        "export",
        "acts",
        "db check",
        "db prune --dry-run",
    ):
        done = run(*command.split())
        assert done.exception is None or isinstance(done.exception, SystemExit), (
            command,
            done.exception,
        )


@pytest.mark.parametrize("at", [math.inf, 1e300, -1.0, LATEST_TIME])
def test_a_span_of_a_run_has_times_that_can_be_exported(at: float) -> None:
    one = replace(
        make_delivery(make_event()), run_id="r1", delivered_at=NOW, status=Status.DELIVERED
    )
    span = make_run_span(
        Trace(id="1" * 32), one, RunReport(state=RunState.DONE, created_at=at, finished_at=at), NOW
    )
    assert 0 <= span.began <= span.ended < 2**63


def test_a_platform_that_dates_a_run_wrongly_teaches_no_length_of_runs() -> None:
    """Else the next run of the flow would be first looked at decades from now, and hold its slot
    until then.
    """
    one = replace(make_delivery(make_event()), delivered_at=NOW)
    wrong = RunReport(state=RunState.DONE, created_at=0.0, finished_at=LATEST_TIME)
    assert _took(one, wrong, NOW + 7) == 7.0
    right = RunReport(state=RunState.DONE, created_at=NOW, finished_at=NOW + 5)
    assert _took(one, right, NOW + 7) == 5.0


@pytest.mark.parametrize(
    ("reported", "stored"),
    [
        (LATEST_TIME, NOW + 9),  # else its event would never get old, and never be deleted
        (NOW + 5, NOW + 5),
        (NOW - 30, NOW),  # the clock of the platform is behind
    ],
)
def test_a_run_ends_between_its_delivery_and_now(
    database: Database, reported: float, stored: float
) -> None:
    event = make_event("1")
    events.add(database, event, [make_delivery(event)], lambda *_: [])
    [claim] = database.write(
        lambda connection: claims.claim(
            connection, ClaimLimits(caps={"local": 1}), limit=1, now=NOW, lease="w"
        )
    )
    database.write(
        lambda connection: ledger.record_attempts(
            connection, [EndedAttempt(claim, STARTED, 1.0)], NOW + 1, jitter=0.5
        )
    )
    [followed] = events.deliveries_of(database, [event.id])[event.id]
    report = RunReport(state=RunState.DONE, finished_at=reported)
    database.write(
        lambda connection: run_tracking.record_run(
            connection, followed, report, NOW + 9, next_poll=1.0
        )
    )
    [known] = events.deliveries_of(database, [event.id])[event.id]
    assert known.created_at == NOW and known.finished_at == stored
    assert DELIVERY.write(known)["finished_at"] == iso(stored)
