"""explain: every way to name an event, its routes and its clauses, and the errors of each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from records import NOW, make_event
from signed_rejects import make_reject

from bridge.config.loader import load
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.queries import configs

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:NOT_SET}"}
  shop: {provider: stripe, secret: "${env:NOT_SET}"}
  contact: {provider: form, schema: {required: [name], properties: {name: {type: string}}}}
routes:
  - name: triage
    on: github issues
    match: {body.action: [opened, reopened], body.issue.user.type: {ne: Bot}}
    when: "body.issue.number > 3 && body.issue.state == 'open'"
    inputs: {title: "${body.issue.title}", gone: "${body.issue.tittle}"}
    flow: local/echo
  - {name: push, on: github push, inputs: {n: "${body.n}"}, flow: local/echo}
  - name: short
    on: github
    inputs: {title: "${body.issue.title}"}
    inputs_schema: {properties: {title: {maxLength: 3}}}
    flow: [local/echo, local/fail]
  - {name: paid, on: shop invoice.paid, inputs: {n: "${body.id}"}, flow: local/echo}
  - {name: contact, on: contact, flow: local/echo}
"""
ISSUE = {
    "action": "openned",
    "issue": {"number": 7, "title": "Crash", "state": "open", "user": {"type": "User"}},
}


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "body.json").write_text(json.dumps(ISSUE))
    return folder


@pytest.fixture
def stored(store: Database, project: Path) -> str:
    """The id of a stored event."""
    event = make_event(body=json.dumps(ISSUE).encode())
    events.add(store, event, [], lambda *_: [])
    return event.id


def explain(*arguments: str) -> Any:
    (found,) = lines(run("explain", *arguments, "--json"))
    return found


def verdicts(found: Any) -> dict[str, bool]:
    return {one["route"]: one["matches"] for one in found["routes"]}


def test_a_stored_event_is_explained_as_json(stored: str) -> None:
    for name in (stored, stored[-8:], stored[:-2]):
        found = explain(name)
        assert (found["event_id"], found["source"], found["type"]) == (stored, "github", "issues")
    assert verdicts(found) == {
        "short": True, "triage": False, "push": False, "paid": False, "contact": False
    }  # fmt: skip
    short, triage, _push, paid, _ = found["routes"]
    assert "$.title: is too long" in short["problem"] and short["inputs"] == {"title": "Crash"}
    assert short["flows"] == ["local/echo", "local/fail"]
    assert [(one["path"], one["ok"], one["near"]) for one in triage["clauses"]] == [
        ("event.type", True, []),
        ("body.action", False, ["opened"]),
        ("body.issue.user.type", True, []),
        ("when", True, []),
    ]
    assert [one["text"] for one in triage["clauses"][3]["parts"]] == [
        "body.issue.number > 3",
        "body.issue.state == 'open'",
    ]
    assert paid["other_source"] is True and triage["other_source"] is False


def test_the_newest_event_is_explained_without_an_id(stored: str) -> None:
    assert explain()["event_id"] == stored


def test_the_screen_has_clauses_near_misses_and_inputs(stored: str) -> None:
    result = run("explain", stored)
    assert result.exit_code == 0
    text = result.stdout
    assert text.index("\nshort  matches, but would be dead") < text.index("\ntriage  no: 1 of 4")
    assert '  title  "Crash"\n' in text
    assert "✗ body.action" in text and 'near: "opened"' in text
    assert "✓ body.issue.number > 3" in text and "· body.issue.number" in text
    assert re.search(r"^other types +push$", text, re.M)
    assert re.search(r"^other sources +2 routes$", text, re.M)
    assert max(map(len, text.splitlines())) <= 80


def test_a_long_path_has_a_line_of_its_own(stored: str, project: Path) -> None:
    path = "body.issue.user.a_name_that_is_longer_than_its_column"
    (project / "routes.yaml").write_text(ROUTES.replace("body.action: ", f"{path}: "))
    shown = run("explain", stored, "--route", "triage").stdout
    assert re.search(rf"^  ✗ {path}\n +in \[opened, reopened\] +nothing$", shown, re.M)


