"""demo: the main job with nothing prepared, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from json_keys import DELIVERY_KEYS, EVENT_KEYS
from processes import call, environment, eventually, is_listening, running
from serving import free_port, is_alive

from bridge.cli.commands.demo.screen import instructions, open_screen
from bridge.config.settings import load_settings
from bridge.core.http_messages import Answer
from bridge.services.console_tickets import is_ticket_open
from bridge.services.demo_requests import DemoRequest
from bridge.store.db.database import Database

pytestmark = pytest.mark.usefixtures("new_processes")

STARTING = "Starting flowbridge in a temporary folder…\n"
MISLEADING = {
    "FLOWBRIDGE_CONFIG": "/nowhere/routes.yaml",
    "FLOWBRIDGE_DATABASE_URL": "postgresql://nowhere/none",
    "FLOWBRIDGE_DATA": "/nowhere",
    "FLOWBRIDGE_BIND": "nonsense",
    "FLOWBRIDGE_LOG": "nonsense",
    "FLOWBRIDGE_PRIVATE_BIND": "10.0.0.1:1",
    "GITHUB_WEBHOOK_SECRET": "theirs",
}


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """Where the demo makes its folder; looked at to see that it leaves none."""
    path = tmp_path / "temp"
    path.mkdir()
    return path


def left(temp: Path) -> list[str]:
    return [path.name for path in temp.iterdir()]


def test_once_as_json_is_one_line_with_every_event_run_to_its_end(
    tmp_path: Path, temp: Path
) -> None:
    (tmp_path / "routes.yaml").write_text("this: is not for the demo\n")
    (tmp_path / ".env").write_text("FLOWBRIDGE_BIND=nonsense\n")
    before = sorted(tmp_path.iterdir())
    result = call(
        tmp_path, "demo", "--once", "--json", environ=environment(TMPDIR=str(temp), **MISLEADING)
    )
    assert (result.returncode, result.stderr) == (0, STARTING)
    (line,) = result.stdout.splitlines()
    events = json.loads(line)["events"]
    assert list(json.loads(line)) == ["events"]
    assert [(event["source"], event["provider"], event["type"]) for event in events] == [
        ("github", "github", "issues"),
        ("stripe", "stripe", "invoice.paid"),
        ("contact", "form", None),
    ]
    for event in events:
        assert list(event) == EVENT_KEYS.split()
        assert [list(one) for one in event["deliveries"]] == [DELIVERY_KEYS.split()]
        assert [
            (one["status"], one["run_state"], one["attempts"]) for one in event["deliveries"]
        ] == [("delivered", "done", 1)]
    assert events[0]["deliveries"][0]["outputs"]["priority"] == "normal"
    assert left(temp) == [] and sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("folder")
def test_a_failure_is_explained_on_stderr_beside_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = load_settings({}, config="routes.yaml")
    refused = DemoRequest("github", "issues", answer=Answer(status=408), took=30_000.0)
    with open_screen(settings, as_json=True) as screen:
        screen.show([refused])
        screen.close([refused], 61.5, well=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "github issues             408 in 30000 ms\n"
        "0 of 0 runs are done after 61.5 s; something does not work as expected.\n"
    )


def test_once_for_people_shows_each_step_and_the_forgery_refused(
    tmp_path: Path, temp: Path
) -> None:
    result = call(tmp_path, "demo", "--once", environ=environment(TMPDIR=str(temp)))
    assert (result.returncode, result.stderr) == (0, STARTING)
    for part in (
        "github issues             202 in",
        "github (forged)           401 refused",
        "local/triage  delivered, done",
    ):
        assert part in result.stdout
    assert "3 events verified" in result.stdout and "nothing was kept" not in result.stdout
    assert "/console" not in result.stdout  # nothing is left to log in to
    assert "\x1b" not in result.stdout and left(temp) == []


def test_it_stays_up_and_what_it_prints_to_try_works(tmp_path: Path, temp: Path) -> None:
    port = free_port()
    with running(
        tmp_path, "demo", "--port", str(port), environ=environment(TMPDIR=str(temp))
    ) as process:
        assert process.stdout
        text = ""
        while "Your own project" not in text:
            text += process.stdout.readline()
        (exported,) = re.findall(r"export FLOWBRIDGE_CONFIG=(\S+)", text)
        environ = environment(FLOWBRIDGE_CONFIG=shlex.split(exported)[0])
        commands = [
            line.partition("#")[0].split() for line in re.findall(r"(?m)^  flowbridge (.*)$", text)
        ]
        assert [command[0] for command in commands] == [
            "sample",
            "sample",
            "show",
            "rejects",
            "replay",
        ]
        (form,) = re.findall(r"(?m)^  (curl (?:.*\\\n)*.*)$", text)
        assert json.loads(subprocess.check_output(["bash", "-c", form], text=True))["ok"] is True
        outputs = [
            call(tmp_path, *command, *["--yes"] * (command[0] == "replay"), environ=environ)
            for command in commands
        ]
        assert [one.returncode for one in outputs] == [0] * 5, outputs
        assert "rej_" in outputs[3].stdout
        shown = ""
        # it goes on to show what comes in
        while not all(part in shown for part in ("github issues", "contact", "401 refused")):
            line = process.stdout.readline()
            assert line, f"the demo ended, and printed only: {shown}"
            shown += line
        listed = call(tmp_path, "events", "--json", environ=environ)
        assert len(listed.stdout.splitlines()) == 5
        below = text[text.index("It stays up") :].splitlines()
        assert len(below) <= 12  # so that the table above stays on a screen of 24 lines
        long = ("export", "/console/login#")
        assert all(len(one) <= 80 or any(word in one for word in long) for one in below)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert (
            process.stderr and "Stopped; the temporary folder was removed." in process.stderr.read()
        )
    assert left(temp) == [] and not is_listening(port)


def log_in(url: str) -> tuple[int, str]:
    """Open a page of the console by a link that logs in, as a browser does: its status and HTML."""
    address, _, ticket = url.partition("#")
    parts = urlsplit(address)
    connection = HTTPConnection(parts.netloc, timeout=60)
    with closing(connection):
        connection.request("GET", parts.path)
        with connection.getresponse() as form:
            assert b'name="token"' in form.read()
        headers = {
            "Origin": f"http://{parts.netloc}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", parts.path, urlencode({"token": ticket}), headers)
        with connection.getresponse() as answer:
            answer.read()
        if answer.status != 303:
            return answer.status, ""
        assert answer.getheader("Location") == "/console/"
        cookie = str(answer.getheader("Set-Cookie")).partition(";")[0]
        connection.request("GET", "/console/events", headers={"Cookie": cookie})
        with connection.getresponse() as page:
            return page.status, page.read().decode()


def test_the_link_to_the_console_logs_in_more_than_once(tmp_path: Path, temp: Path) -> None:
    environ = environment(TMPDIR=str(temp))
    with running(tmp_path, "demo", "--json", environ=environ) as process:
        assert process.stdout and process.stderr
        said = ""
        while "Your own project" not in said:
            said += process.stderr.readline()
        (url,) = re.findall(r"(?m)^  (http://127\.0\.0\.1:\d+/console/login#fbc_\S+)$", said)
        (exported,) = re.findall(r"export FLOWBRIDGE_CONFIG=(\S+)", said)
        settings = load_settings({}, config=shlex.split(exported)[0])
        with closing(Database.of(settings)) as database:
            for _ in range(3):
                eventually(lambda: is_ticket_open(database, time.time()))  # renewed after its use
                status, html = log_in(url)
                assert status == 200
                assert "github" in html and "stripe" in html and "Session of demo" in html
            eventually(lambda: is_ticket_open(database, time.time()))
            assert log_in(url[:-4] + "AAAA")[0] == 401


def children(pid: int) -> list[int]:
    try:
        found = [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):  # that of a run which has just ended
        return []
    return found + [below for child in found for below in children(child)]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name
)
def test_however_it_ends_no_process_is_left(tmp_path: Path, temp: Path, number: int) -> None:
    with running(tmp_path, "demo", environ=environment(TMPDIR=str(temp))) as process:
        assert process.stdout
        while "Your own project" not in process.stdout.readline():
            pass
        tree = children(process.pid)
        assert len(tree) >= 4  # the supervisor, the receivers and their parent, a worker
        os.kill(process.pid, number)
        process.wait(60)
        eventually(lambda: not any(map(is_alive, tree)))
    assert left(temp) == [] or number == signal.SIGKILL


def test_a_port_that_is_taken_is_said(tmp_path: Path, temp: Path) -> None:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        result = call(
            tmp_path,
            "demo",
            "--once",
            "--port",
            str(sock.getsockname()[1]),
            environ=environment(TMPDIR=str(temp)),
        )
    assert (result.returncode, result.stdout, left(temp)) == (2, "", [])
    assert result.stderr.startswith(STARTING) and "cannot listen on 127.0.0.1" in result.stderr


@pytest.mark.parametrize("is_on_path", [True, False])
def test_commands_have_the_short_name_where_the_shell_finds_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_on_path: bool
) -> None:
    script = folder / "flowbridge"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(folder) if is_on_path else "/nonexistent")
    name = "flowbridge" if is_on_path else str(script)
    settings = load_settings({}, secrets=False)
    assert f"  {name} show       # the newest event in full" in instructions(settings, None)
