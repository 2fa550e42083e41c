"""What people read: each language has every sentence, and JSON Schema's failures become
sentences.
"""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import Any, get_args

import pytest

import bridge
from bridge.cli.commands.form import LANGUAGES as OFFERED
from bridge.config.schema.forms import PageSchema
from bridge.core.errors import FieldFault, Refused
from bridge.ingest import forms
from bridge.ingest.forms.controls import controls
from bridge.ingest.forms.error_messages import field_faults, reword_by_control
from bridge.ingest.forms.translations import texts
from bridge.ingest.forms.translations.texts import LANGUAGES, choose_language, describe_fault
from bridge.ingest.forms.validation import CODES
from bridge.routing.form import FieldRules, Form
from bridge.routing.schemas.validator import compile_schema

BRIDGE = Path(bridge.__file__).parent


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_in_every_language(language: str) -> None:
    english = LANGUAGES["en"]
    own = LANGUAGES[language]
    assert list(own) == list(english)
    for key, sentence in own.items():
        assert names_in(sentence) == names_in(english[key]), key
        assert sentence.strip() == sentence and sentence, key
    # such as “Name”, which is the same in some
    assert language == "en" or sum(own[key] == english[key] for key in own) < 8


def test_every_language_is_offered_wherever_one_is_chosen() -> None:
    annotation = PageSchema.model_fields["language"].annotation
    assert set(get_args(get_args(annotation)[0])) == set(OFFERED) == set(LANGUAGES)


def test_every_sentence_is_said_somewhere_and_no_other_is() -> None:
    """Keys are used by name: in the code and the templates, or made of a code word of `Refused` or
    of a group of files.
    """
    code = "".join(
        path.read_text() for path in BRIDGE.rglob("*.py") if path.parent.name != "translations"
    )
    code += "".join(
        path.read_text() for path in (BRIDGE / "web" / "forms" / "templates").glob("*.html")
    )
    for key in LANGUAGES["en"]:
        name = key.removesuffix("_1")
        assert any(
            f'"{one}"' in code
            for one in (name, name.removeprefix("refused_"), name.removeprefix("files_"))
        ), key
    for key in re.findall(r'FieldFault\("(\w+)"|_by_limit\("(\w+)"', code):
        assert texts.has_text("".join(key)), key


def test_whatever_a_form_is_refused_for_has_a_sentence() -> None:
    """A code of a status has its own; a text that is not one of ours could be in no other language
    than English.
    """
    code = "".join(
        path.read_text()
        for path in [*(BRIDGE / "ingest" / "forms").rglob("*.py"), BRIDGE / "ingest" / "receive.py"]
    )
    codes = {*re.findall(r'Refused\(\d+, "(\w+)"', code), *CODES.values()}
    assert {one for one in codes if not texts.has_text(f"refused_{one}")} == set()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("x" * 201, "1", "Der Name dieses Feldes ist länger als 200 Zeichen."),
        ("a" + "[b]" * 20, "1", "Der Name dieses Feldes ist tiefer als 10 Ebenen verschachtelt."),
        ("a[][b]", "1", "[] ist nur am Ende"),
        ("a=1&a[b]", "1", "Dieses Feld wurde sowohl als einzelner Wert"),
        ("a", "%FF", "Dieser Text ist im Zeichensatz utf-8 nicht gültig."),
    ],
)
def test_what_cannot_be_read_is_said_in_the_language_too(name: str, value: str, said: str) -> None:
    form = Form(fields=FieldRules(nested=True))
    with pytest.raises(Refused) as refused:
        forms.read(
            form,
            "application/x-www-form-urlencoded; charset=utf-8",
            f"{name}={value}".encode(),
            max_depth=20,
        )
    (fault,) = refused.value.fields.values()
    assert describe_fault("de", fault).startswith(said)


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH, de;q=0.9, en;q=0.8", "de"),
        ("it, fr;q=0.5, es;q=0.7", "es"),
        ("it", "en"),
        ("*", "en"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("DE-de", "de"),
        ("de;q=x, es", "es"),
        ("fr;q=0.8,de;q=0.9,en", "en"),
        (",,;;=,", "en"),
        ("x" * 5000 + ",de", "en"),
    ],
)
def test_the_browsers_language_is_spoken_where_we_have_it(accept: str, language: str) -> None:
    assert choose_language(accept) == language


def test_what_is_said_outright_goes_before_the_browser() -> None:
    assert choose_language("de", None, "fr") == "fr"
    assert choose_language("de", "../../etc", "fr") == "fr"
    assert choose_language("de", "xx") == "de"


def sentences(rule: dict[str, Any], value: object, *, required: bool = False) -> str:
    schema = {"type": "object", "properties": {"f": rule}, "required": ["f"] if required else []}
    faults = field_faults({} if value is None else {"f": value}, compile_schema(schema))
    return "; ".join(
        describe_fault("en", fault)
        for fault in reword_by_control(faults, controls(schema)).values()
    )


