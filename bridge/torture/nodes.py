"""The bridge that is tortured, as real processes: started, looked at, killed, started again."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Final

from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call
from bridge.system.http_client import HttpClient
from bridge.torture.processes import Process, Service, list_children

#: A run is looked for soon: with the durations of a running bridge, torture would see its end
#: before a second look.
RECONCILE_TIMINGS: Final = {"reconcile_first_seconds": 0.5, "reconcile_confirm_seconds": 1.0}
#: `flowbridge`, which ends when the process that tortures dies, however it dies. One that takes
#: over becomes its child a moment later.
PROGRAM: Final = f"""
import os, sys, time
parent, tries = int(sys.argv.pop(1)), 1000
while os.getppid() != parent and (tries := tries - 1):
    time.sleep(0.01)
from bridge.system.linux_process import die_with_parent
die_with_parent()
if os.getppid() != parent:
    sys.exit(1)
from bridge.cli.main import main
from bridge.core.timings import Timings
main(sys.argv[1:], Timings(**{RECONCILE_TIMINGS!r}))
"""
STOP_SECONDS: Final = 12.0  # seconds from SIGTERM until it should have ended
STARTUP_SECONDS: Final = (
    20.0  # seconds that a process may need on a busy machine until it listens to SIGTERM
)
# what is kept as systemd keeps it on every other node; on the others as a container is
SERVICE_COMMANDS: Final = ("serve", "web", "work")
# below those of outgoing connections, one of which would take it in the second of a restart
PORT_RANGE: Final = (15_000, 32_000)


def find_free_port(random: Random) -> int:
    """Return a port of the loopback that nobody listens on."""
    for _ in range(200):
        port = random.randrange(*PORT_RANGE)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BridgeError(f"no free port between {PORT_RANGE[0]} and {PORT_RANGE[1]}")


class Node:
    """One machine's worth of flowbridge: `serve`, or `web` and `work` side by side."""

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
        self._http = HttpClient()
        ours = {"FLOWBRIDGE_BIND": f"127.0.0.1:{port}", **environ}
        begin = [
            sys.executable,
            "-c",
            PROGRAM,
            str(os.getpid()),
            "--config",
            str(folder / "routes.yaml"),
        ]
        self.processes = {
            name: (Service if name in SERVICE_COMMANDS and number % 2 == 0 else Process)(
                f"{name}-{number}", [*begin, name], folder, ours
            )
            for name in commands
        }

    @property
    def services(self) -> list[Service]:
        """Those of its processes that are kept as systemd keeps them."""
        return [process for process in self.processes.values() if isinstance(process, Service)]

    def start(self) -> None:
        """Start what does not run."""
        for process in self.processes.values():
            if not process.pid:
                process.start()

    def set_data_folder(self, data: Path) -> None:
        """Have the processes that are started from now on keep their data there."""
        for process in self.processes.values():
            process.environ = {**process.environ, "FLOWBRIDGE_DATA": str(data)}

    def kill(self) -> None:
        """Kill all of it at once."""
        for process in self.processes.values():
            process.kill()

    def stop(self) -> list[int | None]:
        """End it as a service manager does; return the exit codes, None for what had to be killed.

        One that has just been started, and does not listen to SIGTERM yet, is ended by it all the
        same: that is 0.
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
        """Whether everything runs and /readyz says yes."""
        if not all(process.pid for process in self.processes.values()):
            return False
        answer = self._http.send(Call(method="GET", url=f"{self.url}/readyz"), 2.0)
        return isinstance(answer, Answer) and answer.status == 200

    # -- who is who; 0 where there is none now. `workers` are the processes that the store has as
    # workers.

    def find_worker(self, workers: Collection[int]) -> int:
        """Return the worker."""
        process = self.processes.get("work") or self.processes["serve"]
        if isinstance(process, Service):
            return next((pid for pid in list_children(process.pid) if pid in workers), 0)
        return process.pid

    def find_web(self, workers: Collection[int]) -> int:
        """Return the receivers' parent."""
        process = self.processes.get("web") or self.processes["serve"]
        if not isinstance(process, Service):
            return process.pid
        if not self.find_worker(workers):  # it has children as well, and may not be known yet
            return 0
        return next(
            (
                pid
                for pid in list_children(process.pid)
                if pid not in workers and list_children(pid)
            ),
            0,
        )
