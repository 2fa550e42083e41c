"""test: recorded events through two configurations, and cases without a database."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from folders import DOCS
from records import make_event
from ruamel.yaml import YAML

from bridge.config.loader import load
from bridge.core.model import Event
from bridge.services.trials.messages import MAX_EXPLAINED_EVENTS
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import events
from bridge.store.queries import configs

HEAD = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"SOURCE}}
routes:
"""
OLD = '  - {name: triage, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}\n'
LOSES = OLD.replace("inputs:", "match: {body.n: 1}, inputs:")
CHANGES = OLD.replace("${body.n}", "no. ${body.n}")
DIES = OLD.replace("inputs:", "strict: true, inputs:").replace("body.n", "body.gone")
NAMES = OLD.replace("triage", "other")


def write(folder: Path, routes: str, name: str = "routes.yaml", source: str = "") -> Path:
    file = folder / name
    file.write_text(HEAD.replace("SOURCE", source) + routes)
    return file


def remember(store: Database, file: Path) -> str:
    """Have the bridge use a configuration; return its hash."""
    config = load(file, {}, strict_secrets=False)
    configs.remember_config(store, config.hash, config.canonical, time.time())
    return config.hash


def add(store: Database, number: int, **changes: Any) -> Event:
    now = changes.pop("now", time.time() - number)
    event = make_event(f"p{number}", now=now, body=b'{"n":%d}' % number, **changes)
    events.add(store, event, [], lambda *_: [])
    return event


@pytest.fixture
def recorded(store: Database, folder: Path) -> list[Event]:
    """Three events, and the configuration that is in use."""
    used = remember(store, write(folder, OLD))
    return [add(store, number, config_hash=used) for number in (1, 2, 3)]


def summary(result: Any) -> dict[str, int]:
    found: dict[str, int] = json.loads(result.stdout.splitlines()[-1])["summary"]
    return found


def counts(**given: int) -> dict[str, int]:
    return dict.fromkeys(("same", "changed", "new", "lost", "dead", "skipped"), 0) | given


def test_the_file_on_disk_against_the_one_in_use(recorded: list[Event], folder: Path) -> None:
    same = run("test", "--json")
    assert (same.exit_code, summary(same)) == (0, counts(same=3)), same.stderr
    assert len(same.stdout.splitlines()) == 1
    write(folder, LOSES)
    result = run("test", "--json")
    assert (result.exit_code, summary(result)) == (1, counts(same=1, lost=2))
    first = json.loads(result.stdout.splitlines()[0])
    assert first == {
        "event_id": recorded[2].id if first["event_id"] == recorded[2].id else recorded[1].id,
        "route": "triage",
        "change": "lost",
        "diff": [
            {"op": "remove", "path": "/status", "before": "queued", "after": None},
            {
                "op": "add",
                "path": "/reason",
                "before": None,
                "after": first["diff"][1]["after"],
            },
        ],
    }
    assert first["diff"][1]["after"].startswith("body.n: expected 1, found ")
    assert "The test fails (--fail-on lost): 2 lost" in result.stderr


@pytest.mark.parametrize(
    ("routes", "fail_on", "code"),
    [
        (CHANGES, None, 0),
        (CHANGES, "changed", 1),
        (CHANGES, "dead", 0),
        (NAMES, "changed", 1),
        (LOSES, None, 1),
        (LOSES, "dead", 0),
        (LOSES, "never", 0),
        (DIES, None, 1),
        (DIES, "dead", 1),
        (DIES, "never", 0),
        (OLD, "changed", 0),
    ],
)
def test_what_makes_it_fail(
    recorded: list[Event], folder: Path, routes: str, fail_on: str | None, code: int
) -> None:
    new = write(folder, routes, "new.yaml")
    options = ["--fail-on", fail_on] if fail_on else []
    assert run("test", "--routes", str(new), *options).exit_code == code


def test_the_summary_for_people(recorded: list[Event], folder: Path) -> None:
    write(folder, CHANGES)
    result = run("test")
    assert result.exit_code == 0 and result.stdout.startswith("3 events since 2")
    assert "1 route changed" in result.stdout and '→ "no. ' in result.stdout
    assert recorded[2].id in result.stdout
    write(folder, OLD)
    assert "nothing changes" in run("test").stdout


def test_against_the_configuration_that_planned_each_event(
    recorded: list[Event], store: Database, folder: Path
) -> None:
    later = remember(store, write(folder, CHANGES))
    add(store, 4, config_hash=later)
    assert summary(run("test", "--json")) == counts(same=4)
    assert summary(run("test", "--json", "--against", "then")) == counts(same=1, changed=3)
    add(store, 5, config_hash="f" * 64)
    result = run("test", "--json", "--against", "then")
    assert summary(result) == counts(same=1, changed=3, skipped=1)
    assert "1 event could not be compared: the configuration that planned it" in result.stderr


