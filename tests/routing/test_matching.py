"""Matching: every operator on every kind of value, nesting, types, and what an explanation
holds.
"""

from __future__ import annotations

import pytest
from growth import check_growth
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import CompileError, ExpressionError
from bridge.routing.matching.matcher import compile_match, match_type
from bridge.routing.matching.operators import OPERATORS
from bridge.routing.matching.reasons import explain_mismatch, explain_type

BODY = {
    "n": 5,
    "f": 5.0,
    "s": "hello",
    "yes": True,
    "no": None,
    "l": ["a", 1, None],
    "o": {"k": 1},
    "items": [{"x-y": "z"}],
    "e": "",
}
CONTEXT = {
    "body": BODY,
    "headers": {"x-event": "push"},
    "query": {"a": "1"},
    "form": None,
    "files": [],
    "event": {"type": "t"},
}

CASES = [
    # operator, path, expected, verdict
    ("eq", "body.n", 5, True),
    ("eq", "body.n", 5.0, True),
    ("eq", "body.n", "5", False),
    ("eq", "body.yes", 1, False),
    ("eq", "body.yes", True, True),
    ("eq", "body.no", None, True),
    ("eq", "body.missing", None, True),
    ("eq", "body.missing", 0, False),
    ("eq", "body.o", {"k": 1}, True),
    ("eq", "body.o", {"k": True}, False),
    ("eq", "body.l", ["a", 1, None], True),
    ("ne", "body.n", 5, False),
    ("ne", "body.n", 6, True),
    ("ne", "body.missing", 5, True),
    ("ne", "body.missing", None, False),
    ("ne", "body.no", None, False),
    ("in", "body.n", [4, 5], True),
    ("in", "body.yes", [1], False),
    ("in", "body.missing", ["a"], False),
    ("in", "body.missing", [None], True),
    ("not_in", "body.n", [5], False),
    ("not_in", "body.n", ["5"], True),
    ("not_in", "body.missing", ["a"], True),
    ("gt", "body.n", 4, True),
    ("gt", "body.n", 5, False),
    ("gt", "body.s", 4, False),
    ("gt", "body.s", "a", True),
    ("gt", "body.yes", 0, False),
    ("gt", "body.missing", 0, False),
    ("gte", "body.f", 5, True),
    ("gte", "body.no", 0, False),
    ("lt", "body.n", 6, True),
    ("lt", "body.n", "6", False),
    ("lt", "body.missing", 6, False),
    ("lte", "body.n", 5, True),
    ("lte", "body.l", 5, False),
    ("exists", "body.n", True, True),
    ("exists", "body.e", True, True),
    ("exists", "body.no", True, False),
    ("exists", "body.no", False, True),
    ("exists", "body.missing", True, False),
    ("exists", "body.missing.deeper", False, True),
    ("exists", "body.n", False, False),
    ("contains", "body.s", "ell", True),
    ("contains", "body.s", 5, False),
    ("contains", "body.l", "a", True),
    ("contains", "body.l", True, False),
    ("contains", "body.l", None, True),
    ("contains", "body.o", "k", False),
    ("contains", "body.missing", "a", False),
    ("starts_with", "body.s", "he", True),
    ("starts_with", "body.s", "lo", False),
    ("starts_with", "body.n", "5", False),
    ("starts_with", "body.missing", "", False),
    ("ends_with", "body.s", "lo", True),
    ("ends_with", "body.l", "a", False),
    ("ends_with", "body.missing", "a", False),
    ("regex", "body.s", "^h.*o$", True),
    ("regex", "body.s", "ll", True),
    ("regex", "body.s", "^l", False),
    ("regex", "body.n", "5", False),
    ("regex", "body.missing", ".*", False),
]


@pytest.mark.parametrize(("operator", "path", "expected", "verdict"), CASES)
def test_operators(operator, path, expected, verdict):
    clause = compile_match({path: {operator: expected}})
    assert clause(CONTEXT) is verdict
    explained = clause.explain(CONTEXT)
    assert (explained.path, explained.operator, explained.expected, explained.verdict) == (
        path,
        operator,
        expected,
        verdict,
    )


def test_every_operator_has_cases_of_both_verdicts():
    for name in OPERATORS:
        assert {verdict for operator, _, _, verdict in CASES if operator == name} == {
            True,
            False,
        }, name


