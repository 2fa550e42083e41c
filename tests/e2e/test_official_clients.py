"""The published clients of the flow platform, Python and JavaScript, against the local platform:
they cannot tell.

Both are real and run in processes of their own. They are looked for where
`FLOWBRIDGE_GUMLOOP_PYTHON` (a Python that has the package `gumloop`) and `FLOWBRIDGE_GUMLOOP_JS` (a
folder in which npm has installed `gumloop`) say.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from folders import CLIENTS
from processes import eventually

from bridge.core.model import RunState
from bridge.testing import FlowPlatform, StartPlatform, platforms

FLOWS = """
import time
from bridge.flows import WebhookInput, flow, log

@flow
def fails(title: str = ""):
    print("looking at", title)
    log("it is not there")
    raise LookupError(f"no {title}")

@flow
def nap():
    log("napping")
    time.sleep(600)

@flow
def nothing():
    pass

@flow
def whole(payload: WebhookInput):
    return {"payload": payload}
"""
HTTP_ERROR = {"python": "HTTPStatusError", "javascript": "AxiosError"}
ERROR = {"python": "RuntimeError", "javascript": "Error"}
TIMEOUT = {"python": "TimeoutError", "javascript": "Error"}


def command(name: str) -> list[str]:
    """What runs a client; the test is skipped, with the reason, where it is not to be had."""
    if name == "python":
        python = os.environ.get("FLOWBRIDGE_GUMLOOP_PYTHON") or (
            importlib.util.find_spec("gumloop") and sys.executable
        )
        if not python:
            pytest.skip(
                "the package gumloop is not here, and FLOWBRIDGE_GUMLOOP_PYTHON names no Python"
                " that has it"
            )
        return [python, str(CLIENTS / "python_client.py")]
    folder = os.environ.get("FLOWBRIDGE_GUMLOOP_JS")
    if not folder or not shutil.which("node"):
        pytest.skip(
            "there is no node, or FLOWBRIDGE_GUMLOOP_JS names no folder in which npm has installed"
            " gumloop"
        )
    return ["node", str(CLIENTS / "javascript_client.cjs"), folder]


class Client:
    """A published client in a process of its own."""

    def __init__(self, name: str, process: subprocess.Popen[str], platform: FlowPlatform) -> None:
        self.name = name
        self._process = process
        self.platform = platform

    def ask(self, **asked: Any) -> None:
        ids = {
            "base_url": self.platform.base_url,
            "api_key": self.platform.api_key,
            "user_id": self.platform.user_id,
        }
        assert self._process.stdin
        self._process.stdin.write(json.dumps(ids | asked) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def run(
        self,
        flow: str,
        inputs: dict[str, Any] | None = None,
        *,
        timeout: float | None = 60.0,
        **ids: str,
    ) -> Any:
        """Let it run a flow, and return what it returned or raised."""
        self.ask(flow=flow, inputs=inputs or {}, timeout=timeout, **ids)
        return self.answer()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartPlatform]:
    with platforms(lambda: tmp_path_factory.mktemp("platform")) as one:
        yield one


@pytest.fixture(scope="module")
def platform(start: StartPlatform) -> FlowPlatform:
    return start(flows=FLOWS, max_concurrent_runs=4)


@pytest.fixture(scope="module", params=["python", "javascript"])
def client(request: pytest.FixtureRequest, new_processes: None) -> Iterator[Client]:
    arguments = command(request.param)
    platform = request.getfixturevalue("platform")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    with subprocess.Popen(
        arguments, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as process:
        yield Client(request.param, process, platform)
        assert process.stdin
        process.stdin.close()
        assert process.wait(60) == 0


def only_active(platform: FlowPlatform, flow: str) -> str:
    return eventually(
        lambda: [
            run_id for run_id, run in platform.runs(flow).items() if run.state is RunState.RUNNING
        ]
    )[0]


def logged(platform: FlowPlatform, run_id: str) -> list[str]:
    """What a run has logged so far."""
    key = {"Authorization": f"Bearer {platform.api_key}"}
    asked = {"run_id": run_id, "user_id": platform.user_id}
    log: list[str] = requests.get(
        f"{platform.base_url}/get_pl_run", params=asked, headers=key, timeout=30
    ).json()["log"]
    return log


def test_a_flow_runs_to_its_end_and_its_outputs_come_back_as_they_were(client: Client) -> None:
    values = {
        "title": "Grüße, 世界",
        "int": 7,
        "float": 1.5,
        "bool": True,
        "none": None,
        "list": [1, "a"],
        "object": {"a": {"b": []}},
    }
    assert client.run("echo", values) == {"outputs": values}


def test_a_flow_without_outputs_ends(client: Client) -> None:
    assert client.run("nothing") == {"outputs": {}}, (
        "with null the JavaScript client would wait for ever"
    )


def test_a_webhook_input_gets_the_body_that_the_client_sent(client: Client) -> None:
    payload = json.loads(client.run("whole", {"a": 1})["outputs"]["payload"])
    assert payload["pipeline_inputs"] == [{"input_name": "a", "value": 1}]


def test_a_failing_flow_is_told_with_its_log(client: Client) -> None:
    failed = client.run("fails", {"title": "book"})
    assert (failed["error"], failed["http"]) == (ERROR[client.name], None)
    assert failed["message"].startswith("Flow execution failed: ")
    for line in ("looking at book", "it is not there", "LookupError: no book"):
        assert line in failed["message"]


def test_a_run_that_is_killed_was_terminated(client: Client) -> None:
    client.ask(flow="nap", inputs={}, timeout=None)
    run_id = only_active(client.platform, "nap")
    eventually(lambda: "napping" in logged(client.platform, run_id))
    assert client.platform.kill(run_id)
    ended = client.answer()
    assert (ended["error"], ended["message"].startswith("Flow execution was terminated: ")) == (
        ERROR[client.name],
        True,
    )
    eventually(lambda: client.platform.runs("nap")[run_id].state is RunState.TERMINATED)
    client.ask(run_id=run_id)
    status = client.answer()["status"]
    assert status["state"] == "TERMINATED" and "napping" in status["log"] and status["finished_ts"]


def test_a_run_that_takes_too_long_is_a_timeout_and_goes_on(client: Client) -> None:
    assert client.run("nap", timeout=0.3) == {
        "error": TIMEOUT[client.name],
        "message": "Flow execution timed out",
        "http": None,
    }
    run_id = only_active(client.platform, "nap")
    client.ask(run_id=run_id)
    status = client.answer()["status"]
    assert {
        key: status[key] for key in ("run_id", "user_id", "state", "outputs", "finished_ts")
    } == {
        "run_id": run_id,
        "user_id": client.platform.user_id,
        "state": "RUNNING",
        "outputs": {},
        "finished_ts": None,
    }
    assert isinstance(status["log"], list) and status["created_ts"].endswith("+00:00")
    assert client.platform.kill(run_id)
    eventually(lambda: client.platform.runs("nap")[run_id].state is RunState.TERMINATED)


@pytest.mark.parametrize(
    ("ids", "flow", "status"),
    [
        ({"api_key": "wrong"}, "echo", 401),
        ({"user_id": "another"}, "echo", 403),
        ({}, "no-such-flow", 400),
    ],
)
def test_what_is_refused_is_an_http_error(
    client: Client, ids: dict[str, str], flow: str, status: int
) -> None:
    refused = client.run(flow, **ids)
    assert (refused["error"], refused["http"]) == (HTTP_ERROR[client.name], status)


def test_a_full_platform_queues_or_rejects_as_its_plan_says(
    client: Client, start: StartPlatform
) -> None:
    calm = client.platform
    strict = start(flows=FLOWS, max_concurrent_runs=1, overflow="reject")
    client.platform = strict
    try:
        assert client.run("nap", timeout=0.1)["message"] == "Flow execution timed out"
        assert (full := client.run("echo"))["http"] == 429, full
        assert strict.kill(only_active(strict, "nap"))
        eventually(lambda: all(run.finished_at for run in strict.runs("nap").values()))
        assert client.run("echo", {"n": 1}) == {"outputs": {"n": 1}}
    finally:
        client.platform = calm
    for _ in range(4):
        client.run("nap", timeout=0.1)
    naps = eventually(
        lambda: (
            len(
                found := [i for i, run in calm.runs("nap").items() if run.state is RunState.RUNNING]
            )
            == 4
            and found
        )
    )
    client.ask(flow="echo", inputs={"n": 2}, timeout=60.0)
    waiting = eventually(
        lambda: [
            run_id for run_id, run in calm.runs("echo").items() if run.state is RunState.QUEUED
        ]
    )
    for nap in naps:
        assert calm.kill(nap)
    assert (
        client.answer() == {"outputs": {"n": 2}}
        and calm.runs("echo")[waiting[0]].state is RunState.DONE
    )
