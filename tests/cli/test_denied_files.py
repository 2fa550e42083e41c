"""Files that this user may not use: each command names the owner, and prints no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from bridge.store.db.sqlite_file import RestoreNotice

WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
pytestmark = [
    pytest.mark.skipif(
        bool(WITHOUT_RIGHTS) and not shutil.which("setpriv"), reason="setpriv is not installed"
    ),
    pytest.mark.usefixtures("new_processes"),
]


def ask(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that has no right beyond the modes of files, also as root."""
    return subprocess.run(
        [*WITHOUT_RIGHTS, sys.executable, "-m", "bridge", *command],
        cwd=folder,
        env=environment() | {"FLOWBRIDGE_BIND": "127.0.0.1:0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def data(folder: Path) -> Path:
    (folder / "routes.yaml").write_text("version: 1\n")
    path = folder / "data"
    path.mkdir()
    return path


@pytest.mark.parametrize("command", ["status", "events", "check"])
def test_a_data_folder_of_another_mode_is_named(data: Path, command: str) -> None:
    data.chmod(0)
    asked = ask(data.parent, command)
    data.chmod(0o700)
    assert asked.returncode == 2
    assert f"permission denied. Next: chmod u+rwX {data}\n" in asked.stderr
    assert "Traceback" not in asked.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_the_user_who_owns_the_data_folder_is_named(data: Path) -> None:
    data.chmod(0o700)
    os.chown(data, 64321, -1)
    asked = ask(data.parent, "status")
    owner = f"run the command as #64321, who owns {data} (sudo -u '#64321')\n"
    assert asked.returncode == 2 and owner in asked.stderr


@pytest.mark.parametrize("command", ["status", "events", "show"])
def test_a_database_of_another_mode_is_named(data: Path, command: str) -> None:
    database = data / "flowbridge.db"
    database.touch(0)
    asked = ask(data.parent, command)
    assert asked.returncode == 2
    assert f"permission denied. Next: chmod u+rwX {database}\n" in asked.stderr
    assert "Traceback" not in asked.stderr


@pytest.mark.parametrize("command", ["status", "events", "show"])
def test_a_file_that_is_no_database_is_named(data: Path, command: str) -> None:
    (data / "flowbridge.db").write_text("not a database\n" * 10)
    asked = ask(data.parent, command)
    assert asked.returncode == 1
    assert f"{data / 'flowbridge.db'} is not a SQLite database. Next: " in asked.stderr


@pytest.mark.parametrize("command", ["status", "db upgrade", "serve"])
def test_a_restore_that_has_not_ended_is_named(data: Path, command: str) -> None:
    notice = RestoreNotice(data / "replaced-1").to_bytes()
    (data / "flowbridge.db").write_bytes(notice)
    asked = ask(data.parent, *command.split())
    assert asked.returncode != 0
    said = f"a restore has not ended; the earlier store is in {data / 'replaced-1'}. Next: "
    assert said in asked.stderr
    assert "Traceback" not in asked.stderr
    assert (data / "flowbridge.db").read_bytes() == notice


def test_a_file_to_import_of_another_mode_is_named(folder: Path) -> None:
    (folder / "hooks.json").write_text("[]")
    (folder / "hooks.json").chmod(0)
    asked = ask(folder, "import", "hooks.json")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "hooks.json: it cannot be read: Permission denied" in asked.stderr
    assert "Traceback" not in asked.stderr
