"""flowbridge platform and the fixture of bridge.testing: a platform to rehearse against, and a
bridge on its bad days.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forking import parent
from processes import call, environment, eventually, is_listening, running
from serving import Bridge, free_port, github, until

from bridge import testing
from bridge.core.http_messages import Call, NoAnswer
from bridge.core.model import Delivery, RunState
from bridge.store.inbound import events
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient
from bridge.testing import FlowPlatform, StartPlatform, platforms

pytestmark = pytest.mark.usefixtures("new_processes")

FLOWS = '''
from bridge.flows import flow

@flow
def greet(name: str, greeting: str = "Hello"):
    """Greets someone."""
    return {"text": f"{greeting}, {name}!"}
'''


@pytest.fixture
def forked_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartPlatform]:
    """The fixture `flow_platform`, but for platforms that are no new interpreters."""

    def fork(options: list[str], folder: Path) -> FlowPlatform:
        log = folder / "log"
        with log.open("wb") as output:
            arguments = ["platform", "--json", *options]
            process = parent().fork("{}", arguments, environment(), folder, output.fileno())
        lines = lambda: [line for line in log.read_text().splitlines() if '"base_url"' in line]  # noqa: E731
        [ready] = eventually(lines)
        return FlowPlatform(**json.loads(ready), log=log, process=process)  # type: ignore[arg-type]

    monkeypatch.setattr(testing, "_start", fork)
    with platforms(lambda: tmp_path_factory.mktemp("flow_platform")) as begin:
        yield begin


def start(
    platform: FlowPlatform, flow: str, timeout: float = 60.0, **inputs: object
) -> tuple[int, dict[str, str], bytes] | NoAnswer:
    """Start a flow as anyone would; no worker, no retry."""
    sender = HttpClient()
    body = json.dumps({"user_id": platform.user_id, "saved_item_id": flow, **inputs}).encode()
    headers = {"Authorization": f"Bearer {platform.api_key}", "Content-Type": "application/json"}
    answer = sender.send(
        Call(method="POST", url=f"{platform.base_url}/start_pipeline", headers=headers, body=body),
        Deadline.after(timeout),
    )
    sender.close()
    return (
        answer
        if isinstance(answer, NoAnswer)
        else (answer.status, dict(answer.headers), answer.body)
    )


def test_it_runs_flows_and_ends_with_nothing_left_behind(tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    (tmp_path / ".env").write_text(
        "FLOWBRIDGE_LOCAL_API_KEY=of-the-project\nFLOWBRIDGE_BIND=nonsense\n"
    )
    (tmp_path / "tmp").mkdir()
    environ = environment(TMPDIR=str(tmp_path / "tmp"))
    with running(tmp_path, "platform", "--flows", "flows.py", "--json", environ=environ) as process:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        assert set(told) == {"base_url", "api_key", "user_id"} and len(told["api_key"]) == 32
        platform = FlowPlatform(**told, log=tmp_path / "none", process=None)  # type: ignore[arg-type]
        answer = start(platform, "greet", name="Ada")
        assert isinstance(answer, tuple)
        assert json.loads(answer[2])["url"] == "", "it has no console"
        (run,) = eventually(
            lambda: [run for run in platform.runs("greet").values() if run.finished_at]
        )
        assert (run.state, run.outputs) == (RunState.DONE, {"text": "Hello, Ada!"})
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert list((tmp_path / "tmp").iterdir()) == [] and not (tmp_path / "data").exists()


def test_a_person_is_told_what_to_write_into_routes_yaml(tmp_path: Path) -> None:
    port = free_port()
    with running(
        tmp_path, "platform", "--port", str(port), "--fault", "start_pipeline=429:2*3"
    ) as process:
        assert process.stderr
        said = [process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    (tmp_path / "routes.yaml").write_text(f"version: 1\n{stdout}")
    assert call(tmp_path, "check").returncode == 0
    assert f'base_url: "http://127.0.0.1:{port}/api/v1"' in stdout
    assert (
        said[1]
        == "fault start_pipeline=429:2*3: does not run the call, and answers with 429 (Retry-After: 2); 3 times\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--fault", "start_pipelin=500"),
            "there is no endpoint 'start_pipelin'; did you mean `start_pipeline`?",
        ),
        (("--flows", "nowhere.py"), "'nowhere.py' does not exist"),
        (("--overflow", "drop"), "'drop' is not one of"),
        (("--flows", "broken.py"), "broken.py:1: ZeroDivisionError"),
        (("--port", "70000"), "70000"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_runs(
    tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    result = call(tmp_path, "platform", *arguments)
    assert (result.returncode, result.stdout) == (2, "") and text in result.stderr


def test_with_a_data_folder_the_next_one_takes_up_where_the_last_was_killed(
    forked_platform: StartPlatform, tmp_path: Path
) -> None:
    port = free_port()
    first = forked_platform(data=tmp_path / "kept", port=port)
    assert isinstance(start(first, "echo", n=1), tuple)
    first.stop(signal.SIGKILL)
    second = forked_platform(data=tmp_path / "kept", port=port)
    assert (second.base_url, second.api_key, second.user_id) == (
        first.base_url,
        first.api_key,
        first.user_id,
    )
    (run,) = until(lambda: [run for run in second.runs("echo").values() if run.finished_at])
    assert (run.state, run.outputs) == (
        RunState.DONE,
        {"n": 1},
    ), "it was acknowledged, and it is idempotent"


def test_each_fault_over_http(forked_platform: StartPlatform) -> None:
    kinds = ("ok*1", "429:7*1", "503*1", "garbage*1", "drop*1", "lost*1", "slow:12*1", "slow:0.3*1")
    platform = forked_platform(*(f"start_pipeline={kind}" for kind in kinds), "get_inputs=500")
    seen = [
        start(platform, "echo", 4.0 if kind == "slow:12*1" else 60.0, n=n)
        for n, kind in enumerate(kinds)
    ]
    assert isinstance(seen[1], tuple) and seen[1][0] == 429 and seen[1][1]["retry-after"] == "7"
    assert json.loads(seen[1][2]) == {
        "error": "rate_limit",
        "message": "injected by the fault start_pipeline=429:7*1",
    }
    assert [one[0] if isinstance(one, tuple) else one.reason for one in seen] == [
        200,
        429,
        503,
        200,
        "127.0.0.1: the connection was closed before an answer",
        "127.0.0.1: the connection was closed before an answer",
        "127.0.0.1: no answer within 4 s",
        200,
    ]
    assert isinstance(seen[3], tuple) and b"<html>" in seen[3][2]
    numbers = eventually(
        lambda: len(found := sorted(run["n"] for run in outputs_of(platform))) == 5 and found
    )
    assert numbers == [0, 3, 5, 6, 7], "which of them ran, though their answers said otherwise"
    assert [fault["fault"].partition("=")[2] for fault in platform.faults()] == list(kinds)


def outputs_of(platform: FlowPlatform) -> list[dict[str, int]]:
    return [run.outputs for run in platform.runs("echo").values() if run.state is RunState.DONE]


def test_a_full_platform_rejects_where_it_is_told_to(forked_platform: StartPlatform) -> None:
    platform = forked_platform(max_concurrent_runs=1, overflow="reject")
    assert isinstance(start(platform, "sleep", seconds=600), tuple)
    refused = start(platform, "echo")
    assert isinstance(refused, tuple) and refused[0] == 429 and platform.runs("echo") == {}


def test_a_fixture_that_cannot_start_says_why(flow_platform: StartPlatform) -> None:
    with pytest.raises(RuntimeError, match="there is no kind 'gone'"):
        flow_platform("start_pipeline=gone")
    with pytest.raises(RuntimeError, match=r"flows\.py:1: NameError"):
        flow_platform(flows="nonsense")


ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, base_url: "{base_url}", api_key: "{api_key}", user_id: "{user_id}"}}
  impatient: {{type: gumloop, base_url: "{base_url}", api_key: "{api_key}", user_id: "{user_id}", timeout: 1s}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: late, on: github, when: "body.n == `3`", inputs: {{n: "${{body.n}}"}}, flow: "impatient/echo"}}
  - {{name: any, on: github, when: "body.n != `3`", inputs: {{n: "${{body.n}}"}}, flow: "gumloop/echo", retry: {{attempts: 3, first: 1s, max: 1s}}}}
"""


