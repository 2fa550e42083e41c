"""Form fields: typed by the schema where their text can be read as its type, and what is wrong with
each.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ingest.forms.coercion import type_fields
from bridge.ingest.forms.error_messages import field_faults
from bridge.ingest.forms.translations.texts import describe_fault
from bridge.routing.schemas.validator import compile_schema

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "agree"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "minimum": 0},
        "price": {"type": "number"},
        "agree": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "note": {"type": ["null", "string"]},
        "count": {"type": ["integer", "null"]},
        "any": {},
        "terms": {"const": True},
        "stars": {"enum": [1, 2, 3, 4, 5]},
        "topic": {"enum": ["4"]},
        "mixed": {"enum": [4, "4"]},
    },
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("age", "3", 3),
        ("age", " 3 ", 3),
        ("age", "-0", 0),
        ("age", "+7", 7),
        ("age", "3.0", "3.0"),
        ("age", "1e3", "1e3"),
        ("age", "٣", 3),
        ("age", "1_000", "1_000"),
        ("age", "9" * 19, "9" * 19),
        ("age", "0x10", "0x10"),
        ("age", "3\n4", "3\n4"),
        ("price", "3", 3),
        ("price", "3.50", 3.5),
        ("price", ".5", 0.5),
        ("price", "1e3", 1000.0),
        ("price", "nan", "nan"),
        ("price", "inf", "inf"),
        ("price", "1,5", "1,5"),
        ("price", "1e999", "1e999"),
        ("agree", "on", True),
        ("agree", "TRUE", True),
        ("agree", "1", True),
        ("agree", "no", False),
        ("agree", "", False),
        ("agree", "maybe", "maybe"),
        ("tags", "a", ["a"]),
        ("tags", ["a", "b"], ["a", "b"]),
        ("sizes", ["1", "x"], [1, "x"]),
        ("sizes", "4", [4]),
        ("name", "3", "3"),
        ("name", "", ""),
        ("note", "", ""),
        ("note", "hi", "hi"),
        ("count", "4", 4),
        ("any", "3", "3"),
        ("terms", "on", True),
        ("stars", "4", 4),
        ("topic", "4", "4"),
        ("mixed", "4", "4"),
        ("unknown", "3", "3"),
    ],
)
def test_a_field_is_typed_where_its_text_reads_as_the_type(
    name: str, text: Any, value: Any
) -> None:
    typed = type_fields({name: text}, SCHEMA)
    assert typed[name] == value
    assert type(typed[name]) is type(value)


@pytest.mark.parametrize("name", ["age", "price", "count", "tags", "any", "unknown"])
def test_an_empty_field_that_is_not_required_is_left_out(name: str) -> None:
    assert name not in type_fields({name: ""}, SCHEMA)


@pytest.mark.parametrize(
    "rule",
    [{"format": "email"}, {"pattern": "^a$"}, {"enum": ["a"]}, {"const": "a"}, {"minLength": 1}],
)
def test_so_is_an_empty_text_where_not_any_text_will_do(rule: dict[str, Any]) -> None:
    """A browser sends an optional field that nobody filled in as an empty text, which is no e-mail
    address.
    """
    schema = {"properties": {"a": {"type": "string", **rule}}}
    assert type_fields({"a": ""}, schema) == {}
    assert type_fields({"a": ""}, {**schema, "required": ["a"]}) == {"a": ""}


def test_a_box_that_is_not_ticked_is_false_where_it_is_required() -> None:
    assert type_fields({"name": "Ann"}, SCHEMA) == {"name": "Ann", "agree": False}


def test_a_schema_without_properties_types_nothing() -> None:
    assert type_fields({"a": "1", "b": ""}, {"type": "object"}) == {"a": "1", "b": ""}


def test_what_is_not_text_stays_as_it_is() -> None:
    """A script may post JSON to a form source."""
    assert type_fields({"age": 3, "agree": True, "tags": ["x"], "name": None}, SCHEMA) == {
        "age": 3,
        "agree": True,
        "tags": ["x"],
        "name": None,
    }


@settings(deadline=None)  # the first use of jsonschema loads it
@given(
    st.dictionaries(
        st.sampled_from(sorted(SCHEMA["properties"])),
        st.text(max_size=40) | st.lists(st.text(max_size=8), max_size=3),
    )
)
def test_no_fields_make_typing_fail(fields: dict[str, Any]) -> None:
    typed = type_fields(fields, SCHEMA)
    assert set(typed) <= set(fields) | {"agree"}
    field_faults(typed, compile_schema(SCHEMA))


def errors(fields: dict[str, Any]) -> dict[str, str]:
    faults = field_faults(type_fields(fields, SCHEMA), compile_schema(SCHEMA))
    return {name: describe_fault("en", fault) for name, fault in faults.items()}


def test_right_fields_have_no_errors() -> None:
    assert errors({"name": "Ann", "age": "3", "agree": "on", "tags": "x"}) == {}


def test_each_field_has_its_own_error() -> None:
    found = errors(
        {"name": "A", "age": "-3", "agree": "maybe", "tags": ["a", "b", "c"], "sizes": ["1", "x"]}
    )
    assert set(found) == {"name", "age", "agree", "tags", "sizes"}
    assert all(found.values())


def test_a_missing_field_is_named() -> None:
    assert errors({"agree": "on"}) == {"name": "Please fill out this field."}


def test_a_field_that_is_not_foreseen_is_an_error_of_the_form() -> None:
    assert set(errors({"name": "Ann", "agree": "on", "surplus": "1"})) == {""}


def test_a_name_that_is_no_word_finds_its_error() -> None:
    schema = {
        "type": "object",
        "properties": {
            "first name": {"type": "string", "maxLength": 1},
            "a-b": {"type": "integer"},
        },
    }
    assert set(
        field_faults(type_fields({"first name": "Ann", "a-b": "x"}, schema), compile_schema(schema))
    ) == {"first name", "a-b"}
