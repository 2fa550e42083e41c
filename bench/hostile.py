"""Acknowledgements while flows or strangers misbehave: p50 and p99 idle, and beside endless loops,
floods of output and memory hogs; beside attacks, direct and behind both documented proxies, p99, good
requests that were refused, and how much memory grew.

python bench/hostile.py [--rate 250] [--seconds 6] [--only flows bodies …] [--megabytes 1]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import threading
import time
from collections.abc import Iterator

import hostile_forms
import hostile_intake
import proxies
import rig
import webhook_sample
from attacks import Attack, under_attack
from scheduled_load import send as send_scheduled

#: Rows of other modules come here.
ATTACKS: tuple[Attack, ...] = (*hostile_intake.ATTACKS, *hostile_forms.ATTACKS)
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
GOOD_RATE = 40.0  # good requests a second beside an attack: nginx limits those of one address
SAMPLE_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=250.0)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--only", nargs="*", default=[], help="parts of names; flows: the flows")
    parser.add_argument("--megabytes", type=float, default=1.0, help="that strangers send a second")
    given = parser.parse_args()
    print(rig.machine())
    if not given.only or "flows" in given.only:
        compare_flows(given.rate, given.seconds)
    for attack in ATTACKS:
        if not given.only or any(part in attack.name for part in given.only):
            for way in ("direct", *proxies.installed()):
                print(compare(attack, way, given.seconds, given.megabytes * 1e6), flush=True)


def compare(attack: Attack, way: str, seconds: float, bytes_per_second: float) -> str:
    """Return a line on good requests beside an attack, and without it."""
    refused: list[str] = []
    with bridge_behind(way) as (pid, port):
        body = webhook_sample.payload()

        def load(run: str) -> list[float]:
            acks = send_scheduled(
                port, body, GOOD_RATE, seconds, run, refused=refused, submit=attack.submit
            )
            return sorted(took * 1e3 for _, took in acks.values())

        load("warm")
        if attack.prepare is not None:
            attack.prepare(port)
        before = rig.pss(pid)
        without = load("without")
        with under_attack(attack, port, bytes_per_second), sampled(pid) as sizes:
            beside = load("beside")
    p99 = [rig.quantile(times, 0.99) for times in (without, beside) if times]
    figures = f"p99 {p99[0]:.1f} ms without, {p99[1]:.1f} beside" if len(p99) == 2 else "no answers"
    return (
        f"{attack.name}, {way}: {len(beside)} good, {len(refused)} refused; {figures};"
        f" {max(sizes) - before:+.0f} MB"
    )


@contextlib.contextmanager
def bridge_behind(way: str) -> Iterator[tuple[int, int]]:
    """Run a bridge, "direct" or behind a proxy; give its process and the port for senders."""
    environ = {"FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.1"}
    with rig.folder() as path, contextlib.ExitStack() as stack:
        port = rig.free_port()
        environ["FLOWBRIDGE_PRIVATE_BIND"] = f"127.0.0.1:{rig.free_port()}"
        document = json.loads(webhook_sample.routes("http://127.0.0.1:9/"))
        document["sources"] |= hostile_forms.SOURCES
        routes = json.dumps(document)
        run = stack.enter_context(rig.flowbridge(path, routes, port, "web", **environ))
        if way != "direct":
            port = stack.enter_context(proxies.proxy(way, port))
        yield run.pid, port


@contextlib.contextmanager
def sampled(pid: int) -> Iterator[list[float]]:
    """Give the proportional set sizes of a tree, in MB, until the end of the block."""
    sizes = [rig.pss(pid)]
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            sizes.append(rig.pss(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join()


def compare_flows(rate: float, seconds: float) -> None:
    """Print p50 and p99 idle, and beside flows that misbehave."""
    with rig.folder() as path:
        (path / "flows.py").write_text(FLOWS)
        os.environ |= {
            "FLOWBRIDGE_LOCAL_API_KEY": "bench-key",
            "FLOWBRIDGE_LOCAL_USER_ID": "bench-user",
        }
        port = rig.free_port()
        with rig.flowbridge(path, config(), port):
            measure(port, rate, 1.0)  # warms up
            idle = [measure(port, rate, seconds) for _ in range(2)]
            for flow in ("loop", "loop", "loop", "flood", "flood", "hog", "hog"):
                start(port, flow)
            time.sleep(1)
            busy = [measure(port, rate, seconds) for _ in range(2)]
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


if __name__ == "__main__":
    main()
