"""The clock step of the crash test that is taken back at once, and the check of waits after it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from records import make_delivery, make_event
from sqlalchemy import update

from bridge.core.circuit_state import Circuit
from bridge.core.rate_limits import RateState
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import census
from bridge.store.queue import throttling
from bridge.store.tables import schema
from bridge.torture import clock_faults
from bridge.torture.clock import NodeClock
from bridge.torture.plan import Plan

BLIP = 480.0


def make_environment(database: Database, clocks: list[NodeClock]) -> Any:
    return SimpleNamespace(
        plan=Plan(database_url="" if database.is_sqlite else "postgresql://x/y"),
        clocks=clocks,
        query=lambda ask: ask(database),
        random=Random(1),
        done=Counter(),
        findings=[],
        is_ready=True,
        load=SimpleNamespace(queue_types=lambda types: None),
        platform=SimpleNamespace(send_line=lambda line: None),
        remaining=lambda total: total,
        start_nodes=lambda: None,
        wait=lambda seconds: None,
        wait_until=lambda condition, seconds: condition(),
    )


def add_delivery(database: Database, now: float) -> None:
    event = make_event(None, now=now)
    events.add(database, event, [make_delivery(event, "merged", now=now)], lambda *_: [])


def store_waits(database: Database, until: float) -> None:
    """Store a time of each kind until which a platform, a route or a delivery waits."""
    circuit = Circuit(
        platform="gumloop",
        failures=5,
        open_until=until,
        probe_until=until,
        raise_at=until,
        not_before=until,
    )
    add_delivery(database, time.time())
    with database.engine.begin() as connection:
        throttling.write_circuits(connection, {}, {"gumloop": circuit}, time.time())
        throttling.write_pace(connection, "paced", RateState(next_at=until))
        connection.execute(update(schema.delivery).values(due_at=until, debounce_until=until))


def test_each_wait_has_a_limit_of_its_own(database: Database) -> None:
    store_waits(database, time.time() + 86400.0)
    env = make_environment(database, [])
    clock_faults.check_waits(env)
    columns = [finding.text.split()[0] for finding in env.findings]
    assert sorted(columns) == sorted(clock_faults.LONGEST_WAITS)
    assert {finding.kind for finding in env.findings} == {"put_off"}
    assert {finding.id.split()[0] for finding in env.findings} == {"platform", "route", "delivery"}
    assert all("is 86" in finding.text and "s ahead" in finding.text for finding in env.findings)


def test_waits_within_their_limits_are_no_finding(database: Database) -> None:
    store_waits(database, time.time())
    env = make_environment(database, [])
    clock_faults.check_waits(env)
    assert len(census.read_waits(database)) == len(clock_faults.LONGEST_WAITS)
    assert env.findings == []


def test_a_delivery_that_waits_for_nothing_more_is_no_finding(sqlite: Database) -> None:
    store_waits(sqlite, time.time() + 86400.0)
    with sqlite.engine.begin() as connection:
        connection.execute(update(schema.delivery).values(status="cancelled"))
    assert {wait.kind for wait in census.read_waits(sqlite)} == {"platform", "route"}


def test_on_sqlite_the_clock_of_the_node_counts(sqlite: Database, tmp_path: Path) -> None:
    clock = NodeClock(tmp_path / "clock", Path("libfaketime"))
    store_waits(sqlite, time.time() + 86400.0)
    clock.step(86400.0)
    assert clock_faults.find_long_waits(make_environment(sqlite, [clock])) == []


@pytest.mark.parametrize("offset", [0.0, -300.0])
@pytest.mark.parametrize("throttled", [0, 1])
def test_the_clock_is_set_back_whether_or_not_the_platform_was_called(
    sqlite: Database, tmp_path: Path, throttled: int, offset: float
) -> None:
    clock = NodeClock(tmp_path / "clock", Path("libfaketime"))
    clock.step(offset)
    add_delivery(sqlite, time.time() + offset)
    env = make_environment(sqlite, [clock])
    steps: list[tuple[float, str]] = []

    def answer(line: bytes) -> None:
        steps.append((clock.offset, line.decode()))
        with sqlite.engine.begin() as connection:
            connection.execute(update(schema.delivery).values(throttled=throttled))

    env.platform.send_line = answer
    assert clock_faults.blip_clock(env) is bool(throttled)
    assert steps == [(offset + BLIP, f"throttle {clock_faults.THROTTLED_STARTS}")]
    assert (clock.offset, (tmp_path / "clock").read_text()) == (offset, f"{offset:+.0f}\n")
    assert env.done == {"clock_minutes": 1} and env.findings == []


def test_it_waits_until_the_bridge_is_ready(sqlite: Database) -> None:
    env = make_environment(sqlite, [])
    env.is_ready = False
    assert clock_faults.blip_clock(env) is False
