"""The command line against a running `flowbridge serve`: events go in, are followed, sent again,
and flows are run by hand.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from processes import call_here, environment, eventually, is_listening, running
from serving import Bridge, free_port, until

from bridge.monitoring.presence import list_bridges

pytestmark = pytest.mark.usefixtures("new_processes")

FLOWS = """
from pathlib import Path
from bridge.flows import flow

@flow
def fails_first(**inputs):
    seen = Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        raise ValueError("not yet")
    return {"ok": True}

@flow
def naps(seconds: float, note: str = "zzz"):
    import time
    print(note, flush=True)
    time.sleep(seconds)
"""
ROUTES = """
version: 1
platforms: {local: {type: local, flows: flows.py}}
sources:
  github: {provider: github, secret: "${env:GITHUB_WEBHOOK_SECRET}"}
  contact: {provider: form}
routes:
  - {name: triage, on: github issues, inputs: {title: "${body.issue.title}"}, flow: local/echo}
  - {name: contact, on: contact, flow: local/fails_first}
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def serving(
    tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[tuple[Path, str]]:
    """A folder in which `flowbridge serve` runs, and its URL."""
    folder = tmp_path_factory.mktemp("project")
    port = free_port()
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "flows.py").write_text(FLOWS)
    (folder / ".env").write_text(
        f"GITHUB_WEBHOOK_SECRET={'s' * 32}\nFLOWBRIDGE_BIND=127.0.0.1:{port}\n"
    )
    with running(folder, "serve"):
        eventually(lambda: is_listening(port))
        yield folder, f"http://127.0.0.1:{port}"


@pytest.fixture
def run(serving: tuple[Path, str]) -> Run:
    return lambda *arguments: call_here(serving[0], *arguments)


