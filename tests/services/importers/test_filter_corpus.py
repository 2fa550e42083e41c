"""Files of Hookdeck and Convoy, written after public ones and their documentation: each part is
carried, or the report says why not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imported_hooks import ImportedHooks, import_texts

from bridge.core.errors import InvalidRequest
from bridge.providers.registry import PROVIDERS
from bridge.services.importers.hookdeck_sources import PASSWORD_TYPES, SOURCE_TYPES
from bridge.services.importers.import_files import check_routes
from bridge.services.importers.kinds import import_files
from bridge.services.importers.model import Carried
from bridge.services.importers.report import list_lines
from bridge.services.importers.routes_text import write_routes

DATA = Path(__file__).parents[2] / "data"
FILES = {
    f"{kind}/{file.name}": file
    for kind in ("hookdeck", "convoy")
    for file in sorted((DATA / kind).iterdir())
}
#: File -> the providers of its sources, the modes of its routes, the parts that are not carried.
EXPECTED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "convoy/event-types.json": (
        "token",
        "live",
        (),
    ),
    "convoy/filter-bare.json": (
        "token",
        "live",
        (),
    ),
    "convoy/flattened.json": (
        "hmac",
        "live",
        (),
    ),
    "convoy/function.json": (
        "hmac",
        "paused",
        ("content[0].function",),
    ),
    "convoy/never-matched.json": (
        "hmac",
        "paused",
        (
            "content[0].filter_config.filter.headers",
            "content[0].filter_config.filter.body",
            "content[0].filter_config.filter.path",
        ),
    ),
    "convoy/operators.json": (
        "hmac",
        "live",
        (),
    ),
    "convoy/outgoing.json": (
        "token",
        "paused",
        ("content[0].filter_config.event_types", "content[0].rate_limit_config"),
    ),
    "convoy/shopify.json": (
        "shopify",
        "paused",
        ("content[0].source_metadata.header_function",),
    ),
    "convoy/source-api-key.json": (
        "token",
        "",
        ("content[0].custom_response",),
    ),
    "convoy/source-basic.json": (
        "basic",
        "",
        (),
    ),
    "convoy/sources-and-subscriptions.json": (
        "x hmac",
        "live",
        ("content[2].pub_sub",),
    ),
    "convoy/subscription-hmac.json": (
        "hmac",
        "live",
        (),
    ),
    "convoy/subscriptions-list.json": (
        "github",
        "live live",
        (),
    ),
    "convoy/wildcards.json": (
        "hmac",
        "live",
        (),
    ),
    "hookdeck/all-rules.json": (
        "hmac",
        "paused",
        (
            "connections[0].rules.0",
            "connections[0].rules.1",
            "connections[0].rules.2",
            "connections[0].rules.4.response_status_codes",
        ),
    ),
    "hookdeck/api-key.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/connections-list.json": (
        "stripe shopify",
        "live live",
        (),
    ),
    "hookdeck/deduplicated.json": (
        "basic",
        "paused",
        ("connections[0].rules.0",),
    ),
    "hookdeck/fan-out.json": (
        "hmac",
        "live live",
        (),
    ),
    "hookdeck/filter-of-docs.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/filter-parts.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/github-issues.json": (
        "github",
        "live",
        (),
    ),
    "hookdeck/hmac-http.json": (
        "hmac",
        "live",
        (
            "connections[0].source.config.allowed_http_methods",
            "connections[0].source.config.custom_response",
        ),
    ),
    "hookdeck/never-matched.json": (
        "token",
        "paused",
        (
            "filter.rules.0.body.amount",
            "filter.rules.1.body.status",
            "filter.rules.2.body.kind",
            "filter.rules.3.body.name",
        ),
    ),
    "hookdeck/older-api.json": (
        "basic",
        "live",
        (),
    ),
    "hookdeck/paused.json": (
        "hubspot",
        "paused",
        (),
    ),
    "hookdeck/references.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/rules-of-cli.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/secret-in-filter.json": (
        "hmac",
        "paused",
        ("connections[0].rules.0.headers.x-auth-token",),
    ),
    "hookdeck/shopify-orders.json": (
        "shopify",
        "live",
        (),
    ),
    "hookdeck/slack-messages.json": (
        "slack",
        "live",
        (),
    ),
    "hookdeck/stripe-invoices.json": (
        "stripe",
        "live",
        ("connections[0].destination.auth",),
    ),
    "hookdeck/text-filter.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/transform-then-filter.json": (
        "typeform",
        "paused",
        ("connections[0].rules.0", "connections[0].rules.1"),
    ),
    "hookdeck/unknown-type.json": (
        "token",
        "paused",
        ("connections[0].source",),
    ),
}


def import_file(name: str) -> ImportedHooks:
    kind = name.partition("/")[0]
    return import_texts((FILES[name].name, FILES[name].read_text()), kind=kind)


@pytest.fixture(scope="module")
def imports() -> dict[str, ImportedHooks]:
    return {name: import_file(name) for name in FILES}


def test_each_file_has_an_expectation() -> None:
    assert sorted(FILES) == sorted(EXPECTED)
    assert sum(name.startswith("hookdeck/") for name in FILES) >= 15
    assert sum(name.startswith("convoy/") for name in FILES) >= 10


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_file_becomes_a_valid_configuration(imports: dict[str, ImportedHooks], name: str) -> None:
    found = imports[name]
    providers, modes, refused = EXPECTED[name]
    assert " ".join(one["provider"] for one in found.result.sources.values()) == providers
    assert " ".join(route.get("mode", "live") for route in found.result.routes) == modes
    assert found.places("not_carried") == list(refused)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each value that has nothing inside."""
    listed = value if isinstance(value, list) else []
    inside = list(value.items() if isinstance(value, dict) else enumerate(listed))
    if not inside:
        yield path
    for key, one in inside:
        yield from leaves(one, (*path, str(key)))


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_leaf_of_a_filter_has_a_finding(imports: dict[str, ImportedHooks], name: str) -> None:
    document = json.loads(FILES[name].read_text())
    places = [one.place for one in imports[name].result.findings]
    for path in leaves(document):
        parts = ("headers", "body", "query", "path")
        inside = [number for number, step in enumerate(path) if step in parts]
        if not inside or "custom_response" in path or "code" in path:
            continue
        # a finding stands at the leaf, at a place around it, or at its rule
        steps = path[inside[0] :]
        around = [".".join(steps[:end]) for end in range(len(steps), 0, -1)]
        around += [f"rules.{path[path.index('rules') + 1]}"] if "rules" in path else []
        assert any(place.endswith(f".{one}") for one in around for place in places), path


