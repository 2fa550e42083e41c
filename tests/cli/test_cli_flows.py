"""flows list, inputs, run, runs, kill: against a platform over HTTP, on a terminal and elsewhere,
with Ctrl-C.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from fake_platform import FakePlatform
from processes import call, environment, eventually, running
from serving import Bridge, until

from bridge.cli.ui.run_progress import new_log_lines
from bridge.core.timings import Timings
from bridge.monitoring.presence import find_addresses
from bridge.store import audit
from bridge.store.db.database import Database

ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "{url}"}}
  hook: {{type: http, url: "https://example.com/x"}}
flows:
  repeat: {{platform: gumloop, saved_item_id: echo}}
"""


@pytest.fixture
def platform(folder: Path) -> Iterator[FakePlatform]:
    """A platform, and a routes.yaml that names it in the folder one is in."""
    with FakePlatform() as one:
        (folder / "routes.yaml").write_text(ROUTES.format(url=one.base_url))
        yield one


def only_run(platform: FakePlatform) -> str:
    return next(iter(platform.runs))


def ends_once_seen(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, looks: int = 1) -> None:
    """Have each run go on until it was looked at so many times, however long that takes."""
    platform.run_seconds, whole, seen = 3600.0, platform.answer, Counter[str]()

    def answer(method: str, path: str, query: dict[str, str], *rest: Any) -> tuple[int, Any]:
        answered = whole(method, path, query, *rest)
        if path.endswith("/get_pl_run"):
            seen[query["run_id"]] += 1
            if seen[query["run_id"]] >= looks:
                run = platform.runs[query["run_id"]]
                run.ends_at = min(run.ends_at, time.time())
        return answered

    monkeypatch.setattr(platform, "answer", answer)


def test_list_shows_the_flows_of_all_platforms_that_have_a_list(platform: FakePlatform) -> None:
    shown = run("flows", "list")
    assert shown.exit_code == 0
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["PLATFORM", "FLOW", "NAME", "DESCRIPTION"],
        ["gumloop", "echo", "Echo", "-"],
        ["gumloop", "always-fails", "Always-Fails", "-"],
    ]
    assert lines(run("flows", "list", "gumloop", "--json"))[0] == {
        "platform": "gumloop",
        "saved_item_id": "echo",
        "name": "Echo",
        "description": None,
        "created_at": "2023-11-14T22:13:20.000000Z",
    }


def test_a_platform_that_does_not_answer_hides_no_other(
    platform: FakePlatform, folder: Path
) -> None:
    more = (
        "  gone: {type: gumloop, api_key: k, user_id: u, base_url:"
        ' "http://127.0.0.1:9/api/v1"}\nflows:'
    )
    (folder / "routes.yaml").write_text(
        ROUTES.format(url=platform.base_url).replace("flows:", more)
    )
    shown = run("flows", "list", "--json")
    assert (shown.exit_code, shown.stdout.count("\n")) == (1, 2)
    assert "gone: 127.0.0.1: the connection was refused" in shown.stderr


def test_a_wrong_key_is_said_in_the_platforms_words(platform: FakePlatform) -> None:
    platform.api_key = "another"
    for command in (("list",), ("inputs", "repeat"), ("runs", "repeat"), ("kill", "gumloop/x")):
        shown = run("flows", *command)
        assert (
            shown.exit_code == 1
            and "HTTP 401 unauthorized: missing or invalid API key" in shown.stderr
        ), command


def test_inputs_are_listed_by_name(platform: FakePlatform) -> None:
    shown = run("flows", "inputs", "repeat")
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["NAME", "TYPE", "DESCRIPTION"],
        ["title", "string", "-"],
        ["labels", "string", "-"],
    ]
    assert lines(run("flows", "inputs", "gumloop/echo", "--json"))[1] == {
        "platform": "gumloop",
        "saved_item_id": "echo",
        "name": "labels",
        "type": "string",
        "description": None,
    }
    assert "The flow declares no inputs." in run("flows", "inputs", "gumloop/always-fails").stderr


