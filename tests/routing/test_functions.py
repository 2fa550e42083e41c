"""Every function of the expression language: its example, wrong types, and that no JSON makes it do
anything but answer.
"""

from __future__ import annotations

import json
import time

import pytest
from growth import check_growth
from hostile_json import arrays_of_one_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import CompileError, ExpressionError
from bridge.routing.expressions.compile import compile_expression
from bridge.routing.expressions.roots import ROOTS
from bridge.routing.functions.numeric import THREE_DECIMALS, ZERO_DECIMALS
from bridge.routing.functions.registry import FUNCTIONS
from bridge.routing.functions.values import equal, identity_of

CONTEXT = {root: {} for root in ROOTS} | {
    "now": 1772366400,
    "files": [{"name": "cv.pdf"}, {"name": "me.png"}],
    "event": {"id": "evt_01kbc3vmg00000000000000000", "provider": "form"},
}
DOCUMENTED = [
    "lower",
    "upper",
    "trim",
    "replace",
    "split",
    "default",
    "if",
    "add",
    "sub",
    "mul",
    "div",
    "round",
    "money",
    "format_time",
    "parse_time",
    "now",
    "sha256",
    "b64",
    "json",
    "unb64",
    "truncate",
    "urlencode",
    "number",
    "string",
    "first",
    "last",
    "unique",
    "lookup",
    "get",
    "coalesce",
    "join",
    "contains",
    "keys",
    "values",
    "sort",
    "sort_by",
    "map",
    "max",
    "min",
    "length",
]

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def value(expression: str, **body: object) -> object:
    return compile_expression(expression)(CONTEXT | {"body": body})


@pytest.mark.parametrize("row", FUNCTIONS.values(), ids=lambda row: row.name)
def test_every_example_gives_its_result(row):
    found = compile_expression(row.example)(CONTEXT)
    assert found == row.result
    assert type(found) is type(row.result)


def test_the_documented_functions_are_there():
    assert set(DOCUMENTED) <= set(FUNCTIONS)


def test_only_a_file_of_the_forms_own_event_has_a_link() -> None:
    called = compile_expression("file_url(body)")
    assert (
        called(CONTEXT | {"body": {"name": "me.png"}})
        == "flowbridge-file:evt_01kbc3vmg00000000000000000/01"
    )
    assert called(CONTEXT | {"body": None}) is None
    for changed, why in (
        ({"body": {"name": "other"}}, "not one of the event's files"),
        ({"body": "cv.pdf"}, "needs object or null"),
        ({"body": {}, "event": {"provider": "mailgun"}}, "only files of forms"),
        ({"body": {"name": "cv.pdf"}, "files": None}, "only files of forms"),
    ):
        with pytest.raises(ExpressionError, match=why):
            called(CONTEXT | changed)
    assert compile_expression("files[].file_url(@)")(CONTEXT) == [
        called(CONTEXT | {"body": one}) for one in CONTEXT["files"]
    ]


@pytest.mark.parametrize("row", FUNCTIONS.values(), ids=lambda row: row.name)
def test_every_row_is_documented(row):
    assert row.doc.endswith(".")
    assert row.name in row.example
    assert row.signature.startswith(row.name + "(")


