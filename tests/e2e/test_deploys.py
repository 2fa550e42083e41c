"""Deploys under load: processes are replaced, and nothing is refused, lost, doubled, left unknown,
or left to wait for a lease to end.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from deploy_load import PATIENT, ROUTES, Gated, sending, settle
from deploying import Activated, main_of
from fake_platform import FakePlatform
from serving import Bridge, until

from bridge.core.timings import TIMINGS
from bridge.monitoring.presence import list_bridges

SLOW = 0.4  # seconds that each start takes, so that every stop meets some under way


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_replaced_under_load_lose_and_hold_up_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environ = {"FLOWBRIDGE_SECRET_KEY": "k" * 32}
    if kind == "postgresql":
        environ["FLOWBRIDGE_DATABASE_URL"] = request.getfixturevalue("postgres_database")
    with FakePlatform(cap=50, run_seconds=0.05) as fake:
        fake.faults = [SLOW] * 10_000
        routes = ROUTES.format(url=fake.base_url)
        commands = [
            Bridge(tmp_path, command, routes=routes, environ=environ, timings=PATIENT)
            for command in ("web", "work", "work")
        ]
        web, *workers = commands
        try:
            for command in commands:
                command.start()
            until(lambda: web.count("worker") == 2, what="two workers")
            with sending(web) as accepted:
                for worker in workers:
                    begun = len(fake.starts)
                    until(lambda begun=begun: len(fake.starts) > begun + 3, what="more starts")  # type: ignore[misc]
                    assert worker.stop() == 0
                    assert web.count("delivery", f"lease LIKE '%%:{worker.pid}:%%'") == 0
                    worker.start()
                    until(lambda: web.count("worker") == 2, what="two workers again")
            settle(web, fake, accepted)
        finally:
            for command in commands:
                command.__exit__()


@pytest.mark.usefixtures("before_release")
def test_serve_replaced_under_load_goes_on_receiving_until_its_calls_are_over(
    tmp_path: Path,
) -> None:
    """As systemd does it: a socket that stays open, the old one told to end, the new one begun when
    it has.
    """
    with (
        Gated(cap=1000, run_seconds=0.05) as fake,
        Activated(tmp_path, routes=ROUTES.format(url=fake.base_url), timings=PATIENT) as bridge,
    ):
        with sending(bridge) as accepted:
            until(lambda: len(fake.accepted) > 5, what="the first starts")
            fake.gate.clear()
            until(lambda: fake.waiting > 2, what="calls under way")
            before = main_of(bridge)
            os.kill(before, signal.SIGTERM)
            until(lambda: not list_bridges(tmp_path / "data"), what="the end to begin")
            count = len(accepted)
            until(lambda: len(accepted) > count + 10, what="acknowledgements")
            assert main_of(bridge) == before  # it is the old one that goes on receiving
            fake.gate.set()
            until(lambda: main_of(bridge) not in (0, before), what="another process")
            begun = len(fake.starts)
            until(lambda: len(fake.starts) > begun + 3, what="more starts")
        settle(bridge, fake, accepted)


def test_receivers_go_on_for_as_long_as_calls_may_take_to_end() -> None:
    ours = TIMINGS
    last = ours.stop_seconds - ours.last_request_seconds
    assert ours.drain_seconds < ours.worker_stop_lead_seconds < last
