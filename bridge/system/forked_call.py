"""A function call in a forked process, with a timeout: its memory is freed when it ends."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bridge.core.errors import BridgeError
from bridge.system.descriptors import wait_readable
from bridge.system.linux_process import die_with_parent
from bridge.system.logs import get_logger

T = TypeVar("T")

log = get_logger()


def call_in_fork(work: Callable[[], T], seconds: float) -> T:
    """Call `work` in a forked process and return its result, which must be picklable.

    The calling process must have no threads. Raises `BridgeError` if `work` raises one, if the
    process ends without a result, or if it takes longer than `seconds`.
    """
    return begin_in_fork(work).wait(seconds)


@dataclass(frozen=True, slots=True)
class ForkedCall(Generic[T]):
    """A call that a forked process makes; `wait` once for its result."""

    child: int
    answers: int

    def wait(self, seconds: float) -> T:
        """Return the result, or raise, as `call_in_fork` does."""
        try:
            raw = _read_result(self.answers, time.monotonic() + seconds)
        finally:
            os.close(self.answers)
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        if raw is None:
            raise BridgeError(f"timed out after {seconds:g} s")
        if not raw:
            raise BridgeError("the process ended without a result")
        done, value = pickle.loads(raw)  # noqa: S301 - our own process wrote it
        if not done:
            raise value
        result: T = value
        return result


def begin_in_fork(work: Callable[[], T]) -> ForkedCall[T]:
    """Begin to call `work` as `call_in_fork` does, and go on meanwhile."""
    answers, told = os.pipe2(os.O_CLOEXEC)
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run_child(work, told)
    os.close(told)
    return ForkedCall(child, answers)


def _run_child(work: Callable[[], T], told: int) -> None:
    try:
        die_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        try:
            said: tuple[bool, object] = True, work()
        except BridgeError as error:
            said = False, BridgeError(str(error))
        with os.fdopen(told, "wb") as file:
            pickle.dump(said, file)
    except BaseException as fault:
        log.error("process_failed", exc_info=fault)
    finally:
        os._exit(0)


def _read_result(answers: int, until: float) -> bytes | None:
    """Read until the other end is closed; return None on a timeout."""
    raw = bytearray()
    while wait_readable([answers], until - time.monotonic()):
        piece = os.read(answers, 1 << 20)
        if not piece:
            return bytes(raw)
        raw += piece
    return None
