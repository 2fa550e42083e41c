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

MAX_LOG_BYTES: Final = 5_000_000  # bytes of a log; the one before is kept too
KILL_SECONDS: Final = 5.0  # seconds that the kernel may take to end what was killed
POLL_SECONDS: Final = 0.01


def list_children(pid: int) -> list[int]:
    """Return the children of a process; none where it is gone."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def list_descendants(pid: int) -> list[int]:
    """Return all that a process has started, and what that has."""
    return [one for child in list_children(pid) for one in (child, *list_descendants(child))]


def send_signal(pid: int, number: int) -> bool:
    """Send a signal; return whether there was somebody to get it."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


class AdoptedProcess:
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
    popen: subprocess.Popen[bytes] | AdoptedProcess | None = None
    session: int = 0  # of the last one that was started
    sessions: set[int] = field(default_factory=set)  # of all that were
    starts: int = 0
    started_at: float = 0.0  # monotonic

    def start(self, first_line: bytes = b"") -> None:
        """Start it; what it writes goes into its log, and `first_line` to its stdin."""
        self._reap_orphans()
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
        self.send_line(first_line)
        threading.Thread(
            target=_copy_output, args=(self.popen.stdout, self.log), name=self.name, daemon=True
        ).start()

    @property
    def log(self) -> Path:
        """Where its output is."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Its id; 0 where it does not run."""
        self._read_notifications()
        return self.popen.pid if self.popen is not None and self.popen.poll() is None else 0

    @property
    def pids(self) -> list[int]:
        """It, and all that it has started; nothing where it does not run."""
        return [pid, *list_descendants(pid)] if (pid := self.pid) else []

    def send_line(self, line: bytes) -> None:
        """Write to its stdin."""
        if self.popen is not None and self.popen.stdin is not None and line:
            with suppress(BrokenPipeError):
                self.popen.stdin.write(line + b"\n")
                self.popen.stdin.flush()

    def terminate(self) -> None:
        """Tell it to end."""
        for one in self._popens():
            if one.poll() is None:
                send_signal(one.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it with everything in its session, and wait for its end."""
        started = [
            pid for one in self._popens() if one.poll() is None for pid in list_descendants(one.pid)
        ]
        with suppress(ProcessLookupError):
            if self.session:
                os.killpg(self.session, signal.SIGKILL)
        for pid in started:  # runs of flows lead groups of their own
            send_signal(pid, signal.SIGKILL)
        self.wait(KILL_SECONDS)
        self._reap_orphans()

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, 0 where it was never started, None where it has not ended within
        that time.
        """
        until = time.monotonic() + seconds
        while None in (codes := [one.poll() for one in self._popens()]):
            if time.monotonic() >= until:
                return None
            time.sleep(POLL_SECONDS)
        for one in self._popens():
            if one.stdin is not None:
                with suppress(BrokenPipeError):
                    one.stdin.close()
        return next((code for code in codes if code), 0)

    def _popens(self) -> list[subprocess.Popen[bytes] | AdoptedProcess]:
        return [] if self.popen is None else [self.popen]

    def _read_notifications(self) -> None:
        """Hear what it says of itself: nothing."""

    def _find_orphans(self) -> list[int]:
        """Those of its sessions that this process has adopted, now or earlier."""
        known = {one.pid for one in self._popens()}
        return [
            pid
            for pid in list_children(os.getpid())
            if pid not in known and _session_of(pid) in self.sessions
        ]

    def _reap_orphans(self) -> None:
        """Take note of the end of those that it left behind."""
        for pid in self._find_orphans():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@dataclass(slots=True)
class Service(Process):
    """One that is kept as systemd keeps a service of Type=notify: it says which process it is;
    nothing is left when it starts again.

    `earlier`: those from which another has taken over, and which may still finish what they began.
    """

    replaced: list[subprocess.Popen[bytes] | AdoptedProcess] = field(default_factory=list)
    notify_socket: socket.socket | None = field(default=None, repr=False)

    def start(self, first_line: bytes = b"") -> None:
        """Start it, once all that is left of the one before is gone."""
        self.kill()
        self.replaced.clear()
        # a new one: what the one before said late is not taken for this one's
        address = f"flowbridge-torture-{secrets.token_hex(8)}"
        self.notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_socket.setblocking(False)
        self.notify_socket.bind(f"\0{address}")
        self.environ = {**self.environ, "NOTIFY_SOCKET": f"@{address}"}
        Process.start(self, first_line)

    @property
    def replacements(self) -> list[int]:
        """Those that have been begun to take over, and have not yet."""
        return [pid for pid in self._find_orphans() if _session_of(pid) == self.session]

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, and those from which it took over, None where one has not within
        that time.
        """
        code = Process.wait(self, seconds)
        if code is not None and self.notify_socket is not None:
            self.notify_socket.close()
            self.notify_socket = None
        return code

    def _popens(self) -> list[subprocess.Popen[bytes] | AdoptedProcess]:
        return [*self.replaced, *Process._popens(self)]

    def _read_notifications(self) -> None:
        """Hear whether another process is the service by now."""
        with suppress(BlockingIOError):
            while self.notify_socket is not None:
                for line in self.notify_socket.recv(4096).decode().split("\n"):
                    if line.startswith("MAINPID=") and self.popen is not None:
                        self.replaced.append(self.popen)
                        self.popen = AdoptedProcess(int(line.removeprefix("MAINPID=")))


def _session_of(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def _copy_output(output: IO[bytes], path: Path) -> None:
    """Copy a process's output to its log until everybody who could write to it is gone."""
    path.parent.mkdir(exist_ok=True)
    with output:
        while piece := os.read(output.fileno(), 65536):
            if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
                path.replace(path.with_suffix(".before.log"))
            with path.open("ab") as file:
                file.write(piece)
