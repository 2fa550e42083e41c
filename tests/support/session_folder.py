"""Give the tests of a session one temporary folder, and leave nothing behind: no file, no process.

The folder stays where a test failed: it has the files of that test.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from forked_runner import is_worker

PREFIX = "fb-tests-"  # short: a path of a socket has at most 107 characters
END_SECONDS = 10.0
KEY: pytest.StashKey[Path] = pytest.StashKey()
VARIABLES = ("TMPDIR", "PYTEST_DEBUG_TEMPROOT")
#: the helper that `multiprocessing` starts for a process, and that ends with it: this one's stays
TRACKER = "from multiprocessing.resource_tracker import main"


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, in which this process and those that tests start make theirs."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=os.environ.get(VARIABLES[1])))
    folder.chmod(0o711)  # as root, PostgreSQL is another user
    os.environ.update(dict.fromkeys(VARIABLES, str(folder)))
    tempfile.tempdir = None
    config.stash[KEY] = folder


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Delete the folder, and end the processes that are left: there must be none."""
    yield
    if is_worker(session.config):
        return
    folder = session.config.stash[KEY]
    lines = [f"left behind, and ended now: {line}" for line in end_processes(folder)]
    if lines and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if session.exitstatus == pytest.ExitCode.TESTS_FAILED:
        lines.append(f"files of the tests: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    reporter: Any = session.config.pluginmanager.getplugin("terminalreporter")
    for line in lines if reporter else ():
        reporter.write_line(line)


def end_processes(folder: Path) -> list[str]:
    """End the processes that were started with this temporary folder; return their commands."""
    until = time.monotonic() + END_SECONDS
    while (left := find_processes(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"{pid} {command}" for pid, command in left.items()]


def find_processes(folder: Path) -> dict[int, str]:
    """Return the processes, but this one, whose environment names the folder."""
    named = f"TMPDIR={folder}\0".encode()
    processes = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if named in (path / "environ").read_bytes() and int(path.name) != os.getpid():
                command = (path / "cmdline").read_bytes().replace(b"\0", b" ")
                parent = int((path / "stat").read_bytes().rpartition(b")")[2].split()[1])
                if TRACKER.encode() not in command or parent != os.getpid():
                    processes[int(path.name)] = command.decode(errors="replace").strip()
    return processes
