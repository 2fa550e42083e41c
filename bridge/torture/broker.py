"""Celery's broker for the crash test: a separate redis-server without persistence."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from bridge.torture.nodes import find_free_port
from bridge.torture.processes import Process
from bridge.worker.celery.app import QUEUE_NAME

SERVER_PROGRAM: Final = "redis-server"
LENGTH_COMMAND: Final = f"LLEN {QUEUE_NAME}"
_LENGTH_ANSWER: Final = re.compile(rb"\+OK\r\n\+OK\r\n\+QUEUED\r\n\*1\r\n:(\d+)\r\n")
_FLUSH_ANSWER: Final = re.compile(
    rb"\+OK\r\n\+OK\r\n\+QUEUED\r\n\+QUEUED\r\n\*2\r\n:(\d+)\r\n\+OK\r\n"
)
NO_REDIS_SERVER: Final = f"{SERVER_PROGRAM} is not installed (apt-get install redis-server)"


def is_installed() -> bool:
    """Return whether redis-server is installed."""
    return shutil.which(SERVER_PROGRAM) is not None


class Broker:
    """A redis-server that is started, emptied and killed repeatedly."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._port = find_free_port()
        self._password = secrets.token_hex(16)
        self.url = f"redis://:{self._password}@127.0.0.1:{self._port}/0"
        (folder / "redis.conf").write_text(
            f'bind 127.0.0.1\nport {self._port}\nrequirepass {self._password}\nsave ""\ndir'
            f" {folder}\n"
        )
        self._process = Process(
            "broker", [SERVER_PROGRAM, str(folder / "redis.conf")], folder, environ
        )

    def start(self) -> None:
        """Start the server if it does not run."""
        if not self._process.pid:
            self._process.start()

    def kill(self) -> None:
        """Kill the server; its messages are lost."""
        self._process.kill()

    def count_messages(self) -> int:
        """Return the number of queued messages."""
        match = _LENGTH_ANSWER.fullmatch(self._send_commands(LENGTH_COMMAND))
        return int(match[1]) if match else 0

    def flush(self) -> int:
        """Delete all messages; return their number."""
        match = _FLUSH_ANSWER.fullmatch(self._send_commands(LENGTH_COMMAND, "FLUSHALL"))
        return int(match[1]) if match else 0

    def _send_commands(self, *commands: str) -> bytes:
        """Run commands in a transaction; return the answer, or the part before an error."""
        request = "".join(
            f"{command}\r\n" for command in (f"AUTH {self._password}", "MULTI", *commands, "EXEC")
        ).encode()
        answer = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1.0) as sock:
            sock.sendall(request)
            while answer.count(b"\r\n") < 3 + 2 * len(commands) and (piece := sock.recv(1024)):
                answer += piece
        return answer
