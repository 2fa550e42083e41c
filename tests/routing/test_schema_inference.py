"""Schemas that are inferred from bodies: they accept each body, whatever the order."""

from __future__ import annotations

import json
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.providers.samples.loader import sample, sample_types
from bridge.routing.schemas.drift import compare_schemas
from bridge.routing.schemas.inference import (
    MAX_KEY_CHARS,
    MAX_NAMED_KEYS,
    MAX_SCHEMA_PARTS,
    MAX_SHAPE_DEPTH,
    merge_all,
    merge_shapes,
    shape_of,
    write_schema,
)
from bridge.routing.schemas.validator import compile_schema, iterate_schemas

KEYS = st.sampled_from(["a", "b", "$ref", "$id", "properties", "type", "x y", ""])
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SOME = st.lists(BODIES, min_size=1, max_size=6)


def infer(*bodies: Any) -> dict[str, Any]:
    return write_schema(merge_all(map(shape_of, bodies)))


@given(SOME)
def test_every_body_fits_the_schema_that_it_was_made_from(bodies: list[Any]) -> None:
    schema = compile_schema(infer(*bodies))
    for body in bodies:
        assert schema.errors(body) == []


@given(SOME, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(bodies: list[Any], random: Any) -> None:
    shuffled = list(bodies)
    random.shuffle(shuffled)
    assert json.dumps(infer(*shuffled)) == json.dumps(infer(*bodies))


@given(SOME)
def test_a_body_that_is_seen_again_changes_nothing(bodies: list[Any]) -> None:
    assert infer(*bodies, *bodies) == infer(*bodies)


@given(BODIES, BODIES, BODIES)
def test_merging_is_associative(one: Any, two: Any, three: Any) -> None:
    shapes = [shape_of(each) for each in (one, two, three)]
    first = merge_shapes(merge_shapes(shapes[0], shapes[1]), shapes[2])
    second = merge_shapes(shapes[0], merge_shapes(shapes[1], shapes[2]))
    assert first == second == reduce(merge_shapes, shapes)


@given(SOME)
def test_a_further_body_only_makes_it_accept_more(bodies: list[Any]) -> None:
    schemas = [infer(*bodies[: count + 1]) for count in range(len(bodies))]
    for (before, now), at in zip(pairwise(schemas), range(1, len(bodies)), strict=True):
        compiled = compile_schema(now)
        assert all(compiled.errors(body) == [] for body in bodies[:at])
        kinds = {one.change for one in compare_schemas(before, now)}
        assert "gone" not in kinds or "additionalProperties" in json.dumps(now)


@pytest.mark.parametrize("provider", ["github", "stripe", "shopify", "slack"])
def test_samples_of_a_provider_fit_their_common_schema(provider: str) -> None:
    bodies = []
    for type_ in sample_types(provider):
        try:
            bodies.append(json.loads(sample(provider, type_, now=1.0, new_id="1").body))
        except ValueError:  # a form
            continue
    schema = compile_schema(infer(*bodies))
    assert all(schema.errors(body) == [] for body in bodies)
    assert "ada" not in json.dumps(infer({"name": "ada"}))


def test_the_schema_has_types_and_names() -> None:
    assert infer(
        {"id": 1, "tags": ["a"], "user": {"login": "ada"}},
        {"id": 1.5, "tags": [], "user": None},
        {"id": 2, "tags": [1], "user": {"login": "bo", "type": "User"}},
    ) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "id": {"type": "number"},
            "tags": {"type": "array", "items": {"type": ["integer", "string"]}},
            "user": {
                "type": ["null", "object"],
                "properties": {"login": {"type": "string"}, "type": {"type": "string"}},
                "required": ["login"],
            },
        },
        "required": ["id", "tags", "user"],
    }


def test_keys_that_are_data_are_not_named() -> None:
    many = infer({"by_id": {f"id-{number}": number for number in range(MAX_NAMED_KEYS + 1)}})
    assert many["properties"]["by_id"] == {
        "type": "object",
        "additionalProperties": {"type": "integer"},
    }
    long = infer({"k" * (MAX_KEY_CHARS + 1): 1})
    assert long["additionalProperties"] == {"type": "integer"} and "properties" not in long
    halves = [
        {f"{part}-{number}": number for number in range(MAX_NAMED_KEYS)} for part in ("a", "b")
    ]
    assert infer(*halves) == infer(*reversed(halves)) == infer(halves[0] | halves[1])


def test_deep_and_large_bodies_give_a_bounded_schema() -> None:
    deep: Any = 1
    for _ in range(90):
        deep = {"a": deep}
    assert compile_schema(infer(deep)).errors(deep) == []
    assert json.dumps(infer(deep)).count("properties") == MAX_SHAPE_DEPTH
    wide: Any = {f"k{number}": 1 for number in range(150)}
    wide = {f"k{number}": dict(wide) for number in range(150)}
    schema = infer(wide)
    assert sum(1 for _ in iterate_schemas(schema)) <= MAX_SCHEMA_PARTS
    assert compile_schema(schema).errors(wide) == []


DRIFTS = [
    ({"a": 1}, {"a": 2}, []),
    ({"a": 1}, {"a": 1, "b": "x"}, [("body.b", "new", None, ["string"])]),
    ({"a": 1, "b": 1}, {"a": 1}, [("body.b", "gone", ["integer"], None)]),
    ({"a": 1}, {"a": "1"}, [("body.a", "type", ["integer"], ["string"])]),
    ({"a": 1.5}, {"a": 1}, []),
    ({"a": {"b": 1}}, {"a": {"c": 1}}, [
        ("body.a.b", "gone", ["integer"], None),
        ("body.a.c", "new", None, ["integer"]),
    ]),
    ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 1}]}, [("body.a[].c", "new", None, ["integer"])]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "now", "changes"), DRIFTS)
def test_drift_says_what_is_new_or_gone(before: Any, now: Any, changes: list[Any]) -> None:
    found = compare_schemas(infer(before), infer(now))
    assert [(one.path, one.change, one.before, one.now) for one in found] == changes


def test_a_key_that_is_sometimes_missing_became_optional() -> None:
    (one,) = compare_schemas(infer({"a": 1, "b": 1}), infer({"a": 1, "b": 1}, {"a": 1}))
    assert (one.path, one.change) == ("body.b", "optional")


@pytest.mark.parametrize(
    "schema", [{}, {"type": 5, "properties": [], "items": True}, {"required": 1}]
)
def test_any_earlier_schema_can_be_compared(schema: Any) -> None:
    compare_schemas(schema, infer({"a": [1]}))
    compare_schemas(infer({"a": [1]}), schema)
