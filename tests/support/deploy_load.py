"""Sends events to a bridge under load, and checks that it started each one once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fake_platform import FakePlatform
from serving import Bridge, until

ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, base_url: "{url}", api_key: fake-key, user_id: fake-user, max_concurrent_runs: 50, timeout: 2m}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: everything, on: github, inputs: {{event_id: "${{event.id}}"}}, flow: gumloop/q3da}}
"""
PATIENT = {"worker_stop_lead_seconds": 60.0, "stop_seconds": 90.0, "drain_seconds": 60.0}


class Gated(FakePlatform):
    """A platform whose starts are answered when `gate` is open; `waiting` counts those that are not
    yet.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.gate = threading.Event()
        self.waiting = 0
        self.gate.set()

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        answer = super().answer(method, path, query, headers, body)
        if path.endswith("/start_pipeline"):
            self.waiting += 1
            self.gate.wait(120)
            self.waiting -= 1
        return answer


@contextmanager
def sending(bridge: Bridge) -> Iterator[list[str]]:
    """Post one event after another until the end of the block, and give the ids of those that are
    acknowledged; all have to be.
    """
    accepted: list[str] = []
    refused: list[str] = []
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            try:
                answer = bridge.event(b'{"n": 1}')
                accepted.append(answer.json["event_id"])
            except Exception as error:
                refused.append(repr(error))
            over.wait(0.03)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield accepted
    finally:
        over.set()
        thread.join(60)
    assert refused == []


def settle(bridge: Bridge, fake: FakePlatform, accepted: list[str]) -> None:
    """Wait for the end; every event has been started once, by its first attempt, and no lease has
    run out.
    """
    until(
        lambda: bridge.count("delivery", "status = 'delivered'") == len(accepted),
        what="the deliveries",
    )
    assert sorted(start.json["event_id"] for start in fake.starts) == sorted(accepted)
    assert bridge.count("attempt") == len(accepted)
    assert not [
        line for line in bridge.log if line["event"] in ("taken_over", "lease_lost", "result_lost")
    ]
