"""check --server: a routes.yaml of this machine, checked by the bridge of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from command_line import run
from processes import call_here, environment
from servers import Misbehaving, refusing, respond

from bridge.api.resources.configs import MAX_CONFIG_CHARS
from bridge.services.config_checks.given_config import NOTE

HEAD = (
    "version: 1\nplatforms: {local: {type: local}}\nsources: {app: {provider: token, insecure:"
    " true}}\n"
)
GOOD = HEAD + "include: more/*.yaml\n"
ROUTE = "{name: one, on: app, payload_schema: more/app.json, inputs: {a: b}, flow: local/echo}"
FOUND = {
    "config": "routes.yaml",
    "valid": True,
    "config_hash": "00",
    **dict.fromkeys(("sources", "routes", "flows", "platforms"), 1),
    "problems": [],
    "notes": [],
}
PROBLEM = {
    "level": "error",
    "file": "more/one.yaml",
    "line": 2,
    "column": 4,
    "path": "routes.0.flow",
    "message": "is \x1b[31mwrong",
    "shown": "routes[one].flow",
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both")) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A routes.yaml with an included file and a schema."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.yaml").write_text(f"routes:\n  - {ROUTE}\n")
    (tmp_path / "more" / "app.json").write_text('{"type": "object", "required": ["a"]}')
    file = tmp_path / "new.yaml"
    file.write_text(GOOD)
    return file


def local(*arguments: str) -> CompletedProcess[str]:
    """Run a command in a folder of its own, without the routes.yaml of a project."""
    with TemporaryDirectory() as folder:
        return call_here(Path(folder), *arguments, environ=environment())


def check_both(both: BothWays, file: Path, code: int) -> str:
    """Check a file both ways, compare what is printed and the exit code, and return that."""
    here, there = local("check", str(file)), both.remote("check", str(file))
    assert there.stdout == here.stdout, (here.stderr, there.stderr)
    assert (there.returncode, here.returncode) == (code, code)
    return here.stdout


def change(project: Path, name: str, old: str, new: str) -> None:
    file = project.parent / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "code", "said"),
    [
        ("new.yaml", "", "", 0, "new.yaml is valid: 1 source, 1 route, 1 flow, 1 platform\n"),
        ("new.yaml", "app:", "other: {provider: form}, app:", 0, "1 warning"),
        ("new.yaml", "platforms", "platform", 2, "new.yaml:2:1: platform: unknown key"),
        ("new.yaml", "more/*", "none", 2, "none.yaml"),
        ("new.yaml", "version: 1", "version: [", 2, "there may be others"),
        ("more/one.yaml", "flow:", "flo:", 2, "routes[one].flo: unknown key"),
        ("more/app.json", '"object"', '"objekt"', 2, "app.json"),
        ("more/app.json", "}", "", 2, "not JSON"),
        ("more/one.yaml", "app.json", "gone.json", 2, "gone.json: no such file or directory"),
    ],
    ids=str,
)
def test_the_problems_are_the_same_both_ways(
    both: BothWays, project: Path, name: str, old: str, new: str, code: int, said: str
) -> None:
    if old:
        change(project, name, old, new)
    assert said in check_both(both, project, code)


def test_the_json_differs_in_notes_only(both: BothWays, project: Path) -> None:
    change(project, "more/one.yaml", "b}", "$body.a}")
    here, there = (
        json.loads(one("check", str(project), "--json").stdout) for one in (local, both.remote)
    )
    assert there["notes"] == [NOTE]
    assert {**here, "notes": []} == {**there, "notes": []}
    assert there["config"] == str(project)
    [problem] = there["problems"]
    assert problem["file"] == str(project.parent / "more" / "one.yaml")
    assert (problem["path"], problem["shown"]) == ("routes.0.inputs.a", "routes[one].inputs.a")


def test_no_value_and_no_flows_file_is_read(both: BothWays, project: Path) -> None:
    change(project, "new.yaml", "insecure: true", 'secret: "${env:NOT_SET_ANYWHERE}"')
    change(project, "new.yaml", "type: local", "type: local, flows: flows.py")
    (project.parent / "flows.py").write_text("raise SystemExit\n")
    done = both.remote("check", str(project))
    assert (done.returncode, done.stderr) == (0, f"note: {NOTE}\n")


@pytest.mark.parametrize("what", ["none", "folder", "bytes"])
def test_a_file_that_cannot_be_read_is_not_sent(both: BothWays, tmp_path: Path, what: str) -> None:
    file = tmp_path / "new.yaml"
    if what == "folder":
        file.mkdir()
    elif what == "bytes":
        file.write_bytes(b"version: \xff")
    with refusing() as port:
        unreachable = both.remote("check", str(file), server=f"http://127.0.0.1:{port}")
    printed = check_both(both, file, 2)
    assert unreachable.stdout == printed
    said = f"{file} is a folder: " if what == "folder" else f"{file}:1:1: (file): "
    assert said in printed


def test_a_file_that_the_bridge_refuses(both: BothWays, project: Path) -> None:
    for size, said in ((MAX_CONFIG_CHARS, "was not checked: all files have"), (2**20, "larger")):
        project.write_text(GOOD + "#" * size)
        done = both.remote("check", str(project))
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr and "Usage" not in done.stderr


def test_a_bridge_that_refuses_or_is_not_there(both: BothWays, project: Path) -> None:
    done = both.remote("check", str(project), token=both.add_token("reading", "read"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs the scope `bodies`" in done.stderr
    with refusing() as port:
        done = both.remote("check", str(project), server=f"http://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "--server needs the routes.yaml to check: check FILE"),
        (["check", "--live", "FILE"], "`check --live` works on the bridge's own machine only"),
        (["check", "--lock", "FILE"], "`check --lock` works on the bridge's own machine only"),
    ],
    ids=str,
)
def test_what_works_here_only_is_wrong_usage(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_CONFIG", str(project))  # it is not read instead
    chosen = [str(project) if one == "FILE" else one for one in arguments]
    done = run("--server", "http://127.0.0.1:1", *chosen)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


# -- other servers


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


def check(
    server: Misbehaving, project: Path, monkeypatch: pytest.MonkeyPatch, *more: str, **changes: Any
) -> Any:
    monkeypatch.setenv("FLOWBRIDGE_TOKEN", "fb_0123456789")
    monkeypatch.setenv("FLOWBRIDGE_CONFIG", "/nowhere/routes.yaml")
    server.script("/admin/v1/configs/check", respond(200, FOUND | changes))
    return run("--server", server.url, "check", str(project), *more)


def test_the_answer_is_printed(
    server: Misbehaving, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"problems": [PROBLEM], "valid": False}
    done = check(server, project, monkeypatch, **changes)
    assert done.exit_code == 1 and "\x1b" not in done.stdout
    first, last = done.stdout.splitlines()
    assert first.startswith(f"{project.parent}/more/one.yaml:2:4: routes[one].flow: is ")
    assert last == f"{project} is valid, but 1 problem needs fixing"
    assert check(server, project, monkeypatch, **changes, config_hash=None).exit_code == 2


@pytest.mark.parametrize("more", [[], ["--json"]], ids=str)
@pytest.mark.parametrize(
    "changes", [{"problems": 3}, {"problems": [{}]}, {"problems": [PROBLEM | {"file": 3}]}], ids=str
)
def test_an_answer_of_another_shape_is_unreadable(
    server: Misbehaving,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    changes: dict[str, Any],
) -> None:
    done = check(server, project, monkeypatch, *more, **changes)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "another version of flowbridge" in done.stderr
