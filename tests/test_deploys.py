"""A deploy under load: workers are replaced one after the other, and nothing is lost, doubled, left unknown or held up."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from fake_platform import FakePlatform
from serving import Bridge, until

ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, base_url: "{url}", api_key: fake-key, user_id: fake-user, max_concurrent_runs: 50}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: everything, on: github, inputs: {{event_id: "${{event.id}}"}}, flow: gumloop/q3da}}
"""
SLOW = 0.4  # seconds that each start takes, so that every stop meets some under way
HELD_UP = 4.0  # seconds: half of what a dead worker's lease, or a stop that waits for its calls, would hold others up


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_replaced_under_load_lose_and_hold_up_nothing(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    environ = {"FLOWBRIDGE_SECRET_KEY": "k" * 32}
    if kind == "postgresql":
        environ["FLOWBRIDGE_DATABASE_URL"] = request.getfixturevalue("postgres_database")
    with FakePlatform(cap=50, run_seconds=0.05) as fake:
        fake.faults = [SLOW] * 10_000
        routes = ROUTES.format(url=fake.base_url)
        commands = [Bridge(tmp_path, command, routes=routes, environ=environ) for command in ("web", "work", "work")]
        web, *workers = commands
        accepted: dict[str, float] = {}
        over = threading.Event()

        def load() -> None:
            while not over.is_set():
                sent = time.time()
                answer = web.event(b'{"n": 1}')
                assert answer.status == 202, answer
                accepted[answer.json["event_id"]] = sent
                time.sleep(0.03)

        sender = threading.Thread(target=load)
        try:
            for command in commands:
                command.start()
            until(lambda: web.count("worker") == 2, what="two workers")
            sender.start()
            until(lambda: len(fake.accepted) > 5, what="the first starts")
            for worker in workers:
                begun = len(fake.starts)
                until(lambda begun=begun: len(fake.starts) > begun + 3, what="more starts")  # type: ignore[misc]
                assert worker.stop() == 0
                worker.start()
                until(lambda: web.count("worker") == 2, what="two workers again")
            over.set()
            sender.join(60)
            until(lambda: web.count("delivery", "status = 'delivered'") == len(accepted), 60, "the deliveries")
            assert web.count("attempt") == len(accepted) > 30
        finally:
            over.set()
            for command in commands:
                command.__exit__()
        waits = [start.at - accepted[start.json["event_id"]] for start in fake.starts]
    assert sorted(start.json["event_id"] for start in fake.starts) == sorted(accepted)
    assert max(waits) < HELD_UP
