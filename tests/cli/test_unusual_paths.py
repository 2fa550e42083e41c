"""Paths that few projects have: blanks and letters of other languages, links, folders, none."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lines, run
from records import make_event
from serving import Bridge

from bridge.store.db.database import Database
from bridge.store.inbound import events

DATA = "my data é"
SECRET = "a-secret-of-github-0123456789012"
ROUTES = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:OWN_SECRET}"}}
routes:
- {name: opened, on: github issues, payload_schema: issue.json, inputs: {}, flow: local/echo}
"""


def make_project(folder: Path) -> Path:
    """Write a project into a new folder, and return it."""
    folder.mkdir()
    (folder / "routes.yaml").write_text(ROUTES)
    write_companions(folder)
    return folder


def write_companions(folder: Path) -> None:
    """Write the files that routes.yaml needs beside it."""
    (folder / "issue.json").write_text('{"type": "object"}')
    (folder / ".env").write_text(f"OWN_SECRET={SECRET}\n")
    (folder / ".env").chmod(0o600)


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in whose folder commands run."""
    made = make_project(folder / "a project é")
    monkeypatch.chdir(made)
    return made


def test_a_store_on_a_path_with_blanks_is_read_backed_up_and_restored(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_DATA", DATA)
    assert run("db", "upgrade").exit_code == 0
    database = Database(f"sqlite:///{project / DATA / 'flowbridge.db'}")
    event = make_event()
    events.add(database, event, (), lambda *_: [])
    database.close()
    assert [one["id"] for one in lines(run("events", "--json"))] == [event.id]
    written = run("db", "backup", "a copy é.tar")
    assert written.stdout.startswith("a copy é.tar: 1 event"), written.output
    monkeypatch.setenv("FLOWBRIDGE_DATA", f"{DATA} 2")
    restored = run("db", "restore", "a copy é.tar", "--yes")
    assert restored.exit_code == 0, restored.output
    assert [one["id"] for one in lines(run("events", "--json"))] == [event.id]


@pytest.mark.usefixtures("new_processes")
def test_a_bridge_serves_from_a_path_with_blanks(tmp_path: Path) -> None:
    environ = {"FLOWBRIDGE_DATA": str(tmp_path / DATA)}
    with Bridge(tmp_path, environ=environ) as bridge:
        assert bridge.event().status == 202
    assert (tmp_path / DATA / "flowbridge.db").exists()


@pytest.fixture
def linked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose routes.yaml is a link to that of a project; commands run in another one."""
    target = make_project(folder / "target")
    (folder / "linked").mkdir()
    (folder / "linked" / "routes.yaml").symlink_to(target / "routes.yaml")
    monkeypatch.setenv("FLOWBRIDGE_CONFIG", str(folder / "linked" / "routes.yaml"))
    return folder / "linked"


def test_a_linked_file_is_read_with_the_files_beside_the_link(linked: Path) -> None:
    refused = run("check").stdout
    assert "environment variable OWN_SECRET is not set" in refused
    assert "linked/issue.json: no such file or directory" in refused
    write_companions(linked)
    assert run("check").exit_code == 0
    assert run("db", "upgrade").exit_code == 0
    assert (linked / "data" / "flowbridge.db").exists()


def test_add_writes_through_a_link(linked: Path) -> None:
    write_companions(linked)
    assert run("add", "stripe").exit_code == 0
    assert (linked / "routes.yaml").is_symlink()
    target = linked.parent / "target"
    assert "provider: stripe" in (target / "routes.yaml").read_text()
    assert "STRIPE" in (linked / ".env").read_text()
    assert "STRIPE" not in (target / ".env").read_text()


@pytest.mark.parametrize("command", ["check", "events", "sample github", "db backup", "add stripe"])
def test_a_folder_as_config_says_to_name_the_file(project: Path, command: str) -> None:
    before = sorted(path.name for path in project.iterdir())
    refused = run("--config", ".", *command.split())
    assert refused.exit_code == 2
    assert ". is a folder: name the file in it, such as routes.yaml" in refused.output
    assert sorted(path.name for path in project.iterdir()) == before


def test_an_empty_data_setting_is_the_default(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_DATA", "")
    assert run("db", "upgrade").exit_code == 0
    assert (project / "data" / "flowbridge.db").exists()
