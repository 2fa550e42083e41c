"""The process of a trial or a check: started apart, fed with messages, and read within limits.

It is a separate program with an empty environment, so no secret is in its memory. It cannot open,
connect or start anything (`bridge.system.seccomp`).
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import threading
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from typing import Any, BinaryIO, Final

import orjson

from bridge.core.errors import BridgeError
from bridge.core.model import JSON
from bridge.services.trials.messages import (
    MEMORY_EXIT_CODE,
    TRIAL_LIMITS,
    FirstMessage,
    Message,
)
from bridge.system.isolated_program import open_memory_file, start_program

PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[1]); from bridge.services.trials.program import main;"
    " main()"
)


class TrialFailed(BridgeError):
    """A trial or a check has no result. The text says why, and quotes no payload."""


class TrialTooLarge(TrialFailed):
    """A trial or a check needs more time or memory than it may use."""


def evaluate_apart(
    first: FirstMessage, messages: Iterable[Message], seconds: float
) -> dict[str, JSON]:
    """Return the result of a trial or a check, evaluated in a process of its own.

    `seconds`: the time limit. The limits of processor time and memory are `TRIAL_LIMITS`. Raises
    `TrialFailed`, and `TrialTooLarge` where a limit was reached.
    """
    try:
        with open_memory_file() as written:
            status, is_late = _run(first, messages, written, seconds)
            if status != 0:
                raise _find_failure(status, seconds, first.advice, is_late=is_late)
            raw = os.pread(written, TRIAL_LIMITS.output_bytes, 0)
        result: dict[str, JSON] = orjson.loads(raw)
    except OSError as error:
        raise TrialFailed(f"the process cannot be started: {error.strerror}") from error
    except orjson.JSONDecodeError:
        raise TrialFailed("the process ended without a whole result") from None
    if "error" in result:
        raise TrialFailed(str(result["error"]))
    return result


def _run(
    first: FirstMessage, messages: Iterable[Message], written: int, seconds: float
) -> tuple[int, bool]:
    """Return the exit status, and whether the process was killed since its time was over."""
    with start_program(PROGRAM, stdin=subprocess.PIPE, stdout=written) as child:
        is_late = threading.Event()

        def kill() -> None:
            is_late.set()
            child.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            if child.stdin is not None:
                _feed(child.stdin, first, messages)
            status = child.wait()
        finally:
            timer.cancel()
            child.kill()
    return status, is_late.is_set()


def _feed(target: BinaryIO | Any, first: FirstMessage, messages: Iterable[Message]) -> None:
    """Write all messages; a process that ended early needs no further ones."""
    with suppress(BrokenPipeError):
        for message in chain([first], messages, [None]):
            pickle.dump(message, target, pickle.HIGHEST_PROTOCOL)
    with suppress(BrokenPipeError):
        target.close()


def _find_failure(status: int, seconds: float, advice: str, *, is_late: bool) -> TrialFailed:
    """Return why a process has no result; `advice`: what to do where a limit was reached."""
    cpu_seconds = TRIAL_LIMITS.cpu_seconds
    memory = TRIAL_LIMITS.memory_bytes // 1024 // 1024
    if is_late:
        return TrialTooLarge(f"it took longer than {seconds:g} s: {advice}")
    limits_by_status = {
        -signal.SIGXCPU: f"{cpu_seconds} s of processor time",
        MEMORY_EXIT_CODE: f"{memory} MiB of memory",
    }
    if status in limits_by_status:
        return TrialTooLarge(f"it needs more than {limits_by_status[status]}: {advice}")
    return TrialFailed("the process ended without a result")
