"""Gives large bodies that are not proven their turns: anyone may send one, and it takes memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from bridge.core.errors import Refused
from bridge.ingest.effects import Effects

LARGE_BODY_BYTES: Final = 256 * 1024
MAX_UNPROVEN: Final = 2  # large bodies that are verified at a time
MAX_WAITING: Final = 64  # others that wait for their turn


class Turn:
    """The turn of one body. It ends once: when the body is proven, or when its work is done."""

    def __init__(self, bodies: UnprovenBodies) -> None:
        self._bodies = bodies
        self._has_ended = False

    def end(self) -> None:
        """End the turn, on the loop."""
        if not self._has_ended:
            self._has_ended = True
            self._bodies.begin_next()


class UnprovenBodies:
    """Lets a few large bodies be verified at a time; the others wait, in the order they came."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wait_seconds: float) -> None:
        self._loop = loop
        self._wait_seconds = wait_seconds
        self._active = 0
        self._waiting: dict[Callable[[Turn], None], asyncio.TimerHandle] = {}

    def add(self, begin: Callable[[Turn], None], refuse: Callable[[Refused], None]) -> None:
        """Call `begin` when it is the body's turn, or `refuse` if that takes too long."""
        if self._active < MAX_UNPROVEN:
            self._active += 1
            begin(Turn(self))
        elif len(self._waiting) < MAX_WAITING:
            timer = self._loop.call_later(self._wait_seconds, self._give_up, begin, refuse)
            self._waiting[begin] = timer
        else:
            refuse(_refuse_busy())

    def _give_up(self, begin: Callable[[Turn], None], refuse: Callable[[Refused], None]) -> None:
        del self._waiting[begin]
        refuse(_refuse_busy())

    def begin_next(self) -> None:
        """Begin the turn of the body that has waited longest, in place of one that ended."""
        if not self._waiting:
            self._active -= 1
            return
        begin = next(iter(self._waiting))
        self._waiting.pop(begin).cancel()
        begin(Turn(self))


class TurnEffects:
    """The effects of a request in a thread, which end its turn once it is verified."""

    def __init__(self, effects: Effects, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        self._effects = effects
        self._loop = loop
        self._turn = turn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._effects, name)

    def mark_verified(self) -> None:
        """Let the next body have its turn."""
        self._loop.call_soon_threadsafe(self._turn.end)
        self._effects.mark_verified()


def _refuse_busy() -> Refused:
    message = "too many large bodies wait to be verified; send this one again"
    return Refused(503, "busy", message, headers={"Retry-After": "5"})