def test_hostile_values_are_cleaned_and_shortened(store: Database, project: Path) -> None:
    body = {"action": "\x1b[31m\u202e" + "x" * 5000, "issue": {"title": "\x1b]0;t\x07" * 50}}
    event = make_event(body=json.dumps(body).encode(), type="issues")
    events.add(store, event, [], lambda *_: [])
    result = run("explain", event.id)
    assert result.exit_code == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", result.stdout)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "\x1b" not in run("explain", event.id, "--json").stdout


def test_one_route_is_explained(stored: str) -> None:
    assert list(verdicts(explain(stored, "--route", "triage"))) == ["triage"]
    refused = run("explain", stored, "--route", "triag")
    assert refused.exit_code == 2 and "did you mean `triage`?" in refused.stderr


def test_the_routes_of_a_file_are_explained(stored: str, project: Path) -> None:
    fixed = ROUTES.replace("[opened, reopened]", "[openned]")
    (project / "draft.yaml").write_text(fixed)
    assert verdicts(explain(stored, "--routes", "draft.yaml"))["triage"] is True
    (project / "draft.yaml").write_text(ROUTES.replace("flow: local/echo", "flow: nowhere"))
    refused = run("explain", stored, "--routes", "draft.yaml")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("draft.yaml:")
    missing = run("explain", stored, "--routes", "none.yaml")
    assert missing.exit_code == 2 and "none.yaml" in missing.stderr


def test_the_routes_of_then_are_explained(store: Database, project: Path) -> None:
    config = load(project / "routes.yaml", {}, strict_secrets=False)
    configs.remember_config(store, config.hash, config.canonical, NOW)
    event = make_event(body=json.dumps(ISSUE).encode(), config_hash=config.hash)
    events.add(store, event, [], lambda *_: [])
    (project / "routes.yaml").write_text(ROUTES.replace("[opened, reopened]", "[openned]"))
    assert verdicts(explain(event.id))["triage"] is True
    then = explain(event.id, "--with-routes", "then")
    assert verdicts(then)["triage"] is False and then["config_hash"] == config.hash
    other = make_event(body=b"{}")
    events.add(store, other, [], lambda *_: [])
    deleted = run("explain", other.id, "--with-routes", "then")
    assert deleted.exit_code == 1 and "was deleted" in deleted.stderr


def test_a_file_that_cannot_be_used_leaves_the_last_good_one(stored: str, project: Path) -> None:
    (project / "routes.yaml").write_text("version: 1\nroutes: {}\n")
    refused = run("explain", stored)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "routes.yaml:2" in refused.stderr


def test_an_event_without_its_body_is_an_error(store: Database, project: Path) -> None:
    event = make_event(body=b"", body_sha256="0" * 64)
    events.add(store, event, [], lambda *_: [])
    refused = run("explain", event.id)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "`retention` of its source has deleted its body" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "problem", "count"),
    [
        ({"body": b"{", "headers": {"content-type": "application/json"}}, "is not JSON", 0),
        ({"spam": "token"}, "marked as spam (token)", 5),
        ({"source": "gone"}, "its source 'gone' is not in routes.yaml", 5),
    ],
)
def test_an_event_that_no_route_sees_says_why(
    store: Database, project: Path, changes: dict[str, Any], problem: str, count: int
) -> None:
    event = make_event(**changes)
    events.add(store, event, [], lambda *_: [])
    found = explain(event.id)
    assert problem in found["problem"] and len(found["routes"]) == count
    assert problem in " ".join(run("explain", event.id).stdout.split())


