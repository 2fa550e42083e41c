"""A shadow route beside the route that it may replace, on both databases, and the command."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from records import make_event

from bridge.config.loader import load
from bridge.core.errors import InvalidRequest
from bridge.core.model import DeadKind, Event, Status
from bridge.ingest.receive import replan
from bridge.routing.model import Config
from bridge.services.shadow_comparison import (
    ShadowSummary,
    compare_shadow,
    find_old_route,
)
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import events
from bridge.store.queries.filters import Filters

HEAD = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}, crm: {provider: github, secret: "${env:NOT_SET}"}}
routes:
"""
OLD = '  - {name: triage, on: github issues, match: {body.old: true}, inputs: {n: "${body.n}"}, flow: local/echo}\n'
NEW = """  - name: triage-new
    on: github issues
    mode: shadow
    strict: true
    match: {body.new: true}
    inputs: {n: "${body.m}"}
    flow: local/echo
"""


def write(folder: Path, routes: str) -> Config:
    file = folder / "routes.yaml"
    file.write_text(HEAD + routes)
    return load(file, {}, strict_secrets=False)


def add(database: Database, config: Config, age: float = 5, nonce: str = "", **body: Any) -> Event:
    """Store an event with the deliveries that the configuration plans."""
    event = make_event(
        f"p{time.time_ns()}",
        now=time.time() - age,
        body=json.dumps(body).encode(),
        config_hash=config.hash,
    )
    planned = replan(event, config, event.received_at, nonce)
    events.add(database, event, planned, lambda *_: [])
    return event


def fill(database: Database, folder: Path) -> dict[str, Event]:
    """Store an event of each result, by its result, and one from before the new route."""
    before = write(folder, OLD)
    both = write(folder, OLD + NEW)
    for one in (before, both):
        events.remember_config(database, one.hash, one.canonical, time.time())
    add(database, before, old=True, n=1)
    add(database, both, n=1)
    return {
        "same": add(database, both, old=True, new=True, n=1, m=1),
        "differs": add(database, both, old=True, new=True, n=1, m=2),
        "only_old": add(database, both, old=True, n=1),
        "only_new": add(database, both, new=True, m=1),
        "dead": add(database, both, old=True, new=True, n=1),
    }


def compare(database: Database, **filters: Any) -> dict[str, str]:
    found = compare_shadow(database, Filters(**filters), "triage-new", "triage")
    return {one.event_id: one.result.value for one in found}


def test_each_result_is_found(database: Database, tmp_path: Path) -> None:
    made = fill(database, tmp_path)
    assert compare(database) == {event.id: result for result, event in made.items()}
    assert compare(database, since=time.time() + 60) == {}


def test_the_differences_and_the_reason_are_given(database: Database, tmp_path: Path) -> None:
    made = fill(database, tmp_path)
    summary = ShadowSummary()
    for one in compare_shadow(database, Filters(), "triage-new", "triage"):
        summary.add(one)
    assert summary.as_json() == {
        "same": 1, "differs": 1, "only_new": 1, "only_old": 1, "dead": 1, "skipped": 0,
    }  # fmt: skip
    assert summary.top_paths() == "inputs/n 1"
    by_id = {one.event_id: one for one in summary.examples.values()}
    (diff,) = by_id[made["differs"].id].diff
    assert (diff.op, diff.path, diff.before, diff.after) == ("replace", "/inputs/n", 1, 2)
    assert "strict" in str(by_id[made["dead"].id].reason)


def test_the_newest_delivery_counts(database: Database, tmp_path: Path) -> None:
    fill(database, tmp_path)
    later = write(tmp_path, OLD + NEW.replace("body.m", "body.n"))
    event = make_event("again", body=b'{"old":true,"new":true,"n":1,"m":2}', config_hash=later.hash)
    first = load(write_first(tmp_path), {}, strict_secrets=False)
    planned = [*replan(event, first, event.received_at, ""), *replan(event, later, 9.0, "x")]
    events.add(database, event, planned, lambda *_: [])
    assert compare(database)[event.id] == "same"


