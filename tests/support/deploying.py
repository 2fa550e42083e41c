"""What tests of deploy/ share: its files, the real programs that read them, systemd's two protocols
as a service sees them.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import required
from serving import Bridge, children_of, free_port


def needs(*programs: str) -> None:
    """Skip a test where a program is missing; fail there if FLOWBRIDGE_REQUIRE_DEPLOY is set."""
    missing = [
        name
        for name in programs
        if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
    ]
    if missing:
        required.skip("DEPLOY", f"{', '.join(missing)} is not installed")


class NotifySocket:
    """Stands for systemd's end of sd_notify. `address` goes into NOTIFY_SOCKET; it is abstract
    where it begins with @.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[tuple[float, str]] = []  # (monotonic time, one line)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind("\0" + address[1:] if address.startswith("@") else address)

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def listen(self, seconds: float) -> list[str]:
        """Listen for so long and return the lines that came."""
        until = time.monotonic() + seconds
        new = []
        while (left := until - time.monotonic()) > 0:
            self._sock.settimeout(left)
            try:
                new += self._sock.recv(4096).decode().split("\n")
            except TimeoutError:
                break
        self.heard += [(time.monotonic(), line) for line in new]
        return new

    def wait_for(self, wanted: str, seconds: float = 60.0) -> str:
        """Wait for a line that begins so, and return it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in self.listen(0.05):
                if line.startswith(wanted):
                    return line
        raise AssertionError(f"no {wanted} within {seconds} s: {self.heard}")


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[NotifySocket]:
    with NotifySocket(f"@flowbridge-{os.getpid()}-{tmp_path.name}") as heard:
        yield heard


class Activated(Bridge):
    """A bridge whose sockets are made by the real systemd-socket-activate and outlive it: each time
    it ends it is started again.

    `sockets`: name -> port, in the order in which they are handed over.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        sockets: Mapping[str, int] | None = None,
        again: bool = True,
        **more: Any,
    ) -> None:
        needs("systemd-socket-activate", "bash")
        self.sockets = dict(sockets or {"public": free_port(), "private": free_port()})
        super().__init__(folder, *arguments, port=next(iter(self.sockets.values())), **more)
        self.port = self.sockets.get("public", self.port)
        self.environ["FLOWBRIDGE_BIND"] = "127.0.0.1:1"  # the sockets count, whatever this says
        self._again = again

    def _command(self) -> list[str]:
        passed = [f"--setenv={name}={value}" for name, value in self.environ.items()]
        listen = [f"--listen=127.0.0.1:{port}" for port in self.sockets.values()]
        loop = (
            'while :; do (LISTEN_PID=$BASHPID exec "$@"); code=$?; echo "ended $code" >&2; [ -n'
            ' "$AGAIN" ] || exit $code; done'
        )
        shell = ["bash", "-c", loop, "bash"]
        again = ["--setenv=AGAIN=1"] if self._again else []
        return [
            "systemd-socket-activate",
            *passed,
            *again,
            *listen,
            f"--fdname={':'.join(self.sockets)}",
            *shell,
            *super()._command(),
        ]


def main_of(bridge: Bridge) -> int:
    """The process that systemd-socket-activate's shell has started, 0 where there is none now."""
    return next(iter(children_of(bridge.pid)), 0)
