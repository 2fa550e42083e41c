"""Patterns match as in Python's `re`, in time linear in the text."""

from __future__ import annotations

import re

import pytest
from growth import check_growth
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern

REPEATS = ["*", "+", "?", "{2}", "{1,3}", "{2,}", "{,2}", "{,}", "{0}", "*?", "+?", "??", "{1,2}?"]
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
            "\\x61",
            "\\u00fc",
            "\\U000000fc",
            "\\N{LATIN SMALL LETTER U WITH DIAERESIS}",
            "\\141",
            "\\012",
            "\\0",
            "\\n",
            "\\]",
            "[]a]",
            "[^]a]",
            "[a\\]-]",
            "[\\1\\n.$^|]",
            "[\\s\\S]",
            "{",
            "{}",
            "a{1",
            "]",
            "(?#c)",
            "(a)",
            " ",
            "#",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda p: f"(?:{p[0]}|{p[1]})"),
        st.tuples(inner, st.sampled_from(REPEATS)).map(lambda p: f"(?:{p[0]}){p[1]}"),
        inner.map(lambda p: f"(?i:{p})"),
        inner.map(lambda p: f"(?m:{p})"),
        inner.map(lambda p: f"(?s:{p})"),
        inner.map(lambda p: f"(?a:{p})"),
        inner.map(lambda p: f"(?u:{p})"),
        inner.map(lambda p: f"(?-i:{p})"),
        inner.map(lambda p: f"(?im-s:{p})"),
        inner.map(lambda p: f"(?x: {p} # )comment\n)" if "#" not in p else p),
        inner.map(lambda p: f"({p})"),
    ),
    max_leaves=6,
)


values = st.text(alphabet="aAbBcüÜſKk1٣ .\n_]{}#\0\x01\ud800", max_size=8)


def agrees(text: str, value: str) -> bool:
    """Return whether `text` is found in `value` here as in Python."""
    # Python before 3.14 says that an empty text has no \\B: its bug 124130
    if "\\B" in text and not value:
        return True
    return Pattern(text).search(value) is (re.search(text, value) is not None)


@pytest.mark.usefixtures("slow")
@given(pieces, st.sampled_from(["", "(?i)", "(?a)", "(?mi)", "(?s)", "(?u)"]), values)
@settings(max_examples=2000, deadline=None)
def test_it_matches_as_python_does(text, flags, value):
    assert agrees(flags + text, value)


REFUSALS = (
    "a back-reference",
    "look-around or a possessive repeat",
    "a pattern that is too big",
    "a pattern with more than",
)
SIGNS = list("aB17 #\n,-:=!<>Pxi\\^$.|*+?()[]{}")
MARKS = [
    *SIGNS,
    "(?",
    "(?:",
    "(?P<a>",
    "(?x)",
    "(?i:",
    "(?a-i:",
    "\\b",
    "\\Z",
    "\\d",
    "[^",
    "{1,2}",
    "{,",
]


@pytest.mark.usefixtures("slow")
@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join), values)
@settings(max_examples=2500, deadline=None)
@pytest.mark.filterwarnings("ignore:Possible")
def test_any_pattern_matches_as_in_python_or_is_refused(text, value):
    try:
        Pattern(text)
    except CompileError as error:
        if str(error).startswith("not a regular expression"):
            with pytest.raises(re.error):
                re.compile(text)
        else:
            assert str(error).startswith(REFUSALS)
    else:
        assert agrees(text, value)


@given(values.map(re.escape), values)
def test_an_escaped_text_finds_itself(text, value):
    assert agrees(text, value) and Pattern(text).search(
        re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
    )


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
    ("a*+b", "a possessive repeat"),
    ("(?>a)b", "a possessive repeat"),
    ("(?P<n>a)(?P=n)", "a back-reference"),
    ("(a)(?(1)b|c)", "a back-reference"),
    ("a{5000}(?:(?:(?:){2000}){2000}){2000}", "too big"),
    ("(?:(?:(?:a?){2000}){2000}){2000}", "too big"),
    ("(" * 101 + "a" + ")" * 101, "more than 100 nested groups"),
    ("a{5000}", "too big"),
    ("(?:a{500}){500}", "too big"),
    ("a" * 1001, "allowed: 1000"),
]


@pytest.mark.parametrize(("pattern", "message"), REFUSED, ids=[row[0][:20] for row in REFUSED])
def test_what_cannot_be_bounded_is_refused(pattern, message):
    with pytest.raises(CompileError) as caught:
        Pattern(pattern)
    assert message in str(caught.value)


def test_groups_may_nest_as_deep_as_is_allowed():
    assert Pattern("(" * 100 + "a" + ")" * 100).search("bab")
    with pytest.raises(CompileError):
        Pattern("(" * 499 + "a" + ")" * 499)
