"""Expressions: JMESPath with bare numbers, checked roots, and hints for the usual slips."""

from __future__ import annotations

import jmespath
import pytest
from growth import check_growth
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.core.errors import CompileError, ExpressionError
from bridge.routing.expressions.compile import (
    MAX_EXPRESSION_LENGTH,
    ExpressionParser,
    compile_expression,
    scan,
)
from bridge.routing.expressions.unparse import unparse

BODY = {
    "action": "opened",
    "amount": 150,
    "zero": 0,
    "text": "5",
    "labels": [{"name": "bug", "n": 1}, {"name": "ui", "n": 2}],
    "nested": [[1, 2], [3]],
    "x-y": 1,
    "obj": {"a": {"v": 1}, "b": {"v": 2}},
}
CONTEXT = {
    "body": BODY,
    "headers": {"x-event": "push"},
    "query": {},
    "form": None,
    "files": [],
    "event": {"id": "e1"},
    "now": 5.0,
}

NUMBERS = [
    ("x >= 100", "x >= `100`"),
    ("f(1, -1.5)", "f(`1`, `-1.5`)"),
    ("a[0]", "a[0]"),
    ("a[-1]", "a[-1]"),
    ("a[ 0 ]", "a[ 0 ]"),
    ("a[1:2]", "a[1:2]"),
    ("a[::-1]", "a[::-1]"),
    ("a[:2:3]", "a[:2:3]"),
    ("[1, 2]", "[`1`, `2`]"),
    ("[1.5]", "[`1.5`]"),
    ("a1 == 1e3", "a1 == `1e3`"),
    ("'1 2' == `3`", "'1 2' == `3`"),
    ('"1"', '"1"'),
    ("'it\\'s 5'", "'it\\'s 5'"),
    ("a[?n == 1].b", "a[?n == `1`].b"),
    ("a[?n[0] == 1][0]", "a[?n[0] == `1`][0]"),
    ("{a: 1}", "{a: `1`}"),
    ("h123.x_9", "h123.x_9"),
    ("1", "`1`"),
]


@pytest.mark.parametrize(("written", "read"), NUMBERS, ids=[row[0] for row in NUMBERS])
def test_bare_numbers_become_literals_and_nothing_else_is_touched(written, read):
    assert scan(written).text == read


VALUES = [
    ("body.amount >= 100", True),
    ("body.amount == 150.0", True),
    ("body.zero == `false`", False),
    ("body.labels[?n > 1].name", ["ui"]),
    ("body.labels[*].name | [0]", "bug"),
    ("body.labels[].{n: name}", [{"n": "bug"}, {"n": "ui"}]),
    ("body.nested[]", [1, 2, 3]),
    ("body.obj.*.v", [1, 2]),
    ('body."x-y"', 1),
    ('headers."x-event"', "push"),
    ("body.missing.deeper", None),
    ("body.missing || 'none'", "none"),
    ("!body.missing", True),
    ("!body.labels[?n > 5]", True),
    ("!body.zero == `false`", True),
    ("!(body.missing || body.action)", False),
    ("body.zero && 'zero is true'", "zero is true"),
    ("body.action < 1", ExpressionError),
    ("body.missing < 1", None),
    ("now()", 5.0),
    ("now", CompileError),
    ("keys(@)", ["body", "headers", "query", "form", "fields", "files", "event"]),
    ("@.body.zero", 0),
    ("@.now", None),
    ("{a: body.zero, b: 'x'}", {"a": 0, "b": "x"}),
    ("[body.zero, body.amount]", [0, 150]),
    ("form.name", None),
    ("sort_by(body.labels, &n)[-1].name", "ui"),
    ("map(&upper(name), body.labels)", ["BUG", "UI"]),
    ("body.labels[::-1].n", [2, 1]),
]


@pytest.mark.parametrize(("text", "expected"), VALUES, ids=[row[0] for row in VALUES])
def test_values(text, expected):
    if expected is CompileError:
        with pytest.raises(CompileError):
            compile_expression(text)
    elif expected is ExpressionError:
        with pytest.raises(ExpressionError):
            compile_expression(text)(CONTEXT)
    else:
        assert compile_expression(text)(CONTEXT) == expected


