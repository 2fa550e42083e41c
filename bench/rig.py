"""What the measurements share: processes that are started and stopped, a signed load for wrk, and
how much a process tree uses.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import json
import os
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bridge.providers.samples.loader import sample

# each process would compile everything again, which an installed flowbridge does not
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SECRET = "b3f1c0ffee" * 4
SIZE = 9 * 1024  # bytes of the payload: between a GitHub push (7 KB) and a pull request (24 KB)
HERE = Path(__file__).parent
Results = dict[str, list[dict[str, float]]]
Process = subprocess.Popen[bytes]
READY_PATHS = {"serve": "readyz", "web": "healthz", "work": "metrics"}
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class LoadPlan:
    """How long, how often and by how many connections a server is loaded."""

    seconds: float = 4.0
    runs: int = 5
    connections: int = 16


SCHEMA = {
    "type": "object",
    "required": ["action", "issue", "repository"],
    "properties": {
        "action": {"enum": ["opened", "reopened"]},
        "issue": {
            "type": "object",
            "required": ["number", "title", "user"],
            "properties": {
                "number": {"type": "integer", "minimum": 1},
                "title": {"type": "string", "maxLength": 500},
                "user": {
                    "type": "object",
                    "required": ["login"],
                    "properties": {"login": {"type": "string"}},
                },
                "labels": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                },
            },
        },
        "repository": {"type": "object", "required": ["full_name"]},
    },
}
INPUTS_SCHEMA = {
    "type": "object",
    "required": ["title", "number", "event_id"],
    "properties": {
        "title": {"type": "string", "maxLength": 200},
        "number": {"type": "integer"},
        "labels": {"type": "string"},
    },
}


def routes(url: str, slots: int = 64) -> str:
    """Return a routes.yaml whose one route matches, reshapes six fields and validates both schemas,
    for the flow at `url`.
    """
    document = {
        "version": 1,
        "platforms": {"stub": {"type": "http", "url": url, "max_concurrent_runs": slots}},
        "sources": {"github": {"provider": "github", "secret": SECRET}},
        "routes": [
            {
                "name": "triage",
                "on": "github issues",
                "match": {
                    "body.action": ["opened", "reopened"],
                    "body.issue.user.type": {"ne": "Bot"},
                },
                "payload_schema": SCHEMA,
                "inputs": {
                    "title": "${body.issue.title}",
                    "number": "${body.issue.number}",
                    "summary": "#${body.issue.number} by ${body.issue.user.login}",
                    "labels": "${join(', ', body.issue.labels[].name)}",
                    "repository": "${body.repository.full_name}",
                    "event_id": "${event.id}",
                },
                "inputs_schema": INPUTS_SCHEMA,
                "flow": "stub/triage",
            }
        ],
    }
    return json.dumps(document, indent=1)  # JSON is YAML


def payload() -> bytes:
    """Return GitHub's `issues` event, opened, of SIZE bytes."""
    document = json.loads(sample("github", "issues", now=1764000000.0, new_id="bench").body)
    document["action"] = "opened"
    document["issue"]["body"] = ""
    short = len(json.dumps(document, separators=(",", ":")))
    document["issue"]["body"] = "All work and no play. " * 1000
    document["issue"]["body"] = document["issue"]["body"][: max(0, SIZE - short)]
    return json.dumps(document, separators=(",", ":")).encode()


def lua(folder: Path, body: bytes) -> Path:
    """Write wrk's script: the signed payload, each time under a new delivery id.

    Each thread of wrk loads a port of its own.
    """
    (folder / "body.json").write_bytes(body)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    script = folder / "load.lua"
    script.write_text(f"""
local file = io.open("{folder / "body.json"}", "rb")
local body = file:read("*a")
file:close()
local run = os.getenv("RUN") or tostring(os.time())
local n = 0
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
  local port = 0
  for each in string.gmatch(os.getenv("PORTS"), "%d+") do
    port = port + 1
    if port == threads then thread.addr = wrk.lookup("127.0.0.1", each)[1] end
  end
end
function request()
  n = n + 1
  return wrk.format("POST", "/hooks/github", {{
    ["Content-Type"] = "application/json", ["User-Agent"] = "GitHub-Hookshot/044aadd", ["Accept"] = "*/*",
    ["X-GitHub-Event"] = "issues", ["X-GitHub-Delivery"] = run .. "-" .. number .. "-" .. n, ["X-Hub-Signature-256"] = "sha256={signature}",
  }}, body)
end
function done(summary, latency)
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status +
        summary.errors.timeout))
end
""")
    return script


def wrk(
    port: int, script: Path, seconds: float, connections: int = 16, others: Sequence[int] = ()
) -> dict[str, float]:
    """Load a server and return its rate per second, p50 and p99 in milliseconds, the requests made,
    and errors.

    With the ports of `others`, these get as many of the connections.
    """
    if shutil.which("wrk") is None:
        sys.exit("this needs wrk: apt-get install wrk")
    command = [
        "wrk",
        f"-t{1 + len(others)}",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}",
    ]
    out = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "RUN": os.urandom(6).hex(),
            "PORTS": " ".join(map(str, (port, *others))),
        },
    ).stdout
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+) (\S+)", out)
    if found is None or float(found[1]) == 0:
        sys.exit(f"port {port} answered no request of wrk")
    requests, duration, p50, p99, errors = map(float, found.groups())
    return {
        "rate": requests / duration * 1e6,
        "p50": p50 / 1000,
        "p99": p99 / 1000,
        "requests": requests,
        "errors": errors,
    }