PATHS = [
    ("body.items.0.x-y", "z", True),
    ("body.items.1.x-y", "z", False),
    ("body.items.0", {"eq": {"x-y": "z"}}, True),
    ("body.l.0", "a", True),
    ("headers.x-event", "push", True),
    ("headers.X-Event", "push", True),
    ("query.a", "1", True),
    ("form.name", None, True),
    ("event.type", ["s", "t"], True),
    ("body.o.k", [0, 1], True),
]


@pytest.mark.parametrize(("path", "expected", "verdict"), PATHS)
def test_paths(path, expected, verdict):
    assert compile_match({path: expected})(CONTEXT) is verdict


NESTED = [
    ({"body.n": 5, "body.s": "hello"}, True),
    ({"body.n": 5, "body.s": "other"}, False),
    ({"body.n": {"gt": 1, "lt": 6}}, True),
    ({"body.n": {"gt": 1, "lt": 5}}, False),
    ({"any": [{"body.n": 1}, {"body.s": "hello"}]}, True),
    ({"any": [{"body.n": 1}, {"body.s": "other"}]}, False),
    ({"any": {"body.n": 1, "body.s": "hello"}}, True),
    ({"all": [{"body.n": 5}, {"any": [{"body.s": "hello"}]}]}, True),
    ({"all": {"body.n": 5, "body.s": "other"}}, False),
    ({"not": {"body.n": 1}}, True),
    ({"not": {"body.n": 5, "body.s": "hello"}}, False),
    ({"not": {"body.n": 5, "body.s": "other"}}, True),
    ({"not": [{"body.n": 5}, {"body.s": "other"}]}, False),
    ({"not": {"not": {"body.n": 5}}}, True),
    ({"when": "body.n > 4"}, True),
    ({"when": "${body.n > 4}"}, True),
    ({"not": {"when": "body.n > 4"}, "body.n": 5}, False),
    ({"any": [{"when": "body.missing"}, {"when": "length(body.l) == 3"}]}, True),
]


@pytest.mark.parametrize(("document", "verdict"), NESTED, ids=[str(row[0]) for row in NESTED])
def test_nesting(document, verdict):
    clause = compile_match(document)
    assert clause(CONTEXT) is verdict
    assert clause.explain(CONTEXT).verdict is verdict


def test_an_explanation_shows_what_was_found_clause_by_clause():
    explained = compile_match(
        {"body.n": {"gt": 9}, "any": [{"body.s": "x"}, {"when": "body.yes"}]}
    ).explain(CONTEXT)
    assert explained.operator == "all"
    first, second = explained.inner
    assert (first.path, first.found, first.verdict) == ("body.n", 5, False)
    assert [each.verdict for each in second.inner] == [False, True]


def test_a_when_that_fails_is_an_error_and_not_false():
    with pytest.raises(ExpressionError):
        compile_match({"when": "lower(body.n) == 'a'"})(CONTEXT)


PROBLEMS = [
    ({"bdy.n": 1}, ("bdy.n",), "did you mean `body`?"),
    ({"action": "x"}, ("action",), "`action` is not a root"),
    ({"anny": []}, ("anny",), "did you mean `any`?"),
    ({"body.n": {"gtt": 1}}, ("body.n", "gtt"), "no operator `gtt`; did you mean `gt`?"),
    ({"body.user": {"type": "Bot"}}, ("body.user", "type"), "a deeper value is body.user.type"),
    ({"body.n": {}}, ("body.n",), "found an empty mapping"),
    ({"body.n": []}, ("body.n",), "the list is empty"),
    ({"body.n": {"in": 5}}, ("body.n", "in"), "`in` needs array, found number"),
    ({"body.n": {"gt": True}}, ("body.n", "gt"), "`gt` needs number or string, found boolean"),
    ({"body.n": {"exists": "yes"}}, ("body.n", "exists"), "`exists` needs boolean"),
    ({"body.n": {"starts_with": 5}}, ("body.n", "starts_with"), "needs string"),
    ({"body.n": {"regex": "("}}, ("body.n", "regex"), "not a regular expression"),
    ({"body.n": {"regex": "(?=x)"}}, ("body.n", "regex"), "bounded time"),
    ({"body.items[0]": 1}, ("body.items[0]",), "is not a dotted path"),
    ({"body..n": 1}, ("body..n",), "is not a dotted path"),
    ({"length(body.l)": 1}, ("length(body.l)",), "an expression belongs in when:"),
    ({"any": []}, ("any",), "needs a list of mappings"),
    ({"any": [1]}, ("any", 0), "needs a mapping of paths"),
    ({"not": "x"}, ("not",), "needs a mapping"),
    ({"when": True}, ("when",), "`when` needs an expression"),
    ({"when": "x"}, ("when",), "is not a root"),
    ({"any": [{"body.n": 1}, {"not": {"x": 1}}]}, ("any", 1, "not", "x"), "is not a root"),
    ({"any": [{"event": "push"}]}, ("any", 0, "event"), "elsewhere write event.type"),
    ({}, (), "needs a mapping"),
]


