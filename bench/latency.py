"""From acknowledgement to start: how long after an event was received its start arrives at the flow
server.

    python bench/latency.py [--rate 500] [--seconds 10]

Open loop: events are sent on a schedule whatever the answers take, each on a connection of its own,
as senders do.
"""

from __future__ import annotations

import argparse
import hmac
import http.client
import json
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue

import rig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        port = rig.free_port()
        body = rig.payload()
        rig.lua(path, body)
        with rig.flowbridge(path, rig.routes(f"http://127.0.0.1:{stub_port}/start"), port):
            acks = send(port, body, given.rate, given.seconds)
            until = time.monotonic() + 30
            while time.monotonic() < until and len(
                (path / "starts").read_text().splitlines()
            ) < len(acks):
                time.sleep(0.05)
        starts = {
            event: float(at)
            for at, event in (line.split() for line in (path / "starts").read_text().splitlines())
        }
    waits = sorted(
        (starts[event] - at) * 1000 for event, (at, _) in acks.items() if event in starts
    )
    answers = sorted(took * 1000 for _, took in acks.values())
    print(f"{len(acks)} events at {given.rate:g}/s, {len(acks) - len(waits)} not started")
    for name, values in (
        ("request to acknowledgement", answers),
        ("acknowledgement to start", waits),
    ):
        print(
            f"{name:27} p50 {quantile(values, 0.5):6.1f} ms  p99 {quantile(values, 0.99):6.1f} ms "
            f" max {values[-1]:6.1f} ms"
        )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value of sorted ones that so many are below."""
    return values[min(len(values) - 1, int(share * len(values)))]


def send(
    port: int,
    body: bytes,
    rate: float,
    seconds: float,
    run: str = "l",
    *,
    threads: int = 16,
    over: threading.Event | None = None,
    refused: list[str] | None = None,
) -> dict[str, tuple[float, float]]:
    """Send events on schedule, until `over` is set; return (when acknowledged, how long that took
    from the scheduled time) of each.

    Their ids begin with `run`. What is not acknowledged goes to `refused`; without it that is an
    error.
    """
    signature = hmac.new(rig.SECRET.encode(), body, "sha256").hexdigest()
    waiting: SimpleQueue[tuple[int, float] | None] = SimpleQueue()
    acks: dict[str, tuple[float, float]] = {}

    def post() -> None:
        while (item := waiting.get()) is not None:
            number, due = item
            headers = {
                "Content-Type": "application/json",
                "X-GitHub-Event": "issues",
                "X-GitHub-Delivery": f"{run}-{number}",
                "X-Hub-Signature-256": f"sha256={signature}",
                "Connection": "close",
            }
            try:
                answer = json.loads(ask(port, body, headers))
                acks[answer["event_id"]] = (time.time(), time.monotonic() - due)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                if refused is None:
                    raise
                refused.append(repr(error))

    senders = [threading.Thread(target=post) for _ in range(threads)]
    for sender in senders:
        sender.start()
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        if over is not None and over.is_set():
            break
        waiting.put((number, due))
    for _ in senders:
        waiting.put(None)
    for sender in senders:
        sender.join()
    return acks


def ask(port: int, body: bytes, headers: dict[str, str]) -> bytes:
    """Post an event on a connection of its own; return what was answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/hooks/github", body, headers)
        return connection.getresponse().read()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
