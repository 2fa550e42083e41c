"""Try an installed flowbridge as a user would: the demo, then `serve` with a signed event.

    unshare --net python3 .ci/try_program.py [--unit FILE] COMMAND [ARGUMENT …]

It needs a network namespace of its own: ports 8080 and 8081 are free there, and nothing outside can
be reached. It makes a new project, except with --unit: then it starts what the systemd unit says,
as systemd would (command, user, folder, environment), and COMMAND is the command of that service.
It uses no library, so that the bare Python of a system can run it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PUBLIC = "http://127.0.0.1:8080"
READY_SECONDS = 300.0
SET_FLAGS = 0x8914  # SIOCSIFFLAGS
UP_AND_RUNNING = 0x41  # IFF_UP, IFF_RUNNING


def enable_loopback() -> None:
    """Bring up `lo`, which is down in a new network namespace."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", b"lo", UP_AND_RUNNING))


def output_of(command: list[str], folder: str) -> str:
    """Run a command to its end and return its output; fail unless it ends with 0."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def try_demo(command: list[str]) -> None:
    """Run the demo: three events, each with deliveries, every run done."""
    events = json.loads(output_of([*command, "demo", "--once", "--json"], "/"))["events"]
    states = [one["run_state"] for event in events for one in event["deliveries"]]
    assert len(events) == 3 and all(event["deliveries"] for event in events), events
    assert set(states) == {"done"}, states
    print(f"   demo: {len(events)} events, {len(states)} runs done", flush=True)


def status_of(path: str) -> int:
    """Return the status of a GET, 0 while nothing listens."""
    try:
        with urllib.request.urlopen(f"{PUBLIC}{path}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def started_as(unit: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the command of a unit, and how it is started: user, folder, umask and environment."""
    rows = [line.partition("=") for line in unit.read_text("utf-8").splitlines()]
    said = {name: value for name, _, value in rows}
    settings = [value.partition("=") for name, _, value in rows if name == "Environment"]
    environ = {name: value for name, _, value in settings}
    options = {
        "user": said["User"],
        "group": said["Group"],
        "extra_groups": [],
        "umask": int(said["UMask"], 8),
        "cwd": said["WorkingDirectory"],
        "env": {"PATH": os.environ["PATH"], "HOME": environ["FLOWBRIDGE_DATA"], **environ},
    }
    return said["ExecStart"].split(), options


def try_serve(
    command: list[str], folder: str, serve: list[str], options: Mapping[str, Any]
) -> None:
    """Start `serve`, send a signed event, wait for its run, and end it."""
    with subprocess.Popen(serve, **options) as process:
        try:
            wait_until(lambda: status_of("/readyz") == 200, process, "/readyz")
            assert status_of("/healthz") == 200
            before = count_done(command, folder)  # it has upgraded the database of another version
            output_of([*command, "sample", "github", "--to", PUBLIC], folder)
            wait_until(lambda: count_done(command, folder) == before + 1, process, "the run")
        finally:
            process.terminate()
        assert process.wait(120) == 0, process.returncode
    print(f"   serve: ready, the event arrived, its run is done ({before} before)", flush=True)


def count_done(command: list[str], folder: str) -> int:
    """Return how many events have only deliveries whose runs are done."""
    text = output_of([*command, "events", "--json"], folder)
    found = [json.loads(line) for line in text.splitlines()]
    return sum(
        bool(one["deliveries"]) and all(each["run_state"] == "done" for each in one["deliveries"])
        for one in found
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Wait for a condition while the process lives."""
    until = time.monotonic() + READY_SECONDS
    while not condition():
        if process.poll() is not None:
            raise SystemExit(f"serve ended with {process.returncode} before {what}")
        if time.monotonic() > until:
            raise SystemExit(f"no {what} within {READY_SECONDS} s")
        time.sleep(0.2)


def main() -> None:
    """Try the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--unit", type=Path, metavar="FILE")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    enable_loopback()
    print(f"   {output_of([*given.command, '--version'], '/').strip()}", flush=True)
    try_demo(given.command)
    if given.unit:
        try_serve(given.command, "/", *started_as(given.unit))
        return
    with tempfile.TemporaryDirectory() as folder:
        output_of([*given.command, "init", "--quiet", folder], folder)
        assert Path(folder, "routes.yaml").is_file()
        try_serve(given.command, folder, [*given.command, "serve"], {"cwd": folder})


if __name__ == "__main__":
    sys.exit(main())
