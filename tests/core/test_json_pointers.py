"""JSON pointers: those of RFC 6901, those that are malformed, and those that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.json_values import (
    MAX_POINTER_CHARS,
    MissingPlace,
    escape_step,
    find_value,
    follow_pointer,
    parse_pointer,
)

#: The document of section 5 of the RFC, with what its pointers lead to.
DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        *((f"/{escape_step(name)}", DOCUMENT[name]) for name in list(DOCUMENT)[1:]),
    ],
)
def test_a_pointer_names_a_value(pointer: str, found: Any) -> None:
    assert find_value(DOCUMENT, pointer) == found


def test_escapes_are_read_once() -> None:
    assert parse_pointer("/~01/~10/~0~1") == ("~1", "/0", "~/")
    assert find_value({"~1": True, "/": False}, "/~01") is True


@pytest.mark.parametrize(
    "text", ["a", "foo/0", " /foo", "#/foo", "/~", "/~2", "/a~", "/~~0", "/" + "a" * 4000]
)
def test_a_malformed_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pointer|characters"):
        parse_pointer(text)


@pytest.mark.parametrize(
    ("pointer", "steps", "name"),
    [
        ("/x", (), "x"),
        ("/foo/2", ("foo",), "2"),
        ("/foo/-", ("foo",), "-"),
        ("/foo/-1", ("foo",), "-1"),
        ("/foo/00", ("foo",), "00"),
        ("/foo/01", ("foo",), "01"),
        ("/foo/1e0", ("foo",), "1e0"),
        ("/foo/\u0661", ("foo",), "\u0661"),  # a digit, but none of ASCII
        ("/foo/1000000000", ("foo",), "1000000000"),
        ("/foo/", ("foo",), ""),
        ("/foo/0/0", ("foo", 0), "0"),
        ("/a~1b/c", ("a/b",), "c"),
    ],
)
def test_a_pointer_that_leads_nowhere_says_how_far_it_leads(
    pointer: str, steps: tuple[str | int, ...], name: str
) -> None:
    with pytest.raises(MissingPlace) as raised:
        find_value(DOCUMENT, pointer)
    missing = raised.value
    assert (missing.steps, missing.name) == (steps, name)
    assert missing.around == follow_pointer(DOCUMENT, [str(one) for one in steps])[1]


def test_a_deep_value_is_found_without_recursion() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    assert isinstance(find_value(value, "/0" * (MAX_POINTER_CHARS // 2)), list)
