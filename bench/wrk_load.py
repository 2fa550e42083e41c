"""Loads servers with wrk: the signed event of `webhook_sample`, on connections that stay open."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig import cpu
from webhook_sample import SIZE, sign

Results = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class LoadPlan:
    """How long, how often and by how many connections a server is loaded."""

    seconds: float = 4.0
    runs: int = 5
    connections: int = 16


def write_script(folder: Path, body: bytes) -> Path:
    """Write wrk's script: the signed payload, each time under a new delivery id.

    Each thread of wrk loads a port of its own.
    """
    (folder / "body.json").write_bytes(body)
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
    ["X-GitHub-Event"] = "issues", ["X-GitHub-Delivery"] = run .. "-" .. number .. "-" .. n, ["X-Hub-Signature-256"] = "{sign(body)}",
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


def describe_load(connections: int, runs: int) -> str:
    """Return what the figures of a load are of, for a line above them."""
    return f"{connections} keep-alive connections, {SIZE} byte payload, {runs} runs in turn"
