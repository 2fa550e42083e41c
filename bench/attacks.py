"""Attacks of strangers: each is a row, and its connections share a budget of bytes a second.

A table of rows is in a module of its own, such as `hostile_bodies.py`; `hostile.py` runs them.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Any

ADDRESS = "127.0.5.9"  # all connections of an attack come from one network
PIECE_BYTES = 16 * 1024
PAUSE_SECONDS = 0.2  # until a connection that was ended comes again
START_SECONDS = 60.0


@dataclass
class Bandwidth:
    """The bytes that all connections of an attack may send in a second."""

    bytes_per_second: float
    _free_at: float = field(default_factory=time.monotonic)

    async def take(self, size: int) -> None:
        """Wait until so many bytes may be sent."""
        self._free_at = max(self._free_at, time.monotonic()) + size / self.bytes_per_second
        await asyncio.sleep(self._free_at - time.monotonic())


@dataclass
class Wire:
    """One connection of an attack; `number` is its place among them."""

    number: int
    writer: asyncio.StreamWriter
    bandwidth: Bandwidth

    async def send(self, data: bytes) -> None:
        """Send bytes as fast as the budget allows."""
        for at in range(0, len(data), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            await self.bandwidth.take(len(piece))
            self.writer.write(piece)
            await self.writer.drain()


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack. Each connection calls `hold`, a function of a module, and stays silent after it.

    Once the server has answered or closed, the connection comes again. `prepare` is called with
    the port before anything is measured. `submit` sends a good request, where that is not GitHub's.
    """

    name: str
    connections: int
    hold: Callable[[Wire], Awaitable[None]]
    prepare: Callable[[int], None] | None = None
    submit: Callable[[int, str], bytes] | None = None


@contextlib.contextmanager
def under_attack(attack: Attack, port: int, bytes_per_second: float) -> Iterator[None]:
    """Attack a port from another process until the end of the block.

    The block begins with its first connection: the start of a process is no part of an attack.
    """
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    given: tuple[Any, ...] = (attack, port, bytes_per_second, ready)
    process = spawn.Process(target=_run, args=given, daemon=True)
    process.start()
    try:
        if not ready.wait(START_SECONDS):
            raise SystemExit("the attack did not start")
        yield
    finally:
        process.terminate()
        process.join()


def _run(attack: Attack, port: int, bytes_per_second: float, ready: Event) -> None:
    """Be all connections of an attack, until this process is ended."""
    os.nice(19)  # they stand for another machine

    async def run() -> None:
        bandwidth = Bandwidth(bytes_per_second)
        ready.set()
        async with asyncio.TaskGroup() as group:
            for number in range(attack.connections):
                group.create_task(_repeat(attack, port, number, bandwidth))

    asyncio.run(run())


async def _repeat(attack: Attack, port: int, number: int, bandwidth: Bandwidth) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(ADDRESS, 0)
            )
            holding = asyncio.ensure_future(attack.hold(Wire(number, writer, bandwidth)))
            try:
                await reader.read(65536)
            finally:
                holding.cancel()
                await asyncio.wait([holding])
                writer.close()
        await asyncio.sleep(PAUSE_SECONDS)
