"""init, check, schema, and adding to routes.yaml: a project is begun, whatever the file looks like,
and all of it checks.
"""

from __future__ import annotations

import io
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from folders import ROOT
from ruamel.yaml import YAML

from bridge.cli.commands.init import template
from bridge.core.errors import BridgeError
from bridge.services.project import routes_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("new_processes")
def test_a_new_project_checks_and_keeps_its_secrets(folder: Path) -> None:
    result = run("init", "my-hooks")
    project = folder / "my-hooks"
    assert result.exit_code == 0
    assert {path.name for path in project.iterdir()} == {
        "routes.yaml",
        ".env",
        "flows.py",
        ".gitignore",
        ".flowbridge",
    }
    assert mode(project / ".env") == 0o600
    assert {".env", "data/"} <= set((project / ".gitignore").read_text().split())
    named = re.match(
        r"# yaml-language-server: \$schema=(\S+)", (project / "routes.yaml").read_text()
    )
    assert named and json.loads((project / named[1]).read_text())["title"]
    (found,) = lines(run("--config", "my-hooks/routes.yaml", "check", "--json"))
    assert (found["valid"], found["problems"], found["sources"]) == (True, [], 2)


def test_who_installs_a_service_is_not_told_to_start_it(folder: Path) -> None:
    quiet = run("init", "--quiet", "served")
    assert "wrote  served/routes.yaml" in quiet.stdout and quiet.stderr == ""


def test_init_overwrites_nothing(folder: Path) -> None:
    (folder / "routes.yaml").write_text("mine")
    first = run("init")
    assert "kept   routes.yaml" in first.stdout and "wrote  .env" in first.stdout
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "wrote" not in run("init", ".").stdout
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_init_quotes_a_folder_with_a_blank_in_the_next_step(folder: Path) -> None:
    assert "Next:  cd 'my hooks' && flowbridge check" in run("init", "my hooks").stderr


def test_init_takes_no_config(folder: Path) -> None:
    result = run("--config", "hooks/routes.yaml", "init")
    assert result.exit_code == 2
    assert "init takes a folder, not --config: flowbridge init hooks" in result.stderr
    assert list(folder.iterdir()) == []


def test_two_projects_share_no_secret(folder: Path) -> None:
    run("init", "a"), run("init", "b")
    assert (folder / "a" / ".env").read_text() != (folder / "b" / ".env").read_text()


#: What the ready-made flows need that its routes go to.
READY_MADE = (
    "FLOWBRIDGE_SMTP_URL=smtp://127.0.0.1:25",
    "FLOWBRIDGE_SMTP_FROM=hooks@example.com",
    "FLOWBRIDGE_SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T/B/x",
)


def uncommented(text: str) -> str:
    """Take the marks off commented YAML, but not off sentences."""
    return re.sub(r"(?m)^(  )# (?=( *[\w.-]+:( |$)|- ))", r"\1", text)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    "path",
    [ROOT / "routes.yaml", ROOT / "bridge/cli/templates/routes.yaml"],
    ids=["top", "template"],
)
def test_the_files_a_project_begins_with_are_right_with_their_comments_taken_off(
    folder: Path, path: Path
) -> None:
    names = ("GITHUB_WEBHOOK_SECRET", "GUMLOOP_API_KEY", "GUMLOOP_USER_ID")
    secrets = [f"{name}={name.lower()}" for name in names] + [
        f"STRIPE_WEBHOOK_SECRET=whsec_{'a' * 32}"
    ]
    (folder / ".env").write_text("\n".join([*secrets, *READY_MADE]))
    (folder / "flows.py").write_text(template("flows.py"))
    (folder / "routes.yaml").write_text(path.read_text())
    (as_it_is,) = lines(run("check", "--json"))
    (folder / "routes.yaml").write_text(uncommented(path.read_text()))
    (found,) = lines(run("check", "--json"))
    assert (found["problems"], found["sources"], found["platforms"]) == ([], 3, 2)
    assert as_it_is["routes"] < found["routes"] == 4
    assert [
        any("alerts are not sent anywhere" in note for note in one["notes"])
        for one in (as_it_is, found)
    ] == [True, False]


def test_the_top_routes_yaml_starts_with_nothing_set(folder: Path) -> None:
    (folder / "routes.yaml").write_text((ROOT / "routes.yaml").read_text())
    assert run("check").exit_code == 0
    assert (
        (ROOT / "routes.yaml")
        .read_text()
        .startswith("# yaml-language-server: $schema=bridge/config/schema/routes.schema.json\n")
    )


# -- the file

ENTRY = {"provider": "github", "secret": "${env:X}"}
ROUTE = {
    "name": "new",
    "on": "github",
    "inputs": {"a": "${body.a}", "b": "#${body.b}"},
    "flow": "local/echo",
}

