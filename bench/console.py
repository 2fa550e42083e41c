"""Pages of the console: how long each takes with few and with many events, and what they weigh.

    python bench/console.py [--counts 1000 1000000] [--on sqlite postgresql] [--runs 20]

The pages are those of a served bridge, opened as a browser does over one session. There are 1.2
deliveries for each event, some of them dead or unknown. After that the proportional set size of the
processes is printed: before the login, after every page was opened once, after 20 times more, and
some minutes after the last page.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.client
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import databases
import rig
import store_rows
import webhook_sample

from bridge.core.timings import TIMINGS

TOKEN = "a-token-of-the-bench-" * 2
OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "Accept-Encoding": "gzip"}
STATUSES = {0: "dead", 1: "unknown"}
ROUNDS_OF_MEMORY = 20
RESTING = 2.0  # seconds
UNUSED = TIMINGS.restart_idle_seconds * 1.1  # until the process that answered has ended
PAGE_SECONDS = 0.06  # a session may read 20 pages a second
PAGES = (
    "/",
    "/events",
    "/events?source=source-3",
    "/events?source=source-3&type=none",
    "/events?status=dead",
    "/events?body=not-there",
    "/deliveries",
    "/deliveries?status=dead",
    "/deliveries?status=queued",
    "/deliveries?route=route-3",
    "/deliveries?reason=not-there",
    "/causes",
    "/unknown",
    "/rejects",
    "/forms",
    "/operations",
    "/tail",
    "/events/EVENT",
    "/events/EVENT/request",
    "/events/EVENT/explain",
    "/events/EVENT/compare",
    "/events/EVENT/compare?with=OTHER",
    "/playground",
    "/find?q=SENDER_ID",
    "/find?q=BEGINNING",
    "/find?q=not-there",
    "/sources",
    "/sources/source-3",
    "/routes",
    "/routes/route-3",
    "/routes/route-3/misses",
    "/routes/route-3/shadow",
    "/platforms",
    "/platforms/local",
    "/trends",
    "/configs",
    "/settings",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 1_000_000])
    databases.add_kinds(parser)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    print(rig.machine())
    for kind in given.on:
        measure_kind(kind, given.counts, given.runs)


def measure_kind(kind: str, counts: list[int], runs: int) -> None:
    """Print what each page takes with each number of events, and what the pages weigh."""
    times: dict[str, list[Times]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    weights: list[float] = []
    for count in counts:
        with rig.folder() as path, serve_console(kind, path, count) as (port, pid):
            weights = weights or [rest_and_weigh(pid)]
            browser = Browser(port, pid)
            pages = list_pages(count)
            if len(weights) == 1:
                weights += weigh_processes(browser, pages)
            for name, page in pages.items():
                sizes[name] = browser.weigh(page)
                times.setdefault(name, []).append(browser.measure(page, runs))
    shown = " ".join(f"{count:>10,} {'CPU':>7}" for count in counts)
    print(f"{kind:36} {shown}   last/first CPU      HTML   gzip")
    for name, found in times.items():
        shown = " ".join(f"{one.seconds * 1e3:7.1f} ms {one.cpu * 1e3:7.1f}" for one in found)
        ratio = found[-1].cpu / max(found[0].cpu, 0.001)
        plain, packed = sizes[name]
        print(f"{name:36} {shown}   {ratio:14.1f} {plain:9,} {packed:6,}")
    before, once, often, unused = weights
    print(
        f"{before:.1f} MB before the login, {once:.1f} MB after each page once,"
        f" {often:.1f} MB after {ROUNDS_OF_MEMORY} times more,"
        f" {unused:.1f} MB after {UNUSED:.0f} s without a request",
        flush=True,
    )


@contextlib.contextmanager
def serve_console(kind: str, path: Path, count: int) -> Iterator[tuple[int, int]]:
    """Serve a store with so many events; give the port of the console and the process.

    It is a `web`: nothing else works on the store meanwhile.
    """
    environ = {"FLOWBRIDGE_ADMIN_TOKEN": TOKEN, "FLOWBRIDGE_SECRET_KEY": TOKEN}
    with contextlib.ExitStack() as stack:
        url = ""
        if kind == "postgresql":
            url = stack.enter_context(databases.postgres(path))
            environ["FLOWBRIDGE_DATABASE_URL"] = url
        with databases.new_store(path / "data", url) as database:
            store_rows.fill(database, count, STATUSES)
            store_rows.fill_records(database, count)
        private = rig.free_port()
        environ["FLOWBRIDGE_PRIVATE_BIND"] = f"127.0.0.1:{private}"
        run = stack.enter_context(
            rig.flowbridge(path, write_config(), rig.free_port(), "web", **environ)
        )
        yield private, run.pid


def write_config() -> str:
    """Return a configuration with the sources and routes of the events."""
    numbers = range(10)
    document = {
        "version": 1,
        "platforms": {"local": {"type": "http", "url": "http://127.0.0.1:9/start"}},
        "sources": {
            f"source-{number}": {"provider": "github", "secret": webhook_sample.SECRET}
            for number in numbers
        },
        "routes": [
            {
                "name": f"route-{number}",
                "on": f"source-{number} issues",
                "match": {"body.action": "opened"},
                "inputs": {"number": "${body.number}"},
                "flow": "local/echo",
            }
            for number in numbers
        ],
    }
    return json.dumps(document, indent=1)


def list_pages(count: int) -> dict[str, str]:
    """Return the pages of the console by a name that is the same for each number of events."""
    ids = {
        "EVENT": store_rows.id_of("evt", count // 2),
        "OTHER": store_rows.id_of("evt", count // 2 - 1),
        "BEGINNING": store_rows.id_of("evt", count // 2)[:-3],
        "SENDER_ID": f"provider-{count // 2}",
    }
    found = {}
    for page in PAGES:
        found[page] = page
        for name, id_ in ids.items():
            found[page] = found[page].replace(name, id_)
    return found


@dataclass(frozen=True, slots=True)
class Times:
    """What one answer takes: the median of the seconds, and the processor seconds of all."""

    seconds: float
    cpu: float


class Browser:
    """A session of the console on one connection to the processes of `pid`."""

    def __init__(self, port: int, pid: int) -> None:
        self.pid = pid
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._cookie = ""
        form = urlencode({"token": TOKEN})
        answer, _ = self._send("POST", "/login", form, {"Sec-Fetch-Site": "same-origin"})
        self._cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def open(self, page: str) -> None:
        """Open a page as a browser does."""
        time.sleep(PAGE_SECONDS)
        self._send("GET", page, None, OWN_PAGE)

    def weigh(self, page: str) -> tuple[int, int]:
        """Return the bytes of a page, plain and compressed. Opens it for the first time."""
        time.sleep(PAGE_SECONDS)
        answer, body = self._send("GET", page, None, {"Sec-Fetch-Site": "same-origin"})
        if answer.status not in (200, 303):
            sys.exit(f"{page}: {answer.status} {body[-2000:].decode()}")
        return len(body), len(gzip.compress(body))

    def measure(self, page: str, runs: int) -> Times:
        """Return what a page takes."""
        found = []
        used = rig.cpu(self.pid)
        for _ in range(runs):
            time.sleep(PAGE_SECONDS)
            began = time.perf_counter()
            self._send("GET", page, None, OWN_PAGE)
            found.append(time.perf_counter() - began)
        return Times(statistics.median(found), (rig.cpu(self.pid) - used) / runs)

    def disconnect(self) -> None:
        """Close the connection; the next request opens another one."""
        self._connection.close()

    def _send(
        self, method: str, page: str, form: str | None, headers: Mapping[str, str]
    ) -> tuple[Any, bytes]:
        sent = {"Cookie": self._cookie, **headers}
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, f"/console{page}", form, sent)
        answer = self._connection.getresponse()
        return answer, answer.read()


def weigh_processes(browser: Browser, pages: Mapping[str, str]) -> list[float]:
    """Return the MB at rest after each page was opened once, after many times, and a while later."""
    found = []
    for rounds in (1, ROUNDS_OF_MEMORY):
        for _ in range(rounds):
            for page in pages.values():
                browser.open(page)
        found.append(rest_and_weigh(browser.pid))
    browser.disconnect()  # the server would do so after 75 s
    return [*found, rest_and_weigh(browser.pid, UNUSED)]


def rest_and_weigh(pid: int, seconds: float = RESTING) -> float:
    time.sleep(seconds)
    return rig.pss(pid)


if __name__ == "__main__":
    main()
