"""`flowbridge token`: a token is printed once, listed without its secret, and removed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from command_line import lines, run

from bridge.services.access_tokens import authenticate_token
from bridge.store.db.database import Database
from bridge.store.operations import tokens

ROUTES = "version: 1\nplatforms: {local: {type: local}}\n"
SECRET = re.compile(r"fbt_[A-Za-z0-9_-]{43}")
PRIVATE_BIND = "FLOWBRIDGE_PRIVATE_BIND"
SHAPE = ["id", "name", "scopes", "created_at", "last_used_at", "ends_at"]


@pytest.fixture
def project(folder: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return the store of each kind, of a project in the current folder."""
    (folder / "routes.yaml").write_text(ROUTES)
    url = database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("FLOWBRIDGE_DATABASE_URL", url)
    return database


def add(*arguments: str) -> Any:
    [made] = lines(run("token", "add", *arguments, "--json"))
    return made


def refused(result: Result, code: int, message: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_new_token_is_printed_once_and_valid(project: Database) -> None:
    made = add("ci", "--scope", "read,act", "--expires", "90d")
    assert list(made) == ["id", "name", "scopes", "ends_at", "token"]
    assert (made["name"], made["scopes"]) == ("ci", ["read", "act"])
    assert made["id"].startswith("tok_")
    assert SECRET.fullmatch(made["token"])
    [stored] = tokens.list_tokens(project)
    assert stored.ends_at is not None
    assert stored.ends_at - stored.created_at == pytest.approx(90 * 86400)
    assert authenticate_token(project, made["token"], stored.created_at) == stored
    for arguments in (("list",), ("list", "--json"), ("remove", "ci", "--dry-run")):
        assert made["token"] not in run("token", *arguments).output


def test_stdout_has_only_the_token(project: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRIVATE_BIND, "127.0.0.1:8181")
    done = run("token", "add", "ci", "--scope", "viewer")
    assert done.exit_code == 0
    assert SECRET.fullmatch(done.stdout.removesuffix("\n"))
    assert done.stdout.strip() not in done.stderr, "what is logged of a script"
    assert "admin_change" not in done.stderr, "the audit log has it"
    assert "not shown again" in done.stderr and "does not expire" in done.stderr
    url = "http://127.0.0.1:8181/admin/v1/status"
    assert f'curl -H "Authorization: Bearer $TOKEN" {url}' in done.stderr
    assert "a program, with TOKEN set to the token" in done.stderr
    assert "flowbridge login http://127.0.0.1:8181\n" in done.stderr
    assert "http://127.0.0.1:8181/console/login\n" in done.stderr


@pytest.mark.parametrize(
    ("bind", "url"),
    [("0.0.0.0:9000", "http://127.0.0.1:9000/"), ("[::1]:9000", "http://[::1]:9000/")],
)
def test_the_example_names_the_private_listener(
    project: Database, monkeypatch: pytest.MonkeyPatch, bind: str, url: str
) -> None:
    assert (
        "http://127.0.0.1:8080/admin/v1/status"
        in run("token", "add", "a", "--scope", "read").stderr
    )
    monkeypatch.setenv(PRIVATE_BIND, bind)
    assert f"{url}admin/v1/status" in run("token", "add", "b", "--scope", "read").stderr


def test_scopes_are_given_together_or_apart(project: Database) -> None:
    assert add("a", "--scope", "read", "--scope", "bodies")["scopes"] == ["read", "bodies"]
    assert add("b", "--scope", "operator")["scopes"] == ["read", "bodies", "act"]
    assert add("c", "--scope", "admin")["scopes"] == ["read", "bodies", "act", "admin"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ci"], "Missing option '--scope'. Allowed are read, bodies, act, admin"),
        (["--scope", "read"], "Missing argument 'NAME'"),
        (["ci", "--scope", "raed"], "did you mean `read`? allowed are read, bodies, act, admin"),
        (["ci", "--scope", ""], "there is no scope"),
        (["ci", "--scope", "read", "--expires", "90"], "use 12h, 90d or 52w"),
        (["ci", "--scope", "read", "--expires", "1y"], "use 12h, 90d or 52w"),
        (["", "--scope", "read"], "1 to 100 printable characters"),
        (["tok_1", "--scope", "read"], "does not begin with tok_ or fbt_"),
        (["taken", "--scope", "read"], "a token named 'taken' already exists"),
    ],
)
def test_wrong_usage_creates_nothing(project: Database, arguments: list[str], message: str) -> None:
    add("taken", "--scope", "act")
    refused(run("token", "add", *arguments), 2, message)
    refused(run("token", "add", *arguments, "--json"), 2, message)
    assert [one.name for one in tokens.list_tokens(project)] == ["taken"]