RESULTS = [
    ("add(0.1, 0.2)", 0.3),
    ("add(1, 2, 3)", 6),
    ("mul(1.5, 2)", 3),
    ("sub(1, 2.5)", -1.5),
    ("div(1, 3)", 0.3333333333333333),
    ("div(10, 5)", 2),
    ("mod(-1, 3)", 2),
    ("mod(-1.0, 3)", 2),
    ("mod(`-7.0`, 3)", 2),
    ("mod(-1.5, 2)", 0.5),
    ("mod(0.3, 0.1)", 0),
    ("mod(19.99, 0.05)", 0.04),
    ("mod(`1e300`, 3)", 1),
    ("mod(`5e-324`, `1e308`)", 5e-324),
    ("round(2.5)", 3),
    ("round(-2.5)", -3),
    ("round(1.005, 2)", 1.01),
    ("round(1234, -2)", 1200),
    ("round(0.0000001, 3)", 0),
    ("round(1e300)", 1e300),
    ("ceil(-1.5)", -1),
    ("floor(-1.5)", -2),
    ("money(1234, 'usd')", "12.34 USD"),
    ("money(5, 'EUR')", "0.05 EUR"),
    ("money(-1234, 'eur')", "-12.34 EUR"),
    ("money(500, 'jpy')", "500 JPY"),
    ("money(12345, 'kwd')", "12.345 KWD"),
    ("money(1200.0, 'eur')", "12.00 EUR"),
    ("number('1e3')", 1000),
    ("number('x')", None),
    ("number('')", None),
    ("number('nan')", None),
    ("number('1_000')", None),
    ("number(`true`)", None),
    ("string(`null`)", "null"),
    ("string('a')", "a"),
    ("json('a')", '"a"'),
    ("json({a: `true`, b: [1.5]})", '{"a":true,"b":[1.5]}'),
    ("split('a', ',')", ["a"]),
    ("split('', ',')", [""]),
    ("truncate('abc', 3)", "abc"),
    ("truncate('abcd', 0)", ""),
    ("truncate('abcdef', 3, '...')", "..."),
    ("unb64('_-8')", ExpressionError),
    ("unb64('aGk')", "hi"),
    ("b64('ü')", "w7w="),
    ("urlencode('ü/')", "%C3%BC%2F"),
    ("if(`false`, 1)", None),
    ("if(1, div(1, 1), div(1, 0))", 1),
    ("default(`null`, `null`, 0)", 0),
    ("default('', 'x')", ""),
    ("get([1, 2], -1)", 2),
    ("get([1, 2], 5, 'none')", "none"),
    ("get(`null`, 'a', 'none')", "none"),
    ("get({a: 1}, 0)", None),
    ("first(`[]`)", None),
    ("last(`[]`)", None),
    ("unique([1, 1.0, `true`, '1'])", [1, True, "1"]),
    ("contains([1, 2], `true`)", False),
    ("contains('abc', 1)", False),
    ("sum(`[]`)", 0),
    ("avg(`[]`)", None),
    ("max(`[]`)", None),
    ("format_time(0)", "1970-01-01T00:00:00Z"),
    ("format_time('2026-03-01', '%Y')", "2026"),
    ("format_time('2026-07-01T12:00:00Z', '%H:%M %Z', 'Europe/Berlin')", "14:00 CEST"),
    ("format_time('2026-07-01T12:00:00+02:00')", "2026-07-01T10:00:00Z"),
    ("format_time('2026-07-01T12:00:00.123456789Z', '%f')", "123456"),
    ("format_time(1.5, '%s')", "1"),
    ("format_time(0, '100%%')", "100%"),
    ("parse_time('1970-01-01T00:01:00.5Z')", 60.5),
    ("parse_time('1970-01-01', `null`, 'Europe/Berlin')", -3600),
    ("parse_time('02.01.1970', '%d.%m.%Y')", 86400),
    ("parse_time('02.01.1970 UTC', '%d.%m.%Y %Z', 'Europe/Berlin')", 86400),
    ("parse_time('02.01.1970 gmt', '%d.%m.%Y %Z', 'Europe/Berlin')", 86400),
    ("parse_time('02.01.1970 +0100 UTC', '%d.%m.%Y %z %Z')", 82800),
    ("parse_time('02.01.1970 %Z', '%d.%m.%Y %%Z', 'Etc/GMT-1')", 82800),
    ("parse_time(12)", 12),
]


