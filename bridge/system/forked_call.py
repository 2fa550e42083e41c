"""Work that is done in a process of its own: its memory goes with it, and what it breaks is nobody
else's.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from bridge.core.errors import BridgeError
from bridge.system.linux_process import die_with_parent
from bridge.system.logs import get_logger

T = TypeVar("T")

log = get_logger()


def apart(work: Callable[[], T], seconds: float) -> T:
    """Return what `work` returns, which is done in a forked process and must be fit to be pickled.
    For a process without threads.

    `BridgeError`: what it raised of that kind, or that it ended without a word or was not done in
    that time.
    """
    answers, told = os.pipe2(os.O_CLOEXEC)
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _do(work, told)
    os.close(told)
    try:
        raw = _hear(answers, time.monotonic() + seconds)
    finally:
        os.close(answers)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if raw is None:
        raise BridgeError(f"it was not done within {seconds:g} s")
    if not raw:
        raise BridgeError("the process that did it ended without a word")
    done, value = pickle.loads(raw)  # noqa: S301 - our own process wrote it
    if not done:
        raise value
    result: T = value
    return result


def _do(work: Callable[[], T], told: int) -> None:
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


def _hear(answers: int, until: float) -> bytes | None:
    """Return all that is written until the other end is closed, None where that takes too long."""
    raw = bytearray()
    while select.select([answers], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(answers, 1 << 20)
        if not piece:
            return bytes(raw)
        raw += piece
    return None