def json_lines(result: subprocess.CompletedProcess[str]) -> list[Any]:
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def standing(run: Run, *filters: str) -> list[str]:
    return [
        f"{one['status']} {one['run_state']}"
        for one in json_lines(run("deliveries", "--json", *filters))
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - others reach it
def test_serve_says_how_to_open_the_console_where_it_serves_one(tmp_path: Path, host: str) -> None:
    port = free_port()
    (tmp_path / "routes.yaml").write_text("version: 1\n")
    arguments = ("serve", "--bind", f"{host}:{port}")
    with running(tmp_path, *arguments, environ=environment(FLOWBRIDGE_LOG="warning")) as process:
        assert process.stderr
        assert process.stderr.readline() == f"flowbridge listens on http://{host}:{port}\n"
        if host == "127.0.0.1":
            assert process.stderr.readline() == "console: flowbridge console --open\n"
            page = requests.get(
                f"http://127.0.0.1:{port}/", headers={"Accept": "text/html"}, timeout=60
            )
            assert page.url == f"http://127.0.0.1:{port}/console/login"
        process.send_signal(signal.SIGTERM)
        assert "console" not in process.communicate(timeout=60)[1]


def test_a_sample_is_accepted_and_a_forgery_is_not(serving: tuple[Path, str], run: Run) -> None:
    sent = run("sample", "github", "--to", serving[1])
    assert (sent.returncode, sent.stdout[:3]) == (0, "202"), sent
    event_id = json.loads(sent.stdout[5 : sent.stdout.index("}") + 1])["event_id"]
    for kind in ("body", "secret", "header", "encoding"):
        forged = run("sample", "github", "--to", serving[1], "--tamper", kind)
        assert (forged.returncode, forged.stdout[:3]) == (0, "401"), kind
    eventually(lambda: standing(run, "--route", "triage") == ["delivered done"])
    (shown,) = json_lines(run("show", event_id, "--json"))
    assert [one["outcome"] for one in shown["deliveries"][0]["attempt_list"]] == ["started"]
    unverified = run("sample", "github", "--to", serving[1], "--secret", "another")
    assert (unverified.returncode, unverified.stdout[:3]) == (1, "401")


def test_tail_prints_what_comes_in_and_what_becomes_of_it_until_ctrl_c(
    serving: tuple[Path, str], run: Run
) -> None:
    folder, url = serving
    assert run("sample", "contact", "--to", url).returncode == 0
    eventually(
        lambda: (
            standing(run, "--route", "contact", "--limit", "1")
            in (["delivered failed"], ["delivered done"])
        )
    )
    following = ("tail", "--json", "--source", "contact", "--limit", "1")
    with running(folder, *following) as process, running(folder, "tail", "--limit", "1") as plain:
        assert process.stdout and plain.stdout
        # the newest event that was there: they follow from now on
        assert process.stdout.readline() and plain.stdout.readline()
        assert run("sample", "contact", "--to", url).returncode == 0
        found = [json.loads(process.stdout.readline()), json.loads(process.stdout.readline())]
        while found[-1].get("run_state") not in ("done", "failed"):
            found.append(json.loads(process.stdout.readline()))
        assert [one["source"] for one in found if "deliveries" in one] == ["contact"]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        line = plain.stdout.readline()
        assert "contact" in line and "\x1b" not in line
        plain.send_signal(signal.SIGINT)
        assert plain.wait(60) == 0


def test_a_delivery_whose_run_failed_is_run_again_by_a_retry(
    serving: tuple[Path, str], run: Run
) -> None:
    folder, url = serving
    (folder / "seen").unlink(missing_ok=True)
    assert run("sample", "contact", "--to", url).returncode == 0
    eventually(lambda: standing(run, "--route", "contact", "--limit", "1") == ["delivered failed"])
    (before,) = json_lines(run("deliveries", "--json", "--route", "contact", "--limit", "1"))
    assert run("retry", before["id"], "--yes").returncode == 0
    eventually(lambda: standing(run, "--route", "contact", "--limit", "1") == ["delivered done"])
    (after,) = json_lines(run("deliveries", "--json", "--route", "contact", "--limit", "1"))
    assert (after["id"], after["attempts"], after["outputs"]) == (before["id"], 2, {"ok": True})
    assert after["run_id"] != before["run_id"]


def test_a_replay_makes_another_delivery_that_runs(serving: tuple[Path, str], run: Run) -> None:
    assert run("sample", "github", "--to", serving[1]).returncode == 0
    (event,) = json_lines(run("events", "--json", "--source", "github", "--limit", "1"))
    (item,) = json_lines(run("replay", event["id"], "--yes", "--json"))
    eventually(lambda: standing(run, "--route", "triage", "--limit", "2") == ["delivered done"] * 2)
    (shown,) = json_lines(run("show", event["id"], "--json"))
    assert [one["run_state"] for one in shown["deliveries"]] == ["done", "done"]
    assert item["deliveries"][0]["id"] != event["deliveries"][0]["id"]


def test_flows_are_listed_and_run(run: Run) -> None:
    listed = json_lines(run("flows", "list", "--json"))
    assert {"echo", "fails_first"} <= {one["saved_item_id"] for one in listed}
    assert json_lines(run("flows", "list", "local", "--json")) == listed
    done = run(
        "flows",
        "run",
        "local/echo",
        "--json-input",
        '{"n": 1, "a": 2}',
        "--input",
        "a=b=c",
        "--wait",
        "--json",
    )
    (report,) = json_lines(done)
    assert (report["run_state"], report["outputs"]) == ("done", {"n": 1, "a": "b=c"})
    failed = run("flows", "run", "local/fail", "--wait")
    assert (failed.returncode, "failed, as asked" in failed.stderr) == (1, True)
    assert run("flows", "run", "local/ecko").returncode == 1
    assert run("flows", "run", "nowhere/echo").returncode == 2
    assert run("flows", "run", "local/echo", "--json-input", "[1]").returncode == 2


def test_a_run_of_the_local_platform_is_watched_and_ended(
    serving: tuple[Path, str], run: Run
) -> None:
    folder, _ = serving
    told, note = json_lines(run("flows", "inputs", "local/naps", "--json"))
    assert (
        told["name"],
        note["name"],
        "required" in told["description"],
        "zzz" in note["description"],
    ) == ("seconds", "note", True, True)
    hint = run("flows", "run", "local/nap", "--json-input", '{"seconds": 0}')
    assert (
        hint.returncode == 1
        and "the platform 'local' has no flow 'nap'; did you mean `naps`? it has:" in hint.stderr
    )
    with running(
        folder, "flows", "run", "local/naps", "--json-input", '{"seconds": 600}', "--wait"
    ) as process:
        assert process.stdout and process.stderr
        run_id = process.stdout.readline().strip()
        assert any(line.strip() == "zzz" for line in process.stderr), (
            "its log is seen while it runs"
        )
        (listed,) = json_lines(run("flows", "runs", "local/naps", "--json"))
        assert (listed["run_id"], listed["run_state"], listed["finished_at"]) == (
            run_id,
            "running",
            None,
        )
        killed = run("flows", "kill", run_id, "--wait")
        assert (killed.returncode, killed.stdout) == (
            0,
            f"local/{run_id} terminated\n",
        ), killed.stderr
        assert process.wait(60) == 1
        assert re.search(r"  terminated\n$", process.stderr.read())
    assert run("flows", "kill", "local/no-such-run").returncode == 1


def test_without_a_server_the_local_platform_says_what_is_missing(tmp_path: Path) -> None:
    platforms = "{local: {type: local}, hook: {type: http, url: 'https://example.com/x'}}"
    (tmp_path / "routes.yaml").write_text(f"version: 1\nplatforms: {platforms}\n")
    result = call_here(
        tmp_path, "flows", "list", environ=environment(FLOWBRIDGE_BIND="127.0.0.1:1")
    )
    assert (result.returncode, "is it running?" in result.stderr) == (1, True)
    assert "has no list of flows" in call_here(tmp_path, "flows", "list", "hook").stderr


def test_tail_waits_for_the_first_start(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("version: 1\n")
    with running(tmp_path, "tail") as process:
        assert process.stderr and "waiting" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_tail_says_what_it_waits_for(serving: tuple[Path, str]) -> None:
    with running(
        serving[0], "tail", "--limit", "0", "--source", "github", "--type", "issues"
    ) as process:
        assert process.stderr
        assert (
            process.stderr.readline()
            == "Waiting for events that match --source github --type issues; stop with Ctrl-C.\n"
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0 and process.stderr.read() == ""


def test_tail_says_that_no_bridge_runs_and_goes_on_until_one_does(tmp_path: Path) -> None:
    with Bridge(tmp_path) as bridge:
        assert bridge.event().status == 202
        assert bridge.stop() == 0
    with running(tmp_path, "tail", "--json", environ=bridge.environ) as process:
        assert process.stdout and process.stderr
        assert json.loads(process.stdout.readline())["source"] == "github"
        assert (
            process.stderr.readline()
            == "No bridge runs on this store; start one: flowbridge serve\n"
        )
        assert process.stderr.readline() == "Waiting for events; stop with Ctrl-C.\n"
        with bridge:
            event_id = bridge.event().json["event_id"]
            assert any(json.loads(line)["id"] == event_id for line in process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_a_reader_that_has_seen_enough_is_no_error(serving: tuple[Path, str]) -> None:
    command = f"set -o pipefail; {sys.executable} -m bridge schema | head -1"
    result = subprocess.run(
        ["bash", "-c", command], cwd=serving[0], text=True, capture_output=True, check=False
    )
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "{\n")


def test_help_is_there_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, bridge.cli.main\ntry: bridge.cli.main.main(['--help'])\nexcept SystemExit:"
        " print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, check=True
    ).stdout.split()
    assert not {
        "rich",
        "sqlalchemy",
        "flask",
        "pydantic",
        "jsonschema",
        "ruamel.yaml",
        "requests",
    } & set(loaded)


def test_a_second_serve_on_the_same_store_names_the_first(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with Bridge(tmp_path) as first:
        until(
            lambda: [one for one in list_bridges(tmp_path / "data") if one.get("bind")],
            what="the address of the first",
        )
        with Bridge(
            tmp_path / "second", environ={"FLOWBRIDGE_DATA": str(tmp_path / "data")}
        ) as second:
            (said,) = [line for line in second.log if line["event"] == "store_shared"]
            assert (said["level"], said["pid"], said["bind"]) == (
                "warning",
                first.pid,
                f"127.0.0.1:{first.port}",
            )
        assert [line for line in first.log if line["event"] == "store_shared"] == []