@pytest.mark.parametrize("name", sorted(FILES))
def test_secrets_are_only_in_the_environment(imports: dict[str, ImportedHooks], name: str) -> None:
    found = imports[name]
    shown = found.text + repr(found.result) + "\n".join(list_lines(found.result, []))
    assert "corpus-secret" not in shown
    assert "my_super_secret_key" not in shown
    text = FILES[name].read_text()
    stored = {value for value in found.result.secrets.values() if value}
    assert all(value.partition(":")[2] or value in text for value in stored)


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_kind_of_an_answer_of_the_api_is_found(name: str) -> None:
    text = FILES[name].read_text()
    is_bare = "filter" in name.partition("/")[2] or name.endswith(("of-cli.json", "matched.json"))
    if is_bare or name.endswith("references.json"):
        return
    found = import_files([(FILES[name].name, text)], None)
    assert len(found.sources) >= 1


def test_connections_share_their_source(imports: dict[str, ImportedHooks]) -> None:
    found = imports["hookdeck/fan-out.json"].result
    assert list(found.sources) == ["shop"]
    assert [route["on"] for route in found.routes] == ["shop", "shop"]


def test_values_that_samples_show_are_plain_clauses(imports: dict[str, ImportedHooks]) -> None:
    found = imports["hookdeck/connections-list.json"].result
    assert found.routes[0]["match"] == {
        "body.type": ["payment_intent.succeeded", "invoice.paid"],
        "body.data.object.amount": {"gte": 1000},
    }
    assert found.routes[0]["retry"] == {"attempts": 6, "first": "1h", "max": "1h"}
    assert found.routes[1]["match"] == {"headers.x-shopify-topic": {"starts_with": "orders/"}}
    assert found.routes[1]["delay"] == "10s"


