"""Whole bridges in processes of their own, on free ports and throw-away folders, and raw HTTP to
talk to them.
"""

from __future__ import annotations

import atexit
import hashlib
import hmac
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from forking import Forked, can_be_forked, parent
from processes import PATIENCE

from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import events
from bridge.store.queries import event_lookup

T = TypeVar("T")
SECRET = "It's a Secret to Everybody"
LAUNCH = Path(__file__).with_name("launch.py")
READY = {"serve": "/readyz", "web": "/healthz"}
# else one receiver may say "not ready" when another has just said "ready"
NO_MEMORY = {"not_ready_cache_seconds": 0.0}
# with these durations a bridge reports within seconds that a worker is missing
SHORT = {
    "lease_seconds": 5.0,
    "heartbeat_seconds": 0.3,
    "worker_missing_seconds": 1.5,
}
ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
routes:
  - {name: everything, on: github, inputs: {body: "${body}"}, flow: local/echo}
"""
# below those that the system gives by itself, to any server and any connection
PORTS = (8_200, 15_000)
_numbers = count(1)
_taken: list[socket.socket] = []


@atexit.register
def _release_ports() -> None:
    """Close what marks the ports as taken, or the interpreter may complain that it is open."""
    for one in _taken:
        one.close()


def until(condition: Callable[[], T], seconds: float = PATIENCE, what: str = "it") -> T:
    """Wait for `condition` to be true and return what it returned. It is looked at less and less
    often, as that is work, too.
    """
    end = time.monotonic() + seconds
    pause = 0.005
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(pause)
        pause = min(1.2 * pause, 0.05)
    return value


def free_port() -> int:
    """Return a port of the loopback that is free now, and that no other test is given until this
    process ends.
    """
    for _ in range(10_000):
        port = secrets.choice(range(*PORTS))
        taken = socket.socket(socket.AF_UNIX)
        try:
            # a name that goes with its process, whatever becomes of that
            taken.bind(f"\0flowbridge-test-port-{port}")
            with socket.create_server(("127.0.0.1", port)):
                _taken.append(taken)
                return port
        except OSError:
            taken.close()
    raise AssertionError(f"no free port between {PORTS[0]} and {PORTS[1]}")


@dataclass
class Answer:
    """What came back: status 0 where the connection ended without an answer. Header names are
    lower-case.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(
    port: int, *pieces: bytes, host: str = "127.0.0.1", timeout: float = 60.0, end: bool = False
) -> Answer:
    """Send bytes as they are and return the first answer. `end`: then close our sending half."""
    started = time.monotonic()
    with socket.create_connection((host, port), timeout) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
            if end:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it may have answered before it was sent everything
        answer = read_answer(sock)
    answer.seconds = time.monotonic() - started
    return answer


def read_answer(sock: socket.socket) -> Answer:
    """Read one answer from a socket."""
    data = b""
    try:
        while b"\r\n\r\n" not in data and (piece := sock.recv(65536)):
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)
        }
        while len(body) < int(headers.get("content-length", "0")) and (piece := sock.recv(65536)):
            body += piece
    except ConnectionResetError:
        return Answer(0)
    return Answer(int(line.split(" ")[1]), headers, body) if line else Answer(0)


def head(
    method: str, target: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
) -> bytes:
    """Return the head of a request, each header byte for byte as given; the Host is 127.0.0.1
    unless it is among them.
    """
    listed = list(headers.items() if isinstance(headers, Mapping) else headers)
    if not any(name.lower() == "host" for name, _ in listed):
        listed.insert(0, ("Host", "127.0.0.1"))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in listed)]
    return b"".join(line.encode("latin-1") + b"\r\n" for line in lines) + b"\r\n"


