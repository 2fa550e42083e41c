"""Child processes that are started and killed repeatedly, with or without a handover.

The test is a subreaper: it adopts orphans, such as a process that takes over and whose parent ends
at once, so that they end with the test too.
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

MAX_LOG_BYTES: Final = 5_000_000  # then it is rotated, once
KILL_SECONDS: Final = 5.0  # from SIGKILL to the end
POLL_SECONDS: Final = 0.01


def list_children(pid: int) -> list[int]:
    """Return the children of a process; an empty list if it has ended."""
    children: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    return children


def list_descendants(pid: int) -> list[int]:
    """Return the children of a process, their children, and so on."""
    return [
        descendant
        for child in list_children(pid)
        for descendant in (child, *list_descendants(child))
    ]


def send_signal(pid: int, number: int) -> bool:
    """Send a signal; return whether the process exists."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


class AdoptedProcess:
    """An adopted orphan, with the part of the interface of `Popen` that `Process` uses."""

    stdin = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None:
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


@dataclass(slots=True)
class Process:
    """A process in its own session with a log, started any number of times."""

    name: str
    command: list[str]
    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    popen: subprocess.Popen[bytes] | AdoptedProcess | None = None
    session: int = 0  # of the last start
    sessions: set[int] = field(default_factory=set)  # of all starts
    starts: int = 0
    started_at: float = 0.0  # monotonic

    def start(self, first_line: bytes = b"") -> None:
        """Start the process; write `first_line` to its stdin, and its output to the log."""
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
        """The path of the log."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """The process id; 0 while it does not run."""
        self._read_notifications()
        return self.popen.pid if self.popen is not None and self.popen.poll() is None else 0

    @property
    def pids(self) -> list[int]:
        """The ids of the process and its descendants; empty while it does not run."""
        return [pid, *list_descendants(pid)] if (pid := self.pid) else []

    def send_line(self, line: bytes) -> None:
        """Write a line to stdin."""
        if self.popen is not None and self.popen.stdin is not None and line:
            with suppress(BrokenPipeError):
                self.popen.stdin.write(line + b"\n")
                self.popen.stdin.flush()

    def terminate(self) -> None:
        """Send SIGTERM."""
        for process in self._popens():
            if process.poll() is None:
                send_signal(process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process with its session and its descendants, and wait for the end."""
        started = [
            pid
            for process in self._popens()
            if process.poll() is None
            for pid in list_descendants(process.pid)
        ]
        with suppress(ProcessLookupError):
            if self.session:
                os.killpg(self.session, signal.SIGKILL)
        for pid in started:  # runs of flows have their own process groups
            send_signal(pid, signal.SIGKILL)
        self.wait(KILL_SECONDS)
        self._reap_orphans()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code: 0 if it was never started, None if it did not end in time."""
        until = time.monotonic() + seconds
        while None in (codes := [process.poll() for process in self._popens()]):
            if time.monotonic() >= until:
                return None
            time.sleep(POLL_SECONDS)
        for ended in self._popens():
            if ended.stdin is not None:
                with suppress(BrokenPipeError):
                    ended.stdin.close()
        return next((code for code in codes if code), 0)

    def _popens(self) -> list[subprocess.Popen[bytes] | AdoptedProcess]:
        return [] if self.popen is None else [self.popen]

    def _read_notifications(self) -> None:
        """Read notifications of systemd's protocol; a plain process sends none."""

    def _find_orphans(self) -> list[int]:
        """Return the adopted processes of its sessions."""
        own_pids = {process.pid for process in self._popens()}
        return [
            pid
            for pid in list_children(os.getpid())
            if pid not in own_pids and _session_of(pid) in self.sessions
        ]

    def _reap_orphans(self) -> None:
        """Reap the adopted processes that have ended."""
        for pid in self._find_orphans():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@dataclass(slots=True)
class Service(Process):
    """A process that runs like a systemd service of Type=notify.

    It sends MAINPID when another process takes over, and a restart kills every process it left.
    `replaced`: processes after a handover, which may still finish their work.
    """

    replaced: list[subprocess.Popen[bytes] | AdoptedProcess] = field(default_factory=list)
    notify_socket: socket.socket | None = field(default=None, repr=False)

    def start(self, first_line: bytes = b"") -> None:
        """Kill all earlier processes of the service, then start it."""
        self.kill()
        self.replaced.clear()
        # a new address, so that late notifications of the previous process are ignored
        address = f"flowbridge-torture-{secrets.token_hex(8)}"
        self.notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_socket.setblocking(False)
        self.notify_socket.bind(f"\0{address}")
        self.environ = {**self.environ, "NOTIFY_SOCKET": f"@{address}"}
        Process.start(self, first_line)

    @property
    def replacements(self) -> list[int]:
        """The processes that are taking over and have not finished doing so."""
        return [pid for pid in self._find_orphans() if _session_of(pid) == self.session]

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, or None if it or a replaced process did not end in time."""
        code = Process.wait(self, seconds)
        if code is not None and self.notify_socket is not None:
            self.notify_socket.close()
            self.notify_socket = None
        return code

    def _popens(self) -> list[subprocess.Popen[bytes] | AdoptedProcess]:
        return [*self.replaced, *Process._popens(self)]

    def _read_notifications(self) -> None:
        """Adopt the new main process if the service has sent one."""
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
    """Copy a process's output to its log until all writers have closed it."""
    path.parent.mkdir(exist_ok=True)
    with output:
        while piece := os.read(output.fileno(), 65536):
            if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
                path.replace(path.with_suffix(".before.log"))
            with path.open("ab") as file:
                file.write(piece)
