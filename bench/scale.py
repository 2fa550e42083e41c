"""More receivers and workers on one PostgreSQL: deliveries and acknowledgements a second with 1, 2, 4
and 8 of each, and where the curve bends.

    python bench/scale.py [--counts 1 2 4 8] [--seconds 5] [--runs 3] [--connections 32]
    [--database-url URL]

A receiver is a `flowbridge web` and a worker a `flowbridge work`, each held to one processor, as on a
machine of its own; the receivers share the connections equally. Beyond the processors of the machine
they share these, with PostgreSQL and the load too: then the curve says what more processes cost, not
what a fleet gains. PostgreSQL is started for this, or is the server at --database-url. Each count has
an empty database, and they take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import databases
import rig
import webhook_sample
import wrk_load

T = TypeVar("T")
COUNTS = (1, 2, 4, 8)
CONNECTIONS = 32
SLOTS = 4096  # more than all workers use at once
WARM_SECONDS = 1.0
# twice as many processes that give less than this much more: the curve bends
MIN_GAIN = 1.4


@dataclass(frozen=True)
class Point:
    """One run with so many receivers and workers."""

    acknowledged: float  # events a second
    started: float  # deliveries a second, from the first request to the last start
    cpu: float  # µs of all receivers and workers for each start
    errors: int


Curve = Mapping[int, list[Point]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    wrk_load.add_plan(parser, wrk_load.LoadPlan(seconds=5.0, runs=3, connections=CONNECTIONS))
    parser.add_argument("--database-url", default="")
    given = parser.parse_args()
    if min(given.counts) < 1 or max(given.counts) > given.connections:
        parser.error(f"--counts: each is 1 to {given.connections}, the number of --connections")
    print(rig.machine())
    curve = measure(wrk_load.read_plan(given), given.counts, given.database_url)
    for count, points in curve.items():
        acknowledged = rig.median([point.acknowledged for point in points])
        cpu = rig.median([point.cpu for point in points])
        errors = sum(point.errors for point in points)
        print(
            f"{count:2} receivers and workers: {find_rate(curve, count):6.0f} deliveries/s,"
            f" {acknowledged:6.0f} acknowledged/s, {cpu:5.0f} µs CPU each, {errors} errors:"
            f" {find_rate(curve, count) / find_rate(curve, min(curve)):.2f} of {min(curve)}"
        )
    print(describe_bend(curve))


def find_rate(curve: Curve, count: int) -> float:
    """Return the median of the deliveries a second with so many of each."""
    return rig.median([point.started for point in curve[count]])


def describe_bend(curve: Curve) -> str:
    """Say where more receivers and workers stop to help."""
    counts = sorted(curve)
    processors = os.cpu_count() or 1
    shared = (
        f"; {processors} processors for all processes, PostgreSQL and the load"
        if processors < 2 * max(counts) + 2
        else ""
    )
    for fewer, more in pairwise(counts):
        gain = find_rate(curve, more) / find_rate(curve, fewer)
        if gain < MIN_GAIN ** math.log2(more / fewer):
            return f"bends at {fewer}: {more} give {gain:.2f} of that{shared}"
    return f"no bend up to {max(counts)}{shared}"


def measure(
    plan: wrk_load.LoadPlan, counts: Sequence[int] = COUNTS, database_url: str = ""
) -> dict[int, list[Point]]:
    """Return the runs with each number of receivers and workers, in turn."""
    curve: dict[int, list[Point]] = {count: [] for count in counts}
    with rig.folder() as path, databases.server(path, database_url) as server:
        for _ in range(plan.runs):
            for count, points in curve.items():
                with databases.empty(server) as settings:
                    points.append(measure_point(count, plan, settings))
    return curve


def measure_point(count: int, plan: wrk_load.LoadPlan, settings: databases.Settings) -> Point:
    """Load so many receivers, and wait until as many workers started everything."""
    with rig.folder() as path, rig.stub(path) as stub_port, contextlib.ExitStack() as stack:
        script = wrk_load.write_script(path, webhook_sample.payload())
        config = webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start", SLOTS)
        running = Fleet(path, config, settings)
        first = stack.enter_context(running.process("web", 0))  # it makes the tables
        more = [("web", number) for number in range(1, count)]
        more += [("work", number) for number in range(count)]
        found = [first, *stack.enter_context(at_once([running.process(*one) for one in more]))]
        ports = [port for port, _ in found[:count]]
        processes = [pid for _, pid in found]
        warmed = wrk_load.wrk(ports[0], script, WARM_SECONDS, plan.connections, ports[1:])
        before_load = rig.drained(path / "starts", int(warmed["requests"] - warmed["errors"]))
        used = sum(map(rig.cpu, processes))
        began = time.time()
        sent = wrk_load.wrk(ports[0], script, plan.seconds, plan.connections, ports[1:])
        accepted = int(sent["requests"] - sent["errors"])
        started = rig.drained(path / "starts", before_load + accepted) - before_load
        used = sum(map(rig.cpu, processes)) - used
        took = max(plan.seconds, rig.last_start(path / "starts") - began)
    return Point(sent["rate"], started / took, used / max(1, started) * 1e6, int(sent["errors"]))


@dataclass(frozen=True)
class Fleet:
    """Receivers and workers on one database."""

    path: Path
    config: str
    settings: databases.Settings

    @contextlib.contextmanager
    def process(self, kind: str, number: int) -> Iterator[tuple[int, int]]:
        """Run a receiver or a worker; give its port and process."""
        own = self.path / f"{kind}{number}"
        own.mkdir()
        port = rig.free_port()
        with contextlib.ExitStack() as stack:
            # workers begin on the first processor, receivers on the second, as `serve` has them
            with on_processor(number + (kind == "web")):
                run = stack.enter_context(
                    rig.flowbridge(own, self.config, port, kind, **self.settings)
                )
            yield port, run.pid


@contextlib.contextmanager
def at_once(contexts: Sequence[AbstractContextManager[T]]) -> Iterator[list[T]]:
    """Enter contexts side by side, and leave them so."""
    stacks = [contextlib.ExitStack() for _ in contexts]
    with ThreadPoolExecutor(len(contexts)) as pool:
        entering = [
            pool.submit(stack.enter_context, context)
            for stack, context in zip(stacks, contexts, strict=True)
        ]
        try:
            wait(entering)
            yield [each.result() for each in entering]
        finally:
            wait(entering)
            for leaving in [pool.submit(stack.close) for stack in stacks]:
                leaving.result()


@contextlib.contextmanager
def on_processor(number: int) -> Iterator[None]:
    """Hold this thread, and the processes that it starts meanwhile, to one of its processors."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[number % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


if __name__ == "__main__":
    main()