def test_against_a_file(recorded: list[Event], folder: Path) -> None:
    other = write(folder, DIES, "other.yaml")
    result = run("test", "--json", "--against", str(other))
    assert (result.exit_code, summary(result)) == (0, counts(changed=3))
    assert {json.loads(line)["change"] for line in result.stdout.splitlines()[:-1]} == {"alive"}


def test_filters_select_events(recorded: list[Event], store: Database, folder: Path) -> None:
    add(store, 9, now=time.time() - 8 * 86400)
    assert summary(run("test", "--json"))["same"] == 3, "seven days by default"
    assert summary(run("test", "--json", "--since", "9d"))["same"] == 4
    assert summary(run("test", "--json", "--limit", "2"))["same"] == 2
    assert summary(run("test", "--json", "--where", "body.n=2"))["same"] == 1
    assert summary(run("test", "--json", "--type", "push")) == counts()
    assert "No matching events" in run("test", "--type", "push").stderr


def test_what_cannot_be_compared_is_counted_apart(
    recorded: list[Event], store: Database, folder: Path
) -> None:
    add(store, 6, spam="token")
    add(store, 7)
    emptied = replace(make_event("p80", now=time.time()), body=b"", body_sha256="1" * 64)
    events.add(store, emptied, [], lambda *_: [])
    sealed = Database(str(store.url), Sealer(["A" * 43 + "="]))
    add(sealed, 8)
    sealed.close()
    result = run("test", "--json")
    assert summary(result) == counts(same=4, skipped=3)
    for reason in ("marked as spam", "its body was deleted", "it cannot be decrypted"):
        assert f"1 event could not be compared: {reason}" in result.stderr.replace(
            "so no configuration", ""
        )
    write(folder, OLD, source=", redact: [body.n]")
    assert summary(run("test", "--json"))["skipped"] == 7


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 2, "'nowhere' is not a folder of cases"),
        (["--save", "cases"], 2, "--save needs the ids of events, or filters"),
        (["--save", "cases", "--since", "1d", "--against", "then"], 2, "compares nothing"),
        (["--save", "cases", "--limit", "10001"], 2, "at most 10,000 cases"),
        (["--save", "cases", "evt_x", "--since", "1d"], 2, "ids of events or filters"),
        (["--save", "cases", "evt_x", "--fail-on", "lost"], 2, "compares nothing"),
        (["data", "data"], 2, "takes one folder of cases"),
        (["data", "--against", "then"], 2, "neither filters nor --against"),
        (["--fail-on", "often"], 2, "'often' is not one of"),
        (["--source", "githup"], 2, "there is no source 'githup'; did you mean `github`?"),
        (["--routes", "gone.yaml"], 2, "gone.yaml"),
        (["--against", "gone.yaml"], 2, "gone.yaml"),
        (["--routes", "bad.yaml"], 2, "bad.yaml:"),
        (["data"], 1, "has no cases"),
        (["my cases"], 1, "`flowbridge test --save 'my cases' EVENT` writes one"),
        (["--save", "cases", "evt_x"], 1, "no event, delivery or run has the id"),
    ],
)
def test_wrong_usage(
    recorded: list[Event], folder: Path, arguments: list[str], code: int, said: str
) -> None:
    (folder / "bad.yaml").write_text("version: 1\nroutes: 7\n")
    (folder / "my cases").mkdir()
    result = run("test", *arguments)
    assert (result.exit_code, result.stdout) == (code, "") and said in result.stderr


def test_without_a_store_or_a_configuration_in_use(folder: Path) -> None:
    write(folder, OLD)
    result = run("test")
    assert result.exit_code == 1 and "nothing was received yet" in result.stderr


def test_without_a_configuration_in_use(store: Database, folder: Path) -> None:
    write(folder, OLD)
    add(store, 1)
    result = run("test")
    assert result.exit_code == 1 and "no configuration was used yet" in result.stderr
    assert run("test", "--against", "routes.yaml").exit_code == 0


# -- cases


def test_a_case_is_written_and_tested_without_a_database(
    recorded: list[Event], folder: Path
) -> None:
    result = run("test", "--save", "cases", recorded[0].id, recorded[1].id)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [f"cases/{one.id}.json" for one in recorded[:2]]
    (folder / "data").rename(folder / "gone")
    assert summary(run("test", "cases", "--json")) == counts(same=2)
    write(folder, CHANGES)
    failed = run("test", "cases")
    assert failed.exit_code == 1 and "(--fail-on changed): 2 changed" in failed.stderr
    assert run("test", "cases", "--fail-on", "lost").exit_code == 0
    assert not (folder / "data").exists()