MONEY = [
    ("money(body.n, 'eur') > 100", 10_001, True),
    ("money(body.n, 'eur') > 100", 10_000, False),
    ("money(body.n, 'eur') >= 100", 10_000, True),
    ("money(body.n, 'eur') == 100", 10_000, True),
    ("money(body.n, 'eur') != 100", 10_000, False),
    ("money(body.n, 'eur') == 49.99", 4999, True),
    ("money(body.n, 'eur') < 9", 1000, False),
    ("money(body.n, 'jpy') > 100", 101, True),
    ("money(body.n, 'jpy') > 100", 100, False),
    ("money(body.n, 'jpy') > 100", 10_001, True),
    ("money(body.n, 'kwd') > 100", 100_001, True),
    ("money(body.n, 'kwd') > 100", 10_001, False),
    ("money(body.n, 'kwd') == 12.345", 12_345, True),
    ("100 < money(body.n, 'eur')", 10_001, True),
    ("100 < money(body.n, 'eur')", 9_999, False),
    ("money(body.n, 'eur') > -1", -99, True),
    ("money(body.n, 'eur') > money(1000, 'EUR')", 9_999, True),
    ("money(body.n, 'eur') == money(1000, 'usd')", 1000, False),
    ("money(body.n, 'eur') == money(1000, 'eur')", 1000, True),
    ("money(body.n, 'eur') == '10.00 EUR'", 1000, True),
    ("money(body.n, 'eur') == `null`", 1000, False),
    ("money(body.n, 'eur') > `null`", 1000, None),
    ("money(body.n, 'eur') == `true`", 100, False),
    ("body.money(n, 'eur') > 100", 10_001, True),
    ("body | money(n, 'eur') > 100", 10_001, True),
    ("length([{a: body.n}][?money(a, 'eur') > 100])", 10_001, 1),
    (
        "if(money(body.n, 'eur') > 100 && money(body.n, 'eur') < 1000, 'large', 'other')",
        10_001,
        "large",
    ),
]


@pytest.mark.parametrize(("expression", "amount", "expected"), MONEY)
def test_amounts_compare_in_units_of_their_currency(expression, amount, expected):
    found = value(expression, n=amount)
    assert (found, type(found)) == (expected, type(expected))


def test_amounts_of_two_currencies_have_no_order():
    with pytest.raises(ExpressionError, match="two currencies"):
        value("money(body.n, 'eur') > money(body.n, 'usd')", n=1)
    with pytest.raises(ExpressionError, match="not a whole number of minor units"):
        value("money(body.n, 'eur') > 100", n=1.5)


@pytest.mark.parametrize(("expression", "expected"), RESULTS, ids=[row[0] for row in RESULTS])
def test_results(expression, expected):
    if expected is ExpressionError:
        with pytest.raises(ExpressionError):
            value(expression)
    else:
        found = value(expression)
        assert found == expected
        assert isinstance(found, bool) == isinstance(expected, bool)


ERRORS = [
    ("lower(body.x)", {"x": 1}, "`body.x` is number, needs string"),
    (
        "lower(body.x)",
        {},
        "`body.x` is null, needs string (use default() for a missing value)",
    ),
    ("add(body.x, 1)", {"x": "5"}, "`body.x` is string, needs number"),
    ("add(body.x, 1)", {"x": True}, "`body.x` is boolean, needs number"),
    (
        "join(', ', body.x)",
        {"x": ["a", 1]},
        "`body.x` is array of number and string, needs array of string",
    ),
    ("sort(body.x)", {"x": {}}, "`body.x` is object, needs array of number or array of string"),
    ("div(1, body.x)", {"x": 0}, "`div(1, body.x)`: division by zero"),
    ("mod(1, body.x)", {"x": 0}, "`mod(1, body.x)`: division by zero"),
    ("round(1, body.x)", {"x": 99}, "digits must be a whole number from -20 to 20"),
    ("money(body.x, 'eur')", {"x": 1.5}, "the amount is not a whole number of minor units"),
    ("money(1, body.x)", {"x": "euros"}, "the currency is not a code of three letters"),
    ("split('a', body.x)", {"x": ""}, "the separator is empty"),
    ("replace('a', body.x, 'b')", {"x": ""}, "the text to replace is empty"),
    ("format_time(body.x)", {"x": "soon"}, "a text that is not an ISO 8601 time"),
    ("format_time(body.x)", {"x": 1e20}, "a time outside the years 1 to 9999"),
    ("format_time(0, body.x)", {"x": "%Q"}, "a format with an unknown % directive"),
    ("format_time(0, '%H', body.x)", {"x": "../../etc/passwd"}, "no such time zone"),
    ("format_time(0, '%H', body.x)", {"x": "Mars/Olympus"}, "no such time zone"),
    ("mul(body.x, body.x)", {"x": 1e300}, "a number out of range"),
    (
        "sort_by(body.x, &n)",
        {"x": [{"n": 1}, {"n": "a"}]},
        "keys that are all numbers or all strings",
    ),
    ("body.x > 1", {"x": "5"}, "`body.x` is string, needs number"),
    ("b64(body.x)", {"x": "\ud800"}, "a text that is not valid Unicode"),
]


