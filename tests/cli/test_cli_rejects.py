"""rejects: listed with the reason, shown whole, let in once when they verify."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import lines, run
from records import NOW
from signed_rejects import make_reject

from bridge.config.loader import load
from bridge.core.model import Reject
from bridge.store.db.database import Database
from bridge.store.inbound import rejects
from bridge.store.queries import configs

SECRET = "the-secret-of-the-sender"
BODY = b'{"title":"red","action":"opened"}'
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:GITHUB_SECRET}"}}
routes: [{name: all, on: github, inputs: {title: "${body.title}"}, flow: local/echo}]
"""


def kept(number: int = 1, secret: str = SECRET, body: bytes = BODY, signed: bytes = BODY) -> Reject:
    sent = make_reject(number, secret, id=f"rej_0{number}", body=signed)
    return replace(sent, body=body, size=len(body))


@pytest.fixture
def project(folder: Path, store: Database) -> Database:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / ".env").write_text("GITHUB_SECRET=not-the-right-one-yet\n")
    return store


def mend(folder: Path) -> None:
    (folder / ".env").write_text(f"GITHUB_SECRET={SECRET}\n")


def test_they_are_listed_newest_first_with_what_would_have_made_them_pass(
    project: Database, folder: Path
) -> None:
    rejects.add(project, kept(1))
    rejects.add(project, kept(2, "forged"))
    assert (
        "the sender uses another secret, or the body was changed in transit"
        in run("rejects").stdout
    )
    mend(folder)
    rejects.add(project, kept(3, body=BODY + b"\n"))
    third, second, first = lines(run("rejects", "--json"))
    assert [one["id"] for one in (third, second, first)] == ["rej_03", "rej_02", "rej_01"]
    assert first["diagnosis"][0].startswith("It verifies now") and second["diagnosis"] == []
    assert "without the line end" in third["diagnosis"][0]
    assert (
        len(lines(run("rejects", "--json", "--limit", "1"))) == 1
        and lines(run("rejects", "--json", "--source", "flowbridge")) == []
    )


def test_the_next_step_is_named_until_one_is_readmitted(project: Database, folder: Path) -> None:
    rejects.add(project, kept(1))
    rejects.add(project, kept(2, "forged"))
    rejects.add(project, replace(kept(3), reason="missing"))
    command = "flowbridge rejects readmit --source github"
    step = f"if the sender is yours, correct its secret in .env; then {command}"
    assert run("rejects").stderr.count(f"Next: {step}\n") == 1
    assert run("rejects", "--json").stderr == ""
    assert step in " ".join(run("show", "rej_01").stdout.split())
    assert command not in run("show", "rej_03").stdout, "no secret makes a signature"
    mend(folder)
    assert run(*command.split()[1:], "--yes").exit_code == 0
    assert command not in run("show", "rej_01").stdout
    assert command in run("show", "rej_02").stdout


def test_with_a_broken_routes_yaml_they_are_looked_at_by_the_last_good_one_and_none_is_let_in(
    project: Database, folder: Path
) -> None:
    mend(folder)
    rejects.add(project, kept(1))
    good = load("routes.yaml", {"GITHUB_SECRET": SECRET})
    configs.remember_config(project, good.hash, good.canonical, NOW)
    (folder / "routes.yaml").write_text(ROUTES.replace("flow: local", "flwo: local"))
    for command in (("rejects", "--json"), ("show", "rej_01", "--json")):
        found = run(*command)
        assert lines(found)[0]["diagnosis"][0].startswith("It verifies now")
        assert "routes.yaml:5:" in found.stderr and "the last good configuration" in found.stderr
    refused = run("rejects", "readmit", "rej_01")
    assert refused.exit_code == 2 and "flwo" in refused.stderr


def test_one_is_shown_whole_and_commands_no_terminal(project: Database, folder: Path) -> None:
    mend(folder)
    harmful = b'{"title":"\x1b[31mred"}'
    rejects.add(project, kept(1, body=harmful, signed=harmful))
    shown = run("show", "rej_").stdout
    assert (
        "It verifies now" in shown
        and "x-github-delivery: d-1" in shown
        and "401 (mismatch)" in shown
    )
    assert "\x1b[31m" not in shown and SECRET not in shown
    (whole,) = lines(run("show", "rej_01", "--json"))
    assert whole["body"] == harmful.decode() and whole["headers"]["x-github-event"] == "issues"
    assert (
        run("show", "rej_9").exit_code == 1
        and "no reject has the id 'rej_9'" in run("show", "rej_9").stderr
    )