def test_the_events_that_filters_select_are_saved(
    recorded: list[Event], store: Database, folder: Path
) -> None:
    spam = add(store, 20, spam="trap")
    result = run("test", "--save", "cases", "--since", "3d")
    assert result.exit_code == 0, result.stderr
    newest_first = [f"cases/{one.id}.json" for one in reversed(recorded)]
    assert result.stdout.splitlines() == newest_first
    assert f"Left out: {spam.id} cannot be a case: it is marked as spam" in result.stderr
    assert f"{len(recorded)} cases saved in cases" in result.stderr
    limited = run("test", "--save", "few", "--source", "github", "--limit", "2")
    assert limited.stdout.splitlines() == [f"few/{recorded[-1].id}.json"]
    assert "Only the newest 2 events were read; --limit reads more" in limited.stderr
    none = run("test", "--save", "cases", "--since", "2020-01-01", "--until", "2020-01-02")
    assert (none.exit_code, none.stdout) == (0, "") and "0 cases saved in cases" in none.stderr


def test_events_that_change_are_explained(
    recorded: list[Event], store: Database, folder: Path
) -> None:
    write(folder, LOSES)
    lines = run("test", "--json", "--explain").stdout.splitlines()
    shapes = [json.loads(one) for one in lines]
    found = [one["explanation"] for one in shapes if "explanation" in one]
    assert "summary" in shapes[-1] and "change" in shapes[0]
    assert [one["event_id"] for one in found] == [recorded[2].id, recorded[1].id]
    [alone] = run("explain", recorded[2].id, "--json").stdout.splitlines()
    assert found[0] == json.loads(alone)
    text = run("test", "--explain")
    assert text.exit_code == 1
    assert run("explain", recorded[1].id).stdout in text.stdout
    assert "More events" not in text.stderr
    assert "explanation" not in run("test", "--json").stdout
    for number in range(10, 10 + MAX_EXPLAINED_EVENTS):
        add(store, number, config_hash=recorded[0].config_hash)
    many = run("test", "--json", "--explain")
    assert many.stdout.count('{"explanation":') == MAX_EXPLAINED_EVENTS
    assert f"More events changed than the {MAX_EXPLAINED_EVENTS} that are explained" in many.stderr


def test_cases_that_change_are_explained(recorded: list[Event], folder: Path) -> None:
    names = [one.id for one in recorded]
    assert run("test", "--save", "cases", *names).exit_code == 0
    write(folder, LOSES)
    result = run("test", "cases", "--explain")
    assert result.exit_code == 1
    for one, is_explained in zip(recorded, (False, True, True), strict=True):
        assert (f"\n{one.id}\n" in result.stdout) is is_explained
    assert "body.n" in result.stdout and "eq 1" in result.stdout
    wrong = run("test", "--save", "cases", names[0], "--explain")
    assert wrong.exit_code == 2 and "takes no --explain" in wrong.stderr


def test_a_case_is_replaced_once_a_change_is_intended(recorded: list[Event], folder: Path) -> None:
    assert run("test", "--save", "cases", recorded[0].id).exit_code == 0
    write(folder, CHANGES)
    assert run("test", "cases").exit_code == 1
    assert run("test", "--save", "cases", recorded[0].id).exit_code == 0
    assert run("test", "cases").exit_code == 0
    assert [one.name for one in (folder / "cases").iterdir()] == [f"{recorded[0].id}.json"]


def test_a_case_has_neither_redacted_values_nor_signatures(store: Database, folder: Path) -> None:
    body = json.dumps({"n": 1, "who": {"mail": "ada@example.com"}}).encode()
    headers = {
        "content-type": "application/json",
        "x-hub-signature-256": "sha256=abcdef",
        "x-forwarded-for": "192.0.2.7",
        "x-mail": "bob@example.com",
    }
    event = make_event("p1", body=body, headers=headers, query_string="mail=eve%40example.com&a=1")
    events.add(store, event, [], lambda *_: [])
    paths = "[body.who.mail, headers.x-mail, query.mail]"
    routes = OLD.replace("${body.n}", "${body.who.mail}")
    write(folder, routes, source=f", redact: {paths}")
    assert run("test", "--save", "cases", event.id).exit_code == 0
    text = (folder / "cases" / f"{event.id}.json").read_text()
    assert not any(one in text for one in ("ada@", "bob@", "eve%40", "abcdef", "192.0"))
    assert json.loads(text)["expected"][0]["inputs"] == {"n": "[redacted]"}
    assert run("test", "cases").exit_code == 0


