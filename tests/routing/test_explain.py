"""Explanations of routes: the verdict of `match`, the clauses as written, and near misses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import make_event

from bridge.config.loader import load
from bridge.core.errors import ExpressionError
from bridge.core.model import Event
from bridge.ingest.bodies import decode
from bridge.providers.samples.loader import sample, sample_types
from bridge.routing.explain.clause_tree import explain_clauses, find_near_values
from bridge.routing.explain.explanation import Rank, RouteExplanation, explain_routes
from bridge.routing.explain.near_paths import find_near_paths
from bridge.routing.explain.shown_values import MAX_FOUND_CHARS, UNWRITABLE
from bridge.routing.expressions.condition_tree import MAX_PARTS
from bridge.routing.matching.clauses import AllOf
from bridge.routing.matching.matcher import compile_match, match_type
from bridge.routing.matching.operators import OPERATORS
from bridge.routing.model import Flow, Route
from bridge.routing.planner import build_context, plan
from bridge.routing.templates import compile_inputs
from bridge.services.records.explanation_records import (
    CLAUSE,
    CONDITION_PART,
    ROUTE_EXPLANATION,
)

OCTOKIT = os.environ.get("FLOWBRIDGE_OCTOKIT_EXAMPLES")

BODY: Any = {
    "action": "opened",
    "Ref Name": "main",
    "issue": {
        "number": 7,
        "title": "Crash",
        "user": {"login": "ada", "type": "User"},
        "labels": [{"name": "bug"}, {"name": "help wanted"}],
    },
    "pull_request": {"head": {"ref": "x"}},
    "items": [{"name": "cup", "price": 5}, {"sku": "a1"}],
    "tags": ["urgent", "Later"],
    "amount": "100",
    "count": 100,
    "paid": "true",
    "live": True,
    "status": " Active ",
    "state": "actve",
    "nothing": None,
    "email": "ada@example.com",
    "io.dot.num": 1,
}
ROOTS: Any = {
    "body": BODY,
    "headers": {"x-github-event": "issues", "x-shop-id": "9"},
    "query": {"team": "core"},
    "form": None,
    "fields": None,
    "files": [],
    "event": {"type": "issues", "source": "github"},
}

NEAR_MISSES: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "a misspelt key": ({"body.acton": "opened"}, ["body.action"]),
    "a misspelt key further down": ({"body.issue.tittle": "Crash"}, ["body.issue.title"]),
    "a misspelt key on the way": ({"body.isue.number": 7}, ["body.issue.number"]),
    "two misspelt keys": ({"body.isue.tittle": "Crash"}, ["body.issue.title"]),
    "a key in another case": ({"body.Action": "opened"}, ["body.action"]),
    "a key in camel case": ({"body.pullRequest.head.ref": "x"}, ["body.pull_request.head.ref"]),
    "a key with a hyphen": ({"body.pull-request.head.ref": "x"}, ["body.pull_request.head.ref"]),
    "a key with a blank": ({"body.ref_name": "main"}, ["body.Ref Name"]),
    "one level down": ({"body.number": 7}, ["body.issue.number"]),
    "one level down in a list": ({"body.price": 5}, ["body.items.0.price"]),
    "one level up": ({"body.issue.action": "opened"}, ["body.action"]),
    "one level too many": ({"body.data.action": "opened"}, ["body.action"]),
    "below a text": ({"body.issue.title.number": 7}, ["body.issue.number"]),
    "a list for an object": ({"body.items.name": "cup"}, ["body.items.0.name"]),
    "a list whose second element has it": ({"body.items.sku": "a1"}, ["body.items.1.sku"]),
    "an object for a list": ({"body.issue.0.number": 7}, ["body.issue.number"]),
    "an index beyond the end": ({"body.items.5.name": {"ne": None}}, []),
    "a header with an underscore": (
        {"headers.x_github_event": "issues"},
        ["headers.x-github-event"],
    ),
    "a header with capitals and underscores": (
        {"headers.X_GITHUB_EVENT": "issues"},
        ["headers.x-github-event"],
    ),
    "a misspelt header": ({"headers.X-Githb-Event": "issues"}, ["headers.x-github-event"]),
    "the root event for body": ({"event.action": "opened"}, ["body.action"]),
    "the root body for query": ({"body.team": "core"}, ["query.team"]),
    "the root body for headers": ({"body.x-shop-id": "9"}, ["headers.x-shop-id"]),
    "a text for a number": ({"body.amount": 100}, [100]),
    "a text that is compared with a number": ({"body.amount": {"gt": 50}}, [100]),
    "a text that is too small a number": ({"body.amount": {"gte": 500}}, [100]),
    "a number for a text": ({"body.count": "100"}, ["100"]),
    "a number that is compared with a text": ({"body.count": {"lt": "2"}}, ["100"]),
    "a text for true": ({"body.paid": True}, [True]),
    "true for a text": ({"body.live": "true"}, ["true"]),
    "a value in another case": ({"body.action": "Opened"}, ["Opened"]),
    "a value with blanks": ({"body.status": "Active"}, ["Active"]),
    "a value with blanks in another case": ({"body.status": ["active", "x"]}, ["active"]),
    "a value that is misspelt in the event": ({"body.state": "active"}, ["active"]),
    "a value near one of several": ({"body.state": ["closed", "active"]}, ["active"]),
    "a text for one of several numbers": ({"body.amount": [1, 100]}, [100]),
    "the start in another case": ({"body.action": {"starts_with": "Open"}}, ["open"]),
    "the end with blanks": ({"body.status": {"ends_with": "active"}}, ["Active"]),
    "a part in another case": ({"body.email": {"contains": "@Example"}}, ["@example"]),
    "an element in another case": ({"body.tags": {"contains": "later"}}, ["Later"]),
    "a pattern in another case": ({"body.email": {"regex": "^ADA@"}}, ["ADA@EXAMPLE.COM"]),
    "a pattern with blanks": ({"body.status": {"regex": "^Active$"}}, ["Active"]),
    "a pattern for a number": ({"body.count": {"regex": "^1"}}, ["100"]),
    "an element of a list": ({"body.tags": "urgent"}, ["body.tags.0"]),
    "a member of an object": ({"body.issue.user": "ada"}, ["body.issue.user.login"]),
    "a list of objects": (
        {"body.issue.labels": {"contains": "bug"}},
        ["body.issue.labels.0.name"],
    ),
    "a misspelt path that is not refused": ({"body.acton": {"ne": "closed"}}, ["body.action"]),
    "a misspelt path that must not exist": ({"body.acton": {"exists": False}}, ["body.action"]),
    "a path that must exist": ({"body.number": {"exists": True}}, ["body.issue.number"]),
    "a condition with a misspelt path": (
        {"when": "body.isue.number > 3"},
        ["body.issue.number"],
    ),
    "a condition with a list for an object": (
        {"when": "body.items.name == 'cup'"},
        ["body.items[0].name"],
    ),
    "a condition with a header": (
        {"when": "headers.x_github_event == 'issues'"},
        ['headers."x-github-event"'],
    ),
    "a condition with a value in another case": ({"when": "body.action == 'OPENED'"}, ["OPENED"]),
    "a condition with a text for a number": ({"when": "body.amount == 100"}, [100]),
    "a condition with its sides swapped": ({"when": "100 < body.amount"}, [100]),
}

FAR: dict[str, dict[str, Any]] = {
    "a clause that is true": {"body.action": "opened"},
    "a null value": {"body.nothing": 1},
    "an unlike value": {"body.action": ["closed", "deleted"]},
    "an unlike key": {"body.zebra": 1},
    "a key that a path cannot name": {"body.iodotnum": 1},
    "a value that is refused": {"body.action": {"ne": "opened"}},
    "a value of a refused list": {"body.action": {"not_in": ["opened"]}},
    "a value that must not exist": {"body.action": {"exists": False}},
    "a value that may well be missing": {"body.number": {"exists": False}},
    "another word with a common end": {"body.action": "reopened"},
    "a number that is too small": {"body.count": {"gt": 500}},
}


def explain_match(document: dict[str, Any]) -> Any:
    clauses = explain_clauses(compile_match(document).explain(ROOTS), ROOTS)
    assert len(clauses) == 1
    return clauses[0]


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_names_the_path_or_value(name: str) -> None:
    document, near = NEAR_MISSES[name]
    assert [one.value for one in explain_match(document).near] == near


@pytest.mark.parametrize("name", FAR)
def test_nothing_is_near(name: str) -> None:
    assert explain_match(FAR[name]).near == ()


def test_near_paths_are_few_and_have_a_value() -> None:
    roots = {"body": {f"part{number}": {"id": number} for number in range(50)}}
    clauses = explain_clauses(compile_match({"body.id": 3}).explain(roots), roots)
    assert [one.value for one in clauses[0].near] == [
        "body.part0.id",
        "body.part1.id",
        "body.part2.id",
    ]
    assert {one.note for one in clauses[0].near} == {"one level down"}


def test_an_object_with_numbers_as_keys_is_written_as_an_object() -> None:
    roots = {"body": {"items": {"1": {"name": "cup"}}, "list": [{"name": "cup"}]}}
    near = find_near_paths(("body", "itmes", "1", "name"), roots, dotted=False)
    assert [one.value for one in near] == ['body.items."1".name']
    near = find_near_paths(("body", "list", "name"), roots, dotted=False)
    assert [one.value for one in near] == ["body.list[0].name"]


@pytest.mark.parametrize(
    ("operator", "expected", "found", "near"),
    [
        ("contains", "open", "Straße OPEN", ["OPEN"]),
        ("contains", "  ", "opened", []),
        ("starts_with", "  open", "opened", ["open"]),
        ("starts_with", "  ", "opened", []),
        ("ends_with", "DONE ", "all done", ["done"]),
    ],
)
def test_a_near_text_is_the_part_that_was_found(
    operator: str, expected: str, found: str, near: list[str]
) -> None:
    assert [one.value for one in find_near_values(operator, expected, found)] == near


TYPES = [
    (["issue"], "issues", ["issue"]),
    (["Issues"], "issues", ["Issues"]),
    (["pull-request"], "pull_request", ["pull-request"]),
    (["issues.opened"], "issues", ["issues.opened"]),
    (["invoice"], "invoice.paid", ["invoice"]),
    (["invocie.*"], "invoice.paid", ["invocie.*"]),
    (["invoice_*"], "invoice.paid", ["invoice_*"]),
    (["invoice.payed"], "invoice.paid", ["invoice.payed"]),
    (["push", "issue"], "issues", ["issue"]),
    (["push"], "issues", []),
    (["invoice.*"], "charge.paid", []),
    (["push"], None, []),
]


@pytest.mark.parametrize(("patterns", "found", "near"), TYPES)
def test_a_near_type_names_the_pattern(
    patterns: list[str], found: str | None, near: list[str]
) -> None:
    (one,) = explain_routes(
        make_event(type=found), decode("", b"{}", max_depth=9), [make_route(patterns)], 0.0
    )
    clause = one.clauses[0]
    assert (clause.path, clause.operator, clause.expected) == ("event.type", "in", patterns)
    assert (clause.ok, [each.value for each in clause.near]) == (False, near)
    assert one.rank is (Rank.ONE_CLAUSE_AWAY if near else Rank.OTHER_TYPE)


# -- the shape


def test_clauses_nest_as_they_are_written() -> None:
    document = {
        "body.count": {"gt": 1, "lt": 500},
        "any": [{"body.a": 1, "body.b": 2}, {"body.action": "opened"}],
        "all": {"body.action": "opened"},
        "not": {"body.action": "closed", "body.count": 1},
    }
    shapes = [
        CLAUSE.write(one) for one in explain_clauses(compile_match(document).explain(ROOTS), ROOTS)
    ]
    assert [(one["path"], one["operator"], one["ok"]) for one in shapes] == [
        ("body.count", "gt", True),
        ("body.count", "lt", True),
        (None, "any", True),
        (None, "all", True),
        (None, "not", True),
    ]
    inner: list[Any] = [one.get("clauses") for one in shapes]
    assert inner[:2] == [None, None]
    assert [one["operator"] for one in inner[2]] == ["all", "eq"]
    assert [one["path"] for one in inner[2][0]["clauses"]] == ["body.a", "body.b"]
    assert [one["path"] for one in inner[3]] == ["body.action"]
    assert [one["path"] for one in inner[4]] == ["body.action", "body.count"]
    assert set(shapes[0]) == {"path", "operator", "expected", "found", "ok", "near"}


def test_a_written_all_at_the_top_stays_a_group() -> None:
    found = explain_match({"all": [{"body.count": 100}, {"body.action": "x"}]})
    assert (found.operator, len(found.clauses)) == ("all", 2)


def test_a_condition_has_parts_with_their_values() -> None:
    found = explain_match({"when": "body.count > 5 && (body.paid || !body.live) && lower(body.x)"})
    first, second, third = [CONDITION_PART.write(one) for one in found.parts]
    assert (first["text"], first["operator"], first["ok"]) == ("body.count > 5", ">", True)
    assert [(one["text"], one["found"]) for one in first["parts"]] == [  # type: ignore[union-attr,call-overload,index]
        ("body.count", 100),
        ("5", 5),
    ]
    assert second["operator"] == "||"
    assert [(one["operator"], one["ok"]) for one in second["parts"]] == [  # type: ignore[union-attr,call-overload,index]
        (None, True),
        ("!", False),
    ]
    assert third["operator"] == "()" and "needs string" in str(third["problem"])


def test_a_condition_has_bounded_parts() -> None:
    group = " && ".join(["body.live"] * 99)
    found = explain_match({"when": f"({group}) || ({group}) || ({group})"})
    assert found.ok
    assert MAX_PARTS - 5 < sum(1 + len(part.parts) for part in found.parts) <= MAX_PARTS


def test_found_values_are_short() -> None:
    roots = {"body": {"a": "x" * 5000, "b": {str(n): n for n in range(900)}, "c": [1] * 900}}
    document = {"body.a": 1, "body.b": 1, "body.c": 1, "body.d": 1}
    shapes = [
        CLAUSE.write(one) for one in explain_clauses(compile_match(document).explain(roots), roots)
    ]
    assert [one["found"] for one in shapes] == [
        "x" * MAX_FOUND_CHARS + "…",
        "an object with 900 keys",
        "a list of 900 elements",
        None,
    ]


# -- the verdict

NAMES = st.sampled_from(["a", "b", "c", "0", "items"])
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "B", "1", " a"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
PATHS = st.builds(lambda steps: ".".join(("body", *steps)), st.lists(NAMES, max_size=3))
EXPECTED = {
    "string": st.sampled_from(["", "a", "A", "1", "^a"]),
    "number": st.integers(-2, 3),
    "boolean": st.booleans(),
    "null": st.none(),
    "array": st.lists(SCALARS, min_size=1, max_size=3),
    "object": st.dictionaries(NAMES, SCALARS, max_size=2),
}
LEAVES = st.builds(
    lambda path, test: {path: test},
    PATHS,
    st.one_of(
        *(
            EXPECTED[kind].map(lambda expected, name=row.name: {name: expected})
            for row in OPERATORS.values()
            for kind in row.types
        )
    ),
)
CONDITIONS = st.sampled_from(
    [
        "body.a",
        "body.a == body.b",
        "body.a > 1",
        "body.a && body.b",
        "!body.c || lower(body.a) == 'a'",
        "length(body.items) > 1",
        "body.items[0].a == '1'",
    ]
)
RULES = st.recursive(
    LEAVES | CONDITIONS.map(lambda text: {"when": text}),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda some: st.sampled_from([{"any": some}, {"all": some}, {"not": some}])
        )
        | inner.map(lambda one: {"not": one})
        | st.builds(lambda one, other: {**one, **other}, inner, inner)
    ),
    max_leaves=6,
)


@given(RULES, VALUES)
def test_an_explanation_has_the_verdict_of_match(document: Any, value: Any) -> None:
    event = make_event(body=orjson.dumps(value))
    body = decode("application/json", event.body, max_depth=50)
    match = compile_match(document)
    roots = build_context(event, body, 0.0)
    route = make_route([], match=match)
    (one,) = explain_routes(event, body, [route], 0.0)
    orjson.dumps(ROUTE_EXPLANATION.write(one))
    planned = plan(event, body, [route], 0.0)
    try:
        verdict = match(roots)
    except ExpressionError as error:
        assert (one.matches, one.problem, len(planned)) == (False, str(error), 1)
        return
    assert one.matches is verdict is bool(planned)
    assert all(clause.ok for clause in one.clauses) is verdict
    assert one.inputs == (planned[0].inputs if planned else None)
    assert one.problem is None or planned


def make_route(types: list[str], **changes: Any) -> Route:
    changes = {"reshape": compile_inputs({"n": "${body}"})} | changes
    return Route(
        name="one",
        source="github",
        flow=Flow(name="local/echo", platform="local", saved_item_id="echo"),
        types=tuple(types),
        **changes,
    )


def test_samples_of_every_type_are_explained_as_they_are_planned() -> None:
    """Real payloads of GitHub and Stripe, against rules that name something of each."""
    tried = 0
    for provider in ("github", "stripe"):
        for type_ in sample_types(provider):
            request = sample(provider, type_, now=1.0, new_id="1")
            event = make_event(source="github", type=type_, body=request.body)
            tried += check_paths(event)
    assert tried > 100


@pytest.mark.skipif(
    not OCTOKIT,
    reason="FLOWBRIDGE_OCTOKIT_EXAMPLES names no index.json of @octokit/webhooks-examples",
)
def test_every_example_of_github_is_explained_as_it_is_planned() -> None:
    index = orjson.loads(Path(OCTOKIT or "").read_bytes())
    events = [
        make_event(type=one["name"], body=orjson.dumps(example))
        for one in index
        for example in one["examples"]
    ]
    assert len(events) > 300
    assert sum(check_paths(event, every=5) for event in events) > 5_000


def check_paths(event: Event, every: int = 1) -> int:
    """Explain rules that one leaf of the body fits, and the same with a slip."""
    body = decode("application/json", event.body, max_depth=50)
    leaves = [
        (steps, value)
        for steps, value in list(_leaves(body.value))[::every]
        if all(re.fullmatch(r"[\w-]+", step) for step in steps)
    ]
    for steps, value in leaves:
        path = ".".join(("body", *steps))
        for expected in (value, "no such value"):
            route = make_route([], match=compile_match({path: {"eq": expected}}))
            (one,) = explain_routes(event, body, [route], 0.0)
            assert one.matches is bool(plan(event, body, [route], 0.0))
        renamed = ".".join(("body", *steps[:-1], steps[-1].upper()))
        route = make_route([], match=compile_match({renamed: {"eq": value}}))
        (one,) = explain_routes(event, body, [route], 0.0)
        if not one.matches and value is not None:
            assert path in [each.value for each in one.clauses[0].near], path
    return len(leaves)


def _leaves(value: Any, steps: tuple[str, ...] = ()) -> Any:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _leaves(member, (*steps, key))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _leaves(element, (*steps, str(index)))
    elif steps:
        yield steps, value


# -- routes

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:NOT_SET}"}
  stripe: {provider: stripe, secret: "${env:NOT_SET}"}
routes:
  - {name: paid, on: stripe, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: push, on: github push, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: two, on: github issues, match: {body.n: 1, body.m: 1}, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: one, on: github issues, match: {body.n: 1}, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: both, on: github, inputs: {n: "${body.n}", t: "${body.tilte}"}, flow: [local/echo, local/fail]}
  - name: invalid
    on: github
    mode: shadow
    inputs: {n: "${body.n}"}
    inputs_schema: {properties: {n: {type: integer}}}
    flow: local/echo
  - {name: payload, on: github, payload_schema: {required: [gone]}, inputs: {n: 1}, flow: local/echo}
  - {name: broken, on: github, when: "body.n > 1", inputs: {n: 1}, flow: local/echo}
  - {name: reserved, on: github, inputs: "${body}", flow: local/echo}
"""