@pytest.mark.parametrize(("expression", "body", "text"), ERRORS, ids=[row[0] for row in ERRORS])
def test_errors_name_the_expression_and_the_type_and_no_value(expression, body, text):
    with pytest.raises(ExpressionError) as caught:
        value(expression, **body)
    assert text in str(caught.value)


def test_a_zone_that_only_this_machine_knows_is_refused(monkeypatch):
    """Its name would be read and ignored."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        with pytest.raises(ExpressionError, match="not a time of that format"):
            value("parse_time('02.01.1970 CET', '%d.%m.%Y %Z')")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_an_error_never_holds_the_value():
    with pytest.raises(ExpressionError) as caught:
        value("add(body.x, 1)", x="hunter2")
    assert "hunter2" not in str(caught.value)


BOUNDS = [
    ("replace(body.x, 'a', body.x)", lambda size: {"x": "a" * size}, 5000),
    ("join(body.s, body.l)", lambda size: {"s": "x" * 1000, "l": ["a"] * size}, 2000),
    ("split(body.x, ',')", lambda size: {"x": "," * size}, 200_000),
    (
        "map(&replace(@, 'a', 'bbbbbbbbbb'), body.l)",
        lambda size: {"l": ["a" * 100_000] * size},
        100,
    ),
    ("json(body.l)", lambda size: {"l": ["a" * 1000] * size}, 2000),
]


@pytest.mark.parametrize(("expression", "body", "size"), BOUNDS, ids=[row[0] for row in BOUNDS])
def test_results_are_bounded_and_refused_in_time_that_grows_with_the_payload_only(
    expression, body, size
):
    def prepare(size):
        payload = body(size)

        def refuse():
            with pytest.raises(ExpressionError):
                value(expression, **payload)

        return refuse

    check_growth(prepare, size)


def test_no_choice_of_numbers_makes_unique_slow():
    unique = compile_expression("unique(body.x)")

    def prepare(size):
        context = CONTEXT | {"body": {"x": arrays_of_one_hash(size)}}
        return lambda: unique(context)

    check_growth(prepare, 250)


def test_currencies_are_told_apart():
    assert not ZERO_DECIMALS & THREE_DECIMALS


@given(st.lists(JSONS, max_size=4), st.sampled_from(sorted(set(FUNCTIONS) - {"now"})))
@settings(max_examples=600, deadline=None)
def test_any_arguments_give_a_value_or_an_expression_error(arguments, name):
    row = FUNCTIONS[name]
    places = [f"body.a[{index}]" for index in range(len(arguments))]
    if "expression" in row.types:
        places = [
            "&@" if kind == "expression" else place
            for kind, place in zip(row.types, places, strict=False)
        ]
    try:
        expression = compile_expression(f"{name}({', '.join(places)})")
    except CompileError:
        return
    try:
        found = expression(CONTEXT | {"body": {"a": arguments}})
    except ExpressionError:
        return
    json.dumps(found)


@given(JSONS, JSONS)
def test_identity_agrees_with_equality(left, right):
    if left == left and right == right:  # noqa: PLR0124 - not a number is not itself
        assert (identity_of(left) == identity_of(right)) == equal(left, right)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (2**53 + 1, float(2**53), False),
        (1e300, int(1e300), True),
        (1, "1", False),
        (1, True, False),
        ([1], [True], False),
        ({"a": 0}, {"a": False}, False),
    ],
)
def test_equality_is_that_of_json(left, right, same):
    assert equal(left, right) is same
    assert (identity_of(left) == identity_of(right)) is same
