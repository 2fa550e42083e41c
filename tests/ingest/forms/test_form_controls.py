"""A form's schema as controls, and control fields that other services gave their names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.forms.control_fields import (
    CONTROL_FIELDS,
    control_texts,
    role_of,
    split_control_fields,
)
from bridge.ingest.forms.controls import Control, controls
from bridge.ingest.forms.spam.altcha import ALTCHA_FIELD
from bridge.ingest.forms.spam.captchas import CAPTCHA_FIELDS
from bridge.ingest.forms.spam.layers import TOKEN_FIELD
from bridge.routing.form import Form, Spam


def one(rule: Any, name: str = "f", *, required: bool = False, **more: Any) -> Control:
    (control,) = controls(
        {"properties": {name: rule}, "required": [name] if required else [], **more}
    )
    return control


@pytest.mark.parametrize(
    ("name", "rule", "kind", "attributes"),
    [
        ("f", {}, "input", {"type": "text"}),
        ("f", {"type": "string", "format": "email"}, "input", {"type": "email"}),
        ("f", {"type": "string", "format": "uri"}, "input", {"type": "url"}),
        ("f", {"type": "string", "format": "date"}, "input", {"type": "date"}),
        ("f", {"type": "string", "format": "time"}, "input", {"type": "text"}),
        (
            "f",
            {"type": ["null", "string"], "minLength": 2, "maxLength": 80},
            "input",
            {"type": "text", "minlength": 2, "maxlength": 80},
        ),
        ("f", {"type": "string", "maxLength": 200}, "textarea", {"rows": 6, "maxlength": 200}),
        ("message", {"type": "string"}, "textarea", {"rows": 6}),
        (
            "message",
            {"type": "string", "maxLength": 80},
            "input",
            {"type": "text", "maxlength": 80},
        ),
        ("your_email", {"type": "string"}, "input", {"type": "text", "autocomplete": "email"}),
        ("Phone", {"type": "string"}, "input", {"type": "tel", "autocomplete": "tel"}),
        (
            "f",
            {"type": "string", "pattern": "^[0-9]{5}$", "description": "Five digits"},
            "input",
            {"type": "text", "pattern": "[0-9]{5}", "title": "Five digits"},
        ),
        (
            "f",
            {"type": "string", "pattern": "a|b"},
            "input",
            {"type": "text", "pattern": ".*(?:a|b).*"},
        ),
        (
            "f",
            {"type": "string", "pattern": "^a|b$"},
            "input",
            {"type": "text", "pattern": ".*(?:^a|b$).*"},
        ),
        (
            "f",
            {"type": "integer", "minimum": 1, "maximum": 9},
            "input",
            {"type": "number", "step": 1, "min": 1, "max": 9, "inputmode": "numeric"},
        ),
        (
            "f",
            {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
            "input",
            {"type": "number", "step": 1, "min": 1, "max": 9, "inputmode": "numeric"},
        ),
        (
            "f",
            {"type": "number", "multipleOf": 0.05},
            "input",
            {"type": "number", "step": 0.05, "inputmode": "decimal"},
        ),
        (
            "f",
            {"type": "number"},
            "input",
            {"type": "number", "step": "any", "inputmode": "decimal"},
        ),
        ("country", {"enum": ["de", "fr"]}, "select", {"autocomplete": "country-name"}),
        ("f", {"type": "boolean"}, "checkbox", {"value": "true"}),
        ("f", {"const": "yes"}, "checkbox", {"value": "yes"}),
        ("f", {"type": "array", "items": {"enum": ["a"]}}, "choices", {}),
        ("cv", {"type": "string", "format": "binary"}, "file", {}),
        (
            "cvs",
            {"type": "array", "items": {"type": "string", "format": "binary"}},
            "file",
            {"multiple": True},
        ),
        (
            "f",
            {"type": "array", "items": {"type": "string", "format": "email"}},
            "input",
            {"type": "email"},
        ),
    ],
)
def test_each_kind_of_property_has_its_control(
    name: str, rule: dict[str, Any], kind: str, attributes: dict[str, Any]
) -> None:
    control = one(rule, name)
    assert (control.kind, dict(control.attributes)) == (kind, attributes)


@pytest.mark.parametrize(
    ("rule", "required", "must"),
    [
        ({"type": "string"}, True, True),
        ({"type": "string"}, False, False),
        ({"type": "boolean"}, True, False),
        ({"const": True}, False, True),
        ({"const": "yes"}, True, True),
        ({"const": "yes"}, False, False),
        ({"enum": ["a"]}, True, True),
    ],
)
def test_what_must_be_filled_in(rule: dict[str, Any], required: bool, must: bool) -> None:
    """A box that the schema requires is false where it is not ticked; only one that must be true
    must be ticked.
    """
    assert one(rule, required=required).required is must


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("first_name", "First name"),
        ("firstName", "First name"),
        ("e-mail", "E mail"),
        ("URL", "URL"),
        ("tags[]", "Tags"),
        ("___", "___"),
        ("ü", "Ü"),
    ],
)
def test_a_name_is_read_as_a_label(name: str, label: str) -> None:
    assert one({}, name).label == label
    assert one({"title": "Own"}, name).label == "Own"


def test_a_list_offers_titles() -> None:
    options = (("a", "First"), ("2", "2"))
    assert one({"oneOf": [{"const": "a", "title": "First"}, {"const": 2}]}).options == options
    assert one(
        {
            "type": "array",
            "items": {"oneOf": [{"const": "a", "title": "First"}, {"const": 2}]},
            "default": ["a"],
        }
    ).value == ("a",)
    assert one({"enum": [True, 1.5, None, "", "x"], "default": "x"}).options == (
        ("true", "true"),
        ("1.5", "1.5"),
        ("x", "x"),
    )


def test_references_within_the_schema_are_followed_and_no_circle_is() -> None:
    defs = {
        "mail": {"type": "string", "format": "email", "title": "Mail"},
        "round": {"$ref": "#/$defs/round"},
    }
    assert one({"$ref": "#/$defs/mail", "title": "Own"}, **{"$defs": defs}).label == "Own"
    assert one({"$ref": "#/$defs/mail"}, **{"$defs": defs}).attributes["type"] == "email"
    for nowhere in ("#/$defs/round", "#/$defs/none", "other.json", "#", "#/$defs/mail/type/x"):
        assert one({"$ref": nowhere}, **{"$defs": defs}).kind == "input"


def test_an_object_is_left_out_and_the_order_is_the_schemas() -> None:
    made = controls({"properties": {"b": {}, "o": {"type": "object"}, "a": {}}})
    assert [control.name for control in made] == ["b", "a"]


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["string", "array"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "enum",
                    "const",
                    "items",
                    "oneOf",
                    "default",
                    "minimum",
                    "maxLength",
                    "pattern",
                    "format",
                    "title",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), _anything, max_size=3))
def test_no_schema_is_too_odd(properties: dict[str, Any]) -> None:
    """One that is not valid never loads; those that are valid are odd enough."""
    for control in controls({"properties": properties}):
        assert control.kind in {"input", "textarea", "select", "checkbox", "choices"}
        assert control.slug


# -- control fields


def test_control_fields_are_put_aside_but_those_that_the_schema_names() -> None:
    sent = {
        "name": "Ann",
        "_subject": "Hi",
        "_gotcha": "",
        "form-name": "contact",
        "redirect": "https://x",
        "subject": "Mine",
    }
    fields, control = split_control_fields(sent, Form())
    assert fields == {"name": "Ann", "subject": "Mine"}
    assert control == {
        "_subject": "Hi",
        "_gotcha": "",
        "form-name": "contact",
        "redirect": "https://x",
    }
    named = Form(schema_document={"properties": {"redirect": {}, "_subject": {}, "_gotcha": {}}})
    assert set(split_control_fields(sent, named)[0]) == {"name", "_subject", "redirect", "subject"}


def test_a_forms_own_honeypots_and_what_proves_something_are_control_fields_always() -> None:
    form = Form(
        spam=Spam(honeypots=("website",)),
        schema_document={"properties": {"website": {}, "_token": {}}},
    )
    assert split_control_fields(
        {"website": "x", "_token": "t", "altcha": "a", "botcheck": "on", "name": "n"}, form
    )[0] == {"name": "n"}
    assert (role_of("website", form), role_of("botcheck", form), role_of("altcha", form)) == (
        "honeypot",
        "honeypot",
        "proof",
    )


def test_what_spam_is_told_by_is_in_the_table() -> None:
    roles = {row.name: row.role for row in CONTROL_FIELDS}
    assert {name for name, role in roles.items() if role == "honeypot"} == set(Spam().honeypots)
    proofs = {TOKEN_FIELD, ALTCHA_FIELD, *CAPTCHA_FIELDS}
    assert {name for name, role in roles.items() if role == "proof"} == proofs


def test_common_names_are_control_fields_only_in_a_form_of_web3forms() -> None:
    sent = {"subject": "s", "from_name": "f", "replyto": "r", "ccemail": "c", "email": "e"}
    assert split_control_fields(sent, Form())[1] == {}
    assert split_control_fields({**sent, "access_key": "k"}, Form())[0] == {"email": "e"}


def test_redirects_are_taken_in_the_tables_order() -> None:
    control = {"redirect": "c", "_redirect": "", "_next": "a", "_language": "de", "_gotcha": ["x"]}
    assert control_texts(control, "redirect") == ["a", "c"]
    assert control_texts(control, "language") == ["de"]
    assert control_texts(control, "honeypot") == []
    assert (role_of("_gotcha", Form()), role_of("name", Form()), role_of("_subject", Form())) == (
        "honeypot",
        "",
        "",
    )


def test_the_table_has_each_name_once_and_says_what_it_does() -> None:
    names = [row.name for row in CONTROL_FIELDS]
    assert len(set(names)) == len(names)
    assert all(row.does for row in CONTROL_FIELDS)
    assert {
        "_gotcha",
        "_next",
        "_subject",
        "_replyto",
        "_cc",
        "_format",
        "_language",
        "form-name",
        "bot-field",
        "access_key",
        "redirect",
        "botcheck",
        "subject",
        "from_name",
        "replyto",
        "ccemail",
    } <= set(names)