def write_first(folder: Path) -> Path:
    write(folder, OLD + NEW)
    return folder / "routes.yaml"


def test_one_that_the_platform_refused_was_planned_all_the_same(
    database: Database, tmp_path: Path
) -> None:
    from records import put

    made = fill(database, tmp_path)
    (old,) = [
        one
        for one in events.deliveries_of(database, [made["same"].id])[made["same"].id]
        if one.route == "triage"
    ]
    put(
        database,
        old.id,
        status=Status.DEAD.value,
        dead_kind=DeadKind.PLATFORM.value,
        reason="HTTP 400",
        finished_at=time.time(),
    )
    assert compare(database)[made["same"].id] == "same"


def test_what_cannot_be_decrypted_is_counted_apart(database: Database, tmp_path: Path) -> None:
    both = write(tmp_path, OLD + NEW)
    sealed = Database(database.url.render_as_string(hide_password=False), Sealer(["A" * 43 + "="]))
    event = add(sealed, both, old=True, new=True, n=1, m=1)
    sealed.close()
    assert compare(database) == {event.id: "skipped"}


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (OLD + NEW, "triage"),
        (OLD + NEW + OLD.replace("triage", "other").replace("local/echo", "local/sleep"), "triage"),
        (OLD + NEW + OLD.replace("triage", "other").replace("on: github", "on: crm"), "triage"),
        (OLD + NEW + NEW.replace("triage-new", "third"), "triage"),
        (OLD + NEW + OLD.replace("triage", "other"), None),
        (NEW, None),
        (OLD, None),
    ],
)
def test_the_other_route_is_found_if_there_is_one(
    tmp_path: Path, routes: str, expected: str | None
) -> None:
    config = write(tmp_path, routes)
    if expected is None:
        with pytest.raises(InvalidRequest, match="triage-new"):
            find_old_route(config, "triage-new")
    else:
        assert find_old_route(config, "triage-new") == expected


# -- the command


def test_the_command_lists_results_and_the_next_step(store: Database, folder: Path) -> None:
    made = fill(store, folder)
    result = run("shadow", "triage-new")
    assert result.exit_code == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert set(lines) == {"RESULT", *made}
    assert "inputs/n 1; such as inputs/n: 1 → 2" in lines["differs"]
    assert made["dead"].id in lines["dead"]
    assert "change `mode: shadow` to `mode: live` in routes.yaml:9" in result.stderr
    assert "the 1 event that only triage-new has planned" in result.stderr
    assert "flowbridge replay --yes --through triage-new" in result.stderr


def test_the_command_prints_json(store: Database, folder: Path) -> None:
    made = fill(store, folder)
    result = run("shadow", "triage-new", "triage", "--json")
    *found, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert {one["event_id"]: one["result"] for one in found} == {
        event.id: name for name, event in made.items() if name != "same"
    }
    assert {tuple(one) for one in found} == {("event_id", "result", "diff")}
    assert last["summary"]["only_new"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["triage-nwe", "triage"], 2, "did you mean `triage-new`?"),
        (["triage-new", "triagee"], 2, "did you mean `triage`?"),
        (["triage-new", "triage-new"], 2, "the same route"),
        (["gone"], 2, "has no route 'gone'"),
        (["triage-new", "--since", "soon"], 2, "not a valid time"),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_usage(
    store: Database, folder: Path, arguments: list[str], code: int, said: str
) -> None:
    fill(store, folder)
    result = run("shadow", *arguments)
    assert (result.exit_code, result.stdout) == (code, "") and said in result.stderr


def test_nothing_in_the_shadow_is_said(store: Database, folder: Path) -> None:
    write(folder, OLD + NEW)
    result = run("shadow", "triage-new")
    assert result.exit_code == 0 and "planned no shadow deliveries since" in result.stderr