def test_the_newest_ten_runs_are_listed_with_what_became_of_them(platform: FakePlatform) -> None:
    assert "The flow has no runs yet." in run("flows", "runs", "repeat").stderr
    platform.cap = 20
    platform.run_seconds = 0.0
    for number in range(11):
        assert run("flows", "run", "repeat", "--input", f"title={number}").exit_code == 0
    platform.run_seconds = 60.0
    (last,) = lines(run("flows", "run", "repeat", "--json"))
    found = lines(run("flows", "runs", "repeat", "--json"))
    assert [one["run_state"] for one in found] == ["running"] + ["done"] * 9
    assert set(found[0]) == {
        "platform",
        "saved_item_id",
        "run_id",
        "run_state",
        "raw_state",
        "outputs",
        "created_at",
        "finished_at",
        "delivery_id",
        "event_id",
        "route",
    }
    assert (found[0]["run_id"], found[0]["finished_at"], found[1]["outputs"]) == (
        last["run_id"],
        None,
        {"title": "10"},
    )
    head, first, *rest = run("flows", "runs", "repeat").stdout.splitlines()
    assert re.split("  +", head) == ["STATE", "STARTED", "TOOK", "RUN ID", "ROUTE", "DELIVERY"]
    assert re.fullmatch(
        rf"running +\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ +\d+\.\d+ s… +{last['run_id']} +no delivery +-",
        first,
    )
    assert len(rest) == 9 and all(re.match(r"done +\S+ +0\.\d\d s +", line) for line in rest)


