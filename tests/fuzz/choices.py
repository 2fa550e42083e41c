"""What a target makes of the bytes of the fuzzer: numbers from the front, pieces, and the rest. And
how long work may take.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
LARGEST = 1024 * 1024  # bytes of a body that is grown
SECONDS = 0.5  # of processor time
SECONDS_PER_BYTE = 1e-6
INSTRUMENTED_FACTOR = 5  # instrumented code takes several times what it takes else
MEMORY_BYTES = 1024 * 1024
MEMORY_BYTES_PER_BYTE = 20
MEASURED_BYTES = 16 * 1024  # of input, from which the memory is measured: that is slow


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
    """Do the work and return its result; a Finding where it takes more time or memory than `size`
    bytes may. What is slow once is tried again.
    """
    _check_memory(size, work)
    factor = INSTRUMENTED_FACTOR if "atheris" in sys.modules else 1
    allowed = SECONDS + size * SECONDS_PER_BYTE * factor
    spent = []
    for _ in range(3):
        began = time.thread_time()
        result = work()
        spent.append(time.thread_time() - began)
        if spent[-1] <= allowed:
            return result
    raise Finding(f"{size} bytes took {min(spent):.2f} s; {allowed:.2f} s are allowed")


def _check_memory(size: int, work: Callable[[], object]) -> None:
    """Do the work of a large input, and look at the most memory that Python holds for it."""
    if size < MEASURED_BYTES:
        return
    tracemalloc.start()
    try:
        with suppress(Exception):  # a refusal takes memory, too
            work()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    allowed = MEMORY_BYTES + size * MEMORY_BYTES_PER_BYTE
    if peak > allowed:
        raise Finding(f"{size} bytes took {peak} bytes of memory; {allowed} are allowed")
