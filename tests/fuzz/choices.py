"""What a target makes of the bytes of the fuzzer: numbers from the front, pieces, and the rest. And
how long work may take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
LARGEST = 1024 * 1024  # bytes of a body that is grown
# of processor time; instrumented code takes several times what it takes else
SECONDS = 0.5
SECONDS_PER_BYTE = 5e-6


class Finding(AssertionError):
    """What the fuzzer has found."""


class Choices:
    """Reads the bytes of one input from the front. An input that is too short chooses the first of
    everything.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """Return a number from 0 to below - 1: two bytes."""
        piece = self._data[self._at : self._at + 2]
        self._at += 2
        return int.from_bytes(piece, "little") % below

    def one_of(self, values: Sequence[T]) -> T:
        """Return one of the values."""
        return values[self.number(len(values))]

    def piece(self, most: int) -> bytes:
        """Return at most so many bytes."""
        size = self.number(most + 1)
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def rest(self) -> bytes:
        """Return what is left."""
        found = self._data[self._at :]
        self._at = len(self._data)
        return found

    def body(self) -> bytes:
        """Return what is left; of 128 inputs one is a beginning and its end over and over, so that
        growth shows.
        """
        grows = self.number(128) == 127
        cut = self.number(256)
        rest = self.rest()
        first = rest[:cut]
        again = rest[cut:]
        return first + again * (LARGEST // len(again)) if grows and again else rest


def bounded(size: int, work: Callable[[], T]) -> T:
    """Do the work and return its result; a Finding where it takes longer than `size` bytes may.
    What is slow once is tried again.
    """
    allowed = SECONDS + size * SECONDS_PER_BYTE
    spent = []
    for _ in range(3):
        began = time.thread_time()
        result = work()
        spent.append(time.thread_time() - began)
        if spent[-1] <= allowed:
            return result
    raise Finding(f"{size} bytes took {min(spent):.2f} s; {allowed:.2f} s are allowed")