def test_a_reject_is_explained_as_the_event_that_it_would_be(
    store: Database, project: Path
) -> None:
    reject = make_reject(
        id="rej_01jd2xk2m9abcdefghjkmnpqrs",
        received_at=NOW,
        headers={"content-type": "application/json", "x-github-event": "issues"},
        body=json.dumps(ISSUE).encode(),
        size=100,
    )
    rejects.add(store, reject)
    found = explain(reject.id)
    assert (found["event_id"], found["reject_id"], found["type"]) == (None, reject.id, "issues")
    assert verdicts(found)["short"] is True
    refused = run("explain", reject.id, "--with-routes", "then")
    assert refused.exit_code == 2 and "with no routes" in refused.stderr


def test_a_body_is_explained_as_its_source_reads_it(project: Path) -> None:
    arguments = ("--source", "github", "--body", "body.json")
    assert explain(*arguments, "--type", "issues")["type"] == "issues"
    assert explain(*arguments, "--header", "X-GitHub-Event: push")["type"] == "push"
    (project / "form.txt").write_text("name=Ada")
    form = explain("--source", "contact", "--body", "form.txt")
    assert form["routes"][0]["inputs"] == {"name": "Ada"}
    (project / "form.txt").write_text("other=Ada")
    refused = run("explain", "--source", "contact", "--body", "form.txt")
    assert (refused.exit_code, refused.stdout) == (1, "") and "422" in refused.stderr


def test_a_body_comes_from_standard_input(project: Path) -> None:
    result = run("explain", "--source", "github", "--body", "-", "--json", input=json.dumps(ISSUE))
    assert verdicts(lines(result)[0])["short"] is True


def test_a_sample_is_explained(project: Path) -> None:
    assert explain("--sample", "github", "issues")["type"] == "issues"
    assert explain("--sample", "stripe", "invoice.paid")["source"] == "shop"
    assert explain("--sample", "shop", "invoice.paid")["routes"][0]["matches"] is True


WRONG = [
    (("evt_1", "--sample", "github", "issues"), "cannot be combined"),
    (("--body", "body.json"), "--body needs --source"),
    (("evt_1", "--source", "github"), "--source needs --body or --sample"),
    (("evt_1", "--type", "issues"), "--type needs --body"),
    (("evt_1", "--header", "A: b"), "--header needs --body"),
    (("--sample", "github", "issues", "--with-routes", "then"), "needs a stored event"),
    (("evt_1", "--routes", "routes.yaml", "--with-routes", "then"), "cannot be combined"),
    (("--source", "githb", "--body", "body.json"), "did you mean `github`?"),
    (("--source", "github", "--body", "none.json"), "none.json: the file cannot be read"),
    (("--source", "github", "--body", "."), "the file cannot be read"),
    (("--source", "github", "--body", "body.json", "--header", "x"), "is not a header"),
    (("--sample", "github", "isues"), "has no sample of type 'isues'"),
    (("--sample", "slack", "message"), "there is no source 'slack'"),
    (("--sample", "github"), "requires 2 arguments"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_usage_says_what_is_wrong(
    project: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run("explain", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_several_sources_of_a_provider_need_a_choice(project: Path) -> None:
    more = ROUTES.replace("sources:\n", 'sources:\n  hub: {provider: github, secret: "${env:N}"}\n')
    (project / "routes.yaml").write_text(more)
    named = explain("--sample", "github", "issues")
    assert named["source"] == "github"
    (project / "routes.yaml").write_text(
        more.replace("github: {", "git: {").replace("on: github", "on: git")
    )
    refused = run("explain", "--sample", "github", "issues")
    assert refused.exit_code == 2 and "choose one with --source (hub, git)" in refused.stderr
    assert explain("--sample", "github", "issues", "--source", "git")["source"] == "git"


def test_an_unknown_id_is_an_error(stored: str) -> None:
    refused = run("explain", "evt_zzz")
    assert (refused.exit_code, refused.stdout) == (1, "") and "evt_zzz" in refused.stderr


def test_without_a_database_the_next_step_is_named(project: Path) -> None:
    refused = run("explain")
    assert refused.exit_code == 1 and "flowbridge sample contact --to" in refused.stderr