def test_the_list_has_every_key(project: Database) -> None:
    empty = run("token", "list")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "flowbridge token add" in empty.stderr
    assert lines(run("token", "list", "--json")) == []
    first = add("ci", "--scope", "read,act", "--expires", "90d")
    second = add("grafana", "--scope", "read")
    [stored, _] = tokens.list_tokens(project)
    authenticate_token(project, first["token"], stored.created_at + 1)
    listed = lines(run("token", "list", "--json"))
    assert [list(one) for one in listed] == [SHAPE, SHAPE]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert (listed[0]["last_used_at"] is None, listed[1]["last_used_at"]) == (False, None)
    assert (listed[0]["ends_at"], listed[1]["ends_at"]) == (first["ends_at"], None)
    head, *rows = run("token", "list").stdout.splitlines()
    assert head.split() == ["ID", "NAME", "SCOPES", "CREATED", "USED", "ENDS"]
    assert rows[0].split()[:3] == [first["id"], "ci", "read,act"]
    assert rows[1].split()[-2:] == ["never", "never"]


def test_an_expired_token_is_listed_as_expired(project: Database) -> None:
    made = add("ci", "--scope", "read", "--expires", "1w")
    assert "expired" not in run("token", "list").stdout
    with project.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE token SET ends_at = 1000000000.0")
    assert "expired 2001-09-09 01:46:40Z" in run("token", "list").stdout
    [one] = lines(run("token", "list", "--json"))
    assert (one["id"], one["ends_at"]) == (made["id"], "2001-09-09T01:46:40.000000Z")


@pytest.mark.parametrize("by", ["name", "id", "beginning", "ending"])
def test_a_token_is_removed_after_a_question(project: Database, by: str) -> None:
    made = add("ci", "--scope", "read")
    add("other", "--scope", "read")
    now = tokens.find(project, "ci").created_at
    text = {
        "name": "ci",
        "id": made["id"],
        "beginning": made["id"][:-1],
        "ending": made["id"][-8:],
    }[by]
    refused(run("token", "remove", text), 2, "pass --yes")
    dry = run("token", "remove", text, "--dry-run")
    assert f"ci ({made['id']}) will be removed" in dry.stdout
    assert authenticate_token(project, made["token"], now) is not None
    done = run("token", "remove", text, "--yes")
    assert (done.exit_code, done.stdout) == (0, f"removed: ci ({made['id']})\n")
    assert authenticate_token(project, made["token"], now) is None
    refused(run("token", "remove", text, "--yes"), 1, "there is no token")
    assert [one.name for one in tokens.list_tokens(project)] == ["other"]


def test_a_removed_token_is_printed_as_json(project: Database) -> None:
    made = add("ci", "--scope", "read")
    [removed] = lines(run("token", "remove", "ci", "--yes", "--json"))
    assert (list(removed), removed["id"]) == (SHAPE, made["id"])


@pytest.mark.parametrize("text", ["cj", "t", "tok_", "tok_0", ""])
def test_no_other_token_is_removed(project: Database, text: str) -> None:
    add("ci", "--scope", "read")
    add("other", "--scope", "read")
    result = run("token", "remove", text, "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(tokens.list_tokens(project)) == 2


def test_a_pasted_secret_is_not_repeated(project: Database) -> None:
    secret = add("ci", "--scope", "read")["token"]
    for arguments in (("remove", secret, "--yes"), ("add", secret, "--scope", "read")):
        result = run("token", *arguments)
        assert result.exit_code != 0
        assert secret not in result.output
    assert len(tokens.list_tokens(project)) == 1


def test_the_first_token_creates_the_store(folder: Path) -> None:
    """A token can be created before the first start."""
    refused(run("token", "add", "ci", "--scope", "read"), 2, "there is no routes.yaml")
    assert list(folder.iterdir()) == []
    (folder / "routes.yaml").write_text(ROUTES)
    assert lines(run("token", "list", "--json")) == []
    refused(run("token", "remove", "ci", "--yes"), 1, "there is no database yet")
    assert not (folder / "data" / "flowbridge.db").exists(), "reading creates nothing"
    made = add("ci", "--scope", "read")
    assert [one["id"] for one in lines(run("token", "list", "--json"))] == [made["id"]]
    assert (folder / "data" / "flowbridge.db").stat().st_mode & 0o077 == 0


def test_an_empty_database_of_a_server_gets_its_schema(
    folder: Path, monkeypatch: pytest.MonkeyPatch, empty_postgres: str
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    monkeypatch.setenv("FLOWBRIDGE_DATABASE_URL", empty_postgres)
    assert lines(run("token", "list", "--json")) == []
    made = add("ci", "--scope", "read")
    assert [one["id"] for one in lines(run("token", "list", "--json"))] == [made["id"]]


def test_a_store_of_another_version_is_refused(project: Database) -> None:
    with project.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for arguments in (("add", "ci", "--scope", "read"), ("list",), ("remove", "ci", "--yes")):
        refused(run("token", *arguments), 1, "upgrade flowbridge")
