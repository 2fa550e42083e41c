"""A fake flow platform on loopback: it enforces the documented rules, and breaks them on
request.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bridge.flows.ids import new_run_id


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the usual five turn calls away that come at once, on a busy machine


@dataclass
class Start:
    """One call to start_pipeline, whatever became of it. `run_id` is null where no run was
    started.
    """

    at: float
    method: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes
    status: int = 0
    run_id: str | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeRun:
    id: str
    saved_item_id: str
    created_at: float
    ends_at: float
    state: str = "RUNNING"  #: what it ends as is decided when it ends
    ends_as: str = "DONE"
    outputs: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def now(self) -> str:
        """Return its state at this moment."""
        return self.state if self.state != "RUNNING" or time.time() < self.ends_at else self.ends_as


class FakePlatform:
    """Starts, runs and lists of flows by the rules of the public documents.

    At the cap a start is refused with 429 and not queued. A flow called `always-fails` ends as
    FAILED; any other gives its inputs as outputs (`echoes`), as if each had a named Output node.
    `faults` are used up one a start: an int answers that status and starts nothing; "drop" starts
    the run and closes without an answer; "lost" starts nothing and closes, "slow and lost" after
    `late` seconds; "reset" starts it and resets the connection; "late" starts it and closes after
    `late` seconds; "garbage" starts it and answers nonsense; "error" starts it and answers 500;
    "other flow" starts nothing and answers with a run of another flow; a float is a delay in
    seconds, an event is waited for a minute at most. `look_faults` and `list_faults` are the same
    for a look at one run and for a list of runs: a status, or "drop". Of a run in a list only
    `list_fields` are told, null for all.
    """

    def __init__(
        self,
        *,
        cap: int = 5,
        run_seconds: float = 0.2,
        api_key: str = "fake-key",
        user_id: str = "fake-user",
        retry_after: str | None = None,
        echoes: bool = True,
    ) -> None:
        self.cap = cap
        self.run_seconds = run_seconds
        self.api_key = api_key
        self.user_id = user_id
        self.retry_after = retry_after
        self.echoes = echoes
        self.starts: list[Start] = []
        self.runs: dict[str, FakeRun] = {}
        self.faults: list[int | float | str | threading.Event] = []
        #: what is listed: saved_item_id -> names of inputs; others run too
        self.flows = {"echo": ["title", "labels"], "always-fails": []}
        self.late = 30.0
        self.run_ends: list[str] = []  #: what the next runs end as
        self.look_faults: list[int | str] = []
        self.list_faults: list[int | str] = []
        self.list_fields: tuple[str, ...] | None = None
        self.listed_as: str | None = None  #: what a list says of every run's state
        self.uploads: list[tuple[str, bytes]] = []  #: what was uploaded, in order
        self.upload_faults: list[int | str] = []  #: as look_faults
        self.others = 0  #: slots that others hold
        #: seconds by which its clock is ahead: in the times of its runs and in the date of its
        #: answers
        self.ahead = 0.0
        self.looks = 0  #: calls to get_pl_run
        self.lists = 0  #: calls to get_plrun_saved_item_map
        self.peak = 0  #: most runs ever active at once
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}/api/v1"

    def __enter__(self) -> FakePlatform:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def active(self) -> int:
        return sum(run.now() == "RUNNING" for run in list(self.runs.values()))

    @property
    def accepted(self) -> list[Start]:
        return [start for start in list(self.starts) if start.run_id]

    def finish(self, run_id: str | None = None, state: str = "DONE") -> None:
        """End one run, or all of them, now."""
        with self._lock:
            for run in self.runs.values():
                if run_id in (None, run.id) and run.now() == "RUNNING":
                    run.state, run.ends_at = state, time.time()

    def begin(
        self,
        flow: str,
        outputs: dict[str, Any] | None = None,
        *,
        seconds: float = 0.0,
        ago: float = 0.0,
    ) -> str:
        """Begin a run that was not asked for here, `ago` seconds before now; return its id."""
        run_id = new_run_id()
        now = time.time()
        with self._lock:
            self.runs[run_id] = FakeRun(
                run_id, flow, now - ago, now - ago + seconds, outputs=outputs or {}
            )
        return run_id

    # What follows answers requests: (status, JSON or bytes or None for "close without an answer"; a
    # status below 0 resets the connection).

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if path == "/api/v1/start_pipeline":
            start = Start(time.time(), method, headers, query, body)
            with self._lock:
                self.starts.append(start)
            start.status, value = self._start(start)
            return start.status, value
        endpoint = {
            "/api/v1/get_pl_run": self._run,
            "/api/v1/get_plrun_saved_item_map": self._map,
            "/api/v1/kill_pipeline": self._kill,
            "/api/v1/list_saved_items": self._list,
            "/api/v1/get_inputs": self._inputs,
        }.get(path)
        if path == "/api/v1/upload_file":
            fields = _object(body) or {}
            return self._denied(headers, query, fields.get("user_id")) or self._upload(fields)
        if endpoint is None:
            return 404, _error("not_found", "no such endpoint")
        given = query | {k: v for k, v in (_object(body) or {}).items() if isinstance(v, str)}
        return self._denied(headers, query, given.get("user_id")) or endpoint(given)

    def _denied(
        self, headers: dict[str, str], query: dict[str, str], user_id: Any
    ) -> tuple[int, Any] | None:
        key = headers.get("authorization", "").removeprefix("Bearer ") or query.get("api_key")
        if key != self.api_key:
            return 401, _error("unauthorized", "missing or invalid API key")
        users = {
            one
            for one in (headers.get("x-auth-key"), query.get("user_id"), user_id)
            if one is not None
        }
        return (
            None
            if users == {self.user_id}
            else (403, _error("forbidden", "API key does not match"))
        )

    def _start(self, start: Start) -> tuple[int, Any]:
        if start.method != "POST":
            return 405, _error("method_not_allowed", "POST only")
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            return fault, _error("fault", "as scripted")
        if fault in ("lost", "slow and lost"):
            time.sleep(self.late if fault == "slow and lost" else 0.0)
            return 0, None
        if fault == "other flow":
            return 200, {"run_id": self.begin("another"), "saved_item_id": "another"}
        if isinstance(fault, float):
            time.sleep(fault)
        if isinstance(fault, threading.Event):
            fault.wait(60)
        fields = _object(start.body) or {}
        return self._denied(start.headers, start.query, fields.get("user_id")) or self._checked(
            start, fields, fault
        )

    def _checked(self, start: Start, fields: dict[str, Any], fault: object) -> tuple[int, Any]:
        try:
            json.loads(start.body)
        except ValueError:
            return 400, _error("bad_request", "the body is not JSON")
        for name in ("saved_item_id", "project_id"):
            if name in fields and name in start.query and fields[name] != start.query[name]:
                return 400, _error("bad_request", f"conflicting {name}")
        flow = start.query.get("saved_item_id") or fields.get("saved_item_id")
        if not isinstance(flow, str) or not (start.query.get("user_id") or fields.get("user_id")):
            return 400, _error("bad_request", "saved_item_id and user_id are required")
        return self._begin(start, flow, fields, fault)

    def _begin(
        self, start: Start, flow: str, fields: dict[str, Any], fault: object
    ) -> tuple[int, Any]:
        with self._lock:
            if self.active + self.others >= self.cap:
                return 429, _error("rate_limit", "too many concurrent runs")
            now = time.time()
            run_id = new_run_id()
            inputs = {
                k: v
                for k, v in fields.items()
                if k not in ("user_id", "saved_item_id", "project_id")
            }
            run = FakeRun(
                run_id, flow, now, now + self.run_seconds, outputs=inputs if self.echoes else {}
            )
            if flow == "always-fails":
                run.ends_as = "FAILED"
                run.outputs = {}
                run.log = ["\x1b[31mNode failed: as it always does\x1b[0m"]
            elif self.run_ends:
                run.ends_as = self.run_ends.pop(0)
            self.runs[run_id], start.run_id = run, run_id
            self.peak = max(self.peak, self.active)
        if fault == "late":
            time.sleep(self.late)
        if fault in ("drop", "late", "reset"):
            return (-1 if fault == "reset" else 0), None
        if fault == "garbage":
            return 200, b"<html>welcome</html>"
        if fault == "error":
            return 500, _error("internal", "after the fact")
        link = f"https://www.gumloop.com/pipeline?run_id={run_id}&flow_id={flow}"
        return 200, {
            "run_id": run_id,
            "saved_item_id": flow,
            "workbook_id": "aB3dEfGhJkLmNpQrStUvWx",
            "url": link,
        }

    def _run(self, given: dict[str, str]) -> tuple[int, Any]:
        if "run_id" not in given:
            return 400, _error("bad_request", "run_id is required")
        self.looks += 1
        if self.look_faults:
            return _faulty(self.look_faults.pop(0))
        run = self.runs.get(given["run_id"])
        return (200, self._report(run)) if run else (404, _error("not_found", "run not found"))

    def _report(self, run: FakeRun) -> dict[str, Any]:
        state = run.now()
        ended = state in ("DONE", "FAILED", "TERMINATED")
        return {
            "run_id": run.id,
            "user_id": self.user_id,
            "state": state,
            "outputs": run.outputs if state == "DONE" else {},
            "log": run.log if ended else [],
            "created_ts": _stamp(run.created_at + self.ahead),
            "finished_ts": _stamp(min(run.ends_at, time.time()) + self.ahead) if ended else None,
        }

    def _map(self, given: dict[str, str]) -> tuple[int, Any]:
        self.lists += 1
        if self.list_faults:
            return _faulty(self.list_faults.pop(0))
        flow = given.get("saved_item_id", "")
        newest = sorted(
            (r for r in list(self.runs.values()) if r.saved_item_id == flow),
            key=lambda r: -r.created_at,
        )[:10]
        fields = self.list_fields
        reports = [self._report(run) for run in newest]
        lag = {"state": self.listed_as} if self.listed_as else {}
        return 200, {
            flow: [
                {k: v for k, v in (one | lag).items() if fields is None or k in fields}
                for one in reports
            ]
        }

    def _list(self, _: dict[str, str]) -> tuple[int, Any]:
        created = _stamp(1_700_000_000)
        items = [
            {
                "saved_item_id": flow,
                "name": flow.title(),
                "description": None,
                "created_ts": created,
            }
            for flow in self.flows
        ]
        return 200, {"saved_items": items}

    def _inputs(self, given: dict[str, str]) -> tuple[int, Any]:
        if given.get("saved_item_id") not in self.flows:
            return 404, _error("not_found", "saved item not found")
        return 200, {
            "inputs": [
                {"name": name, "data_type": "string", "description": None}
                for name in self.flows[given["saved_item_id"]]
            ]
        }

    def _upload(self, fields: dict[str, Any]) -> tuple[int, Any]:
        if self.upload_faults:
            return _faulty(self.upload_faults.pop(0))
        name = fields.get("file_name")
        try:
            content = base64.b64decode(fields["file_content"], validate=True)
        except (KeyError, TypeError, ValueError):
            return 400, _error("bad_request", "file_content: Base64 is wanted")
        if not isinstance(name, str) or not name:
            return 400, _error("bad_request", "file_name is required")
        self.uploads.append((name, content))
        return 200, {"success": True, "file_name": name}

    def _kill(self, given: dict[str, str]) -> tuple[int, Any]:
        if given.get("run_id") not in self.runs:
            return 404, _error("not_found", "run not found")
        self.finish(given["run_id"], "TERMINATED")
        return 200, {"success": True, "run_id": given["run_id"]}


def _faulty(fault: int | str) -> tuple[int, Any]:
    return (fault, _error("fault", "as scripted")) if isinstance(fault, int) else (0, None)


def _error(code: str, message: str) -> dict[str, str]:
    return {"error": code, "message": message}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _handler(platform: FakePlatform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65536

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = {
                name: values[0]
                for name, values in parse_qs(parts.query, keep_blank_values=True).items()
            }
            status, value = platform.answer(self.command, parts.path, query, headers, body)
            if status <= 0:
                self.close_connection = True
                if status < 0:
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                return
            payload = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            if status == 429 and platform.retry_after:
                self.send_header("Retry-After", platform.retry_after)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = _serve

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(
                (time.time() if timestamp is None else timestamp) + platform.ahead
            )

        def log_message(self, *_: object) -> None:
            pass

    return Handler