def test_what_was_redacted_on_receipt_keeps_its_mark(store: Database, folder: Path) -> None:
    event = make_event("p1", body=b'{"n":"[redacted hmac:12]"}')
    events.add(store, event, [], lambda *_: [])
    write(folder, OLD, source=", redact: [body.n]")
    assert run("test", "--save", "cases", event.id).exit_code == 0
    text = (folder / "cases" / f"{event.id}.json").read_text()
    assert json.loads(text)["expected"][0]["inputs"] == {"n": "[redacted hmac:12]"}


def test_a_body_that_is_no_text_is_saved(store: Database, folder: Path) -> None:
    event = make_event("p1", body=b"\xff\xfe")
    events.add(store, event, [], lambda *_: [])
    write(folder, OLD)
    assert run("test", "--save", "cases", event.id).exit_code == 0
    assert run("test", "cases").exit_code == 0


def test_an_event_that_cannot_be_a_case(
    recorded: list[Event], store: Database, folder: Path
) -> None:
    spam = add(store, 7, spam="token")
    gone = add(store, 8, source="gone")
    result = run("test", "--save", "cases", spam.id, gone.id, recorded[0].id)
    assert result.exit_code == 1 and len(result.stdout.splitlines()) == 1
    assert f"{spam.id} cannot be a case: it is marked as spam" in result.stderr
    assert f"{gone.id} cannot be a case: routes.yaml has no source 'gone'" in result.stderr


def ci_commands() -> list[str]:
    """The commands of the examples for CI."""
    page = (DOCS / "testing-routes.md").read_text("utf-8")
    actions, gitlab = (
        YAML(typ="safe").load(one)
        for one in re.findall(r"(?s)```text\n(.*?)```", page)
        if one.startswith(("name: routes", "routes:"))
    )
    steps = [step["run"] for step in actions["jobs"]["test"]["steps"] if "run" in step]
    return [*steps, *gitlab["routes"]["before_script"], *gitlab["routes"]["script"]]


def test_the_examples_for_ci_run(recorded: list[Event], folder: Path) -> None:
    commands = [one.split() for one in ci_commands()]
    tested = [words for words in commands if words[0] == "flowbridge"]
    assert len(tested) == 2 and {words[0] for words in commands} == {
        "pip",
        "flowbridge",
    }
    assert run("test", "--save", "cases", recorded[0].id).exit_code == 0
    for words in tested:
        write(folder, OLD)
        assert run(*words[1:]).exit_code == 0
        write(folder, LOSES.replace("body.n: 1", "body.n: 7"))
        assert run(*words[1:]).exit_code == 1


GOOD = {
    "version": 1,
    "event": {
        "id": "evt_1", "source": "github", "provider": "github", "type": "issues",
        "provider_id": None, "received_at": "2026-11-01T00:00:00Z",
        "headers": {"content-type": "application/json"}, "query_string": "", "body": '{"n":1}',
        "files": [],
    },
    "expected": [
        {
            "route": "triage", "status": "queued", "flow": "local/echo", "inputs": {"n": 1},
            "reason": None, "whole_body": False, "order": None, "debounce": None,
        }
    ],
}  # fmt: skip


def spoil(*path: Any, to: Any) -> str:
    document = json.loads(json.dumps(GOOD))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no case"),
        ("[]", "needs `version: 1`"),
        ("[" * 100_000, "is no case"),
        (spoil("version", to=2), "needs `version: 1`"),
        (spoil("more", to=1), "unknown key 'more'"),
        (spoil("event", to=[]), "`event` must be an object"),
        (spoil("event", "id", to=7), "event.id must be text"),
        (spoil("event", "received_at", to="soon"), "event.received_at must be a time"),
        (spoil("event", "headers", to={"a": 1}), "event.headers must be an object of texts"),
        (spoil("event", "body", to=None), "either `body`, a text, or `body_base64`"),
        (spoil("event", "body_base64", to="AA=="), "either `body`, a text, or `body_base64`"),
        (spoil("event", "files", to=[{"x": 1}]), "each of event.files needs exactly"),
        (spoil("event", "files", to=5), "event.files must be a list"),
        (spoil("event", "type", to=[]), "event.type must be text or null"),
        (spoil("expected", to={}), "`expected` must be a list"),
        (spoil("expected", 0, to={}), "expected[0] needs exactly"),
        (spoil("expected", 0, "whole_body", to=1), "expected[0].whole_body must be bool"),
    ],
)
def test_a_file_that_is_no_case_is_named(folder: Path, text: str, said: str) -> None:
    write(folder, OLD)
    (folder / "cases").mkdir()
    (folder / "cases" / "a.json").write_text(json.dumps(GOOD))
    assert run("test", "cases").exit_code == 0
    (folder / "cases" / "b.json").write_text(text)
    result = run("test", "cases")
    assert result.exit_code == 1 and "cases/b.json" in result.stderr and said in result.stderr
