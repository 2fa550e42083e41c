"""A function call in a forked process, with a timeout: its memory is freed when it ends."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from bridge.core.errors import BridgeError
from bridge.system.descriptors import wait_readable
from bridge.system.linux_process import die_with_parent
from bridge.system.logs import get_logger

T = TypeVar("T")

ALIVE: Final = b"\0"  # written before the result, which begins with another byte
#: For a killed process to end: one that waits for a disk ends only after that.
KILL_SECONDS: Final = 1.0
KILL_POLL_SECONDS: Final = 0.001

log = get_logger()

_results: int | None = None  # in a forked process: the descriptor for its result


def call_in_fork(work: Callable[[], T], seconds: float) -> T:
    """Call `work` in a forked process and return its result, which must be picklable.

    The calling process must have no threads. Raises `BridgeError` if `work` raises one, if the
    process cannot be forked or ends without a result, or if it takes longer than `seconds`.
    """
    return begin_in_fork(work, seconds).wait()


@dataclass(slots=True)
class ForkedCall(Generic[T]):
    """A call that a forked process makes: `wait` once for its result.

    It ends after `seconds`, which begin again with each `report_alive` of the process. A caller
    that must not wait calls `poll` until it returns True, and then `wait`.
    """

    child: int
    answers: int
    seconds: float
    ends_at: float
    _raw: bytearray = field(default_factory=bytearray)
    _is_complete: bool = False
    _is_late: bool = False
    _is_reaped: bool = False

    def poll(self) -> bool:
        """Return whether the process has ended. Kills one that has used up its time."""
        self._read()
        return (self._is_complete or self._is_late) and self._end()

    def wait(self) -> T:
        """Return the result, or raise, as `call_in_fork` does."""
        while not self._is_complete and not self._is_late:
            wait_readable([self.answers], self.ends_at - time.monotonic())
            self._read()
        self.kill()
        if self._is_late:
            raise BridgeError(f"timed out after {self.seconds:g} s")
        if not self._raw:
            raise BridgeError("the process ended without a result")
        done, value = pickle.loads(self._raw)  # noqa: S301 - our own process wrote it
        if not done:
            raise value
        result: T = value
        return result

    def expire(self) -> None:
        """End its time now; `poll` until it returns True."""
        self._is_late = True

    def kill(self) -> None:
        """End the process, unless it has ended. Waits for its end, at most `KILL_SECONDS`."""
        until = time.monotonic() + KILL_SECONDS
        while not self._end() and time.monotonic() < until:
            time.sleep(KILL_POLL_SECONDS)

    def _read(self) -> None:
        """Read what it has written so far; its result is complete when it closes its end."""
        while not self._is_complete and not self._is_late:
            try:
                piece = os.read(self.answers, 1 << 20)
            except BlockingIOError:
                self._is_late = time.monotonic() >= self.ends_at
                return
            self.ends_at = time.monotonic() + self.seconds
            self._raw += piece if self._raw else piece.lstrip(ALIVE)
            self._is_complete = not piece

    def _end(self) -> bool:
        """Kill the process, and reap it if it has ended; return whether it is gone."""
        if not self._is_reaped:
            os.kill(self.child, signal.SIGKILL)
            self._is_reaped = os.waitpid(self.child, os.WNOHANG)[0] != 0
            if self._is_reaped:
                os.close(self.answers)
        return self._is_reaped


def begin_in_fork(work: Callable[[], T], seconds: float) -> ForkedCall[T]:
    """Begin to call `work` as `call_in_fork` does, and go on meanwhile."""
    parent = os.getpid()
    answers, told = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(answers, False)
    sys.stderr.flush()
    try:
        child = os.fork()
    except OSError as error:  # a limit of the machine
        os.close(answers)
        os.close(told)
        raise BridgeError(f"cannot start a process: {error.strerror}") from None
    if child == 0:
        _run_child(work, told, parent)
    os.close(told)
    return ForkedCall(child, answers, seconds, time.monotonic() + seconds)


def report_alive() -> None:
    """In the forked process: begin the time of the call again."""
    if _results is not None:
        os.write(_results, ALIVE)


def _run_child(work: Callable[[], T], told: int, parent: int) -> None:
    global _results  # noqa: PLW0603 - the process makes one call
    _results = told
    try:
        die_with_parent()
        if os.getppid() != parent:  # the parent died before `die_with_parent`
            os._exit(1)
        signal.set_wakeup_fd(-1)  # else its signals would reach the parent
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