@pytest.mark.parametrize(
    ("document", "path", "message"), PROBLEMS, ids=[str(row[0]) for row in PROBLEMS]
)
def test_problems_say_where_and_why(document, path, message):
    with pytest.raises(CompileError) as caught:
        compile_match(document)
    found = dict(caught.value.problems)
    assert path in found
    assert message in found[path]


def test_all_problems_are_found_at_once():
    with pytest.raises(CompileError) as caught:
        compile_match({"x": 1, "body.n": {"foo": 1, "bar": 2}, "any": [{"y": 1}]})
    assert len(caught.value.problems) == 4


def test_nesting_is_bounded():
    document: dict = {"body.n": 1}
    for _ in range(200):
        document = {"not": document}
    with pytest.raises(CompileError, match="nest more than"):
        compile_match(document)


def test_a_regex_looks_at_a_thousand_characters_and_takes_no_time():
    matches = compile_match({"body": {"regex": "^(a+)+$"}})
    assert matches({"body": "a" * 5000 + "b"}) is True
    assert matches({"body": "a" * 900 + "b"}) is False
    check_growth(lambda size: lambda: matches({"body": "a" * size + "b"}), 225)


TYPES = [
    ((), None, True),
    ((), "push", True),
    (("push",), "push", True),
    (("push",), "pushed", False),
    (("push",), None, False),
    (("a", "push"), "push", True),
    (("invoice.*",), "invoice.paid", True),
    (("invoice.*",), "invoice.", True),
    (("invoice.*",), "invoices.paid", False),
    (("*.paid",), "invoice.paid", True),
    (("*.paid",), "invoice.paid.v2", False),
    (("*.paid",), "invoice.paid\n", False),
    (("invoice.*",), "my.invoice.paid", False),
    (("*voice*",), "invoice.paid", True),
    (("a*b*c",), "a\nxbyc", True),
    (("*",), None, True),
    (("*",), "x", True),
    (("a.b",), "axb", False),
    (("Push Hook",), "Push Hook", True),
]


@pytest.mark.parametrize(("patterns", "event_type", "verdict"), TYPES)
def test_types(patterns, event_type, verdict):
    assert match_type(patterns, event_type) is verdict


def test_a_pattern_of_many_stars_takes_no_time():
    patterns = ("*a" * 20 + "b",)
    assert match_type(patterns, "a" * 500) is False
    check_growth(lambda size: lambda: match_type(patterns, "a" * size), 500)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(anything, anything, st.sampled_from(sorted(OPERATORS)))
def test_any_operator_on_any_value_is_a_verdict_or_refused_at_load(found, expected, operator):
    try:
        clause = compile_match({"body.x": {operator: expected}})
    except CompileError:
        return
    assert clause({"body": {"x": found}}) in (True, False)


LEAVES = st.sampled_from(
    [
        {"body.n": 5},
        {"body.n": [4, 6]},
        {"body.s": {"ne": "hello"}},
        {"body.missing": {"exists": False}},
        {"body.s": {"regex": "^h"}},
        {"when": "body.n > `3`"},
        {"when": "body.s > `3`"},
        {"headers.x-event": {"starts_with": "pu"}},
        {"body.l": {"contains": "z"}},
    ]
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"any": some}),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"all": some}),
        inner.map(lambda one: {"not": one}),
    ),
    max_leaves=8,
)