def test_other_values_may_be_lists(imports: dict[str, ImportedHooks]) -> None:
    found = imports["hookdeck/fan-out.json"].result
    assert found.routes[0]["match"] == {
        "when": (
            "to_array(body.data)[?type(@) == 'object'"
            " && to_array(shipping_country)[?@ == 'US' || @ == 'CA']]"
        )
    }


def test_a_refused_key_leaves_the_others() -> None:
    schema = {"kind": "a", "n": {"$and": [{"$gt": 1}]}, "$or": [{"a": 1}, {"b": {"$not": 2}}]}
    found = import_texts(("f.json", json.dumps({"body": schema})), kind="hookdeck")
    [route] = found.result.routes
    assert route["match"] == {"when": "to_array(body.kind)[?@ == 'a']"}
    assert route["mode"] == "paused"
    assert found.places("not_carried") == ["filter.rules.0.body.n", "filter.rules.0.body.$or"]
    carried = [place for place in found.places("carried") if "body" in place]
    assert carried == ["filter.rules.0.body.kind"]  # and nothing inside of the refused `$or`


def test_a_refused_clause_of_convoy_leaves_the_others() -> None:
    schema = {"kind": {"$eq": "a"}, "n": None, "m": {"x": {"$gt": "a"}}, "gone": {"$exist": False}}
    found = import_texts(("f.json", json.dumps({"body": schema})), kind="convoy")
    [route] = found.result.routes
    assert route["match"] == {"body.kind": "a", "body.gone": {"exists": False}}
    assert route["mode"] == "paused"
    body = "content[0].filter_config.filter.body"
    assert found.places("not_carried") == [f"{body}.n", f"{body}.m"]
    assert [one for one in found.places("carried") if body in one] == [f"{body}.kind.$eq"]


@pytest.mark.parametrize("kind", ["hookdeck", "convoy"])
def test_a_filter_alone_may_have_a_key_called_type(kind: str) -> None:
    document = {"type": {"$in": ["invoice.paid"]}, "data": {"n": {"$gt": 1}}}
    found = import_texts(("f.json", json.dumps(document)), kind=kind)
    assert "body.type: invoice.paid" in found.text
    assert found.places("not_carried") == []


@pytest.mark.parametrize("type_", sorted([*SOURCE_TYPES, *PASSWORD_TYPES]))
def test_each_source_type_has_a_provider(type_: str) -> None:
    auth = {"webhook_secret_key": "s" * 20, "api_key": "a" * 20, "public_key": "p" * 20}
    auth |= {"username": "u", "password": "p" * 20}
    source = {"name": "s", "type": type_, "config": {"auth": auth}}
    found = import_files([("c.json", json.dumps({"source": source, "rules": []}))], "hookdeck")
    check_routes(write_routes(found), found.files)
    assert found.sources["s"]["provider"] in PROVIDERS
    assert [one for one in found.secrets.values() if one]
    assert found.count(Carried.NO) == 0


@pytest.mark.parametrize(
    "schema",
    [
        {"a": {"$or": [{"b": number} for number in range(2000)]}},
        {f"k{number}": {"x": {"y": number}} for number in range(600)},
        {"$or": [{"$and": [{"$or": [{"a": 1}, {"b": 2}]}] * 20}] * 20},
        {"a": "x" * 5000},
        {"a": {"b": {"c": "${env:HOME}"}}},
        {"${a}": 1},
        {"a\nb": {"'": "`\\'"}},
        {"a": {"$eq": {"b": None, "c": [None]}}},
    ],
    ids=["wide", "many keys", "nested", "long", "placeholder", "its key", "quotes", "null inside"],
)
@pytest.mark.parametrize("kind", ["hookdeck", "convoy"])
def test_hostile_filters_end(kind: str, schema: dict[str, Any]) -> None:
    document = {"body": schema}
    found = import_texts(("f.json", json.dumps(document)), kind=kind)
    assert len(found.result.routes) == 1


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "5",
        '"text"',
        "null",
        "[" * 70 + "]" * 70,
        '{"a": ',
        '{"a": NaN}',
        '{"a": 1e999}',
    ],
)
@pytest.mark.parametrize("kind", ["hookdeck", "convoy"])
def test_other_documents_are_refused(kind: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"f\.json"):
        import_files([("f.json", text)], kind)