def test_a_bridge_on_a_bad_day_starts_nothing_twice_and_spends_no_attempt_on_a_full_platform(
    forked_platform: StartPlatform, tmp_path: Path
) -> None:
    kinds = {
        0: "429*3",
        1: "lost*1",
        2: "drop*1",
        3: "slow:60*1",
        4: "garbage*1",
        5: "500*1",
        6: "ok",
    }
    platform = forked_platform(*(f"start_pipeline?n={n}={kind}" for n, kind in kinds.items()))
    routes = ROUTES.format(**platform.entry)
    with Bridge(tmp_path, routes=routes) as bridge:
        sent = [json.dumps({"n": n}).encode() for n in kinds]
        ids = [bridge.post("/hooks/github", body, github(body)).json["event_id"] for body in sent]

        def settled() -> list[Delivery]:
            found = [
                one
                for several in events.deliveries_of(bridge.database, ids).values()
                for one in several
            ]
            return (
                found
                if {one.status.value for one in found} <= {"unknown", "delivered", "dead"}
                else []
            )

        deliveries = eventually(settled)
    by_number = {one.inputs["n"]: one for one in deliveries}
    assert {n: one.status.value for n, one in by_number.items()} == {
        0: "delivered",
        1: "unknown",
        2: "unknown",
        3: "unknown",
        4: "unknown",
        5: "unknown",
        6: "delivered",
    }
    assert (by_number[0].throttled, by_number[0].attempts, by_number[6].attempts) == (3, 1, 1)
    started = eventually(
        lambda: len(found := sorted(run["n"] for run in outputs_of(platform))) == 5 and found
    )
    assert started == [0, 1, 3, 4, 6], "each once, whether or not the bridge was told"


def test_a_platform_ends_with_the_test_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        'import os, signal\npytest_plugins = ["bridge.testing"]\ndef test(flow_platform):\n   '
        " print(flow_platform().base_url, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-s",
        "-p",
        "no:cacheprovider",
        "--basetemp=inner",
        "test_it.py",
    ]
    result = subprocess.run(
        command, cwd=tmp_path, text=True, capture_output=True, timeout=60, check=False
    )
    port = int(result.stdout.split("http://127.0.0.1:")[1].split("/")[0])
    eventually(lambda: not is_listening(port))
