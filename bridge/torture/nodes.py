"""The bridge that is tortured, as real processes: started, looked at, killed, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Final

from bridge.errors import BridgeError
from bridge.model import Answer, Call
from bridge.send import Sender

#: Seconds between the looks for a run, instead of a minute's: as the product has them, torture would see its end before a second look.
FIRST, AGREE = 0.5, 1.0
#: `flowbridge`, which ends when this process dies, however it dies.
COMMAND: Final = f"""
from bridge.parent import die_with_parent
die_with_parent()
import sys
from bridge import reconcile
from bridge.cli import main
reconcile.FIRST, reconcile.AGREE = {FIRST}, {AGREE}
main(sys.argv[1:])
"""
LOG: Final = 5_000_000  # bytes of a log; the one before is kept too
STOPPING: Final = 12.0  # seconds from SIGTERM until it should have ended
YOUNG: Final = 20.0  # seconds that a process may need on a busy machine until it listens to SIGTERM
PORTS: Final = (15_000, 32_000)  # below those of outgoing connections, one of which would take it in the second of a restart


def free_port(random: Random) -> int:
    """Return a port of the loopback that nobody listens on."""
    for _ in range(200):
        port = random.randrange(*PORTS)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BridgeError(f"no free port between {PORTS[0]} and {PORTS[1]}")


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


@dataclass(slots=True)
class Process:
    """One process in a session of its own, with its log; started again and again."""

    name: str
    command: list[str]
    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    popen: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at: float = 0.0  # monotonic

    def start(self, first_line: bytes = b"") -> None:
        """Start it; what it writes goes into its log, and `first_line` to its stdin."""
        self.popen = subprocess.Popen(  # noqa: S603
            self.command,
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.starts, self.started_at = self.starts + 1, time.monotonic()
        assert self.popen.stdin is not None and self.popen.stdout is not None  # noqa: S101 - for the type checker
        self.say(first_line)
        threading.Thread(target=_pump, args=(self.popen.stdout, self.log), name=self.name, daemon=True).start()

    @property
    def log(self) -> Path:
        """Where its output is."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Its id; 0 where it does not run."""
        return self.popen.pid if self.popen is not None and self.popen.poll() is None else 0

    def say(self, line: bytes) -> None:
        """Write to its stdin."""
        if self.popen is not None and self.popen.stdin is not None and line:
            with suppress(BrokenPipeError):
                self.popen.stdin.write(line + b"\n")
                self.popen.stdin.flush()

    def kill(self) -> None:
        """Kill it with everything in its session's group, and wait for its end."""
        if self.popen is None:
            return
        tree = [self.popen.pid, *descendants_of(self.popen.pid)]
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        for pid in tree[1:]:  # runs of flows lead groups of their own
            strike(pid, signal.SIGKILL)
        self.wait(5.0)

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, None where it has not within that time."""
        if self.popen is None:
            return 0
        with suppress(subprocess.TimeoutExpired):
            code = self.popen.wait(seconds)
            if self.popen.stdin is not None:
                with suppress(BrokenPipeError):
                    self.popen.stdin.close()
            return code
        return None


def _pump(output: IO[bytes], path: Path) -> None:
    """Copy a process's output to its log until everybody who could write to it is gone."""
    path.parent.mkdir(exist_ok=True)
    with output:
        while piece := os.read(output.fileno(), 65536):
            if path.exists() and path.stat().st_size > LOG:
                path.replace(path.with_suffix(".before.log"))
            with path.open("ab") as file:
                file.write(piece)


class Node:
    """One machine's worth of flowbridge: `serve`, or `web` and `work` side by side."""

    def __init__(self, number: int, folder: Path, environ: Mapping[str, str], port: int, commands: Iterable[str]) -> None:
        self.number, self.port, self.url = number, port, f"http://127.0.0.1:{port}"
        self._sender = Sender()
        ours = {"FLOWBRIDGE_BIND": f"127.0.0.1:{port}", **environ}
        self.processes = {
            name: Process(f"{name}-{number}", [sys.executable, "-c", COMMAND, "--config", str(folder / "routes.yaml"), name], folder, ours)
            for name in commands
        }

    def start(self) -> None:
        """Start what does not run."""
        for process in self.processes.values():
            if not process.pid:
                process.start()

    def use_data(self, data: Path) -> None:
        """Have the processes that are started from now on keep their data there."""
        for process in self.processes.values():
            process.environ = {**process.environ, "FLOWBRIDGE_DATA": str(data)}

    def kill(self) -> None:
        """Kill all of it at once."""
        for process in self.processes.values():
            process.kill()

    def stop(self) -> list[int | None]:
        """End it as a service manager does; return the exit codes, None for what had to be killed.

        One that has just been started, and does not listen to SIGTERM yet, is ended by it all the same: that is 0.
        """
        young = [time.monotonic() - process.started_at < YOUNG for process in self.processes.values()]
        for process in self.processes.values():
            if process.pid:
                strike(process.pid, signal.SIGTERM)
        until = time.monotonic() + STOPPING
        codes = [process.wait(max(0.1, until - time.monotonic())) for process in self.processes.values()]
        if None in codes:
            self.kill()
        return [0 if is_young and code == -signal.SIGTERM else code for code, is_young in zip(codes, young, strict=True)]

    @property
    def is_ready(self) -> bool:
        """Whether everything runs and /readyz says yes."""
        if not all(process.pid for process in self.processes.values()):
            return False
        answer = self._sender.send(Call(method="GET", url=f"{self.url}/readyz"), 2.0)
        return isinstance(answer, Answer) and answer.status == 200

    # -- who is who; 0 and an empty list where there is none now. `workers` are the processes that the store has as workers.

    def worker(self, workers: Collection[int]) -> int:
        """Return the worker."""
        if "work" in self.processes:
            return self.processes["work"].pid
        return next((pid for pid in self._children() if pid in workers), 0)

    def web(self, workers: Collection[int]) -> int:
        """Return the receivers' parent."""
        if "web" in self.processes:
            return self.processes["web"].pid
        return next((pid for pid in self._children() if pid not in workers and children_of(pid)), 0) if self.worker(workers) else 0

    def _children(self) -> list[int]:
        pid = self.processes["serve"].pid
        return children_of(pid) if pid else []