SLIPS = [
    ("", "an empty expression"),
    ("bdy.x", "did you mean `body`?"),
    (
        "foo",
        (
            "allowed: body, headers, query, form, fields, files, event (a text needs single quotes:"
            " 'foo')"
        ),
    ),
    ('body.action == "opened"', "a text needs single quotes: 'opened'"),
    ('body.labels[?name == "bug"]', "a text needs single quotes: 'bug'"),
    ("body.action == opened", "a text needs single quotes: 'opened'"),
    ("body.draft == true", "the value needs backticks: `true`"),
    ("body.labels[?ok == false]", "the value needs backticks: `false`"),
    ("true", "the value needs backticks: `true`"),
    ("headers.x-github-event", 'a name with a hyphen needs double quotes: "x-github-event"'),
    ('headers."X-Event"', 'lower-case here: headers."x-event"'),
    ("body.a + 1", "`+` is not an operator: write add(a, b)"),
    ("body.a - 1", "`-` is not an operator: write sub(a, b)"),
    ("body.a -1", "`-` is not an operator: write sub(a, b)"),
    ("body.a / 2", "`/` is not an operator: write div(a, b)"),
    ("body.a = 1", "`=` is not an operator: write =="),
    ("body.items.0", "an element of an array is written [0]"),
    ("body.x == 'a", "a ' at character 11 is not closed"),
    ("body.x == `opened`", "a text needs single quotes: 'opened'"),
    ("body.x == `NaN`", "is not JSON"),
    ("body.x ==", "it ends too early"),
    ("body.x[", "it ends too early"),
    ("body.x)", "syntax error at character 7"),
    ("add(1, 2))", "syntax error at character 10"),
    ("lowr(body.x)", "no function `lowr`; did you mean `lower`?"),
    ("lower()", "`lower` is written lower(text), found 0 arguments"),
    ("round(1, 2, 3)", "`round` is written round(x, [digits]), found 3 arguments"),
    ("sort_by(body.x, n)", "`sort_by` needs an expression after & there"),
    ("lower(&x)", "`lower` takes no expression after & there"),
    ("body.a[::0]", "a slice with step 0"),
    ("${body.x}", "names are written without ${ }"),
    ("012", "is not a number as JSON writes it"),
    ("1e999", "out of range"),
    ("`1e999`", "`1e999` is out of range"),
    ("""`{"a": [-1e999]}`""", "`-1e999` is out of range"),
    ("`18446744073709551616`", "out of range"),
    ("`" + "9" * 4000 + "`", "out of range"),
    ("body.x" + " " * MAX_EXPRESSION_LENGTH, f"allowed: {MAX_EXPRESSION_LENGTH}"),
    ("(" * 300 + "body" + ")" * 300, "brackets nested more than 50 deep"),
    ("!" * 3000 + "body", "nest"),
    (" || ".join(["body"] * 500), "nests"),
    ("|".join(["[@, @]"] * 30), "copies"),
]


@pytest.mark.parametrize(("text", "hint"), SLIPS, ids=[row[0][:40] for row in SLIPS])
def test_slips_are_refused_with_a_hint(text, hint):
    with pytest.raises(CompileError) as caught:
        compile_expression(text)
    assert hint in str(caught.value)
    assert len(str(caught.value)) < 1500


ROOTED = [
    ("body.a | b", True),
    ("body.a[*].b", True),
    ("body.a[?b == c]", True),
    ("body.a[].b.c", True),
    ("body.a.[b, c]", True),
    ("body.a.{x: b}", True),
    ("body.*.b", True),
    ("map(&b, body.a)", True),
    ("[?b]", True),
    ("a[*].body", False),
    ("[body, b]", False),
    ("{x: b}", False),
    ("body.a || b", False),
    ("body.a == b", False),
    ("!b", False),
    ("length(b)", False),
    ("(b)", False),
    ("b[0]", False),
    ("b[]", False),
    ("b | body", False),
]


