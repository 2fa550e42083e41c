"""Acknowledgements while flows misbehave: p50 and p99 idle, and beside endless loops, floods of
output and memory hogs.

python bench/hostile.py [--rate 250] [--seconds 6]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import threading
import time

import rig
import webhook_sample

FLOWS = """
from bridge.flows import flow

@flow(time_limit=120)
def loop():
    while True:
        pass

@flow(time_limit=120)
def flood():
    while True:
        print("x" * 2000)

@flow(time_limit=120, memory="256MB")
def hog():
    held = []
    while True:
        held.append(bytearray(1 << 20))
"""
CONNECTIONS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=250.0)
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path:
        (path / "flows.py").write_text(FLOWS)
        os.environ |= {
            "FLOWBRIDGE_LOCAL_API_KEY": "bench-key",
            "FLOWBRIDGE_LOCAL_USER_ID": "bench-user",
        }
        port = rig.free_port()
        with rig.flowbridge(path, config(), port):
            measure(port, given.rate, 1.0)  # warms up
            idle = [measure(port, given.rate, given.seconds) for _ in range(2)]
            for flow in ("loop", "loop", "loop", "flood", "flood", "hog", "hog"):
                start(port, flow)
            time.sleep(1)
            busy = [measure(port, given.rate, given.seconds) for _ in range(2)]
    for name, found in (("idle", idle), ("three loops, two floods, two hogs", busy)):
        print(
            f"{name:34} p50 {rig.median([one[0] for one in found]):5.1f} ms  p99"
            f" {rig.median([one[1] for one in found]):5.1f} ms"
        )
    ratios = [
        rig.median([one[at] for one in busy]) / rig.median([one[at] for one in idle])
        for at in (0, 1)
    ]
    print(f"ratio: p50 {ratios[0]:.2f}, p99 {ratios[1]:.2f}")


def config() -> str:
    """Return a routes.yaml with a source that starts nothing, beside the local platform."""
    platforms = {"local": {"type": "local", "flows": "flows.py", "max_concurrent_runs": 8}}
    sources = {"github": {"provider": "github", "secret": webhook_sample.SECRET}}
    return json.dumps({"version": 1, "platforms": platforms, "sources": sources, "routes": []})


def start(port: int, flow: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"saved_item_id": flow, "user_id": "bench-user"})
    connection.request(
        "POST", "/api/v1/start_pipeline", body, {"Authorization": "Bearer bench-key"}
    )
    if connection.getresponse().status != 200:
        raise SystemExit(f"{flow} did not start")


def measure(port: int, rate: float, seconds: float) -> tuple[float, float]:
    """Send events at a steady rate on kept connections; return p50 and p99 of their
    acknowledgements in milliseconds.
    """
    took: list[float] = []
    threads = [
        threading.Thread(target=send, args=(port, rate / CONNECTIONS, seconds, took))
        for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took.sort()
    return rig.quantile(took, 0.5) * 1e3, rig.quantile(took, 0.99) * 1e3


def send(port: int, rate: float, seconds: float, took: list[float]) -> None:
    body = webhook_sample.payload()
    headers = webhook_sample.signed_headers(body)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        sent = time.perf_counter()
        connection.request(
            "POST", "/hooks/github", body, headers | {"X-GitHub-Delivery": os.urandom(8).hex()}
        )
        answer = connection.getresponse()
        answer.read()
        if answer.status != 202:
            raise SystemExit(f"answered {answer.status}")
        took.append(time.perf_counter() - sent)


main()