def signature(body: bytes, secret: str = SECRET) -> str:
    """Return GitHub's signature of a body."""
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def github(
    body: bytes, event: str = "issues", delivery: str | None = None, **more: str
) -> dict[str, str]:
    """Return the headers of a signed GitHub event with an id of its own."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or f"{os.getpid()}-{next(_numbers)}",
        "X-Hub-Signature-256": signature(body),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def template() -> Path | None:
    """A store that has been brought up to date, where there is one: conftest.py says which."""
    return None


class Bridge:
    """One `flowbridge` command in a folder; as a context manager, or started and stopped several
    times. `timings`: see launch.py.

    `fresh`: in an interpreter of its own, not forked from one: see forking.py.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        routes: str = ROUTES,
        environ: Mapping[str, str] | None = None,
        timings: Mapping[str, Any] | None = None,
        port: int | None = None,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self.arguments = arguments or ("serve",)
        self.timings = dict(timings or {})
        self.port = port or free_port()
        self.config = folder / "routes.yaml"
        self.config.write_text(routes)
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("FLOWBRIDGE_")
        }
        ours = {
            "GITHUB_SECRET": SECRET,
            "FLOWBRIDGE_DATA": str(folder / "data"),
            "FLOWBRIDGE_BIND": f"127.0.0.1:{self.port}",
        }
        self.environ = {**inherited, **ours, **(environ or {})}
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self._fresh = (
            fresh or type(self)._command is not Bridge._command or not can_be_forked(self.environ)
        )
        self._database: Database | None = None

    def __enter__(self) -> Bridge:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._database is not None:
            self._database.close()

    def run(self) -> tuple[int, str]:
        """Run it to its end; return its exit code and what it said."""
        self.start_without_waiting()
        assert self.process is not None
        return self.process.wait(PATIENCE), self.stderr

    def start(self) -> Bridge:
        """Start it and wait until it is ready: `serve` with its worker, `web` alive, `work` not at
        all.
        """
        self.start_without_waiting()
        if path := READY.get(self.arguments[0]):
            until(lambda: self.is_up(path), what=f"{path} of {self.arguments[0]}")
        return self

    def start_without_waiting(self) -> None:
        if self.process is not None:
            self.process.wait(PATIENCE)
        with (self.folder / "stderr").open("ab") as stderr:
            if self._fresh:
                self.process = subprocess.Popen(
                    self._command(),
                    stdout=stderr,
                    stderr=stderr,
                    env=self.environ,
                    cwd=self.folder,
                    start_new_session=True,
                )
            else:
                self._seed()
                _, _, *command = self._command()
                self.process = parent().fork(
                    command[0], command[1:], self.environ, self.folder, stderr.fileno()
                )

    def _seed(self) -> None:
        """Begin with a store: to make one takes a fifth of a second of a processor."""
        data = Path(self.environ["FLOWBRIDGE_DATA"])
        if (
            not self.environ.get("FLOWBRIDGE_DATABASE_URL")
            and not data.exists()
            and (store := template()) is not None
        ):
            data.mkdir()
            shutil.copy(store, data / "flowbridge.db")  # its mode too

    def _command(self) -> list[str]:
        timings = (NO_MEMORY if self.arguments[0] in READY else {}) | self.timings
        return [
            sys.executable,
            str(LAUNCH),
            json.dumps(timings),
            "--config",
            str(self.config),
            *self.arguments,
        ]

    def is_up(self, path: str = "/readyz") -> bool:
        """Whether a health page says yes; an error where the process has ended."""
        assert self.process is not None
        assert self.process.poll() is None, (
            f"it ended with {self.process.returncode}: {self.stderr[-3000:]}"
        )
        try:
            return self.get(path).status == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the first process and return how it ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Kill the whole tree at once, and wait until none of it holds a socket or a file any
        more.
        """
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
            until(
                lambda: not members_of(self.pid), what="the end of the processes that were killed"
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_bytes().decode("utf-8", "backslashreplace")

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log's lines; what is no JSON is left out, and so is a last line that is being
        written.
        """
        return [
            json.loads(line)
            for line in self.stderr.split("\n")[:-1]
            if line.startswith("{") and line.endswith("}")
        ]

    @property
    def database(self) -> Database:
        if self._database is None:
            url = (
                self.environ.get("FLOWBRIDGE_DATABASE_URL")
                or f"sqlite:///{self.folder / 'data' / 'flowbridge.db'}"
            )
            keys = self.environ.get("FLOWBRIDGE_ENCRYPTION_KEYS", "")
            self._database = Database(url, Sealer(list(filter(None, keys.split(",")))))
        return self._database

    def get(
        self, target: str, headers: Mapping[str, str] | None = None, *, port: int | None = None
    ) -> Answer:
        return exchange(
            port or self.port, head("GET", target, {"Connection": "close", **(headers or {})})
        )

    def post(
        self,
        target: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
    ) -> Answer:
        sent = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
        return exchange(port or self.port, head("POST", target, sent) + body)

    def event(self, body: bytes = b"{}", **headers: str) -> Answer:
        """Post a signed GitHub event."""
        return self.post("/hooks/github", body, github(body, **headers))

    def found(self, event_id: str) -> event_lookup.EventHistory:
        return event_lookup.show(self.database, event_id)

    def count(self, table: str = "event", where: str = "1 = 1") -> int:
        """How many rows there are."""
        with self.database.read() as connection:
            return (
                connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {where}").scalar()  # noqa: S608
                or 0
            )

    def wait_for(self, event_id: str, done: Callable[[Any], bool]) -> Any:
        """Wait until `done` holds of the event's first delivery, and return it."""

        def look() -> Any:
            found = events.deliveries_of(self.database, [event_id])[event_id]
            return next((one for one in found[:1] if done(one)), None)

        return until(look, what="the delivery")


def children_of(pid: int) -> list[int]:
    """Return the children of a process."""
    found: list[int] = []
    with suppress(OSError):  # it may end meanwhile, and so may a thread of it
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def members_of(group: int) -> list[int]:
    """Return the processes of a group that are there and no zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append(int(folder.name))
    return found


def tree_of(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    return [pid, *(each for child in children_of(pid) for each in tree_of(child))]


def limit_file_size(bridge: Bridge, size: int) -> None:
    """Set how large the files may get that the processes of a bridge write."""
    for pid in tree_of(bridge.pid):
        with suppress(ProcessLookupError):  # one that looks at files ends meanwhile
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