def asked(doc: str) -> LoadPlan:
    """Return what a measurement is asked on its command line: how long, how often, by how many
    connections.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    add_plan(parser)
    return read_plan(parser.parse_args())


def add_plan(parser: argparse.ArgumentParser, usual: LoadPlan = LoadPlan()) -> None:
    """Add the options of a plan of a load."""
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--runs", type=int, default=usual.runs)
    parser.add_argument("--connections", type=int, default=usual.connections)


def read_plan(given: argparse.Namespace) -> LoadPlan:
    """Return the plan that the options name."""
    return LoadPlan(given.seconds, given.runs, given.connections)


def in_turn(servers: Mapping[str, tuple[int, int]], script: Path, given: LoadPlan) -> Results:
    """Load servers (their port and process) in turn, as it was `asked`, and return what each run
    came to; `cpu`: µs of a request.
    """
    results: Results = {name: [] for name in servers}
    for number in range(given.runs + 1):
        for name, (port, pid) in servers.items():
            before = cpu(pid)
            result = wrk(port, script, given.seconds, given.connections)
            result["cpu"] = (cpu(pid) - before) / result["requests"] * 1e6
            results[name] += [result] if number else []  # the first of each warms up
    return results


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that goes away."""
    path = Path(tempfile.mkdtemp(prefix="flowbridge-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def process(
    command: list[str], url: str, patience: float = PATIENCE_SECONDS, **environ: str
) -> Iterator[Process]:
    """Run a server until the end of the block; give it once `url` answers 200, within `patience`
    seconds.
    """
    with subprocess.Popen(
        command,
        env={**os.environ, **environ},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as run:
        try:
            wait_for(url, patience, run)
            yield run
        finally:
            run.send_signal(signal.SIGTERM)
            try:
                run.wait(12)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)


def wait_for(url: str, seconds: float = PATIENCE_SECONDS, run: Process | None = None) -> None:
    """Wait until `url` answers 200; exit after so many seconds, or when the process `run` ended."""
    until = time.monotonic() + seconds
    while True:
        try:
            with urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if run is not None and run.poll() is not None:
            command = shlex.join(run.args) if isinstance(run.args, list) else run.args
            sys.exit(f"exit code {run.returncode} before it was ready: {command!s}")
        if time.monotonic() > until:
            sys.exit(f"{url} does not answer")
        time.sleep(0.02)


@contextlib.contextmanager
def flowbridge(
    path: Path, config: str, port: int, command: str = "serve", **more: str
) -> Iterator[Process]:
    """Run `flowbridge serve` on an empty store, as anyone would; `more` of its environment.

    `port`: of a worker alone, which answers no webhooks, that of its metrics.
    """
    (path / "routes.yaml").write_text(config)
    bind = f"127.0.0.1:{port}"
    file = str(path / "routes.yaml")
    environ = {
        "FLOWBRIDGE_DATA": str(path / "data"),
        "FLOWBRIDGE_BIND": bind,
        "FLOWBRIDGE_CONFIG": file,
        **({"FLOWBRIDGE_METRICS_BIND": bind} if command == "work" else {}),
        **more,
    }
    ready = f"http://127.0.0.1:{port}/{READY_PATHS[command]}"
    with process(
        [sys.executable, "-m", "bridge", command], ready, PATIENCE_SECONDS, **environ
    ) as run:
        yield run


@contextlib.contextmanager
def stub(path: Path) -> Iterator[int]:
    """Run a flow server that answers at once; give its port. `path`/starts gets a line per start:
    the time, and the id of the event.
    """
    port = free_port()
    with process(
        [sys.executable, str(HERE / "stub.py"), str(port), str(path / "starts")],
        f"http://127.0.0.1:{port}/",
    ):
        yield port


def drained(starts: Path, wanted: int, patience: float = 60.0) -> int:
    """Wait until as many starts came as events were accepted, and no more come; return how many
    distinct ones there were.
    """
    until = time.monotonic() + patience
    seen = -1
    while time.monotonic() < until:
        lines = starts.read_text().splitlines()
        if len(lines) >= wanted and len(lines) == seen:
            break
        seen = len(lines)
        time.sleep(0.05)
    return len({line.split()[1] for line in starts.read_text().splitlines()})


def last_start(starts: Path) -> float:
    """Return when the last start came; 0 if none did."""
    return max((float(line.split()[0]) for line in starts.read_text().splitlines()), default=0.0)


def tree(pid: int) -> list[int]:
    """Return the processes of a tree; those of runs come and go meanwhile."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(found for child in children for found in tree(int(child)))]


def cpu(pid: int) -> float:
    """Return the processor seconds that a tree has used."""
    ticks = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def pss(pid: int) -> float:
    """Return the proportional set size of a tree in MB."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += sum(map(int, re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)))
    return total / 1024


def median(values: list[float]) -> float:
    return statistics.median(values)


def middle(runs: list[dict[str, float]], key: str) -> float:
    """Return the median of one figure of runs."""
    return median([run[key] for run in runs])


def machine() -> str:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?"
    )
    return (
        f"{os.cpu_count()} x {model}, Python {sys.version.split()[0]}, Linux {os.uname().release}"
    )
