"""A draft of a route at the top of a routes.yaml, whatever the text looks like."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.web.console.draft_route import MAX_DRAFTED_CHARS, draft_route

HEAD = "version: 1\nplatforms: {local: {type: local}}\nsources: {hub: {provider: github}}\n"
ROUTE = "- {name: one, on: hub, flow: local/one}  # first"
CLAUSE = {"body.action": "it's: #1"}


def read(text: str) -> Any:
    return read_yaml(YamlFile("routes.yaml", text), Report("routes.yaml"))


@pytest.mark.parametrize(
    ("routes", "is_rewritten", "flow"),
    [
        (f"routes:\n{ROUTE}\n", False, "local/one"),
        (f"routes:   # all\n\n  # a remark\n  {ROUTE}\n", False, "local/one"),
        (f"routes:\n    {ROUTE}\nflows: {{a: {{}}}}\n", False, "local/one"),
        ("routes: [{name: one, on: hub, flow: [local/one]}]\n", True, "local/one"),
        ("routes: []\n", True, "local/echo"),
        ("", True, "local/echo"),
        ("flows: {triage: {platform: local}}\n", True, "triage"),
        ("routes:\n- {name: other, on: shop, flow: a}\n- {on: hub x, flow: b}\n", False, "b"),
        ("routes:\n- {name: draft, source: hub, flow: b}\n", False, "b"),
    ],
)
def test_a_draft_is_the_first_route(routes: str, is_rewritten: bool, flow: str) -> None:
    text = HEAD + routes
    drafted = draft_route(text, "hub", "issues", CLAUSE)
    assert drafted is not None
    assert drafted.is_rewritten is is_rewritten
    document = read(drafted.text)
    before = read(text)
    assert document["routes"][1:] == before.get("routes", [])
    assert document["routes"][0] == {
        "name": drafted.name,
        "on": "hub issues",
        "match": CLAUSE,
        "inputs": {"event_id": "${event.id}"},
        "flow": flow,
        "mode": "shadow",
    }
    assert drafted.name not in [one.get("name") for one in document["routes"][1:]]
    if not is_rewritten:
        assert [one for one in text.split("\n") if one not in drafted.text.split("\n")] == []


def test_an_odd_type_is_a_clause() -> None:
    for type_, on, match in (
        (None, "hub", CLAUSE),
        ("a, b*", "hub", {"event.type": "a, b*", **CLAUSE}),
    ):
        drafted = draft_route(HEAD, "hub", type_, CLAUSE)
        assert drafted is not None
        route = read(drafted.text)["routes"][0]
        assert (route["on"], route["match"]) == (on, match)


@pytest.mark.parametrize(
    "text",
    ["", "- 1", ": [", "version: 1\n", "routes: 1\n", "#" * MAX_DRAFTED_CHARS + HEAD],
    ids=["empty", "list", "broken", "no-flow", "no-routes", "long"],
)
def test_a_text_that_cannot_have_a_draft_is_left_alone(text: str) -> None:
    assert draft_route(text, "hub", "issues", CLAUSE) is None