WRITTEN = {
    "missing": "version: 1\n",
    "nothing": "",
    "only comments": "# mine\n",
    "no end of line": "version: 1\nplatforms: {}",
    "empty": "version: 1\nsources:\nroutes:  # none yet\nplatforms: {local: {type: local}}\n",
    "null": "version: 1\nsources: ~\nroutes: null\n",
    "flow style": (
        "version: 1  # keep\nsources: {a: {provider: form}}   # mine\nroutes: [{name: 'a', on: a,"
        " flow: local/echo}]\n"
    ),
    "empty flow style": "version: 1\nsources: {}\nroutes: []\n# the end\n",
    "over several lines": (
        "version: 1\nsources: {\n  a: {provider: form},  # first\n}\nroutes: []\n"
    ),
    "all in one": "{version: 1, sources: {a: {provider: form}}}\n",
    "block": (
        "version: 1\nsources:\n    a:   {provider: form}   # wide\n    b:\n        provider: form\n"
        "        # of b\n    # of nobody\n\n# routes follow\nroutes:\n- name: \"a\"\n  on: 'a'\n "
        " flow: local/echo\n- {name: b, on: b, flow: local/echo}\n# end\n"
    ),
    "text blocks": (
        "routes:\n  - name: a\n    on: a\n    inputs:\n      text: |\n        one\n\n        two\n "
        "   flow: local/echo\n\nsources:\n  a:\n    provider: form\n"
    ),
    "windows": (
        "version: 1\r\nsources:\r\n  a: {provider: form}\r\nroutes:\r\n  - {name: a, on: a, flow:"
        " local/echo}\r\n"
    ),
    "spaced": (
        "routes:\n  - name: a\n    on: a\n\n  - name: b\n    on: b\n\nsources:\n  a: {provider:"
        " form}\n"
    ),
    "nulls at the end": (
        "sources:\n  a:\n    provider: form\n    redirect:\n\n# x\nroutes:\n  - name: a\n   "
        " match:\n"
    ),
}


def parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(io.StringIO(text)) or {}


def comments(text: str) -> list[str]:
    return re.findall(r"#[^\r\n]*", text)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_what_is_added_is_all_that_changes(text: str) -> None:
    once = routes_file.add_entry(text, "sources", "github", ENTRY)
    after = routes_file.add_entry(once, "routes", None, ROUTE)
    before = parsed(text)
    sources = before.get("sources") or {}
    routes = before.get("routes") or []
    assert parsed(after) == before | {
        "sources": {**sources, "github": ENTRY},
        "routes": [*routes, ROUTE],
    }
    assert [comment for comment in comments(after) if not comment.startswith("#${")] == comments(
        text
    )


BLOCK = (
    "missing",
    "no end of line",
    "empty",
    "block",
    "text blocks",
    "windows",
    "spaced",
    "nulls at the end",
)


@pytest.mark.parametrize("name", BLOCK)
def test_in_block_style_lines_are_put_in_and_no_other_is_touched(name: str) -> None:
    text = WRITTEN[name]
    after = routes_file.add_entry(
        routes_file.add_entry(text, "sources", "github", ENTRY), "routes", None, ROUTE
    )
    kept = iter(after.splitlines(keepends=True))
    end = "\r\n" if "\r\n" in text else "\n"
    assert all(
        any(line == other or line + end == other for other in kept)
        for line in text.splitlines(keepends=True)
    )
    assert ("\r\n" in text) == ("\r\n" in after) and not re.search(
        r"[^\r]\n", after if "\r\n" in text else ""
    )


def test_an_entry_takes_the_indentation_of_its_neighbours() -> None:
    after = routes_file.add_entry(
        routes_file.add_entry(WRITTEN["block"], "sources", "github", ENTRY), "routes", None, ROUTE
    )
    assert (
        "        # of b\n    github:\n      provider: github\n      secret: ${env:X}\n    # of"
        " nobody\n" in after
    )
    assert (
        '\n- name: new\n  on: github\n  inputs:\n    a: ${body.a}\n    b: "#${body.b}"\n  flow:'
        " local/echo\n# end\n" in after
    )
    spaced = routes_file.add_entry(WRITTEN["spaced"], "routes", None, ROUTE)
    assert "    on: b\n\n  - name: new\n" in spaced and "  flow: local/echo\n\nsources:" in spaced


def test_quotes_survive_the_round_trip() -> None:
    text = (
        "sources: {a: {provider: 'form'}}\nflows: {\"x\": {platform: local, saved_item_id:"
        " 'echo'}}\n"
    )
    after = routes_file.add_entry(text, "sources", "github", ENTRY)
    assert (
        "provider: 'form'" in after and "\"x\": {platform: local, saved_item_id: 'echo'}" in after
    )
    assert 'github: {provider: github, secret: "${env:X}"}' in after


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_an_entry_may_hold_lists_and_what_only_looks_like_a_number(text: str) -> None:
    entry = {
        "provider": "ebay",
        "secrets": ["${env:A}", "${env:B}"],
        "pins": {"topic": ["a:b:1", "12"], "id": "0123", "odd": 'a"b\\c'},
    }
    assert parsed(routes_file.add_entry(text, "sources", "ebay", entry))["sources"]["ebay"] == entry


