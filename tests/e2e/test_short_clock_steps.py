"""A real bridge whose clock is set forward and back within seconds, by libfaketime."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from servers import FakePlatform
from serving import Bridge, until
from sqlalchemy import select

from bridge.store.queries import census
from bridge.store.tables import schema
from bridge.torture.clock import NO_LIBFAKETIME, NodeClock, find_library

RETRY_AFTER = 2.0
ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, base_url: "{base}", api_key: fake-key, user_id: fake-user}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - name: paced
    on: github
    inputs: {{event_id: "${{event.id}}"}}
    flow: gumloop/q3da
    rate: 60/min
"""


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("ahead", [480.0, 3000.0, 86400.0])
def test_no_platform_or_route_waits_longer_than_its_own_interval(
    tmp_path: Path, ahead: float
) -> None:
    """The clock is wrong until a receiver has stored an event by it and the platform was full."""
    faketime = find_library()
    if faketime is None:
        pytest.skip(NO_LIBFAKETIME)
    clock = NodeClock(tmp_path / "clock", faketime)
    folder = tmp_path / "bridge"
    folder.mkdir()
    with FakePlatform(retry_after=f"{RETRY_AFTER:g}", run_seconds=0.05) as fake:
        environ = {"FLOWBRIDGE_SECRET_KEY": "k" * 32, **clock.environ}
        routes = ROUTES.format(base=fake.base_url)
        with Bridge(folder, routes=routes, environ=environ, fresh=True) as bridge:
            fake.faults = [429] * 1000
            clock.step(ahead)
            until(lambda: post(bridge) > time.time() + ahead / 2, what="an event by that clock")
            called = len(fake.starts)
            until(lambda: post(bridge) and len(fake.starts) > called, what="a 429")
            clock.step(0.0)
            fake.faults = []
            until(lambda: post(bridge) < time.time() + ahead / 2, what="an event by a right clock")
            until(lambda: longest_wait(bridge) <= RETRY_AFTER, what="the correction of all times")
            started = len(fake.accepted)
            until(lambda: len(fake.accepted) > started, ahead / 2, "a start")


def post(bridge: Bridge) -> float:
    """Post an event, and return the time at which it was received by the clock of the bridge."""
    answer = bridge.event(json.dumps({"at": time.monotonic()}).encode())
    assert answer.status == 202
    with bridge.database.read() as connection:
        newest = select(schema.event.c.received_at).order_by(schema.event.c.seq.desc())
        at: float = connection.execute(newest.limit(1)).scalar_one()
    return at


def longest_wait(bridge: Bridge) -> float:
    return max(wait.until for wait in census.read_waits(bridge.database)) - time.time()
