"""Two configurations plan the same event: every kind of change is found, and none is invented."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import make_event

from bridge.config.loader import load
from bridge.core.json_values import (
    MAX_DIFFERENCES,
    MAX_POINTER_CHARS,
    Difference,
    find_differences,
)
from bridge.core.model import Event
from bridge.ingest import plan_comparison
from bridge.ingest.plan_comparison import SharedRoutes, compare_event, plan_event
from bridge.ingest.planned_deliveries import (
    INCOMPARABLE_TEXTS,
    Incomparable,
    PlanChange,
    PlannedDelivery,
    compare_plans,
)
from bridge.routing.model import Config

HEAD = """
version: 1
platforms: {{local: {{type: local}}}}
sources: {{github: {{provider: github, secret: "${{env:NOT_SET}}"{source}}}}}
routes:
"""
ROUTE = '- {name: a, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}'


def config(folder: Path, *routes: str, source: str = "") -> Config:
    lines = [HEAD.format(source=source), *(f"  {one}" for one in routes)]
    file = folder / "routes.yaml"
    file.write_text("\n".join(lines) if routes else HEAD.format(source=source).strip() + " []")
    return load(file, {}, strict_secrets=False)


def event(body: bytes = b'{"n":1,"m":{"x":[1,2]}}', **changes: Any) -> Event:
    return make_event("1", body=body, **changes)


def test_a_configuration_against_itself_changes_nothing(tmp_path: Path) -> None:
    one = config(tmp_path, ROUTE)
    other = config(tmp_path, ROUTE)
    found = compare_event(event(), one, other)
    assert (found.same, found.changes, found.incomparable) == (["a"], [], None)


#: what is planted -> the route after the change, what is found, and the paths that differ
PLANTED = {
    "inputs": (
        '- {name: a, on: github issues, inputs: {n: "${body.m.x}"}, flow: local/echo}',
        PlanChange.INPUTS,
        ["/inputs/n"],
    ),
    "text for a number": (
        '- {name: a, on: github issues, inputs: {n: "0${body.n}"}, flow: local/echo}',
        PlanChange.INPUTS,
        ["/inputs/n"],
    ),
    "one input more": (
        '- {name: a, on: github issues, inputs: {n: "${body.n}", m: 1}, flow: local/echo}',
        PlanChange.INPUTS,
        ["/inputs/m"],
    ),
    "the whole body": (
        '- {name: a, on: github issues, inputs: "${body}", flow: local/echo}',
        PlanChange.INPUTS,
        ["/inputs/m", "/whole_body"],
    ),
    "lost by match": (
        '- {name: a, on: github issues, match: {body.n: 2}, inputs: {n: "${body.n}"}, flow: local/echo}',
        PlanChange.LOST,
        ["/status"],
    ),
    "lost by type": (
        '- {name: a, on: github push, inputs: {n: "${body.n}"}, flow: local/echo}',
        PlanChange.LOST,
        ["/status"],
    ),
    "lost in the shadow": (
        '- {name: a, on: github issues, mode: shadow, inputs: {n: "${body.n}"}, flow: local/echo}',
        PlanChange.LOST,
        ["/status"],
    ),
    "dead": (
        '- {name: a, on: github issues, strict: true, inputs: {n: "${body.gone}"}, flow: local/echo}',
        PlanChange.DEAD,
        ["/inputs", "/reason", "/status"],
    ),
    "dead by a schema": (
        '- {name: a, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo,'
        " inputs_schema: {properties: {n: {type: string}}}}",
        PlanChange.DEAD,
        ["/reason", "/status"],
    ),
    "another flow": (
        '- {name: a, on: github issues, inputs: {n: "${body.n}"}, flow: local/sleep}',
        PlanChange.FLOW,
        ["/flow"],
    ),
    "another key": (
        '- {name: a, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo, order_by: "${body.n}"}',
        PlanChange.ORDER,
        ["/order"],
    ),
    "another debounce": (
        '- {name: a, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo,'
        ' debounce: {key: "${body.n}", wait: 5s}}',
        PlanChange.ORDER,
        ["/debounce"],
    ),
    "another name": (
        '- {name: b, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}',
        PlanChange.RENAMED,
        ["/route"],
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_is_found(tmp_path: Path, name: str) -> None:
    route, change, paths = PLANTED[name]
    found = compare_event(event(), config(tmp_path, ROUTE), config(tmp_path, route))
    assert [one.change for one in found.changes] == [change] and found.same == []
    assert sorted(one.path for one in found.changes[0].diff) == paths


#: a change the other way -> what is found
BACK = {
    "lost by match": PlanChange.NEW,
    "lost in the shadow": PlanChange.NEW,
    "dead": PlanChange.ALIVE,
    "inputs": PlanChange.INPUTS,
    "another flow": PlanChange.FLOW,
    "another key": PlanChange.ORDER,
    "another name": PlanChange.RENAMED,
}


@pytest.mark.parametrize("name", BACK)
def test_the_change_back_is_found(tmp_path: Path, name: str) -> None:
    before = config(tmp_path, PLANTED[name][0])
    found = compare_event(event(), before, config(tmp_path, ROUTE))
    assert [one.change for one in found.changes] == [BACK[name]]


@pytest.mark.parametrize(
    ("name", "starts_less"),
    [("lost by match", True), ("lost in the shadow", True), ("dead", True), ("inputs", False)],
)
def test_a_flow_that_is_not_started_any_more_is_marked(
    tmp_path: Path, name: str, starts_less: bool
) -> None:
    before = config(tmp_path, ROUTE)
    after = config(tmp_path, PLANTED[name][0])
    (one,) = compare_event(event(), before, after).changes
    assert one.starts_less is starts_less
    (back,) = compare_event(event(), after, before).changes
    assert back.starts_less is False


def test_a_shadow_that_ends_starts_no_less(tmp_path: Path) -> None:
    shadow = config(tmp_path, PLANTED["lost in the shadow"][0])
    (one,) = compare_event(event(), shadow, config(tmp_path)).changes
    assert one.change is PlanChange.LOST and not one.starts_less


#: what is planted -> why the delivery is lost
REASONS = {
    "lost by match": "body.n: expected 2, found 1",
    "lost by type": 'event.type: expected "push", found "issues"',
    "lost in the shadow": "its delivery would be shadow: it is planned and never sent",
}


@pytest.mark.parametrize("name", REASONS)
def test_a_lost_delivery_has_its_reason(tmp_path: Path, name: str) -> None:
    before = config(tmp_path, ROUTE)
    (one,) = compare_event(event(), before, config(tmp_path, PLANTED[name][0])).changes
    assert one.reason == REASONS[name]


def test_a_removed_route_and_a_removed_source_lose_the_delivery(tmp_path: Path) -> None:
    before = config(tmp_path, ROUTE)
    (one,) = compare_event(event(), before, config(tmp_path)).changes
    assert (one.change, one.reason) == (PlanChange.LOST, "there is no route a")
    gone = replace(before, sources={})
    (other,) = compare_event(event(), before, gone).changes
    assert (other.change, other.reason) == (PlanChange.LOST, "there is no source github")


def test_a_route_with_several_flows_is_compared_flow_by_flow(tmp_path: Path) -> None:
    route = '- {{name: a, on: github issues, inputs: {{n: "${{body.n}}"}}, flow: [{}]}}'
    before = config(tmp_path, route.format("local/echo, local/sleep"))
    after = config(tmp_path, route.format("local/sleep, local/fail"))
    found = compare_event(event(), before, after)
    assert found.same == ["a"]
    assert [(one.change, one.diff[0].before, one.diff[0].after) for one in found.changes] == [
        (PlanChange.FLOW, "local/echo", "local/fail")
    ]


def test_two_dead_deliveries_are_the_same(tmp_path: Path) -> None:
    one = config(tmp_path, PLANTED["dead"][0])
    other = config(tmp_path, PLANTED["dead"][0].replace("gone", "missing"))
    found = compare_event(event(), one, other)
    assert (found.same, found.changes) == (["a"], [])


def test_the_type_is_read_as_each_configuration_reads_it(tmp_path: Path) -> None:
    before = config(tmp_path, ROUTE)
    after = config(tmp_path, ROUTE, source=', event_type: "body:kind"')
    sent = event(
        b'{"n":1,"kind":"push"}',
        headers={"content-type": "application/json", "x-github-event": "issues"},
    )
    (one,) = compare_event(sent, before, after).changes
    assert one.change is PlanChange.LOST
    assert one.reason == 'event.type: expected "issues", found "push"'


#: changes of an event -> why it cannot be compared
INCOMPARABLE: dict[Incomparable, dict[str, Any]] = {
    Incomparable.SPAM: {"spam": "token"},
    Incomparable.EMPTIED: {"body": b"", "body_sha256": "1" * 64},
    Incomparable.REDACTED: {
        "body": b"",
        "body_sha256": "1" * 64,
        "problem": "stored without its body, because `redact` could not be applied to it",
    },
}


@pytest.mark.parametrize("reason", INCOMPARABLE)
def test_what_cannot_be_compared_has_a_reason(tmp_path: Path, reason: Incomparable) -> None:
    one = config(tmp_path, ROUTE)
    found = compare_event(event(**INCOMPARABLE[reason]), one, one)
    assert (found.incomparable, found.same, found.changes) == (reason, (), ())


def test_other_redacted_values_cannot_be_compared(tmp_path: Path) -> None:
    before = config(tmp_path, ROUTE)
    after = config(tmp_path, ROUTE, source=", redact: [body.m]")
    assert compare_event(event(), before, after).incomparable is Incomparable.REDACTED
    assert compare_event(event(), after, after).incomparable is None


def test_a_fault_is_counted_and_not_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = config(tmp_path, ROUTE)
    route = replace(one.routes[0], reshape=lambda _: 1 / 0)  # type: ignore[arg-type]
    broken = replace(one, routes=(route,), canonical="")
    assert compare_event(event(), one, broken).incomparable is Incomparable.FAULT


def test_every_reason_has_a_text() -> None:
    assert set(INCOMPARABLE_TEXTS) == set(Incomparable)


def test_a_body_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    one = config(tmp_path, ROUTE)
    found = compare_event(event(b"{"), one, one)
    assert (found.same, found.changes, found.incomparable) == ([], [], None)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
ROUTES = st.lists(st.sampled_from([PLANTED[name][0] for name in PLANTED] + [ROUTE]), max_size=1)


@given(
    body=JSON_VALUES, one=st.sampled_from(sorted(PLANTED)), other=st.sampled_from(sorted(PLANTED))
)
def test_any_body_against_the_same_configuration_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, body: Any, one: str, other: str
) -> None:
    import orjson

    folder = tmp_path_factory.getbasetemp()
    second = PLANTED[other][0].replace("name: a,", "name: z,").replace("name: b,", "name: y,")
    first = config(folder, PLANTED[one][0], second)
    same = config(folder, PLANTED[one][0], second)
    sent = event(orjson.dumps(body))
    found = compare_event(sent, first, same)
    assert (found.changes, found.incomparable) == ([], None)
    assert found.same == [each.route for each in plan_event(sent, first)]


@given(value=JSON_VALUES)
def test_a_value_equals_itself(value: Any) -> None:
    from copy import deepcopy

    assert find_differences(value, deepcopy(value)) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (1, 1.0, [Difference("replace", "", 1, 1.0)]),
        (True, 1, [Difference("replace", "", True, 1)]),
        ({"a": None}, {}, [Difference("remove", "/a", None, None)]),
        ({}, {"a": None}, [Difference("add", "/a", None, None)]),
        ({"a/b": 1, "c~": 2}, {"a/b": 2, "c~": 3}, [Difference("replace", "/a~1b", 1, 2), Difference("replace", "/c~0", 2, 3)]),
        ([1, 2], [1], [Difference("remove", "/1", 2, None)]),
        ({"a": [1]}, {"a": {"0": 1}}, [Difference("replace", "/a", [1], {"0": 1})]),
        (float("nan"), float("nan"), []),
    ],
)  # fmt: skip
def test_differences_have_pointers(before: Any, after: Any, expected: list[Difference]) -> None:
    assert find_differences(before, after) == expected


def test_the_number_of_differences_is_bounded_and_depth_is_no_matter() -> None:
    assert len(find_differences([0] * 500, [1] * 500)) == MAX_DIFFERENCES
    one: Any = 1
    other: Any = 2
    for _ in range(5000):
        one = [one]
        other = [other]
    assert len(find_differences(one, other)) == 1


def test_long_keys_take_neither_time_nor_memory() -> None:
    """A pointer for each item below a long key would take 20 GB."""
    before = {"k" * 200_000: [1] * 100_000}
    after = {"k" * 200_000: [1] * 99_999 + [2]}
    tracemalloc.start()
    try:
        found = find_differences(before, after)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert [(one.before, one.after) for one in found] == [(1, 2)]
    assert len(found[0].path) == MAX_POINTER_CHARS + 1


def test_renamed_needs_the_same_content() -> None:
    one = PlannedDelivery(route="a", status="queued", flow="local/echo", inputs={"n": 1})
    other = replace(one, route="b", inputs={"n": True})
    found = compare_plans("evt_1", [one], [other])
    assert [each.change for each in found.changes] == [PlanChange.LOST, PlanChange.NEW]


def test_planning_shared_routes_once_gives_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = (
        '- {name: b, on: github, match: {body.n: 1}, inputs: {x: "${body.m.x}"}, flow: local/echo}'
    )
    third = (
        "- {name: c, on: github, payload_schema: {required: [z]}, inputs: {x: 1}, flow: local/echo}"
    )
    texts = {
        (ROUTE, second, third),
        (second, ROUTE, third),
        (ROUTE, second.replace("name: b", "name: d"), third),
        (ROUTE.replace("body.n", "body.m"), second),
        (second, third.replace("z", "n")),
    }
    configs = [config(tmp_path, *one) for one in sorted(texts)]
    pairs = [(one, other) for one in configs for other in configs]
    events = [event(), event(b'{"n":2}'), event(b"nothing"), event(type="push")]
    found = [compare_event(each, *pair) for pair in pairs for each in events]
    monkeypatch.setattr(plan_comparison, "find_shared_routes", lambda *_: SharedRoutes())
    alone = [compare_event(each, *pair) for pair in pairs for each in events]
    assert [replace(one, same=sorted(one.same)) for one in found] == [
        replace(one, same=sorted(one.same)) for one in alone
    ]
