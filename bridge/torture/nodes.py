"""The nodes: the processes of the tested bridge."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient
from bridge.torture.processes import Process, Service, list_children

#: With the default timings the test would end before the second search for a run.
RECONCILE_TIMINGS: Final = {"reconcile_first_seconds": 0.5, "reconcile_confirm_seconds": 1.0}
#: Runs `flowbridge` so that it ends with the test's process, however that dies. A process that
#: takes over becomes a child of the test a moment later. The second argument is the file of its
#: gate for calls, or empty.
PROGRAM: Final = f"""
import os, sys, time
from pathlib import Path
parent, gate, tries = int(sys.argv.pop(1)), sys.argv.pop(1), 1000
while os.getppid() != parent and (tries := tries - 1):
    time.sleep(0.01)
from bridge.system.linux_process import die_with_parent
die_with_parent()
if os.getppid() != parent:
    sys.exit(1)
if gate:
    from bridge.torture.call_gate import install_gate
    install_gate(Path(gate))
from bridge.cli.main import main
from bridge.core.timings import Timings
main(sys.argv[1:], Timings(**{RECONCILE_TIMINGS!r}))
"""
STOP_SECONDS: Final = 12.0  # from SIGTERM to the end
STARTUP_SECONDS: Final = 20.0  # on a busy machine, until a process handles SIGTERM
# run like systemd services on every other node, and like containers on the others
SERVICE_COMMANDS: Final = ("serve", "web", "work")
GATED_COMMANDS: Final = ("work", "celery")  # those that make calls, and that others take over from
# below the ephemeral ports: an outgoing connection could take the port during a restart
PORT_RANGE: Final = (15_000, 32_000)


def find_free_port() -> int:
    """Return an unused port of the loopback, drawn from the operating system's randomness.

    A port from the seeded generator would be the same in two runs with one seed on a machine.
    """
    for _ in range(200):
        port = secrets.choice(range(*PORT_RANGE))
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BridgeError(f"no free port between {PORT_RANGE[0]} and {PORT_RANGE[1]}")


class Node:
    """The processes of one machine: `serve`, or `web` and `work`."""

    def __init__(
        self,
        number: int,
        folder: Path,
        environ: Mapping[str, str],
        port: int,
        commands: Iterable[str],
    ) -> None:
        self.number = number
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.gate = folder / f"call-gate-{number}"
        self._http = HttpClient()
        ours = {"FLOWBRIDGE_BIND": f"127.0.0.1:{port}", **environ}
        self.processes = {
            name: (Service if name in SERVICE_COMMANDS and number % 2 == 0 else Process)(
                f"{name}-{number}", self._make_command(name, folder), folder, ours
            )
            for name in commands
        }

    def _make_command(self, name: str, folder: Path) -> list[str]:
        gate = str(self.gate) if name in GATED_COMMANDS else ""
        program = [sys.executable, "-c", PROGRAM, str(os.getpid()), gate]
        return [*program, "--config", str(folder / "routes.yaml"), name]

    @property
    def services(self) -> list[Service]:
        """The processes that run like systemd services."""
        return [process for process in self.processes.values() if isinstance(process, Service)]

    def start(self) -> None:
        """Start every process that does not run."""
        for process in self.processes.values():
            if not process.pid:
                process.start()

    def set_data_folder(self, data: Path) -> None:
        """Set the data folder of the processes that are started from now on."""
        for process in self.processes.values():
            process.environ = {**process.environ, "FLOWBRIDGE_DATA": str(data)}

    def kill(self) -> None:
        """Kill all processes at once."""
        for process in self.processes.values():
            process.kill()

    def stop(self) -> list[int | None]:
        """Stop all processes with SIGTERM; return the exit codes, None for a killed process.

        A process that has just been started may not handle SIGTERM yet and die of it: that is 0.
        """
        young = [
            time.monotonic() - process.started_at < STARTUP_SECONDS
            for process in self.processes.values()
        ]
        for process in self.processes.values():
            process.terminate()
        until = time.monotonic() + STOP_SECONDS
        codes = [
            process.wait(max(0.1, until - time.monotonic())) for process in self.processes.values()
        ]
        if None in codes:
            self.kill()
        return [
            0 if is_young and code == -signal.SIGTERM else code
            for code, is_young in zip(codes, young, strict=True)
        ]

    @property
    def is_ready(self) -> bool:
        """Whether all processes run and /readyz answers 200."""
        if not all(process.pid for process in self.processes.values()):
            return False
        answer = self._http.send(Call(method="GET", url=f"{self.url}/readyz"), Deadline.after(2.0))
        return isinstance(answer, Answer) and answer.status == 200

    # -- process ids; 0 without such a process. `workers`: the process ids of workers in the store

    def find_worker(self, workers: Collection[int]) -> int:
        """Return the process id of the worker."""
        process = self.processes.get("work") or self.processes["serve"]
        if isinstance(process, Service):
            return next((pid for pid in list_children(process.pid) if pid in workers), 0)
        return process.pid

    def find_web(self, workers: Collection[int]) -> int:
        """Return the process id of the receivers' parent."""
        process = self.processes.get("web") or self.processes["serve"]
        if not isinstance(process, Service):
            return process.pid
        if not self.find_worker(workers):  # it also has children, and may not be in the store yet
            return 0
        return next(
            (
                pid
                for pid in list_children(process.pid)
                if pid not in workers and list_children(pid)
            ),
            0,
        )