def test_waiting_tells_states_and_log_lines_and_prints_the_outputs(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_once_seen(platform, monkeypatch)
    shown = run("flows", "run", "repeat", "--input", "title=hi", "--wait")
    assert (shown.exit_code, shown.stdout) == (
        0,
        f'{only_run(platform)}\n{{\n  "title": "hi"\n}}\n',
    )
    assert re.findall(r"^\d\d:\d\d:\d\d\.\d{3}  (.+)$", shown.stderr, re.MULTILINE) == [
        "running",
        "done",
    ]
    failed = run("flows", "run", "gumloop/always-fails", "--wait")
    assert failed.exit_code == 1 and failed.stdout.endswith("\n{}\n")
    assert re.search(
        r"  running\n +Node failed: as it always does\n\S+  failed\n$", failed.stderr
    ), "the colour codes are gone"
    (told,) = lines(
        run("flows", "run", "repeat", "--json-input", '{"title": 1}', "--wait", "--json")
    )
    assert (told["outcome"], told["run_state"], told["outputs"], told["log"]) == (
        "started",
        "done",
        {"title": 1},
        [],
    )


@pytest.mark.usefixtures("slow")
def test_a_wait_outlives_answers_that_fail_but_not_for_ever(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = platform.answer
    failing = iter(["garbage", None, "error"])

    def answer(method: str, path: str, *rest: dict[str, str] | bytes) -> tuple[int, object]:
        fault = next(failing, "ok") if path.endswith("/get_pl_run") else "ok"
        faults = {
            "garbage": (200, b"<html>"),
            None: (0, None),
            "error": (503, {"error": "unavailable"}),
        }
        return faults[fault] if fault in faults else whole(method, path, *rest)  # type: ignore[arg-type, index]

    monkeypatch.setattr(platform, "answer", answer)
    quick = Timings(run_poll_max_seconds=0.01)
    shown = run("flows", "run", "repeat", "--wait", timings=quick)
    assert shown.exit_code == 0
    for text in (
        "the answer is not JSON",
        "the connection was closed before an answer",
        "HTTP 503 unavailable",
    ):
        assert text in shown.stderr
    failing = iter(["error"] * 100)
    shown = run("flows", "run", "repeat", "--wait", timings=quick)
    assert (
        shown.exit_code == 1
        and f"run gumloop/{list(platform.runs)[1]}: HTTP 503 unavailable" in shown.stderr
    )


@pytest.mark.usefixtures("new_processes")
def test_ctrl_c_ends_the_waiting_and_says_how_to_end_the_run(
    platform: FakePlatform, folder: Path
) -> None:
    platform.run_seconds = 600
    for form in ([], ["--json"]):
        with running(folder, "flows", "run", "repeat", "--wait", *form) as process:
            assert process.stderr and process.stdout
            if not form:
                assert any("running" in line for line in process.stderr), "until it says so"
            else:
                eventually(lambda: platform.looks > 3)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            run_id = list(platform.runs)[-1]
            said = process.stderr.read()
            assert (
                f"The run continues. To end it: flowbridge flows kill gumloop/{run_id}\n" in said
                and "Traceback" not in said
            )
            assert run_id in process.stdout.read()
        platform.looks = 0
    assert platform.active == 2


def test_kill_ends_runs_and_waits_for_it_where_asked(platform: FakePlatform) -> None:
    platform.run_seconds = 600
    first, second, third = (
        lines(run("flows", "run", "repeat", "--json"))[0]["run_id"] for _ in range(3)
    )
    shown = run("flows", "kill", first)
    assert (shown.exit_code, shown.stdout) == (0, f"gumloop/{first} terminated\n")
    looks = platform.looks
    (told,) = lines(run("flows", "kill", f"gumloop/{second}", "--wait", "--json"))
    assert platform.looks == looks + 1, "it has ended: there is nothing to wait for"
    assert told == {
        "platform": "gumloop",
        "run_id": second,
        "killed": True,
        "detail": None,
        "run_state": "terminated",
        "raw_state": "TERMINATED",
    }
    shown = run("flows", "kill", "no-such-run", third, "--wait")
    assert (
        shown.exit_code == 1
        and "Error: gumloop/no-such-run: HTTP 404 not_found: run not found" in shown.stderr
    )
    assert shown.stdout == f"gumloop/{third} terminated\n", "the others are ended all the same"
    assert platform.active == 0


@pytest.mark.usefixtures("new_processes")
def test_a_terminal_sees_it_live(
    platform: FakePlatform, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_once_seen(platform, monkeypatch, looks=2)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bridge", "flows", "run", "gumloop/always-fails", "--wait"]
    environ = environment(TERM="xterm-256color", COLUMNS="100", LINES="40")
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # EIO: the other end is closed
        pass
    stdout, _ = process.communicate(timeout=60)
    os.close(ours)
    text = seen.decode()
    assert process.returncode == 1 and stdout.decode() == f"{only_run(platform)}\n{{}}\n", (
        "the answer alone"
    )
    assert re.search(r"running  \d+\.\d+ s  \(Ctrl-C stops waiting, not the run\)", text)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert (
        re.search(r"\d\d:\d\d:\d\d\.\d{3}  running", plain)
        and "Node failed: as it always does" in plain
    )
    assert re.search(r"\x1b\[31m[^\x1b]*failed", text), "in red"


def test_http_platforms_have_none_of_it_and_say_so(platform: FakePlatform) -> None:
    for command, text in (
        (("list", "hook"), "the platform 'hook' (http) has no list of flows"),
        (("inputs", "hook/x"), "the platform 'hook' (http) has no list of inputs"),
        (("runs", "hook/x"), "the platform 'hook' (http) has no runs"),
        (("kill", "hook/x"), "the platform 'hook' (http) has no runs"),
        (("run", "hook/x", "--wait"), "the platform 'hook' (http) has no runs"),
    ):
        shown = run("flows", *command)
        assert shown.exit_code == 1 and text in shown.stderr, command


def test_names_that_are_nearly_right_get_a_hint(platform: FakePlatform) -> None:
    for command, code, text in (
        (
            ("list", "gumlop"),
            2,
            "routes.yaml has no platform 'gumlop'; did you mean `gumloop`? it has: gumloop, hook",
        ),
        (
            ("runs", "repeet"),
            2,
            (
                "routes.yaml has no flow 'repeet'; did you mean `repeat`? it has: repeat."
                " You can also pass PLATFORM/FLOW, such as gumloop/repeet"
            ),
        ),
        (
            ("inputs", "gumloop/eco"),
            1,
            (
                "the platform 'gumloop' has no flow 'eco'; did you mean `echo`? it has: echo,"
                " always-fails"
            ),
        ),
        (
            ("inputs", "gumloop/Always-Fails"),
            1,
            "has no flow 'Always-Fails'; did you mean `always-fails`?",
        ),
        (
            ("runs", "gumloop/eco"),
            1,
            "the platform 'gumloop' has no flow 'eco'; did you mean `echo`?",
        ),
        (("kill", "gumlop/x"), 2, "routes.yaml has no platform 'gumlop'; did you mean `gumloop`?"),
        (("kill", "gumloop/"), 2, "'gumloop/' does not say on which platform: gumloop/RUN"),
        (
            ("run", "repeat", "--input", "titel=x"),
            0,
            "Note: the flow has no input 'titel'; did you mean `title`? it has: title",
        ),
        (("run", "repeat", "--input", "titel"), 2, "--input 'titel' is not NAME=VALUE"),
    ):
        shown = run("flows", *command)
        assert (shown.exit_code, text in shown.stderr) == (code, True), (command, shown.stderr)
    assert (
        "Note"
        not in run("flows", "run", "repeat", "--input", "title=x", "--input", "other=y").stderr
    )


def test_a_start_without_an_answer_says_that_a_run_may_exist(
    platform: FakePlatform, store: Database
) -> None:
    platform.faults = ["drop", "garbage", 429]
    shown = run("flows", "run", "repeat")
    assert shown.exit_code == 1 and "It was sent, so a run may exist." in shown.stderr
    for outcome in ("unknown", "throttled"):
        shown = run("flows", "run", "repeat", "--json")
        assert shown.exit_code == 1 and f'"outcome":"{outcome}"' in shown.stdout
    assert [(one.action, one.subject) for one in audit.list_entries(store)] == [
        ("run_started", "gumloop/echo (outcome unknown)")
    ] * 2


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ([], [], ([], False)),
        ([], ["a"], (["a"], False)),
        (["a"], ["a", "b"], (["b"], False)),
        (["a", "b", "c"], ["b", "c", "d"], (["d"], False)),
        (["a", "b"], ["c", "d"], (["c", "d"], True)),
        (["a", "a"], ["a", "a", "a"], (["a"], False)),
        (["a", "b"], ["a", "b"], ([], False)),
        (["a", "b"], [], ([], True)),
    ],
)
def test_what_is_new_of_a_log_whose_first_lines_may_go(
    before: list[str], now: list[str], found: tuple[list[str], bool]
) -> None:
    assert new_log_lines(before, now) == found


def test_the_help_teaches(platform: FakePlatform) -> None:
    for name in ("list", "inputs", "run", "runs", "kill"):
        text = run("flows", name, "--help").stdout
        assert f"flowbridge flows {name}" in text.replace(f"Usage: flowbridge flows {name}", ""), (
            name
        )


@pytest.mark.usefixtures("new_processes")
def test_a_local_flow_is_not_started_without_what_it_requires_and_is_found_at_any_port(
    tmp_path: Path,
) -> None:
    with Bridge(tmp_path) as bridge:

        def flows(*arguments: str) -> Any:
            # as where it was started with --bind
            elsewhere = {**bridge.environ, "FLOWBRIDGE_BIND": "127.0.0.1:1"}
            return call(
                tmp_path, "--config", str(bridge.config), "flows", *arguments, environ=elsewhere
            )

        until(
            lambda: find_addresses(Path(bridge.environ["FLOWBRIDGE_DATA"])),
            what="the address in the data folder",
        )
        refused = flows("run", "local/http_request", "--input", "urk=x")
        assert (
            refused.returncode == 2 and "the flow 'http_request' requires url; " in refused.stderr
        )
        assert "did you mean `url`?" in refused.stderr
        assert bridge.count("local_run") == 0
        done = flows("run", "local/sleep", "--json-input", '{"seconds": 0}', "--wait")
        assert done.returncode == 0 and "/console/runs?run_id=" in done.stderr
        assert "local_platform" not in flows("list").stderr and "append_csv" in flows("list").stdout


def test_a_platform_without_its_key_is_not_called(platform: FakePlatform, folder: Path) -> None:
    file = folder / "routes.yaml"
    file.write_text(file.read_text().replace("fake-key", '"${env:GUMLOOP_API_KEY}"'))
    for command in ("list", "inputs repeat", "runs repeat", "run repeat --input a=b"):
        refused = run("flows", *command.split())
        assert refused.exit_code == 1, command
        assert (
            "gumloop cannot be called: environment variable GUMLOOP_API_KEY is not set."
            " Next: set it in .env\n"
        ) in refused.stderr
    assert platform.starts == []
