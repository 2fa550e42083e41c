"""Good requests beside slow connections: how long the acknowledgement takes while many senders hold
connections and send a byte now and then.

    python bench/slow.py [--connections 1000] [--networks 100] [--rounds 3] [--seconds 10] [--rate 100]

The slow ones come from as many networks (/24) of the loopback. Half of them never end a head, half
never end a body; one that is cut off comes again. Good requests arrive on a schedule, each on a
connection of its own, in rounds without slow connections and beside them, in turn. The slow senders
stand for other machines, so their process gives way to everything else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rig
import webhook_sample
from rig import quantile
from scheduled_load import send

PAUSE_SECONDS = 1.0  # between two bytes of a slow sender
SPREAD_SECONDS = 5.0  # until the last one begins; flowbridge cuts each off after as long
PATIENCE_SECONDS = 60.0  # until all of them are connected
PER_BLOCK = 250  # networks of one 127.N.0.0/16
FIRST_BLOCK = 7
BEGINNINGS = (
    b"POST /hooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ",
    b"POST /hooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000000\r\n\r\n",
)


@dataclass(frozen=True)
class Rounds:
    """The acknowledgements of each round, in sorted milliseconds, and what became of the rest."""

    without: list[list[float]]
    beside: list[list[float]]
    refused: int  # good requests
    fewest: int  # slow connections that were open at the end of a round
    cut: int  # slow connections that the server ended

    def middle(self, kind: str, share: float) -> float:
        """Return the median over the rounds of a kind of what so many of them took at most."""
        rounds = self.beside if kind == "beside" else self.without
        return rig.median([quantile(times, share) for times in rounds])


@dataclass(frozen=True)
class SlowPlan:
    """How many slow senders there are, and how good requests arrive."""

    connections: int = 1000
    networks: int = 100
    rounds: int = 3
    seconds: float = 10.0
    rate: float = 100.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=SlowPlan.connections)
    parser.add_argument("--networks", type=int, default=SlowPlan.networks)
    parser.add_argument("--rounds", type=int, default=SlowPlan.rounds)
    parser.add_argument("--seconds", type=float, default=SlowPlan.seconds)
    parser.add_argument("--rate", type=float, default=SlowPlan.rate)
    plan = SlowPlan(**vars(parser.parse_args()))
    print(rig.machine())
    found = measure(plan)
    print(
        f"{plan.connections} slow connections from {plan.networks} networks, at least"
        f" {found.fewest} of them open; {found.cut} cut off; {found.refused} good requests refused"
    )
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        beside = found.middle("beside", share)
        without = found.middle("without", share)
        print(
            f"acknowledgement {name}: {without:.1f} ms without, {beside:.1f} ms beside:"
            f" {beside / without:.2f}"
        )


def measure(plan: SlowPlan) -> Rounds:
    """Send good requests without slow connections and beside them, in turn."""
    without: list[list[float]] = []
    beside: list[list[float]] = []
    refused: list[str] = []
    counts: list[tuple[int, int]] = []
    with rig.folder() as path:
        port = rig.free_port()
        body = webhook_sample.payload()

        def load(run: str) -> list[float]:
            acks = send(port, body, plan.rate, plan.seconds, run, refused=refused)
            return sorted(took * 1000 for _, took in acks.values())

        with rig.flowbridge(path, webhook_sample.routes("http://127.0.0.1:9/"), port, "web"):
            load("warm")
            for number in range(plan.rounds):
                without.append(load(f"w{number}"))
                with slow_senders(port, plan) as count:
                    beside.append(load(f"b{number}"))
                    counts.append(count())
    if not all([*without, *beside]):
        sys.exit(f"no good request was acknowledged in a round: {refused[0]}")
    fewest = min(open_now for open_now, _ in counts)
    return Rounds(without, beside, len(refused), fewest, sum(cut for _, cut in counts))


def addresses(connections: int, networks: int) -> list[str]:
    """Return an address of the loopback for each connection, in turn from each network."""
    found = []
    for number in range(connections):
        block, network = divmod(number % networks, PER_BLOCK)
        found.append(f"127.{FIRST_BLOCK + block}.{1 + network}.9")
    return found


@contextlib.contextmanager
def slow_senders(port: int, plan: SlowPlan) -> Iterator[Any]:
    """Hold slow connections until the end of the block, from another process.

    Give a function that returns how many are open, and how many the server ended.
    """
    spawn = multiprocessing.get_context("spawn")
    is_open = spawn.Value("i", 0)
    cut = spawn.Value("i", 0)
    given = (port, addresses(plan.connections, plan.networks), is_open, cut)
    process = spawn.Process(target=send_slowly, args=given, daemon=True)
    process.start()
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        # some are cut off and on their way back
        while is_open.value < 0.9 * plan.connections:
            if time.monotonic() > until or not process.is_alive():
                sys.exit(f"only {is_open.value} of {plan.connections} slow senders are connected")
            time.sleep(0.02)
        yield lambda: (is_open.value, cut.value)
    finally:
        process.terminate()
        process.join()


def send_slowly(port: int, senders: list[str], is_open: Any, cut: Any) -> None:
    """Be all slow senders, until this process is ended."""
    os.nice(19)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for number, address in enumerate(senders):
                begin = BEGINNINGS[number % len(BEGINNINGS)]
                group.create_task(hold(port, address, begin, is_open, cut))

    asyncio.run(run())


async def hold(port: int, address: str, begin: bytes, is_open: Any, cut: Any) -> None:
    """Be one slow sender: connect, begin a request, go on with a byte at a time, and again."""
    await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))
    while True:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(address, 0)
            )
        except OSError:
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        is_open.value += 1
        try:
            writer.write(begin)
            while not await is_ended(reader):
                writer.write(b"x")
        except OSError:
            pass
        finally:
            is_open.value -= 1
            cut.value += 1
            writer.close()


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Return whether the server answered or closed, after a pause unless it did."""
    try:
        async with asyncio.timeout(PAUSE_SECONDS):
            await reader.read(65536)
    except TimeoutError:
        return False
    return True


if __name__ == "__main__":
    main()
