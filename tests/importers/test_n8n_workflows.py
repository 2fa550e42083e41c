"""Workflows of n8n: what a Webhook node passes to the nodes behind it, the routes start."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from imported_hooks import ImportedHooks, import_texts
from n8n_model import passes
from webhook_rules import HookRequest

WORKFLOWS = Path(__file__).parents[1] / "data" / "n8n"
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
    "notify.json": ("hmac", 3, ("nodes.6",)),
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


def test_nodes_that_send_become_ready_made_flows_and_platforms() -> None:
    imported = import_workflow("notify.json")
    edited, posted, mailed = imported.result.routes
    assert (edited["flow"], edited["inputs"]) == (
        "local/slack_message",
        {
            "text": "New customer: ${body.user.name} (${body.user.email}, ${body.plan})",
            "channel": "#sales",
        },
    )
    assert (posted["flow"], posted["inputs"]) == (
        "add-to-crm/call",
        {"email": "${body.user.email}", "plan": "${body.plan}"},
    )
    assert imported.result.platforms == {
        "add-to-crm": {
            "type": "http",
            "url": "https://crm.example.com/customers",
            "headers": {"X-Api-Key": "${env:ADD_TO_CRM_X_API_KEY}", "X-Origin": "signup"},
        }
    }
    assert (mailed["flow"], mailed["inputs"]) == (
        "local/send_email",
        {
            "to": ["a@example.com", "b@example.com"],
            "from_": "Signup <signup@example.com>",
            "subject": "Trial of ${body.user.name}",
            "text": "Write to ${body.user.email}.\n",
        },
    )
    assert imported.result.flows == {} and "corpus-secret" not in imported.text
    assert imported.result.secrets == {
        "FLOWBRIDGE_SLACK_WEBHOOK_URL": None,
        "ADD_TO_CRM_X_API_KEY": "corpus-secret-80",
        "FLOWBRIDGE_SMTP_URL": None,
    }
    planned = imported.deliveries("signup", HookRequest({"plan": "team", "user": {"name": "Ann"}}))
    assert planned is not None and [one.route for one in planned] == [
        edited["name"],
        posted["name"],
    ]


def test_a_route_names_its_branch() -> None:
    text = import_workflow("notify.json").text
    for branch, name in (("true", "signup"), ("true", "signup-2"), ("false", "signup-3")):
        assert f'  # the {branch} branch of the node "Paid plan?"\n  - name: {name}\n' in text


def import_action(kind: str, parameters: dict[str, Any], **keys: Any) -> ImportedHooks:
    """Import a Webhook node with one node behind it."""
    action = {"name": "A", "type": f"n8n-nodes-base.{kind}", "parameters": parameters, **keys}
    webhook = {
        "name": "W",
        "type": "n8n-nodes-base.webhook",
        "parameters": {"path": "w", "httpMethod": "POST"},
    }
    document = {"nodes": [webhook, action], "connections": {"W": {"main": [[{"node": "A"}]]}}}
    return import_texts(("w.json", json.dumps(document)))


def make_chain(*names: str) -> dict[str, Any]:
    """Connect nodes one after another, the last one with the second."""
    pairs = [*pairwise(names), (names[-1], names[1])]
    return {name: {"main": [[{"node": after, "type": "main"}]]} for name, after in pairs}


def test_both_branches_may_lead_to_one_node() -> None:
    document = json.loads((WORKFLOWS / "notify.json").read_text())
    for output in ("Edit Fields", "Add to CRM"):
        document["connections"]["Paid plan?"]["main"] = [[{"node": output}]] * 2
        imported = import_texts(("w.json", json.dumps(document)))
        first, second = imported.result.routes
        assert first["flow"] == second["flow"] != "signup" and first["inputs"] == second["inputs"]
        assert len(imported.result.platforms) == (output == "Add to CRM")


def test_a_circle_of_nodes_behind_an_action_ends() -> None:
    document = json.loads((WORKFLOWS / "notify.json").read_text())
    notes = [{"name": name, "type": "n8n-nodes-base.noOp", "parameters": {}} for name in "ab"]
    document["nodes"] += notes
    document["connections"] = make_chain("Webhook", "Add to CRM", "a", "b")
    imported = import_texts(("w.json", json.dumps(document)))
    assert [route["flow"] for route in imported.result.routes] == ["add-to-crm/call"]
    assert {"workflow.nodes.7", "workflow.nodes.8"} <= set(imported.places("carried"))


def test_settings_and_options_of_a_node_are_reported() -> None:
    parameters = {"text": "a", "otherOptions": {"mrkdwn": False, "includeLinkToWorkflow": False}}
    imported = import_action("slack", parameters, typeVersion=2, executeOnce=True)
    assert imported.places("not_carried") == [
        "workflow.nodes.1.parameters.otherOptions.mrkdwn",
        "workflow.nodes.1.executeOnce",
    ]


SET = {"assignments": {"assignments": [{"name": "who", "value": "={{ $json.body.name }}"}]}}
POST = {"method": "POST", "url": "https://x.example/a"}


def test_fields_of_a_set_node_become_inputs() -> None:
    (route,) = import_action("set", SET, typeVersion=3.4).result.routes
    assert (route["flow"], route["inputs"]) == ("w", {"who": "${body.name}"})


@pytest.mark.parametrize(
    ("kind", "parameters", "version", "reason"),
    [
        ("slack", {"text": "={{ $json.body.a.toUpperCase() }}"}, 2, "other than a path"),
        ("slack", {"text": "={{ $('Other').item.json.body.a }}"}, 2, "output of the node Other"),
        ("slack", {"text": "={{ $json.headers.authorization }}"}, 2, "is a credential"),
        ("slack", {"text": "${a}"}, 2, "cannot be written"),
        ("slack", {"text": "xoxb-1-2"}, 2, "a value seems to be a credential"),
        ("slack", {"text": "a", "resource": "channel"}, 2, "does more than post a message"),
        ("slack", {"text": "a", "messageType": "block"}, 2, "does more than post a message"),
        ("slack", {"select": "user", "text": "a"}, 2, "does more than post a message"),
        ("emailSend", {"toEmail": "={{ $json.body.a }}, b@x.example"}, 2, "several addresses"),
        ("gmail", {"operation": "getAll"}, 2.1, "does more than send a mail"),
        ("gmail", {"toList": ["a@x.example"]}, 1, "version 1"),
        ("httpRequest", {"url": "https://x.example/a"}, 4, "sends only POST, PUT and PATCH"),
        ("httpRequest", POST | {"url": "=https://x.example/{{ $json.body.a }}"}, 4, "expression"),
        ("httpRequest", POST | {"url": "http://x.example/a"}, 4, "only for this machine"),
        (
            "httpRequest",
            POST
            | {
                "sendHeaders": True,
                "headerParameters": {"parameters": [{"name": "Host", "value": "a"}]},
            },
            4,
            "'Host' cannot be set",
        ),
        ("httpRequest", POST | {"authentication": "genericCredentialType"}, 4, "authentication"),
        (
            "httpRequest",
            POST | {"sendBody": True, "specifyBody": "json", "jsonBody": "={{ $json.body }}"},
            4,
            "JSON body",
        ),
        ("set", {"mode": "raw", "jsonOutput": "{}"}, 3.4, "JSON"),
        ("set", {"assignments": {"assignments": [{"name": "a.b", "value": 1}]}}, 3.4, "a.b"),
        ("set", SET, 2, "version 2"),
    ],
)
def test_a_node_that_cannot_be_carried_stays_a_placeholder(
    kind: str, parameters: dict[str, Any], version: float, reason: str
) -> None:
    imported = import_action(kind, parameters, typeVersion=version)
    (route,) = imported.result.routes
    assert (route["flow"], route["inputs"]) == ("w", {"body": "${body}"})
    (found,) = [one for one in imported.result.findings if one.place == "workflow.nodes.1"]
    assert "to fill in: flows.w" in found.message and reason in found.message


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
