"""`${…}`: types kept, texts written, nesting, nulls, reserved names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import CompileError, ExpressionError
from bridge.routing.templates import RESERVED_INPUTS, compile_inputs, compile_template

BODY = {
    "n": 1,
    "f": 2.5,
    "t": "text",
    "yes": True,
    "no": None,
    "o": {"a": [1]},
    "l": ["a", "b"],
    "u": "ü",
}
CONTEXT = {
    "body": BODY,
    "headers": {},
    "query": {},
    "form": {"name": "Ada"},
    "files": [],
    "event": {"id": "e1"},
    "now": 0.0,
}

FILLED = [
    ("plain", "plain"),
    ("", ""),
    ("${body.n}", 1),
    ("${ body.f }", 2.5),
    ("${body.yes}", True),
    ("${body.no}", None),
    ("${body.o}", {"a": [1]}),
    ("${body.missing}", None),
    ("n=${body.n}", "n=1"),
    ("${body.n}${body.f}", "12.5"),
    ("${body.yes}!", "true!"),
    ("[${body.no}]", "[]"),
    ("[${body.missing}]", "[]"),
    ("${body.o}!", '{"a":[1]}!'),
    ("${body.l}!", '["a","b"]!'),
    ("${body.u} ", "ü "),
    ("$${body.n}", "${body.n}"),
    ("a $${b} ${body.n}", "a ${b} 1"),
    ("$$${body.n}", "$${body.n}"),
    ("$5 and {}", "$5 and {}"),
    ("${body.n} $", "1 $"),
    ("${body.n}$", "1$"),
    ("${body.n}$${body.f}", "1${body.f}"),
    ("${'}'}", "}"),
    ("${'a}b'}-${`\"}\"`}", "a}b-}"),
    ("${{a: body.n}}", {"a": 1}),
    ("${{a: {b: body.n}}.a.b}", 1),
    ("${body.\"}\" || 'none'}", "none"),
    ("${'it\\'s }'}", "it's }"),
    ("#${body.n}", "#1"),
    (7, 7),
    (None, None),
    (["${body.n}", {"a": "x${body.n}"}], [1, {"a": "x1"}]),
    ({"a": {"b": ["${body.no}"]}}, {"a": {"b": [None]}}),
    ({"static": [1, True]}, {"static": [1, True]}),
    ({"${body.t}": 1}, {"${body.t}": 1}),
]


@pytest.mark.parametrize(("document", "expected"), FILLED, ids=[str(row[0]) for row in FILLED])
def test_filled(document, expected):
    found = compile_template(document)(CONTEXT)
    assert found == expected
    assert type(found) is type(expected)


BROKEN = [
    ("${body.n", (), "a ${ without a closing }"),
    ("${body.n # rest", (), "needs quotes"),
    ("${'a}", (), "a ' at character 1 is not closed"),
    ("${}", (), "an empty expression"),
    ("${bdy.n}", (), "did you mean `body`?"),
    (
        "${env:HOME}",
        (),
        "only under platforms and in secret, secrets, verify and a captcha's secret",
    ),
    ("x ${file:/etc/passwd}", (), "only under platforms"),
    ({"a": ["ok", "${x}"]}, ("a", 1), "`x` is not a root"),
]


@pytest.mark.parametrize(
    ("document", "path", "message"), BROKEN, ids=[str(row[0]) for row in BROKEN]
)
def test_broken_ones_say_where_and_why(document, path, message):
    with pytest.raises(CompileError) as caught:
        compile_template(document)
    ((found, text),) = caught.value.problems
    assert found == path
    assert message in text


def test_all_problems_are_found_at_once():
    with pytest.raises(CompileError) as caught:
        compile_template({"a": "${x}", "b": ["${y}", "${body"]})
    assert [path for path, _ in caught.value.problems] == [("a",), ("b", 0), ("b", 1)]


def test_null_inputs_are_left_out_at_the_top_only():
    inputs = compile_inputs(
        {"a": "${body.no}", "b": "${body.n}", "c": {"d": "${body.no}"}, "e": "${body.no}!"}
    )
    assert inputs(CONTEXT) == {"b": 1, "c": {"d": None}, "e": "!"}


def test_a_strict_route_names_the_null_input():
    with pytest.raises(ExpressionError, match="input `a` is null"):
        compile_inputs({"a": "${body.no}"}, strict=True)(CONTEXT)


def test_an_error_names_the_input_and_the_expression():
    with pytest.raises(ExpressionError) as caught:
        compile_inputs({"a": "${lower(body.n)}"})(CONTEXT)
    assert str(caught.value) == "input `a`: `body.n` is number, needs string"


def test_one_expression_gives_all_inputs():
    inputs = compile_inputs("${form}")
    assert inputs.whole is not None
    assert inputs(CONTEXT) == {"name": "Ada"}
    assert compile_inputs({"a": 1}).whole is None


@pytest.mark.parametrize("document", ["text", "a ${body}", "${body} ", 5, ["${body}"], None])
def test_other_inputs_are_refused(document):
    with pytest.raises(CompileError, match="`inputs` must be a mapping"):
        compile_inputs(document)


@pytest.mark.parametrize("name", [*sorted(RESERVED_INPUTS), "API_KEY", "Saved_Item_Id"])
def test_reserved_names_are_refused_in_any_case(name):
    with pytest.raises(CompileError, match="reserves the name"):
        compile_inputs({name: "x"})


def test_a_reserved_name_further_down_is_only_a_key():
    assert compile_inputs({"a": {"api_key": "x"}})(CONTEXT) == {"a": {"api_key": "x"}}


def test_a_null_input_is_refused():
    with pytest.raises(CompileError, match="quote it"):
        compile_inputs({"a": None})


def test_texts_are_bounded():
    context = CONTEXT | {"body": {"x": "a" * 700_000}}
    with pytest.raises(ExpressionError):
        compile_template("${body.x}${body.x}")(context)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
texts = st.lists(
    st.sampled_from(
        ["${", "}", "$", "{", "body", ".a", "'", '"', "`1`", " ", "x", "|", "[0]", "#", "env:"]
    ),
    max_size=8,
).map("".join)


@given(texts, json_values)
@settings(max_examples=800, deadline=None)
def test_any_text_on_any_event_gives_json_or_a_bridge_error(text, body):
    try:
        template = compile_template({"a": text, "b": [text]})
    except CompileError:
        return
    try:
        json.dumps(template(CONTEXT | {"body": body}))
    except ExpressionError:
        return


@given(st.text(max_size=30))
def test_a_text_with_its_dollars_escaped_comes_back(text):
    assert compile_template(text.replace("${", "$${"))(CONTEXT) == text or "$${" in text
