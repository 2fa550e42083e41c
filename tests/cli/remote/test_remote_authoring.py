"""types and shadow print the same with --server as on the bridge's own machine, byte for byte."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from both_ways import BothWays, serve_both_ways
from command_line import run
from records import make_event
from remote_records import HOSTILE
from servers import Misbehaving, respond
from shadow_records import HEAD, NEW, OLD, add_comparable, add_planned

from bridge.config.loader import load
from bridge.store.inbound import events
from bridge.store.queries import configs

MANY = 700  # more than a page has


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    whole = NEW.replace("triage-new", "whole").replace('{n: "${body.m}"}', '"${body}"')
    routes = HEAD + OLD + NEW + whole.replace("body.new", "body.hostile")
    folder = tmp_path_factory.mktemp("both")
    with serve_both_ways(folder, routes=routes) as served:
        store = served.bridge.database
        add_comparable(store, tmp_path_factory.mktemp("made"))
        config = load(served.bridge.config, {}, strict_secrets=False)
        configs.remember_config(store, config.hash, config.canonical, time.time())
        for number in range(MANY):
            is_same = number % 5 == 0
            add_planned(store, config, old=True, new=True, n=number, m=number if is_same else [])
        for number in range(3):
            more = {HOSTILE: HOSTILE, "n": HOSTILE * 2000, "old": number > 0, "hostile": True}
            add_planned(store, config, **more)
        for type_ in (HOSTILE, None, "push"):
            body = orjson.dumps({HOSTILE: [HOSTILE, 1]})
            event = make_event(None, now=time.time(), type=type_, body=body)
            events.add(store, event, [], lambda *_: [])
        yield served


@pytest.fixture
def schema_file(both: BothWays, tmp_path: Path) -> Path:
    file = tmp_path / "issues.json"
    text = both.local("types", "github", "--schema", "issues").stdout
    file.write_text(text.replace('"n"', '"gone"', 1))
    return file


@pytest.mark.parametrize("as_json", [False, True], ids=["human", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["types"],
        ["types", "github"],
        ["types", "crm"],
        ["types", "github", "--schema", "issues"],
        ["types", "github", "--schema", "pu*"],
        ["types", "github", "--schema", HOSTILE],
        ["shadow", "triage-new"],
        ["shadow", "triage-new", "triage", "--since", "1h"],
        ["shadow", "whole", "triage"],
        ["shadow", "triage-new", "--since", "2999-01-01"],
        ["shadow", "triage-new", "--since", "1h", "--until", "30m"],
        ["shadow", "triage", "whole"],
    ],
    ids=ascii,
)
def test_the_output_is_the_same_both_ways(
    both: BothWays, arguments: list[str], *, as_json: bool
) -> None:
    printed = both.assert_same(*arguments, *(["--json"] if as_json else []))
    assert not set("\x1b\u202e") & set(printed)
    if arguments == ["shadow", "triage-new"] and as_json:
        *lines, last = printed.splitlines()
        assert len(lines) == MANY * 4 // 5 + 6
        assert orjson.loads(last)["summary"] == {
            "same": MANY // 5 + 1,
            "differs": MANY * 4 // 5 + 1,
            "only_new": 1,
            "only_old": 3,
            "dead": 1,
            "skipped": 0,
        }


@pytest.mark.parametrize("more", [[], ["--json"]], ids=str)
def test_the_drift_is_the_same_both_ways(
    both: BothWays, schema_file: Path, more: list[str]
) -> None:
    command = ["types", "github", "--schema", "issues", "--drift", str(schema_file), *more]
    assert "body.gone" in both.assert_same(*command)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["types", "githup"], 2),
        (["types", HOSTILE], 2),
        (["types", "githup", "--schema", "issues"], 2),
        (["types", "github", "--schema", "issue"], 1),
        (["types", "crm", "--schema", "x"], 1),
        (["types", "github", "--schema", "issues", "--drift", "none.json"], 2),
        (["types", "--schema", "issues"], 2),
        (["shadow", "triage-nwe"], 2),
        (["shadow", "triage-new", "triagge"], 2),
        (["shadow", "triage-new", "triage-new"], 2),
        (["shadow", "triage"], 2),
        (["shadow", "triage-new", "--since", "soon"], 2),
    ],
    ids=ascii,
)
def test_errors_are_the_same_both_ways(both: BothWays, arguments: list[str], code: int) -> None:
    local = both.local(*arguments)
    remote = both.remote(*arguments)
    assert (remote.stdout, remote.returncode) == (local.stdout, local.returncode) == ("", code)
    assert remote.stderr == local.stderr


def test_a_token_without_bodies_sees_counts(both: BothWays) -> None:
    token = both.add_token("counts", "read")
    assert both.remote("types", token=token).stdout == both.local("types").stdout
    refused = both.remote("types", "github", "--schema", "issues", token=token)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "needs the scope `bodies`" in refused.stderr
    counted = both.remote("shadow", "triage-new", token=token)
    assert counted.returncode == 0 and "differs" in counted.stdout
    assert "inputs/n" not in counted.stdout
    lines = both.remote("shadow", "triage-new", "--json", token=token).stdout.splitlines()
    assert {orjson.loads(one)["diff"] for one in lines[:-1]} == {None}


# -- answers of a bridge that has another version


PAGE: dict[str, Any] = {
    "route": "a",
    "live": "b",
    "mode": "shadow",
    "items": [{"event_id": "evt_1", "result": "dead", "diff": [], "reason": "why"}],
    "summary": {"dead": 1},
    "examples": {"dead": "evt_1"},
    "paths": {},
    "next": None,
    "complete": True,
    "looked_until": None,
}
SCHEMA: dict[str, Any] = {"schema": {}, "count": 1, "left_out": {}, "looked_until": None}


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


def ask(server: Misbehaving, patch: pytest.MonkeyPatch, path: str, body: Any, *command: str) -> Any:
    patch.setenv("FLOWBRIDGE_TOKEN", "fb_0123456789")
    server.script(f"/admin/v1{path}", respond(200, body))
    return run("--server", server.url, *command)


def test_what_was_not_read_in_time_is_noted(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = {"looked_until": "2026-11-01T00:00:00.000Z"}
    command = ("types", "github", "--schema", "push")
    done = ask(server, monkeypatch, "/types/schema", SCHEMA | until, *command)
    assert done.exit_code == 0 and "only those since 2026-11-01 00:00:00Z were read" in done.stderr
    done = ask(server, monkeypatch, "/types", {"items": [], **until}, "types")
    assert "only those since 2026-11-01 00:00:00Z were counted" in done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"items": [{}]},
        {"items": None},
        {"summary": 3},
        {"summary": {"dead": "x"}},
        {"examples": []},
        {"examples": {}},
        {"paths": 1},
    ],
    ids=str,
)
def test_a_comparison_of_another_shape_is_unreadable(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    whole = ask(server, monkeypatch, "/routes/a/shadow", PAGE, "shadow", "a")
    assert whole.exit_code == 0 and "why" in whole.stdout, whole.stderr
    done = ask(server, monkeypatch, "/routes/a/shadow", PAGE | changes, "shadow", "a")
    assert done.exit_code == 1 and "another version of flowbridge" in done.stderr


@pytest.mark.parametrize(
    ("path", "body", "command"),
    [
        ("/types", {"items": [{}], "looked_until": None}, ["types"]),
        ("/types", {"items": 3, "looked_until": None}, ["types"]),
        ("/types", {}, ["types", "--json"]),
        ("/types/schema", {}, ["types", "a", "--schema", "b"]),
        ("/types/schema", SCHEMA | {"left_out": 1}, ["types", "a", "--schema", "b"]),
    ],
    ids=str,
)
def test_types_of_another_shape_are_unreadable(
    server: Misbehaving,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, Any],
    command: list[str],
) -> None:
    done = ask(server, monkeypatch, path, body, *command)
    assert done.exit_code == 1 and "another version of flowbridge" in done.stderr