def test_what_verifies_is_let_in_and_only_once(project: Database, folder: Path) -> None:
    rejects.add(project, kept(1))
    rejects.add(project, kept(2, "forged"))
    failed = run("rejects", "readmit", "rej_01")
    assert (
        failed.exit_code == 1
        and "not readmitted: no variant of the secret, time and body matched" in failed.stdout
    )
    mend(folder)
    dry_run = run("rejects", "readmit", "--source", "github", "--dry-run")
    still = "1 reject still fails verification: flowbridge rejects shows why\n"
    assert (dry_run.stdout, dry_run.stderr) == ("1 reject to readmit\n", still)
    assert run("rejects", "readmit", "--source", "github").exit_code == 2, "not a terminal"
    (let_in,) = lines(run("rejects", "readmit", "--source", "github", "--yes", "--json"))
    assert let_in["ok"] and len(let_in["events"]) == 1
    (event,) = lines(run("events", "--json"))
    assert event["id"] == let_in["events"][0] and event["deliveries"][0]["status"] == "queued"
    again = run("rejects", "readmit", "rej_01", "--json")
    assert (
        again.exit_code == 1 and json.loads(again.stdout)["problem"] == "it was readmitted already"
    )
    assert len(lines(run("events", "--json"))) == 1
    assert (
        "No matching rejects to readmit."
        in run("rejects", "readmit", "--source", "github", "--yes").stderr
    )


def test_wrong_usage_says_what_is_wanted(project: Database) -> None:
    assert (
        run("rejects", "readmit").exit_code
        == run("rejects", "readmit", "rej_01", "--source", "x").exit_code
        == 2
    )
    assert "pass ids, or select by --source or --since" in run("rejects", "readmit").stderr


def test_a_copy_that_was_cut_is_not_let_in(project: Database, folder: Path) -> None:
    mend(folder)
    rejects.add(project, replace(kept(1), cut=True, size=10**6))
    failed = run("rejects", "readmit", "rej_01")
    assert (
        failed.exit_code == 1
        and "Only the first 33 of its 1000000 bytes are stored" in failed.stdout
    )


def test_none_are_none(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / ".env").write_text("GITHUB_SECRET=a-secret-of-some-length\n")
    assert run("rejects").stderr == "No rejects are stored.\n"
    assert run("rejects", "--since", "1h").stderr == "No matching rejects are stored.\n"


def test_a_source_without_its_secret_is_said_to_have_no_rejects_stored(
    project: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(
        ROUTES.replace("routes:", "  form: {provider: form}\nroutes:")
        .replace("sources: {github: {provider", "sources:\n  github: {provider")
        .replace('SECRET}"}}', 'SECRET}"}')
    )
    (folder / ".env").write_text("")
    note = (
        "Requests to source github are answered 503 and not stored, since its secret cannot be"
        " read: environment variable GITHUB_SECRET is not set.\nNext: set it in .env; no"
        " restart is needed.\n"
    )
    assert run("rejects").stderr == "No rejects are stored.\n" + note
    assert run("rejects", "--source", "form").stderr == "No matching rejects are stored.\n"
    rejects.add(project, kept(1))
    listed = run("rejects", "--source", "github")
    assert "rej_01" in listed.stdout and listed.stderr.endswith(note)
    assert run("rejects", "--json").stderr == ""


def test_a_source_that_has_one_of_its_secrets_answers_503_to_what_that_does_not_verify(
    folder: Path,
) -> None:
    (folder / "routes.yaml").write_text(
        ROUTES.replace("secret:", "secrets: ['${env:OTHER}',").replace('SECRET}"}}', 'SECRET}"]}}')
    )
    (folder / ".env").write_text("OTHER=a-secret-of-some-length\n")
    assert (
        "Requests to source github that no other secret verifies are answered 503 and not"
        " stored" in run("rejects").stderr
    )


def test_on_a_terminal_show_folds_a_reject_and_body_shows_all_of_it(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    one = kept(body=json.dumps({"rows": [f"row {number}" for number in range(2000)]}).encode())
    rejects.add(store, one)
    assert "row 1999" not in run("show", one.id).stdout
    assert "row 1999" in run("show", one.id, "--body").stdout
    monkeypatch.setattr("bridge.cli.ui.output.on_terminal", lambda: True)
    assert len(run("show", one.id).stdout.splitlines()) <= 24
    assert "row 1999" in run("show", one.id, "--body").stdout
