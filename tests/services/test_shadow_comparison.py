"""A shadow route beside the route that it may replace, on both databases, and the command."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import shadow_records
from command_line import run
from records import make_event
from shadow_records import NEW, OLD, add_comparable, add_planned, write_routes

from bridge.config.loader import load
from bridge.core.errors import InvalidRequest
from bridge.core.model import DeadKind, Status
from bridge.ingest.receive import replan
from bridge.services.comparison.shadow_comparison import ShadowComparison, ShadowPage
from bridge.services.comparison.shadow_pairs import ShadowPair, find_old_route
from bridge.services.records.comparison_records import SHADOW_SUMMARY
from bridge.store.db.database import Database
from bridge.store.db.row_walk import Budget
from bridge.store.encryption import Sealer
from bridge.store.inbound import events
from bridge.store.queries import configs
from bridge.store.queries.filters import Filters

pytestmark = pytest.mark.timings(shadow_page_seconds=60.0)


def read_pages(database: Database, **limits: Any) -> list[ShadowPage]:
    """Return the pages of a comparison, which say how far they looked unless it is whole."""
    comparison = ShadowComparison(database, ShadowPair("triage-new", "triage", None))
    filters = Filters(**limits.pop("filters", {}))
    pages = [comparison.read_page(filters, **limits)]
    while (before := pages[-1].before) is not None:
        assert pages[-1].looked_until is not None
        pages.append(comparison.read_page(filters, before, **limits))
    assert pages[-1].looked_until is None
    return pages


def compare(database: Database, **filters: Any) -> dict[str, str]:
    """Return the result of each event that has one; of those that are the same one is enough."""
    found: dict[str, str] = {}
    for page in read_pages(database, filters=filters):
        shown = [*page.events, *page.summary.examples.values()]
        found |= {one.event_id: one.result.value for one in shown}
    return found


def test_each_result_is_found(database: Database, tmp_path: Path) -> None:
    made = add_comparable(database, tmp_path)
    assert compare(database) == {event.id: result for result, event in made.items()}
    assert compare(database, since=time.time() + 60) == {}


def test_inputs_that_nest_deeply_are_compared(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deeper = shadow_records.HEAD.replace('NOT_SET}"}', 'NOT_SET}", max_depth: 500}')
    monkeypatch.setattr(shadow_records, "HEAD", deeper)
    config = write_routes(tmp_path, OLD + NEW)
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    event = add_planned(database, config, old=True, new=True, n=1, m=deep)
    assert compare(database) == {event.id: "differs"}


def test_the_differences_and_the_reason_are_given(database: Database, tmp_path: Path) -> None:
    made = add_comparable(database, tmp_path)
    [page] = read_pages(database)
    summary = page.summary
    assert SHADOW_SUMMARY.write(summary) == {
        "same": 1, "differs": 1, "only_new": 1, "only_old": 1, "dead": 1, "skipped": 0,
    }  # fmt: skip
    assert summary.paths == {"inputs/n": 1}
    by_id = {one.event_id: one for one in summary.examples.values()}
    (diff,) = by_id[made["differs"].id].diff
    assert (diff.op, diff.path, diff.before, diff.after) == ("replace", "/inputs/n", 1, 2)
    assert "strict" in str(by_id[made["dead"].id].reason)


@pytest.mark.parametrize(
    "limits",
    [
        {"limit": 1},
        {"most_events": 2},
        {"budget": Budget(seconds=0)},
    ],
    ids=str,
)
def test_pages_that_are_cut_anywhere_have_each_event_once(
    database: Database, tmp_path: Path, limits: dict[str, Any]
) -> None:
    made = add_comparable(database, tmp_path)
    pages = read_pages(database, **limits)
    assert len(pages) > 1
    found = [one for page in pages for one in page.events]
    assert [one.event_id for one in found] == [
        event.id for name, event in reversed(made.items()) if name != "same"
    ]
    assert sum(page.summary.counts.total() for page in pages) == len(made)


def test_what_the_new_route_sent_while_it_was_live_is_left_out(
    database: Database, tmp_path: Path
) -> None:
    live = write_routes(tmp_path, OLD + NEW.replace("mode: shadow", "mode: live"))
    configs.remember_config(database, live.hash, live.canonical, time.time())
    add_planned(database, live, old=True, new=True, n=1, m=2)
    only_old = add_planned(database, live, old=True, n=1)
    assert compare(database) == {only_old.id: "only_old"}


def test_the_newest_delivery_counts(database: Database, tmp_path: Path) -> None:
    add_comparable(database, tmp_path)
    later = write_routes(tmp_path, OLD + NEW.replace("body.m", "body.n"))
    event = make_event("again", body=b'{"old":true,"new":true,"n":1,"m":2}', config_hash=later.hash)
    first = load(write_first(tmp_path), {}, strict_secrets=False)
    planned = [*replan(event, first, event.received_at, ""), *replan(event, later, 9.0, "x")]
    events.add(database, event, planned, lambda *_: [])
    assert compare(database)[event.id] == "same"


def write_first(folder: Path) -> Path:
    write_routes(folder, OLD + NEW)
    return folder / "routes.yaml"


def test_one_that_the_platform_refused_was_planned_all_the_same(
    database: Database, tmp_path: Path
) -> None:
    from records import put

    made = add_comparable(database, tmp_path)
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
    both = write_routes(tmp_path, OLD + NEW)
    sealed = Database(database.url.render_as_string(hide_password=False), Sealer(["A" * 43 + "="]))
    event = add_planned(sealed, both, old=True, new=True, n=1, m=1)
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
    config = write_routes(tmp_path, routes)
    if expected is None:
        with pytest.raises(InvalidRequest, match="triage-new"):
            find_old_route(config, "triage-new")
    else:
        assert find_old_route(config, "triage-new") == expected


# -- the command


def test_the_command_lists_results_and_the_next_step(store: Database, folder: Path) -> None:
    made = add_comparable(store, folder)
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
    made = add_comparable(store, folder)
    result = run("shadow", "triage-new", "triage", "--json")
    *found, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert {one["event_id"]: one["result"] for one in found} == {
        event.id: name for name, event in made.items() if name != "same"
    }
    assert {tuple(one) for one in found} == {("event_id", "result", "diff")}
    assert last["summary"]["only_new"] == 1


def test_without_a_route_the_command_lists_shadow_routes(store: Database, folder: Path) -> None:
    add_comparable(store, folder)
    result = run("shadow")
    assert (result.exit_code, result.stdout) == (0, "triage-new\n")
    assert "flowbridge shadow triage-new" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["triage-nwe", "triage"], 2, "did you mean `triage-new`?"),
        (["triage-new", "triagee"], 2, "did you mean `triage`?"),
        (["triage-new", "triage-new"], 2, "the same route"),
        (["gone"], 2, "there is no route 'gone'"),
        (["triage"], 2, "plans no shadow deliveries; routes with `mode: shadow`: triage-new"),
        (["triage-new", "--since", "soon"], 2, "not a valid time"),
        (["--json"], 2, "NEW is missing"),
    ],
)
def test_wrong_usage(
    store: Database, folder: Path, arguments: list[str], code: int, said: str
) -> None:
    add_comparable(store, folder)
    result = run("shadow", *arguments)
    assert (result.exit_code, result.stdout) == (code, "") and said in result.stderr


def test_nothing_in_the_shadow_is_said(store: Database, folder: Path) -> None:
    write_routes(folder, OLD + NEW)
    result = run("shadow", "triage-new")
    assert result.exit_code == 0 and "planned no shadow deliveries since" in result.stderr
    assert "The mode of" not in result.stderr
    write_routes(folder, OLD + NEW.replace("mode: shadow", "mode: live"))
    result = run("shadow", "triage-new", "triage")
    assert result.exit_code == 0 and "The mode of the route triage-new is live" in result.stderr