@pytest.mark.parametrize(
    ("rule", "value", "said"),
    [
        ({"type": "string", "minLength": 3}, "ab", "Please enter at least 3 characters."),
        ({"type": "string", "minLength": 1}, "", "Please fill out this field."),
        ({"type": "string", "maxLength": 1}, "ab", "Please enter at most one character."),
        (
            {"type": "string", "format": "email"},
            "nope",
            "Please enter an email address, for example name@example.com.",
        ),
        (
            {"type": "string", "format": "uri"},
            "x",
            "Please enter a web address, for example https://example.com.",
        ),
        (
            {"type": "string", "format": "date"},
            "1.2.3",
            "Please enter a date, for example 2026-01-31.",
        ),
        (
            {"type": "string", "format": "ipv4"},
            "x",
            "Please match the requested format.",
        ),
        (
            {"type": "string", "pattern": "^a$"},
            "b",
            "Please match the requested format.",
        ),
        ({"type": "integer"}, "x", "Please enter a whole number, for example 3."),
        ({"type": ["null", "number"]}, "x", "Please enter a number, for example 3.5."),
        ({"type": "integer", "minimum": 3.0}, 1, "Please enter 3 or more."),
        ({"type": "integer", "maximum": 3}, 4, "Please enter 3 or less."),
        ({"type": "number", "exclusiveMinimum": 0}, 0, "Please enter more than 0."),
        ({"type": "number", "exclusiveMaximum": 0.5}, 1, "Please enter less than 0.5."),
        ({"type": "number", "multipleOf": 5}, 4, "Please enter a multiple of 5."),
        ({"type": "boolean"}, "perhaps", "Please enter yes or no."),
        ({"enum": ["a", "b"]}, "c", "Please select one of the options."),
        (
            {"oneOf": [{"const": "a"}, {"const": "b"}]},
            "c",
            "Please select one of the options.",
        ),
        ({"const": True}, False, "Please tick this box."),
        ({"type": "array", "minItems": 2}, ["a"], "Please select at least 2 options."),
        ({"type": "array", "minItems": 1}, [], "Please fill out this field."),
        ({"type": "array", "maxItems": 1}, ["a", "b"], "Please select at most one option."),
        ({"type": "array", "uniqueItems": True}, ["a", "a"], "Please give each answer only once."),
        (
            {"type": "array", "items": {"type": "integer"}},
            ["x"],
            "Please enter a whole number, for example 3.",
        ),
        (
            {"anyOf": [{"format": "email"}, {"const": ""}]},
            "x",
            "Please enter an email address, for example name@example.com.",
        ),
        ({"not": {"const": "x"}}, "x", "Please check this answer."),
        (
            {"$ref": "#/properties/f/x", "x": {"minLength": 4}},
            "abc",
            "Please enter at least 4 characters.",
        ),
    ],
)
def test_a_failure_is_said_in_words_of_people(
    rule: dict[str, Any], value: object, said: str
) -> None:
    assert sentences(rule, value) == said


@pytest.mark.parametrize(
    ("rule", "value", "said"),
    [
        ({"type": "string"}, None, "Please fill out this field."),
        ({"type": "string", "format": "email"}, "", "Please fill out this field."),
        ({"const": True}, None, "Please tick this box."),
        ({"enum": ["a"]}, "", "Please select an option."),
        ({"type": "array", "items": {"enum": ["a"]}}, None, "Please select an option."),
    ],
)
def test_a_field_that_is_left_empty_is_asked_for_as_it_is_filled_in(
    rule: dict[str, Any], value: object, said: str
) -> None:
    assert sentences(rule, value, required=True) == said


def test_fields_that_are_not_foreseen_are_named_and_there_are_few_of_them() -> None:
    schema = compile_schema({"type": "object", "additionalProperties": False})
    fault = field_faults({f"field{n}{'x' * 100}": "1" for n in range(9)}, schema)[""]
    said = describe_fault("en", fault)
    assert said.startswith("This form has no such field: field0xxx") and said.endswith(", ….")
    assert len(said) < 400


def test_a_fault_does_not_read_what_stands_in_it() -> None:
    fault = FieldFault("unknown_fields", names=("{limit.__class__}", "{0}"))
    assert describe_fault("en", fault) == "This form has no such field: {limit.__class__}, {0}."


def test_either_of_two_fields_that_are_missing_is_asked_for() -> None:
    schema = compile_schema(
        {
            "anyOf": [{"required": ["email"]}, {"required": ["phone"]}],
            "dependentRequired": {"a": ["b"]},
        }
    )
    assert set(field_faults({}, schema)) == {"email"}
    assert set(field_faults({"phone": "1", "a": "x"}, schema)) == {"b"}
