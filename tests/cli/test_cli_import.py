"""import: the command, its files and its exit codes; and what it refuses."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest
from command_line import run

from bridge.importers.kinds import IMPORT_KINDS, MAX_IMPORT_BYTES

CORPUS = Path(__file__).parents[1] / "data" / "hooks"
SIGNED = CORPUS / "single-object.json"


def test_routes_go_to_stdout_and_the_report_to_stderr(folder: Path) -> None:
    found = run("import", str(SIGNED))
    assert found.exit_code == 0, found.output
    assert "secret: ${env:ALONE_WEBHOOK_SECRET}" in found.stdout
    assert "to fill in: flows.alone" in found.stderr
    assert "corpus-secret" not in found.output
    assert list(folder.iterdir()) == []


def test_write_creates_files_that_check_accepts(folder: Path) -> None:
    found = run("import", str(SIGNED), "--write", "made")
    assert found.exit_code == 0, found.output
    assert found.stdout == (
        "wrote  made/.env\nwrote  made/routes.yaml\n"
        "wrote  made/.gitignore\nwrote  made/.flowbridge/routes.schema.json\n"
    )
    assert stat.S_IMODE((folder / "made/.env").stat().st_mode) == 0o600
    assert (folder / "made/.env").read_text() == "ALONE_WEBHOOK_SECRET=corpus-secret-60\n"
    checked = run("--config", "made/routes.yaml", "check")
    assert checked.exit_code == 0, checked.output


def test_write_adds_what_init_writes_beside_routes(folder: Path) -> None:
    run("import", str(SIGNED), "--write", "made")
    run("init", "new")
    for name in (".gitignore", ".flowbridge/routes.schema.json"):
        assert (folder / "made" / name).read_text() == (folder / "new" / name).read_text()


def test_write_keeps_a_gitignore(folder: Path) -> None:
    (folder / ".gitignore").write_text("mine")
    found = run("import", str(SIGNED), "--write", ".")
    assert found.exit_code == 0, found.output
    assert "kept   .gitignore\n" in found.stdout
    assert (folder / ".gitignore").read_text() == "mine"
    written = run("import", str(SIGNED), "--write", "again", "--json").stdout.splitlines()[-1]
    assert "again/.gitignore" in json.loads(written)["summary"]["written"]


@pytest.mark.parametrize("present", ["routes.yaml", ".env"])
def test_nothing_is_replaced(folder: Path, present: str) -> None:
    (folder / present).write_text("mine")
    found = run("import", str(SIGNED), "--write", ".")
    assert found.exit_code == 1
    assert f"{present} exists, and nothing is replaced" in found.stderr
    assert [file.name for file in folder.iterdir()] == [present]
    assert (folder / present).read_text() == "mine"


def test_a_dangling_link_is_not_followed(folder: Path) -> None:
    (folder / ".env").symlink_to("elsewhere")
    assert run("import", str(SIGNED), "--write", ".").exit_code == 1
    assert not (folder / "elsewhere").exists()


def test_parts_that_are_not_carried_give_exit_code_1(folder: Path) -> None:
    found = run("import", str(CORPUS / "bitbucket-ips.json"), "--json")
    assert found.exit_code == 1
    *findings, last = (json.loads(line) for line in found.stdout.splitlines())
    assert {tuple(one) for one in findings} == {("file", "place", "carried", "message")}
    summary = last["summary"]
    assert summary["not_carried"] == sum(one["carried"] == "not_carried" for one in findings) == 1
    assert summary["routes_yaml"].startswith("# yaml-language-server")
    assert "mode: paused" in summary["routes_yaml"]
    assert found.stderr == ""
    assert list(folder.iterdir()) == []


def test_several_files_share_names(folder: Path) -> None:
    files = [str(CORPUS / name) for name in ("query-token.json", "query-token-short.json")]
    found = run("import", *files, "--write", ".")
    assert found.exit_code == 1
    text = (folder / ".env").read_text()
    assert text == "SIMPLE_WEBHOOK_SECRET=corpus-secret-09\nSIMPLE_2_WEBHOOK_SECRET=42\n"
    assert "change the URL at the sender to /hooks/simple-2" in found.stderr


@pytest.mark.parametrize(
    "secret", ['it\'s #1 \\ "x"', " spaces ", "${HOME}", "$HOME", "back\\slash\\", "a=b", "é'"]
)
def test_a_secret_reads_back_or_is_left_to_the_person(folder: Path, secret: str) -> None:
    rule = {
        "match": {
            "type": "payload-hmac-sha256",
            "secret": secret,
            "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
        }
    }
    hooks = [{"id": "a", "execute-command": "/x", "trigger-rule": rule}]
    (folder / "hooks.json").write_text(json.dumps(hooks))
    found = run("import", "hooks.json", "--write", "made")
    from dotenv import dotenv_values

    read = dotenv_values(folder / "made/.env")["A_WEBHOOK_SECRET"]
    assert read == secret or (read == "" and "Set in .env: A_WEBHOOK_SECRET" in found.stderr)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "bomb.yaml": (BOMB, "values, or nested more than"),
    "deep.json": ("[" * 100_000, "nested more than 60 deep"),
    "deep.yaml": ("- " * 5000 + "x", "not YAML: nests too deep"),
    "many.json": ("[" + "0," * 60_000 + "0]", "more than 50000 values"),
    "large.json": (" " * (MAX_IMPORT_BYTES + 1), f"larger than {MAX_IMPORT_BYTES} bytes"),
    "long.yaml": ("# execute-command\n" * 20_000, "YAML of more than"),
    "text.json": ('"execute-command"', "a hooks file is a list of hooks"),
    "number.json": ("[1, 2]", "a hook must be an object"),
    "null.json": ("null", "a hooks file is a list of hooks"),
    "twice.json": ('[{"id": "a", "id": "b"}]', "the key 'id' is there twice"),
    "tag.yaml": ("- !!python/object:os.system {id: a}", "the tag"),
    "range.tmpl": ("[\n{{ range $x := .X }}\n{}\n{{ end }}\n]", "range.tmpl:2: a Go template"),
    "bytes.json": ("\udcff", "not UTF-8 text"),
    "nothing.json": ("", "nothing.json: the file is empty"),
    "blank.json": ("\ufeff \n", "blank.json: the file is empty"),
    "zero.json": ("[\0]", "not UTF-8 text (byte 1 is zero)"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_files_are_refused_at_once(folder: Path, name: str) -> None:
    text, message = HOSTILE[name]
    (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    began = time.process_time()
    found = run("import", name, "--from", "webhook")
    assert time.process_time() - began < 10
    assert found.exit_code in (1, 2), found.output
    assert message in found.stderr


def test_wrong_types_are_reported_and_not_carried(folder: Path) -> None:
    hook = {
        "id": "a",
        "execute-command": ["/x"],
        "trigger-rule": {"and": {"match": 1}},
        "pass-arguments-to-command": "all",
        "http-methods": 5,
        "pass-environment-to-command": [1, {"source": 1}, {"source": "nowhere", "name": "x"}],
    }
    (folder / "hooks.json").write_text(json.dumps([hook, 5, {"id": "a"}, {"id": {}}]))
    found = run("import", "hooks.json", "--json", "--from", "webhook")
    assert found.exit_code == 1
    refused = {
        one["place"]
        for one in map(json.loads, found.stdout.splitlines())
        if one.get("carried") == "not_carried"
    }
    assert refused == {
        "hooks[0].trigger-rule.and",
        "hooks[0].pass-arguments-to-command",
        "hooks[0].http-methods",
        "hooks[0].pass-environment-to-command.0",
        "hooks[0].pass-environment-to-command.1",
        "hooks[0].pass-environment-to-command.2",
        "hooks[1]",
        "hooks[2]",
        "hooks[3]",
    }


def test_an_unknown_kind_and_an_unknown_file_are_wrong_usage(folder: Path) -> None:
    (folder / "notes.txt").write_text("hello")
    assert run("import", "notes.txt").exit_code == 2
    assert "--from names one of: webhook" in run("import", "notes.txt").stderr
    assert run("import", str(SIGNED), "--from", "zapier").exit_code == 2
    (folder / "cut.json").write_text('{"nodes": [\n  1,')
    assert (
        "cut.json:2:5: neither JSON nor YAML: Expecting value" in run("import", "cut.json").stderr
    )
    (folder / "cut.yaml").write_text("- id: [a")
    assert "cut.yaml:1:9: not YAML" in run("import", "cut.yaml").stderr


def test_a_path_that_is_no_file_is_wrong_usage(folder: Path) -> None:
    (folder / "site").mkdir()
    (folder / "gone.json").symlink_to("elsewhere")
    (folder / "private.json").write_text("[]")
    os.mkfifo(folder / "pipe.json")
    for name, message in (
        ("nope.json", "nope.json: there is no such file"),
        ("gone.json", "gone.json: there is no such file"),
        ("private.json/nope.json", "nope.json: there is no such file"),
        ("site", "site: it is a folder; name the files in it"),
        ("pipe.json", "pipe.json: it is a device or a pipe, not a file"),
        ("x" * 300, ": it cannot be read: File name too long"),
    ):
        found = run("import", name)
        assert (found.exit_code, found.stdout) == (2, "")
        assert message in " ".join(found.stderr.split()), name


def test_the_help_names_each_kind() -> None:
    text = " ".join(run("import", "--help").output.split())
    assert [name for name in IMPORT_KINDS if f" {name} (" not in text] == []
