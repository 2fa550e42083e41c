"""Patterns find what Python's engine finds, in time that does not depend on the text's malice."""

from __future__ import annotations

import re

import pytest
from growth import check_growth
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern

pieces = st.recursive(
    st.sampled_from(
        [
            "a",
            "b",
            "A",
            ".",
            "\\d",
            "\\W",
            "\\s",
            "[ab]",
            "[^a]",
            "[a-c\\d]",
            "^",
            "$",
            "\\b",
            "\\B",
            "\\A",
            "\\Z",
            "\\.",
            "ü",
            "",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda p: f"(?:{p[0]}|{p[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
        inner.map(lambda p: f"(?i:{p})"),
        inner.map(lambda p: f"(?m:{p})"),
        inner.map(lambda p: f"(?s:{p})"),
    ),
    max_leaves=6,
)


@given(pieces, st.text(alphabet="aAbBcü1 .\n_", max_size=8))
@settings(max_examples=1500, deadline=None)
def test_it_finds_what_python_finds(text, value):
    # Python before 3.14 says that an empty text has no \\B: its bug 124130
    if "\\B" in text and not value:
        return
    assert Pattern(text).search(value) is (re.search(text, value) is not None)


HOSTILE = [  # pattern, what is repeated, what follows it
    ("^(a+)+$", "a", "b"),
    ("(a|aa)+$", "a", "b"),
    ("(.*)*=(.*)*;", "x", ""),
    ("a.*a.*a.*a.*a.*b", "a", ""),
    ("^(([a-z])+.)+[A-Z]([a-z])+$", "a", ""),
    ("(x+x+)+y", "x", ""),
    ("[ab]*a[ab]{20}$", "ab", ""),
]


@pytest.mark.parametrize(("pattern", "piece", "end"), HOSTILE, ids=[row[0] for row in HOSTILE])
def test_a_pattern_that_stops_python_takes_no_time(pattern, piece, end):
    compiled = Pattern(pattern)
    check_growth(lambda size: lambda: compiled.search(piece * size + end), 249 // len(piece))


REFUSED = [
    ("(", "not a regular expression: missing ), unterminated subpattern"),
    ("*a", "not a regular expression"),
    (r"(a)\1", "a back-reference"),
    ("(?=a)b", "look-around"),
    ("(?<!a)b", "look-around"),
    ("a{5000}", "too big"),
    ("(?:a{500}){500}", "too big"),
    ("a" * 1001, "allowed: 1000"),
    ("(" * 400 + "a" + ")" * 400, ""),
]


@pytest.mark.parametrize(("pattern", "message"), REFUSED, ids=[row[0][:20] for row in REFUSED])
def test_what_cannot_be_bounded_is_refused(pattern, message):
    if not message:  # deep, but fine or refused: never another exception
        try:
            Pattern(pattern)
        except CompileError:
            return
        return
    with pytest.raises(CompileError) as caught:
        Pattern(pattern)
    assert message in str(caught.value)
