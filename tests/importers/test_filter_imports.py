"""Filters of Hookdeck and Convoy that are carried in part, hostile ones, and types of sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imported_hooks import ImportedHooks, import_texts

from bridge.core.errors import InvalidRequest
from bridge.importers.hookdeck_connections import PASSWORD_TYPES, SOURCE_TYPES
from bridge.importers.import_files import check_routes
from bridge.importers.kinds import import_files
from bridge.importers.model import Carried
from bridge.importers.routes_text import write_routes
from bridge.providers.registry import PROVIDERS

DATA = Path(__file__).parents[1] / "data" / "hookdeck"


def import_hookdeck(name: str) -> ImportedHooks:
    return import_texts((name, (DATA / name).read_text()), kind="hookdeck")


def test_connections_share_their_source() -> None:
    found = import_hookdeck("fan-out.json").result
    assert list(found.sources) == ["shop"]
    assert [route["on"] for route in found.routes] == ["shop", "shop"]


def test_values_that_samples_show_are_plain_clauses() -> None:
    found = import_hookdeck("connections-list.json").result
    assert found.routes[0]["match"] == {
        "body.type": ["payment_intent.succeeded", "invoice.paid"],
        "body.data.object.amount": {"gte": 1000},
    }
    assert found.routes[0]["retry"] == {"attempts": 6, "first": "1h", "max": "1h"}
    assert found.routes[1]["match"] == {"headers.x-shopify-topic": {"starts_with": "orders/"}}
    assert found.routes[1]["delay"] == "10s"


def test_other_values_may_be_lists() -> None:
    found = import_hookdeck("fan-out.json").result
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
