"""What is written is for the user of the process alone, and what others can read is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import call, environment
from serving import Bridge, github

from bridge.flows.ready.files import lock_file

pytestmark = pytest.mark.usefixtures("new_processes")

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  stripe: {provider: stripe, secret: "${file:secrets/stripe}"}
routes:
  - {name: to_file, on: github, inputs: {file: "a/b.jsonl", n: "${body.n}"}, flow: local/append_jsonl}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A project in a folder that every user can enter, with a usual umask."""
    before = os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory(prefix="flowbridge-modes-", dir="/tmp") as name:
            Path(name).chmod(0o755)
            (Path(name) / "secrets").mkdir()
            (Path(name) / "secrets" / "stripe").write_text("whsec_a_secret_of_stripe\n")
            yield Path(name)
    finally:
        os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    return [
        str(path)
        for path in [folder, *folder.rglob("*")]
        if path.lstat().st_mode & 0o077 and not path.is_symlink()
    ]


@pytest.mark.parametrize("fresh", [False, True])
def test_all_that_is_written_is_for_its_user(folder: Path, fresh: bool) -> None:
    environ = {"FLOWBRIDGE_DATABASE_URL": f"sqlite:///{folder}/data/flowbridge.db"}
    with Bridge(folder, routes=ROUTES, environ=environ, fresh=fresh) as bridge:
        answer = bridge.post("/hooks/github", b'{"n": 1}', github(b'{"n": 1}'))
        bridge.wait_for(answer.json["event_id"], lambda one: one.run_state == "done")
        assert bridge.get("/metrics").status == 200
        assert (folder / "data/files/a/b.jsonl").exists()
        assert open_to_others(folder / "data") == []


def test_gunicorn_by_itself_writes_so_too(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    code = "import os; from bridge.cli.wsgi import create; create(); os.mkdir('made')"
    environ = environment(GITHUB_SECRET="x" * 32)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert open_to_others(folder / "made") == []


def test_a_file_that_is_there_keeps_its_mode(folder: Path) -> None:
    (folder / "files").mkdir()
    (folder / "files" / "mine.csv").write_text("a\n")
    (folder / "files" / "mine.csv").chmod(0o640)
    with lock_file(folder / "files", "mine.csv", "x.csv") as file:
        file.append(b"b\n")
        file.replace([b"c\n"])
    assert (folder / "files" / "mine.csv").stat().st_mode & 0o777 == 0o640
    assert (folder / "files").stat().st_mode & 0o777 == 0o755


def notes(folder: Path, **environ: str) -> list[str]:
    done = call(folder, "check", "--json", environ=environment(GITHUB_SECRET="x" * 32, **environ))
    return [note for note in json.loads(done.stdout)["notes"] if "other users" in note]


def test_check_and_doctor_name_what_others_can_read(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / ".env").write_text("FLOWBRIDGE_SECRET_KEY=" + "k" * 40 + "\n")
    (folder / "data").mkdir()
    (folder / "data" / "secret_key").write_text("k" * 40)
    named = [
        folder / ".env",
        folder / "data" / "secret_key",
        folder / "secrets" / "stripe",
        folder / "data",
    ]
    found = notes(folder)
    assert [str((folder / note.partition(" can be read")[0]).resolve()) for note in found] == [
        str(path.resolve()) for path in named
    ]
    assert all("chmod" in note for note in found)
    with Bridge(folder, "web", routes=ROUTES) as bridge:
        (folder / "data").chmod(0o755)
        arguments = ("doctor", "--to", f"http://127.0.0.1:{bridge.port}", "--json")
        told = call(folder, *arguments, environ=bridge.environ).stdout
    warned = [
        one["found"] for one in map(json.loads, told.splitlines()) if one["check"] == "file modes"
    ]
    assert len(warned) == 4
    for path in named:
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert notes(folder) == []


def test_what_nobody_else_can_get_to_is_not_named(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / ".env").write_text("A=b\n")
    folder.chmod(0o700)
    assert notes(folder) == []