@pytest.mark.parametrize(("text", "fine"), ROOTED, ids=[row[0] for row in ROOTED])
def test_only_what_begins_at_the_event_is_a_root(text, fine):
    if fine:
        compile_expression(text)
    else:
        with pytest.raises(CompileError, match="is not a root"):
            compile_expression(text)


def test_what_is_evaluated_is_bounded_by_the_depth_of_the_value():
    deep: object = 1
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(ExpressionError):
        compile_expression("json(body)")({"body": deep})
    assert compile_expression("body == body")({"body": deep}) is True


def test_the_time_of_an_evaluation_grows_with_the_payload_only():
    expression = compile_expression("body.labels[?n > 1].name | [0]")

    def prepare(size):
        context = {
            **CONTEXT,
            "body": {"labels": [{"name": "bug", "n": number % 3} for number in range(size)]},
        }
        return lambda: expression(context)

    check_growth(prepare, 500)


def test_an_expression_is_parsed_once(monkeypatch):
    expression = compile_expression("body.labels[?n > 1].name | [0]")

    def parse(*_):
        raise AssertionError("it is parsed again")

    monkeypatch.setattr(jmespath.parser.Parser, "parse", parse)
    assert expression(CONTEXT) == "ui"


names = st.sampled_from(["a", "b", "body"])
atoms = names | st.sampled_from(
    ["@", "`1`", "'t'", "`null`", "`[1, 2]`", '`{"a": 1}`', "[0]", "[-1]", "[1:]", "*", "[*]", "[]"]
)
trees = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, names).map(lambda p: f"{p[0]}.{p[1]}"),
        st.tuples(inner, st.sampled_from(["[0]", "[]", "[*]", "[1:]", "[::-1]"])).map("".join),
        st.tuples(inner, inner).map(lambda p: f"{p[0]} | {p[1]}"),
        st.tuples(inner, st.sampled_from(["||", "&&", "==", "!=", "<"]), inner).map(
            lambda p: f"({p[0]} {p[1]} {p[2]})"
        ),
        st.tuples(inner, inner).map(lambda p: f"{p[0]}[?{p[1]}]"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"),
        inner.map(lambda p: f"!{p}"),
        inner.map(lambda p: f"{{a: {p}}}"),
        inner.map(lambda p: f"type({p})"),
        inner.map(lambda p: f"to_array({p})"),
    ),
    max_leaves=8,
)
values = st.recursive(
    st.none() | st.sampled_from(["t", "", 2, 5.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(trees, values)
@settings(max_examples=800, deadline=None)
def test_values_are_those_of_the_library(text, body):
    """The oracle is the library's own interpreter, which raises TypeError where we raise
    ExpressionError.
    """
    try:
        parsed = ExpressionParser().parse(text)
        ours = compile_expression(text)
    except (jmespath.exceptions.JMESPathError, CompileError):
        return
    context = {
        "body": body,
        "headers": {},
        "query": {},
        "form": None,
        "fields": None,
        "files": [],
        "event": {},
    }
    try:
        expected = parsed.search(context)
    except TypeError:
        with pytest.raises(ExpressionError):
            ours(context)
        return
    assert ours(context) == expected


@given(trees)
@example("!a | (a || a)[?a]")
@example("(a || b)[0].c | (a && b)[]")
@settings(max_examples=300, deadline=None)
def test_an_expression_is_written_back_as_it_was_read(text):
    try:
        tree = ExpressionParser().parse(text).parsed
    except jmespath.exceptions.JMESPathError:
        return
    again = scan(unparse(tree)).text
    assert unparse(ExpressionParser().parse(again).parsed) == unparse(tree)


@given(st.text(alphabet="body.[]()'\"`{}|&!=<>?*@,:$ 0129ae-", max_size=40))
@settings(max_examples=600, deadline=None)
def test_any_text_compiles_or_is_refused(text):
    try:
        expression = compile_expression(text)
    except CompileError:
        return
    try:
        expression(CONTEXT)
    except ExpressionError:
        return