@pytest.mark.parametrize("text", ["sources: [1]\n", "sources: text\n", "- a\n", "a: [\n"])
def test_a_file_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(BridgeError):
        routes_file.add_entry(text, "sources", "github", ENTRY)


# -- check


def test_every_problem_has_its_place_and_the_summary_counts(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nsources:\n  a: {provider: githb}\n  b: {provider: form, secrt: x}\n"
    )
    result = run("check")
    assert result.exit_code == 2
    assert re.search(
        r"(?m)^routes\.yaml:3:\d+: sources\.a\.provider: .*did you mean `github`", result.stdout
    )
    assert result.stdout.splitlines()[-1].startswith("routes.yaml cannot be used: 2 errors")


def test_warnings_are_shown_and_no_error(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\nsources: {a: {provider: form}}\n")
    result = run("check")
    assert result.exit_code == 0
    assert re.search(
        r"(?m)^routes\.yaml:2:\d+: sources\.a: warning: no route uses this source", result.stdout
    )
    assert (
        result.stdout.splitlines()[-1]
        == "routes.yaml is valid: 1 source, 0 routes, 0 flows, 0 platforms, 1 warning"
    )


@pytest.mark.usefixtures("new_processes")
def test_a_local_flow_that_is_not_there_is_a_problem_with_its_place(folder: Path) -> None:
    run("init")
    text = (
        (folder / "routes.yaml").read_text().replace("flow: local/triage ", "flow: local/triaje ")
    )
    (folder / "routes.yaml").write_text(text)
    result = run("check")
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "triaje" in line)
    assert result.exit_code == 1
    where = f"routes.yaml:{line}:11: routes[triage-opened-issues].flow: "
    assert (
        f"{where}the platform `local` has no flow `triaje`; did you mean `triage`?" in result.stdout
    )


@pytest.mark.usefixtures("new_processes")
def test_a_function_without_flow_is_named(folder: Path) -> None:
    run("init")
    flows = folder / "flows.py"
    flows.write_text(flows.read_text() + "\n\ndef welcome(name: str) -> dict:\n    return {}\n")
    routes = folder / "routes.yaml"
    routes.write_text(routes.read_text().replace("flow: local/triage ", "flow: local/welcome "))
    result = run("check")
    assert result.exit_code == 1
    assert (
        "the platform `local` has no flow `welcome`; put `@flow` above the function `welcome` in"
        " flows.py" in " ".join(result.stdout.split())
    )


@pytest.mark.usefixtures("new_processes")
def test_a_broken_flows_file_is_a_problem(folder: Path) -> None:
    run("init")
    (folder / "flows.py").write_text("\n1 / 0\n")
    result = run("check")
    assert result.exit_code == 1 and "flows.py:2: ZeroDivisionError" in result.stdout


@pytest.mark.usefixtures("new_processes")
def test_a_relative_config_finds_its_flows_file(folder: Path) -> None:
    run("init", "sub/deeper")
    assert run("--config", "sub/deeper/routes.yaml", "check").exit_code == 0


def test_settings_and_a_missing_file_are_exit_code_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("check")
    assert result.exit_code == 2 and "flowbridge init" in result.stderr
    run("init")
    monkeypatch.setenv("FLOWBRIDGE_BIND", "nonsense")
    result = run("check", "--json")
    assert (result.exit_code, json.loads(result.stdout)["valid"]) == (2, False)


@pytest.mark.usefixtures("new_processes")
def test_a_database_that_is_newer_is_a_problem(folder: Path) -> None:
    from bridge.store.db.database import Database

    run("init"), run("db", "upgrade")
    database = Database(f"sqlite:///{folder / 'data' / 'flowbridge.db'}")
    for revision, code in (("9999", 1), ("0024", 1), ("0022", 0)):
        with database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revision,))
        assert run("check").exit_code == code
    database.close()


def test_the_schema_is_printed_or_written(folder: Path) -> None:
    printed = run("schema").stdout
    assert json.loads(printed)["$schema"]
    assert run("schema", "--write", "new/schema.json").exit_code == 0
    assert (folder / "new" / "schema.json").read_text() == printed


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("command", ["serve", "web", "work"])
@pytest.mark.parametrize("text", [None, "version: 1\nroutes: {}\n"])
def test_what_cannot_start_leaves_the_folder_as_it_was(
    folder: Path, command: str, text: str | None
) -> None:
    if text is not None:
        (folder / "routes.yaml").write_text(text)
    before = sorted(folder.rglob("*"))
    result = run(command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert ("with `flowbridge init`" in result.stderr) is (text is None)
    assert sorted(folder.rglob("*")) == before
