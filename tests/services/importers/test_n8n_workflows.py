"""Workflows of n8n: what a Webhook node passes to the nodes behind it, the routes start."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from imported_hooks import ImportedHooks, import_texts
from n8n_model import passes
from webhook_rules import HookRequest

WORKFLOWS = Path(__file__).parents[2] / "data" / "n8n"
FILES = sorted(WORKFLOWS.iterdir())
#: File -> the provider of its source, how many routes, and the parts that are not carried.
EXPECTED: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "basic-auth-get.json": (
        "basic",
        1,
        ("nodes.0.parameters.httpMethod", "nodes.0.parameters.options.ipWhitelist"),
    ),
    "filter-or.json": ("hmac", 1, ()),
    "header-auth.json": ("token", 1, ("nodes.0.parameters.responseMode",)),
    "if-both-outputs.json": ("hmac", 2, ()),
    "lead.json": ("hmac", 1, ()),
    "not-carried.json": ("hmac", 1, ("nodes.1", "nodes.3", "staticData")),
    "old-if.json": ("hmac", 1, ()),
    "token-in-if.json": ("token", 2, ()),
}
WORDS = ("paid", "Paid", "open", "", "7")


def import_workflow(name: str) -> ImportedHooks:
    return import_texts((name, (WORKFLOWS / name).read_text()))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_workflow_becomes_a_valid_configuration(name: str) -> None:
    imported = import_workflow(name)
    provider, routes, refused = EXPECTED[name]
    assert [one["provider"] for one in imported.result.sources.values()] == [provider]
    assert len(imported.result.routes) == routes
    places = imported.places("not_carried")
    assert [place.removeprefix("workflow.") for place in places] == list(refused)
    is_open = any(place in ("nodes.1",) or "ipWhitelist" in place for place in refused)
    assert {one.get("mode", "live") for one in imported.result.routes} == {
        "paused" if is_open else "live"
    }


def test_each_file_has_an_expectation() -> None:
    assert [file.name for file in FILES] == sorted(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_part_of_a_workflow_has_a_finding(name: str) -> None:
    imported = import_workflow(name)
    document = json.loads((WORKFLOWS / name).read_text())
    found = {one.place for one in imported.result.findings}
    for number in range(len(document["nodes"])):
        assert f"workflow.nodes.{number}" in found, number
    assert {f"workflow.{key}" for key in document if key != "nodes"} <= found


def test_a_token_in_a_condition_is_verified_and_not_shown() -> None:
    imported = import_workflow("token-in-if.json")
    assert imported.result.secrets == {"TOK_WEBHOOK_SECRET": "corpus-secret-70"}
    assert "corpus-secret" not in imported.text + repr(imported.result)
    request = HookRequest({"kind": "a"}, {"X-Api-Key": "corpus-secret-70"})
    planned = imported.deliveries("tok", request)
    assert planned is not None
    assert [one.route for one in planned] == ["tok"]
    assert imported.deliveries("tok", HookRequest({"kind": "a"})) is None


# -- generated conditions, compared with a model of n8n's filter


def make_row(dice: random.Random) -> dict[str, Any]:
    kind = dice.choice(("string", "string", "number", "boolean"))
    positive = {
        "string": ("equals", "contains", "startsWith", "endsWith", "empty", "exists", "regex"),
        "number": ("equals", "empty", "exists"),
        "boolean": ("equals", "empty", "exists"),
    }[kind]
    operations = [*positive, *(f"not{one[0].upper()}{one[1:]}" for one in positive)]
    operations += {"number": ["gt", "gte", "lt", "lte"], "boolean": ["true", "false"]}.get(kind, [])
    operation = dice.choice(operations)
    value: Any = {"string": dice.choice(WORDS[:3]), "number": dice.choice((0, 7, 2.5))}.get(
        kind, dice.random() < 0.5
    )
    name = {"string": "text", "number": "n", "boolean": "ok"}[kind]
    return {
        "name": name,
        "leftValue": f"={{{{ $json.body.{name} }}}}",
        "rightValue": value,
        "operator": {"type": kind, "operation": operation},
    }


def make_body(dice: random.Random) -> dict[str, Any]:
    values = {
        "text": dice.choice(WORDS),
        "n": dice.choice((0, 7, 2.5, -1)),
        "ok": dice.random() < 0.5,
    }
    return {name: value for name, value in values.items() if dice.random() < 0.8}


def make_workflow(number: int, conditions: dict[str, Any]) -> str:
    nodes = [
        ("Webhook", "webhook", {"path": f"w{number}", "httpMethod": "POST"}),
        ("If", "if", {"conditions": conditions}),
        ("Yes", "code", {}),
        ("No", "code", {}),
    ]
    outputs = [[{"node": "Yes"}], [{"node": "No"}]]
    return json.dumps(
        {
            "nodes": [
                {"name": name, "type": f"n8n-nodes-base.{kind}", "parameters": parameters}
                for name, kind, parameters in nodes
            ],
            "connections": {"Webhook": {"main": [[{"node": "If"}]]}, "If": {"main": outputs}},
        }
    )


def test_routes_decide_as_n8n_does() -> None:
    dice = random.Random(7)
    for number in range(100):
        rows = [make_row(dice) for _ in range(dice.choice((1, 2, 3)))]
        combinator = dice.choice(("and", "or"))
        is_sensitive = dice.random() < 0.5
        options = {"caseSensitive": is_sensitive, "typeValidation": "strict"}
        conditions = {"options": options, "conditions": rows, "combinator": combinator}
        imported = import_texts(("w.json", make_workflow(number, conditions)))
        assert imported.places("not_carried") == [], rows
        for _ in range(8):
            body = make_body(dice)
            decided = [passes(row, body, is_sensitive=is_sensitive) for row in rows]
            wanted = all(decided) if combinator == "and" else any(decided)
            planned = imported.deliveries(f"w{number}", HookRequest(body))
            assert planned is not None
            names = [one.route for one in planned]
            yes = imported.result.routes[0]["name"]
            assert (names == [yes]) is wanted, (rows, combinator, body, imported.text)
            assert len(names) <= 1


@pytest.mark.parametrize(
    "left",
    [
        "={{ $json.body.items.length }}",
        "={{ $json.body.a + 1 }}",
        "={{ $json.body.a.toLowerCase() }}",
        "={{ $now }}",
        "={{ $json.params.id }}",
        "plain text",
        "={{ $json.headers.authorization }}",
        5,
        None,
    ],
)
def test_other_expressions_pause_the_route(left: Any) -> None:
    row = {
        "leftValue": left,
        "rightValue": "b",
        "operator": {"type": "string", "operation": "contains"},
    }
    conditions = {"options": {}, "conditions": [row], "combinator": "and"}
    imported = import_texts(("w.json", make_workflow(1, conditions)))
    assert imported.places("not_carried") == ["workflow.nodes.1"]
    assert {one.get("mode") for one in imported.result.routes} == {"paused"}


@pytest.mark.parametrize(
    ("keys", "is_carried"),
    [
        ({"typeVersion": 2.3}, True),
        ({"typeVersion": 1}, False),
        ({"onError": "continueRegularOutput"}, True),
        ({"alwaysOutputData": True}, False),
        ({"parameters": {"conditions": {"string": [{"value1": "={{ $json.body.a }}"}]}}}, True),
        ({"parameters": {"conditions": {"text": []}}}, False),
        ({"parameters": {"conditions": {"string": 5}}}, False),
        ({"parameters": {"conditions": {"string": []}}, "typeVersion": 2}, False),
        ({"parameters": {"conditions": {"string": []}}, "onError": "continueErrorOutput"}, False),
    ],
)
def test_what_a_node_says_beside_its_conditions(keys: dict[str, Any], is_carried: bool) -> None:
    row = {
        "leftValue": "={{ $json.body.a }}",
        "rightValue": "b",
        "operator": {"type": "string", "operation": "equals"},
    }
    document = json.loads(make_workflow(1, {"conditions": [row], "combinator": "and"}))
    document["nodes"][1] |= keys
    imported = import_texts(("w.json", json.dumps(document)))
    assert (imported.places("not_carried") == []) is is_carried
    assert ({one.get("mode") for one in imported.result.routes} == {None}) is is_carried


@pytest.mark.parametrize("number", ["-0.5", "1e21", "1e-7", "9007199254740993", "1" + "0" * 30])
@pytest.mark.parametrize("validation", ["strict", "loose"])
def test_numbers_of_any_size(number: str, validation: str) -> None:
    row = {
        "leftValue": "={{ $json.body.a }}",
        "rightValue": "NUMBER",
        "operator": {"type": "number", "operation": "gt"},
    }
    options = {"typeValidation": validation}
    conditions = {"conditions": [row], "combinator": "and", "options": options}
    text = make_workflow(1, conditions).replace('"NUMBER"', number)
    imported = import_texts(("w.json", text))
    assert imported.places("not_carried") == []
    first, second = imported.result.routes
    for value, name in ((1e300, first["name"]), (-1e300, second["name"])):
        planned = imported.deliveries("w1", HookRequest({"a": value}))
        assert planned is not None and [one.route for one in planned] == [name]


@pytest.mark.parametrize(("kind", "number"), [("if", 2), ("filter", 1)])
def test_nothing_starts_at_an_error_output(kind: str, number: int) -> None:
    document = json.loads(make_workflow(1, {"conditions": [], "combinator": "or"}))
    document["nodes"][1]["type"] = f"n8n-nodes-base.{kind}"
    outputs = [[{"node": "Yes"}]] + [[] for _ in range(number)]
    outputs[number] = [{"node": "No"}]
    document["connections"]["If"]["main"] = outputs
    imported = import_texts(("w.json", json.dumps(document)))
    assert imported.result.routes == []
    assert len(imported.places("not_carried")) == 3  # both nodes, and that no route is left


def test_a_value_of_another_type_starts_neither_output() -> None:
    row = {
        "leftValue": "={{ $json.body.a }}",
        "rightValue": "b",
        "operator": {"type": "string", "operation": "notEquals"},
    }
    text = make_workflow(1, {"conditions": [row], "combinator": "and"})
    imported = import_texts(("w.json", text))
    first, second = imported.result.routes
    assert first["match"] == {
        "body.a": {"ne": "b"},
        "when": "type(body.a) == 'string' || type(body.a) == 'null'",
    }
    assert second["match"] == {"body.a": "b"}
    for body, started in (({"a": 5}, []), ({"a": "c"}, [first]), ({}, [first])):
        planned = imported.deliveries("w1", HookRequest(body))
        assert planned is not None
        assert [one.route for one in planned] == [route["name"] for route in started]


def test_loops_and_wrong_types_end(folder: Path) -> None:
    webhook = {"name": "W", "type": "n8n-nodes-base.webhook", "parameters": 5}
    loop = {"name": "I", "type": "n8n-nodes-base.if", "parameters": {"conditions": []}}
    document = {
        "nodes": [webhook, loop, 5, {"name": "W", "type": "x"}, {"name": 1}],
        "connections": {"W": {"main": [[{"node": "I"}, 3], 4]}, "I": {"main": [[{"node": "I"}]]}},
    }
    imported = import_texts(("w.json", json.dumps(document)), kind="n8n")
    assert len(imported.result.sources) == 1
    assert list(folder.iterdir()) == []
