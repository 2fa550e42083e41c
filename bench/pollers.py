"""Acknowledgements beside readers: how long they take while others read the admin API or console.

    python bench/pollers.py [--events 1000000] [--readers 10] [--rounds 5] [--seconds 20] [--rate 50]

The store is filled first. Then events arrive on a schedule, in rounds without readers, with pollers,
with tabs, and with as much work that has nothing to do with flowbridge: what that costs, no reader
can avoid on this machine. The sender stands for other machines, so it does not wait for a processor
of this one where it may ask for that (CAP_SYS_NICE); elsewhere its own waits are in the figures.
Each poller reads one endpoint of the admin API after the other, one every second. Each tab shows a
page of the console, and asks for what changes in it as the browser does.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import http.client
import multiprocessing
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlencode

import rig
import store_rows
import webhook_sample
from scheduled_load import send

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
WORK_SECONDS = 0.025  # of a processor, about as long as one page takes
#: Pages of the console that are open side by side, as many of each as there are in ten tabs.
TABS = (
    "/console/tail",
    "/console/",
    "/console/events",
    "/console/deliveries",
    "/console/tail",
    "/console/",
    "/console/events?source=rare",
    "/console/deliveries?status=dead",
    "/console/tail",
    "/console/",
)
LIVE_PART = re.compile(r'hx-get="([^"]+)" hx-trigger="every (\d+)s')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=50.0)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        store_rows.fill_folder(path / "data", given.events)
        os.sync()  # else the disk is still busy with these rows
        port = rig.free_port()
        private = rig.free_port()
        body = webhook_sample.payload()
        config = webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start")
        bind = f"127.0.0.1:{private}"
        with rig.flowbridge(path, config, port, FLOWBRIDGE_PRIVATE_BIND=bind):
            token = rig.make_token(path)
            run_before_others()
            waits: dict[str, list[list[float]]] = {name: [] for name in ("alone", *KINDS)}
            answered: list[int] = []
            for number in range(given.rounds + 1):
                for name, times in waits.items():
                    readers = given.readers if name != "alone" else 0
                    kind = KINDS.get(name, read_api)
                    with read_beside(kind, private, token, readers) as statuses:
                        acks = send(
                            port, body, given.rate, given.seconds, f"{number}{name[-4:].strip()}"
                        )
                    times.append(sorted(took * 1000 for _, took in acks.values()))
                    answered += statuses
            for times in waits.values():
                del times[0]  # the first round warms up
    print_results(waits, answered)


def run_before_others() -> None:
    """Let this process, which sends, run as soon as it wakes up."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@contextlib.contextmanager
def read_beside(
    kind: Callable[[int, str, int, Any], list[int]], port: int, token: str, readers: int
) -> Iterator[list[int]]:
    """Read until the end of the block, in another process; the list then has the statuses.

    Threads of this process would delay those that measure.
    """
    spawn = multiprocessing.get_context("spawn")
    over = spawn.Event()
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=run_readers, args=(kind, port, token, readers, over, theirs))
    statuses: list[int] = []
    process.start()
    try:
        ours.recv()  # they have begun
        yield statuses
    finally:
        over.set()
        statuses += ours.recv()
        process.join()


def run_readers(
    kind: Callable[[int, str, int, Any], list[int]],
    port: int,
    token: str,
    readers: int,
    over: Any,
    parent: Any,
) -> None:
    """Read with so many threads until it is over, then send the statuses of the answers.

    The readers stand for other machines, so they run only while nothing else does.
    """
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    secret = log_in(port, token) if kind is read_tab and readers else token
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda number=number: statuses.extend(kind(port, secret, number, over))
        )
        for number in range(readers)
    ]
    for thread in threads:
        thread.start()
        time.sleep(POLL_SECONDS / readers)
    parent.send(None)
    for thread in threads:
        thread.join()
    parent.send(statuses)


def read_api(port: int, token: str, number: int, over: Any) -> list[int]:
    """Read the admin API with a token until it is over, and return the statuses."""
    statuses = []
    for page in islice(cycle(PAGES), number, None):
        if over.wait(POLL_SECONDS * random.uniform(0.9, 1.1)):
            break
        headers = {"Authorization": f"Bearer {token}"}
        statuses.append(send_request(port, "GET", f"/admin/v1{page}", headers)[0])
    return statuses


def do_other_work(_port: int, _token: str, _number: int, over: Any) -> list[int]:
    """Use a processor for a while, once a second, until it is over."""
    while not over.wait(POLL_SECONDS * random.uniform(0.9, 1.1)):
        end = time.thread_time() + WORK_SECONDS
        while time.thread_time() < end:
            sum(range(1000))
    return []


def log_in(port: int, token: str) -> str:
    """Begin a session of the console, and return its cookie."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Sec-Fetch-Site": "same-origin",
    }
    body = urlencode({"token": token})
    status, answered, _ = send_request(port, "POST", "/console/login", headers, body)
    assert status == 303, status
    return str(answered["Set-Cookie"]).partition(";")[0]


def read_tab(port: int, cookie: str, number: int, over: Any) -> list[int]:
    """Open a page of the console, ask for its live part until it is over; return the statuses."""
    path = TABS[number % len(TABS)]
    statuses: list[int] = []
    while 200 not in statuses and not over.wait(0.1 * len(statuses)):
        status, _, page = send_request(port, "GET", path, {"Cookie": cookie})
        statuses.append(status)
    found = LIVE_PART.search(page)
    assert found is not None, f"{path} answered {status} without a live part"
    part = html.unescape(found[1])
    tag = ""
    while not over.wait(int(found[2]) * random.uniform(0.9, 1.1)):
        headers = {"Cookie": cookie, "HX-Request": "true", "If-None-Match": tag}
        status, answered, _ = send_request(port, "GET", part, headers)
        tag = answered.get("ETag", "")
        statuses.append(status)
    return statuses


def send_request(
    port: int, method: str, path: str, headers: dict[str, str], body: str | None = None
) -> tuple[int, Any, str]:
    """Send a request to the private listener, and return the status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def print_results(waits: dict[str, list[list[float]]], answered: list[int]) -> None:
    """Print the medians over the rounds, and their ratios."""

    def median(name: str, share: float) -> float:
        return rig.median([rig.quantile(one, share) for one in waits[name]])

    ok = sum(status in (200, 304) for status in answered)
    print(f"pages read: {len(answered)}, {ok} of them with 200 or 304")
    for share in (0.5, 0.99):
        alone = median("alone", share)
        print(f"acknowledgement p{share * 100:g}: {alone:.1f} ms alone", end="")
        for name in KINDS:
            print(
                f", {median(name, share):.1f} ms {name}: {median(name, share) / alone:.2f}", end=""
            )
        print()


#: What runs beside the acknowledgements.
KINDS: dict[str, Callable[[int, str, int, Any], list[int]]] = {
    "with pollers": read_api,
    "with tabs": read_tab,
    "with other work": do_other_work,
}


if __name__ == "__main__":
    main()
