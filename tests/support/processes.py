"""Real processes for tests: started with nothing of the environment's settings, waited for by
conditions, always ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from forking import Forked, parent

from bridge.core.timings import TIMINGS, Timings

T = TypeVar("T")
PATIENCE = 180.0  # seconds; flows run only while a processor has nothing else to do


def environment(**more: str) -> dict[str, str]:
    """Return the environment without flowbridge's settings."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("FLOWBRIDGE_")
    } | more


@contextmanager
def running(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator[Forked]:
    """Run `flowbridge …` in a folder; what is left of it is killed, with every process it has
    started.
    """
    process = parent().open(arguments, environ or environment(), folder)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def call(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `flowbridge …` to its end."""
    process = parent().open(arguments, environ or environment(), folder)
    try:
        stdout, stderr = process.communicate(PATIENCE)
    finally:
        process.kill()
    return subprocess.CompletedProcess(arguments, process.wait(PATIENCE), stdout, stderr)


def call_here(
    folder: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    timings: Timings = TIMINGS,
) -> subprocess.CompletedProcess[str]:
    """The same in this process, in a tenth of the time, where it is what the command does that
    matters.
    """
    from command_line import run

    with chdir(folder), patch.dict(os.environ, dict(environ or environment()), clear=True):
        done = run(*arguments, timings=timings)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def eventually(look: Callable[[], T]) -> T:
    """Return what `look` returns once that is true; AssertionError with the last of it where it
    never is.
    """
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < until, f"still {found!r} after {PATIENCE:g} s"
        time.sleep(0.02)
    return found


def is_listening(port: int) -> bool:
    """Tell whether someone listens on the port."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