@pytest.fixture
def explained(tmp_path: Any) -> dict[str, RouteExplanation]:
    file = tmp_path / "routes.yaml"
    file.write_text(ROUTES)
    config = load(file, {}, strict_secrets=False)
    event = make_event(body=b'{"n":"1","title":"x","api_key":"k"}')
    body = decode("application/json", event.body, max_depth=9)
    return {one.route: one for one in explain_routes(event, body, config.routes, 0.0)}


def test_routes_are_in_the_order_of_nearness(explained: dict[str, RouteExplanation]) -> None:
    matching = ["both", "invalid", "payload", "broken", "reserved"]
    assert list(explained) == [*matching, "one", "two", "push", "paid"]
    assert [one.matches for one in explained.values()] == [
        True, True, True, False, True, False, False, False, False
    ]  # fmt: skip
    assert ROUTE_EXPLANATION.write(explained["paid"]) == {
        "route": "paid",
        "flows": ["local/echo"],
        "mode": "live",
        "matches": False,
        "other_source": True,
        "clauses": [],
        "inputs": None,
        "missing": [],
        "problem": None,
    }


def test_a_route_that_matches_has_inputs_and_problems(
    explained: dict[str, RouteExplanation],
) -> None:
    both = explained["both"]
    assert (both.flows, both.inputs) == (("local/echo", "local/fail"), {"n": "1"})
    assert ROUTE_EXPLANATION.write(both)["missing"] == [
        {"input": "t", "path": "body.tilte", "near": ["body.title"]}
    ]
    assert explained["invalid"].inputs == {"n": "1"}
    assert "the inputs do not fit inputs_schema: $.n" in str(explained["invalid"].problem)
    assert "the payload does not fit payload_schema" in str(explained["payload"].problem)
    assert explained["payload"].inputs is None
    assert "api_key" in str(explained["reserved"].problem)
    assert "needs number" in str(explained["broken"].problem)


def test_inputs_that_json_cannot_hold_are_described() -> None:
    route = make_route([], reshape=lambda _: {"n": 1 << 70})
    event = make_event()
    (one,) = explain_routes(event, decode("", event.body, max_depth=9), [route], 0.0)
    assert one.matches and ROUTE_EXPLANATION.write(one)["inputs"] == UNWRITABLE


def test_match_and_when_are_one_list_of_clauses() -> None:
    both = AllOf((compile_match({"body.n": 1, "body.m": 2}), compile_match({"when": "body.n"})))
    clauses = explain_clauses(both.explain({"body": {"n": 1}}), {"body": {"n": 1}})
    assert [one.path for one in clauses] == ["body.n", "body.m", "when"]
    assert match_type((), None)