@given(NESTED)
def test_reasons_are_given_exactly_where_an_event_does_not_match(
    document: dict[str, object],
) -> None:
    clause = compile_match(document)
    try:
        matches = clause(CONTEXT)
    except ExpressionError:  # the route fails on the event, which is another outcome than no match
        return
    reasons = explain_mismatch(clause, CONTEXT)
    assert matches is clause.explain(CONTEXT).verdict or any(
        "needs number" in reason for reason in reasons
    )
    assert not (matches and reasons and "needs number" not in " ".join(reasons)) and (
        matches or reasons
    )


def test_a_reason_names_what_was_expected_and_what_was_found() -> None:
    def reasons(document: dict[str, object]) -> list[str]:
        return explain_mismatch(compile_match(document), CONTEXT)

    assert reasons({"body.missing": 1}) == ["body.missing: expected 1, found nothing"]
    assert reasons({"body.n": {"gt": 5, "lt": 5}}) == [
        "body.n: expected more than 5, found 5",
        "body.n: expected less than 5, found 5",
    ]
    assert reasons({"body.s": {"exists": False}}) == ['body.s: expected no value, found "hello"']
    assert reasons({"any": [{"body.n": 1}, {"body.s": {"contains": "z"}}]}) == [
        "body.n: expected 1, found 5",
        'body.s: expected a text or list that contains "z", found "hello"',
    ]
    assert reasons({"not": {"all": [{"body.n": 5}, {"when": "body.yes"}]}}) == [
        "body.n: not (expected 5), found 5",
        "when: body.yes is true, within `not`",
    ]
    assert (
        explain_type(("push", "issues.*"), None)
        == 'event.type: expected one of "push", "issues.*", found nothing'
    )


WHEN = {
    "money(body.cents, 'usd') > 100": (
        "money(body.cents, 'usd') > 100 is false: money(body.cents, 'usd') is \"45.00 USD\""
    ),
    "body.n > 3 && body.s == 'x'": "body.n > 3 && body.s == 'x' is false: body.n is 2",
    "body.n > 3 || contains(body.tags, 'b')": (
        "body.n > 3 || contains(body.tags, 'b') is false: body.n is 2, body.tags is [\"a\"]"
    ),
    "body.gone && body.s > 3": "body.gone && body.s > 3 is nothing: body.gone is nothing",
    "if(body.n == 2, body.gone, money(body.s, 'usd'))": (
        "if(body.n == 2, body.gone, money(body.s, 'usd')) is nothing: body.n == 2 is true,"
        " body.gone is nothing"
    ),
    "!(body.n == 2)": "!(body.n == 2) is false: body.n is 2",
    "body.n == body.m": "body.n == body.m is false: body.n is 2, body.m is nothing",
    "body.tag[0] == 'a'": (
        "body.tag[0] == 'a' is false: body.tag[0] is nothing (did you mean `body.tags[0]`?)"
    ),
    "body.gone": "body.gone is nothing",
    "body.tag": "body.tag is nothing (did you mean `body.tags`?)",
    "length(body.tags[?starts_with(@, 'wholly other text')]) > 1": (
        "length(body.tags[?starts_with(@, 'wholly other text')]) > 1 is false: length(…) is 0"
    ),
}


@pytest.mark.parametrize(("text", "said"), WHEN.items(), ids=WHEN)
def test_a_condition_that_fails_says_what_it_compared(text: str, said: str) -> None:
    context = {"body": {"cents": 4500, "n": 2, "s": "x", "tags": ["a"]}}
    assert explain_mismatch(compile_match({"when": text}), context) == [f"when: {said}"]


def test_a_condition_within_not_says_what_it_compared() -> None:
    assert explain_mismatch(compile_match({"not": {"when": "body.n < 3"}}), {"body": {"n": 2}}) == [
        "when: body.n < 3 is true, within `not`: body.n is 2"
    ]


def test_a_path_that_leads_nowhere_names_the_one_that_was_meant() -> None:
    context = {"body": {"issue": {"state": "open", "milestone": None}}}
    assert explain_mismatch(
        compile_match({"body.isue.state": "open", "body.issue.milestone": {"exists": True}}),
        context,
    ) == [
        'body.isue.state: expected "open", found nothing (did you mean `body.issue.state`?)',
        "body.issue.milestone: expected a value, found nothing",
    ]
