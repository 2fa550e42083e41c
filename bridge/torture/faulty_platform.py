"""The flow platform of the crash test: it misbehaves, and records each start before it answers.

It knows nothing of the bridge. `python -m bridge.torture.faulty_platform` reads its settings from
stdin as one line of JSON, then one command per line: `faulty` and `healthy` switch its faults on
and off, and `throttle N` answers the next N starts with 429. It ends when stdin is closed. After a
kill it continues with its record.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from bridge.system.linux_process import die_with_parent
from bridge.torture import platform_faults
from bridge.torture.platform_faults import OK, PlatformFault

API_PATH: Final = "/api/v1/"
MAX_LISTED_RUNS: Final = 10
IDENTITY_FIELDS: Final = ("route", "event", "id", "key")  # inputs of each start


@dataclass(frozen=True, slots=True)
class PlatformRequest:
    """A parsed request. `path` excludes the query string."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]


@dataclass(slots=True)
class FaultyPlatform:
    """Executes starts and answers polls; the record file contains every start."""

    record: Path
    api_key: str = field(repr=False)
    user_id: str
    random: Random
    faulty: bool = True
    throttles: int = 0  # starts to answer with 429
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed_starts: dict[str, int] = field(default_factory=dict)  # delivery -> count
    file: int = -1

    def open(self) -> None:
        """Load the record, and open it for appending."""
        self.file = os.open(self.record, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        for line in self.record.read_bytes().splitlines():
            self._remember(orjson.loads(line))

    def record_line(self, **line: Any) -> None:
        """Append a line to the record in one write, so that it survives a kill."""
        os.write(self.file, orjson.dumps({"at": time.time(), **line}) + b"\n")

    def _remember(self, line: dict[str, Any]) -> None:
        if line["what"] == "start" and line["run"]:
            self.runs[line["run"]] = line
        elif line["what"] == "call":
            self.failed_starts[_delivery_key(line)] = (
                self.failed_starts.get(_delivery_key(line), 0) + 1
            )

    # -- requests

    def choose_fault(self, request: PlatformRequest) -> PlatformFault:
        """Return the fault for a request, or `OK`."""
        if self.throttles and request.method != "GET":
            self.throttles -= 1
            return platform_faults.THROTTLE
        if not self.faulty:
            return OK
        return platform_faults.choose_fault(
            platform_faults.POLL_FAULTS
            if request.method == "GET"
            else platform_faults.START_FAULTS,
            self.random,
        )

    def start_run(
        self, request: PlatformRequest, body: bytes, fault: PlatformFault
    ) -> tuple[PlatformFault, bytes]:
        """Execute a start, unless its fault prevents it; return the fault and the answer's body.

        The returned fault differs if the request is invalid, or the delivery has failed too often.
        """
        payload = _parse_object(body)
        identity = {name: str(payload.get(name)) for name in IDENTITY_FIELDS}
        on = "gumloop" if request.path.startswith(API_PATH) else "http"
        if not all(isinstance(payload.get(name), str) for name in IDENTITY_FIELDS) or (
            on == "gumloop" and not self._is_authorized(request, payload)
        ):
            self.record_line(what="odd", on=on, **identity)
            return platform_faults.FAULTS_BY_NAME["400"], b'{"error":"bad_request"}'
        if (
            not fault.executes
            and self.failed_starts.get(_delivery_key(identity), 0)
            >= platform_faults.MAX_FAILED_STARTS
        ):
            fault = OK
        line = {"on": on, "fault": fault.name, **identity}
        if not fault.executes:
            self.record_line(what="call", **line)
            self._remember({"what": "call", **identity})
            return fault, fault.body
        run = {
            "run": secrets.token_urlsafe(17)[:22],
            "seconds": self.random.uniform(0.0, platform_faults.MAX_RUN_SECONDS),
            "ends": platform_faults.choose_run_result(
                str(payload.get("saved_item_id")), self.random, faulty=self.faulty
            ),
        }
        started = {
            "what": "start",
            "at": time.time(),
            **line,
            **(run if on == "gumloop" else {"run": None}),
            "idem": request.headers.get("idempotency-key"),
            "flow": payload.get("saved_item_id"),
        }
        self.record_line(**started)
        self._remember(started)
        if fault.body != platform_faults.START_ANSWER or fault.status != 200:
            return fault, fault.body
        return fault, orjson.dumps(
            {
                "run_id": run["run"],
                "saved_item_id": payload.get("saved_item_id"),
                "workbook_id": "torture",
                "url": f"https://example.com/{run['run']}",
            }
        )

    def _is_authorized(self, request: PlatformRequest, payload: dict[str, Any]) -> bool:
        return (
            request.headers.get("authorization") == f"Bearer {self.api_key}"
            and payload.get("user_id") == self.user_id
        )

    def answer_poll(
        self, request: PlatformRequest, fault: PlatformFault
    ) -> tuple[PlatformFault, bytes]:
        """Return the fault and the body of the answer to a poll."""
        if fault is not OK:
            self.record_line(what="look", fault=fault.name)
        if not fault.executes:
            return fault, fault.body
        if request.path == f"{API_PATH}get_pl_run":
            run = self.runs.get(request.query.get("run_id", ""))
            return (
                (fault, orjson.dumps(_describe_run(run)))
                if run
                else (platform_faults.FAULTS_BY_NAME["look: no such run"], b'{"error":"not_found"}')
            )
        if request.path == f"{API_PATH}get_plrun_saved_item_map":
            flow = request.query.get("saved_item_id", "")
            of_flow = sorted(
                (run for run in self.runs.values() if run["flow"] == flow),
                key=lambda run: -run["at"],
            )
            return fault, orjson.dumps(
                {flow: [_describe_run(run) for run in of_flow[:MAX_LISTED_RUNS]]}
            )
        return fault, b"{}"


def _delivery_key(identity: dict[str, Any]) -> str:
    return f"{identity['event']} {identity['route']}"


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _describe_run(run: dict[str, Any]) -> dict[str, Any]:
    age = time.time() - run["at"]
    state = platform_faults.state_at_age(run["ends"], run["seconds"], age)
    over = state in ("DONE", "FAILED", "TERMINATED")
    return {
        "run_id": run["run"],
        "user_id": "torture",
        "state": state,
        "log": ["failed on purpose"] if state == "FAILED" else [],
        "outputs": {name: run[name] for name in IDENTITY_FIELDS} if state == "DONE" else {},
        "created_ts": _format_time(run["at"]),
        "finished_ts": _format_time(run["at"] + run["seconds"]) if over else None,
    }


def _format_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


# -- HTTP


async def handle_connection(
    platform: FaultyPlatform, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of a connection until a fault or the caller closes it."""
    try:
        while request := await _read_head(reader):
            fault = platform.choose_fault(request)
            if fault.ending == "unread":
                platform.record_line(what="unread", fault=fault.name)
                return
            body = await reader.readexactly(int(request.headers.get("content-length", "0")))
            fault, answer = (
                platform.answer_poll(request, fault)
                if request.method == "GET"
                else platform.start_run(request, body, fault)
            )
            await asyncio.sleep(fault.delay)
            if not await _write_answer(writer, fault, answer):
                return
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        return  # the caller was killed, or timed out
    finally:
        writer.close()


async def _read_head(reader: asyncio.StreamReader) -> PlatformRequest | None:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    parts = urlsplit(target)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (header_line.partition(":") for header_line in rest)
    }
    return PlatformRequest(method, parts.path, headers, dict(parse_qsl(parts.query)))


async def _write_answer(writer: asyncio.StreamWriter, fault: PlatformFault, body: bytes) -> bool:
    """Write the answer as the fault requires; return whether to keep the connection open."""
    if fault.ending == "reset":
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if fault.ending in ("reset", "close", "unread"):
        return False
    headers = {"Date": formatdate(usegmt=True), "Content-Type": "application/json", **fault.headers}
    if fault.status != 204:
        headers["Content-Length"] = str(len(body))
    head = f"HTTP/1.1 {fault.status} Fault\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in headers.items()
    )
    message = f"{head}\r\n".encode() + body
    writer.write(message[: len(message) - len(body) // 2 - 1] if fault.ending == "cut" else message)
    await writer.drain()
    return fault.ending == "answer"


async def serve(platform: FaultyPlatform, port: int, commands: asyncio.StreamReader) -> None:
    """Serve on a port of the loopback until the commands end."""
    server = await asyncio.start_server(
        lambda reader, writer: handle_connection(platform, reader, writer), "127.0.0.1", port
    )
    async with server:
        while words := (await commands.readline()).split():
            if words[0] == b"throttle":
                platform.throttles = int(words[1])
            else:
                platform.faulty = words[0] == b"faulty"


async def main() -> None:
    """Run the platform with the settings in the first line of stdin."""
    commands = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    settings = orjson.loads(await commands.readline())
    platform = FaultyPlatform(
        Path(settings["record"]),
        settings["api_key"],
        settings["user_id"],
        Random(settings["seed"]),
        settings["faulty"],
    )
    platform.open()
    await serve(platform, settings["port"], commands)


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(main())
    os._exit(0)  # without waiting for late answers
