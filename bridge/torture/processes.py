"""Processes that are started, looked at, killed and started again, and that others take over from.

Who tortures adopts what its processes leave behind, so one that takes over, whose parent is gone at
once, ends with it too.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

LOG: Final = 5_000_000  # bytes of a log; the one before is kept too
GONE: Final = 5.0  # seconds that the kernel may take to end what was killed
SLICE: Final = 0.01


def children_of(pid: int) -> list[int]:
    """Return the children of a process; none where it is gone."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def descendants_of(pid: int) -> list[int]:
    """Return all that a process has started, and what that has."""
    return [one for child in children_of(pid) for one in (child, *descendants_of(child))]


def strike(pid: int, number: int) -> bool:
    """Send a signal; return whether there was somebody to get it."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


class Adopted:
    """A process that another has started, and whose parent this one has become: as much of `Popen`
    as is wanted of it.
    """

    stdin = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, None where it has not."""
        if self.returncode is None:
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


@dataclass(slots=True)
class Process:
    """One process in a session of its own, with its log; started again and again."""

    name: str
    command: list[str]
    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    popen: subprocess.Popen[bytes] | Adopted | None = None
    session: int = 0  # of the last one that was started
    sessions: set[int] = field(default_factory=set)  # of all that were
    starts: int = 0
    started_at: float = 0.0  # monotonic

    def start(self, first_line: bytes = b"") -> None:
        """Start it; what it writes goes into its log, and `first_line` to its stdin."""
        self._bury()
        self.popen = subprocess.Popen(  # noqa: S603 - our own program, no shell
            self.command,
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.session, self.starts, self.started_at = (
            self.popen.pid,
            self.starts + 1,
            time.monotonic(),
        )
        self.sessions.add(self.session)
        assert self.popen.stdin is not None and self.popen.stdout is not None  # noqa: S101 - for the type checker
        self.say(first_line)
        threading.Thread(
            target=_pump, args=(self.popen.stdout, self.log), name=self.name, daemon=True
        ).start()

    @property
    def log(self) -> Path:
        """Where its output is."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Its id; 0 where it does not run."""
        self._listen()
        return self.popen.pid if self.popen is not None and self.popen.poll() is None else 0

    @property
    def tree(self) -> list[int]:
        """It, and all that it has started; nothing where it does not run."""
        return [pid, *descendants_of(pid)] if (pid := self.pid) else []

    def say(self, line: bytes) -> None:
        """Write to its stdin."""
        if self.popen is not None and self.popen.stdin is not None and line:
            with suppress(BrokenPipeError):
                self.popen.stdin.write(line + b"\n")
                self.popen.stdin.flush()

    def end(self) -> None:
        """Tell it to end."""
        for one in self._all():
            if one.poll() is None:
                strike(one.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it with everything in its session, and wait for its end."""
        started = [
            pid for one in self._all() if one.poll() is None for pid in descendants_of(one.pid)
        ]
        with suppress(ProcessLookupError):
            if self.session:
                os.killpg(self.session, signal.SIGKILL)
        for pid in started:  # runs of flows lead groups of their own
            strike(pid, signal.SIGKILL)
        self.wait(GONE)
        self._bury()

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, 0 where it was never started, None where it has not ended within
        that time.
        """
        until = time.monotonic() + seconds
        while None in (codes := [one.poll() for one in self._all()]):
            if time.monotonic() >= until:
                return None
            time.sleep(SLICE)
        for one in self._all():
            if one.stdin is not None:
                with suppress(BrokenPipeError):
                    one.stdin.close()
        return next((code for code in codes if code), 0)

    def _all(self) -> list[subprocess.Popen[bytes] | Adopted]:
        return [] if self.popen is None else [self.popen]

    def _listen(self) -> None:
        """Hear what it says of itself: nothing."""

    def _left_behind(self) -> list[int]:
        """Those of its sessions that this process has adopted, now or earlier."""
        known = {one.pid for one in self._all()}
        return [
            pid
            for pid in children_of(os.getpid())
            if pid not in known and _session(pid) in self.sessions
        ]

    def _bury(self) -> None:
        """Take note of the end of those that it left behind."""
        for pid in self._left_behind():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@dataclass(slots=True)
class Service(Process):
    """One that is kept as systemd keeps a service of Type=notify: it says which process it is;
    nothing is left when it starts again.

    `earlier`: those from which another has taken over, and which may still finish what they began.
    """

    earlier: list[subprocess.Popen[bytes] | Adopted] = field(default_factory=list)
    hears: socket.socket | None = field(default=None, repr=False)

    def start(self, first_line: bytes = b"") -> None:
        """Start it, once all that is left of the one before is gone."""
        self.kill()
        self.earlier.clear()
        # a new one: what the one before said late is not taken for this one's
        address = f"flowbridge-torture-{secrets.token_hex(8)}"
        self.hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.hears.setblocking(False)
        self.hears.bind(f"\0{address}")
        self.environ = {**self.environ, "NOTIFY_SOCKET": f"@{address}"}
        Process.start(self, first_line)

    @property
    def heirs(self) -> list[int]:
        """Those that have been begun to take over, and have not yet."""
        return [pid for pid in self._left_behind() if _session(pid) == self.session]

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, and those from which it took over, None where one has not within
        that time.
        """
        code = Process.wait(self, seconds)
        if code is not None and self.hears is not None:
            self.hears.close()
            self.hears = None
        return code

    def _all(self) -> list[subprocess.Popen[bytes] | Adopted]:
        return [*self.earlier, *Process._all(self)]

    def _listen(self) -> None:
        """Hear whether another process is the service by now."""
        with suppress(BlockingIOError):
            while self.hears is not None:
                for line in self.hears.recv(4096).decode().split("\n"):
                    if line.startswith("MAINPID=") and self.popen is not None:
                        self.earlier.append(self.popen)
                        self.popen = Adopted(int(line.removeprefix("MAINPID=")))


def _session(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def _pump(output: IO[bytes], path: Path) -> None:
    """Copy a process's output to its log until everybody who could write to it is gone."""
    path.parent.mkdir(exist_ok=True)
    with output:
        while piece := os.read(output.fileno(), 65536):
            if path.exists() and path.stat().st_size > LOG:
                path.replace(path.with_suffix(".before.log"))
            with path.open("ab") as file:
                file.write(piece)
