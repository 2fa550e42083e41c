"""Acknowledgements beside readers: how long they take while others poll the admin API.

    python bench/pollers.py [--events 1000000] [--pollers 10] [--rounds 5] [--seconds 20] [--rate 50]

The store is filled first. Then events arrive on a schedule, in rounds with and without pollers.
Each poller reads one page after the other as a person with an open list does: one every second.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import lists
import rig
from latency import send

from bridge.store.db.database import Database
from bridge.store.migrations import upgrade

PAGES = (
    "/status",
    "/events",
    "/deliveries?status=dead",
    "/events?source=rare",
    "/causes",
    "/trends?name=events&since=1h",
    "/find?q=provider-77",
    "/events?body=nowhere",
)
POLL_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pollers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=50.0)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        fill_store(path / "data", given.events)
        port = rig.free_port()
        private = rig.free_port()
        body = rig.payload()
        rig.lua(path, body)
        config = rig.routes(f"http://127.0.0.1:{stub_port}/start")
        bind = f"127.0.0.1:{private}"
        with rig.flowbridge(path, config, port, FLOWBRIDGE_PRIVATE_BIND=bind):
            token = make_token(path)
            waits: dict[str, list[list[float]]] = {"alone": [], "with pollers": []}
            answered: list[int] = []
            for number in range(given.rounds + 1):
                for name, times in waits.items():
                    pollers = given.pollers if name != "alone" else 0
                    with poll(private, token, pollers) as statuses:
                        acks = send(port, body, given.rate, given.seconds, f"{number}{name[0]}")
                    times.append(sorted(took * 1000 for _, took in acks.values()))
                    answered += statuses
            for times in waits.values():
                del times[0]  # the first round warms up
    print_results(waits, answered)


def fill_store(data: Path, events: int) -> None:
    """Store events with deliveries, none of which waits to be sent."""
    data.mkdir()
    database = Database(f"sqlite:///{data / 'flowbridge.db'}")
    upgrade.upgrade(database)
    lists.fill(database, events, {0: "dead"})
    database.close()


def make_token(path: Path) -> str:
    """Return the secret of a token that may read everything."""
    environ = {
        **os.environ,
        "FLOWBRIDGE_DATA": str(path / "data"),
        "FLOWBRIDGE_CONFIG": str(path / "routes.yaml"),
    }
    command = [sys.executable, "-m", "bridge", "token", "add", "bench", "--scope", "read,bodies"]
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, check=True, env=environ
    )
    return json.loads(done.stdout)["token"]


@contextlib.contextmanager
def poll(port: int, token: str, pollers: int) -> Iterator[list[int]]:
    """Poll until the end of the block, in another process; the list then has the statuses.

    Threads of this process would delay those that measure.
    """
    spawn = multiprocessing.get_context("spawn")
    over = spawn.Event()
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=run_pollers, args=(port, token, pollers, over, theirs))
    statuses: list[int] = []
    process.start()
    try:
        ours.recv()  # they have begun
        yield statuses
    finally:
        over.set()
        statuses += ours.recv()
        process.join()


def run_pollers(port: int, token: str, pollers: int, over: Any, parent: Any) -> None:
    """Poll with so many threads until it is over, then send the statuses of the answers."""
    statuses: list[int] = []

    def read(first: int) -> None:
        pages = cycle(PAGES)
        for _ in range(first):
            next(pages)
        while not over.wait(POLL_SECONDS * random.uniform(0.9, 1.1)):
            statuses.append(get(port, token, next(pages)))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(pollers)]
    for thread in threads:
        thread.start()
        time.sleep(POLL_SECONDS / pollers)
    parent.send(None)
    for thread in threads:
        thread.join()
    parent.send(statuses)


def get(port: int, token: str, page: str) -> int:
    """Read a page of the admin API, and return the status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", f"/admin/v1{page}", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def print_results(waits: dict[str, list[list[float]]], answered: list[int]) -> None:
    """Print the medians over the rounds, and their ratios."""

    def median(name: str, share: float) -> float:
        return statistics.median(
            one[min(len(one) - 1, int(share * len(one)))] for one in waits[name]
        )

    ok = sum(status == 200 for status in answered)
    print(f"pages read: {len(answered)}, {ok} of them with 200")
    for share in (0.5, 0.99):
        alone = median("alone", share)
        polled = median("with pollers", share)
        print(
            f"acknowledgement p{share * 100:g}: {alone:.1f} ms alone, {polled:.1f} ms with pollers:"
            f" {polled / alone:.2f}"
        )


if __name__ == "__main__":
    main()
