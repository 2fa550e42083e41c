"""Pytest fixture `flow_platform`: a flow platform on loopback, with faults on request.

    pytest_plugins = ["bridge.testing"]           # in conftest.py

    def test_retries_when_the_platform_is_full(flow_platform):
        platform = flow_platform("start_pipeline=429:1*2")
        ...  # call your code with platform.base_url, platform.api_key and platform.user_id

Each call of the fixture starts `flowbridge platform` in a process of its own. They end with the
test.
"""

from __future__ import annotations

import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest

from bridge.core.http_messages import Call, NoAnswer
from bridge.core.status import RunReport
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.routing.model import Platform
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient

#: Runs `flowbridge`, and ends when this process dies, even by SIGKILL.
PLATFORM_PROGRAM = """
import signal, sys
from bridge.system.linux_process import die_with_parent
die_with_parent(signal.SIGTERM)
from bridge.cli.main import main
main(sys.argv[1:])
"""
START_SECONDS = 60.0  # for a start, or an answer
STOP_SECONDS = 2.0  # before SIGKILL


@dataclass(frozen=True, slots=True)
class FlowPlatform:
    """A running platform. `log`: its log file, with a line of JSON for each injected fault."""

    base_url: str
    api_key: str = field(repr=False)
    user_id: str
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def entry(self) -> dict[str, str]:
        """The entry for this platform under `platforms:` of a routes.yaml."""
        return {
            "type": "gumloop",
            "base_url": self.base_url,
            "api_key": self.api_key,
            "user_id": self.user_id,
        }

    def runs(self, flow: str) -> dict[str, RunReport]:
        """Return the newest runs of a flow by id, at most ten, newest first."""
        question = PLATFORMS["gumloop"].runs
        assert question is not None  # noqa: S101 - for the type checker
        listing = question.read(self._send(question.build(self._as_platform(), flow)))
        return {run.id: run.report for run in listing.items or ()}

    def kill(self, run_id: str) -> bool:
        """Ask the platform to end a run, and return whether it accepted."""
        question = PLATFORMS["gumloop"].kill
        assert question is not None  # noqa: S101 - for the type checker
        return question.read(self._send(question.build(self._as_platform(), run_id))).accepted

    def faults(self) -> list[dict[str, Any]]:
        """Return the injected faults in order: `endpoint`, `fault` as passed, `number` from 1."""
        lines = [
            orjson.loads(line)
            for line in self.log.read_bytes().splitlines()
            if line.startswith(b"{")
        ]
        return [
            {key: line[key] for key in ("endpoint", "fault", "number")}
            for line in lines
            if line.get("event") == "fault_injected"
        ]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the platform; with SIGKILL as in a crash. Runs under way get 2 seconds."""
        self.process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.process.kill()
        self.process.wait()

    def _as_platform(self) -> Platform:
        return Platform(
            name="flow_platform",
            type="gumloop",
            base_url=self.base_url,
            api_key=self.api_key,
            user_id=self.user_id,
        )

    def _send(self, call: Call) -> Any:
        sender = HttpClient()
        answer = sender.send(call, Deadline.after(START_SECONDS))
        sender.close()
        if isinstance(answer, NoAnswer):
            raise ConnectionError(answer.reason)
        return answer


class StartPlatform(Protocol):
    """Starts a platform; `flowbridge platform --help` explains the arguments.

    `flows` is a flows.py: its path, or its text. With the same `data` and `port` a new platform
    continues where the last one stopped.
    """

    def __call__(
        self,
        *faults: str,
        flows: str | Path | None = None,
        max_concurrent_runs: int | None = None,
        overflow: str | None = None,
        data: Path | None = None,
        port: int = 0,
    ) -> FlowPlatform: ...


@pytest.fixture
def flow_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartPlatform]:
    """Return a function that starts a flow platform on loopback.

    For example `flow_platform("start_pipeline=429*3", flows=TEXT)`.
    """
    with platforms(lambda: tmp_path_factory.mktemp("flow_platform")) as start:
        yield start


@contextmanager
def platforms(new_folder: Callable[[], Path]) -> Iterator[StartPlatform]:
    """Yield the function of the fixture, for a fixture of another scope.

    `new_folder` returns an empty folder for each platform.
    """
    started: list[FlowPlatform] = []

    def start(
        *faults: str,
        flows: str | Path | None = None,
        max_concurrent_runs: int | None = None,
        overflow: str | None = None,
        data: Path | None = None,
        port: int = 0,
    ) -> FlowPlatform:
        folder = new_folder()
        options = {
            "port": port,
            "flows": _file(flows, folder),
            "max-concurrent-runs": max_concurrent_runs,
            "overflow": overflow,
            "data": data or folder / "data",
        }
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        started.append(_start([*given, *(f"--fault={fault}" for fault in faults)], folder))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.stop()


def _file(flows: str | Path | None, folder: Path) -> Path | None:
    if not isinstance(flows, str):
        return flows
    path = folder / "flows.py"
    path.write_text(flows, "utf-8")
    return path


def _start(options: list[str], folder: Path) -> FlowPlatform:
    log = folder / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-c", PLATFORM_PROGRAM, "platform", "--json", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    line = _first_line(process)
    if not line:
        process.kill()
        process.wait()
        raise RuntimeError(
            f"flowbridge platform did not start: {log.read_text('utf-8', 'replace').strip()}"
        )
    ready: Mapping[str, str] = orjson.loads(line)
    return FlowPlatform(ready["base_url"], ready["api_key"], ready["user_id"], log, process)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """Return the line with the address; empty where the process ended or is silent for too long."""
    assert process.stdout is not None  # noqa: S101 - for the type checker
    with selectors.DefaultSelector() as selector, process.stdout:
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline() if selector.select(START_SECONDS) else b""
