"""What the measurements share: processes that are started and stopped, commands that are run, and
how much a process tree uses.
"""

from __future__ import annotations

import contextlib
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
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

# each process would compile everything again, which an installed flowbridge does not
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

HERE = Path(__file__).parent
BRIDGE = [sys.executable, "-m", "bridge"]
Process = subprocess.Popen[bytes]
READY_PATHS = {"serve": "readyz", "web": "healthz", "work": "metrics"}
PATIENCE_SECONDS = 60.0


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
    environ = {
        **places(path),
        "FLOWBRIDGE_BIND": bind,
        **({"FLOWBRIDGE_METRICS_BIND": bind} if command == "work" else {}),
        **more,
    }
    ready = f"http://127.0.0.1:{port}/{READY_PATHS[command]}"
    with process([*BRIDGE, command], ready, PATIENCE_SECONDS, **environ) as run:
        yield run


def places(path: Path) -> dict[str, str]:
    """Return the settings of the environment for a routes.yaml and a data folder in `path`."""
    return {
        "FLOWBRIDGE_DATA": str(path / "data"),
        "FLOWBRIDGE_CONFIG": str(path / "routes.yaml"),
    }


def run_command(path: Path, *words: str) -> str:
    """Run a command of the flowbridge in `path` to its end, and return what it prints."""
    environ = {**os.environ, **places(path)}
    command = [*BRIDGE, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout


def make_token(path: Path) -> str:
    """Return the secret of a token that may read everything."""
    printed = run_command(path, "token", "add", "bench", "--scope", "read,bodies", "--json")
    return str(json.loads(printed)["token"])


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


@contextlib.contextmanager
def slots_platform(
    slots: int, run_seconds: float, others: int = 0, call_seconds: float = 0.0
) -> Iterator[str]:
    """Run a flow platform with few slots; give its URL. slots.py says what the numbers mean."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = map(str, (port, slots, run_seconds, others, call_seconds))
    with process([sys.executable, str(HERE / "slots.py"), *given], f"{url}/"):
        yield url


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


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value of sorted ones that so many are below."""
    return values[min(len(values) - 1, int(share * len(values)))]


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
