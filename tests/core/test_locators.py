"""Locators: which values they find, and which texts they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing import post

from bridge.core.locators import FirstOtherKey, JoinedLocators, compile_locator, dig, locate

BODY = {
    "id": 7,
    "live": True,
    "rate": 1.5,
    "none": None,
    "text": "é",
    "empty": "",
    "items": [{"id": "a"}, {"id": "b"}],
    "a-b": {"0": "x"},
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("body:id", "7"),
        ("body:live", "true"),
        ("body:rate", "1.5"),
        ("body:text", "é"),
        ("body:items.1.id", "b"),
        ("body:a-b.0", "x"),
        ("body:none", None),
        ("body:items", None),
        ("body:items.0", None),
        ("body:items.2.id", None),
        ("body:items.-1.id", None),
        ("body:items.x.id", None),
        ("body:text.0", None),
        ("body:missing.deep", None),
        ("header:X-Event", "made"),
        ("header:x-EVENT", "made"),
        ("header: X-Event", "made"),
        ("header:X-Other", None),
        ("query:token", "a b"),
        ("query:blank", ""),
        ("query:other", None),
        ("query:naïve", "1"),
        ("form:id", None),
    ],
)
def test_locator_finds(text: str, found: str | None) -> None:
    request = post(
        headers={"x-event": "made"}, query_string="token=a+b&token=c&blank=&na%C3%AFve=1"
    )
    assert compile_locator(text)(request, BODY) == found


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_form_field_is_read_from_the_decoded_form(kind: str) -> None:
    request = post(headers={"content-type": kind})
    assert compile_locator("form:command")(request, {"command": "/deploy"}) == "/deploy"
    assert compile_locator("form:command")(request, {"command": ["/a", "/b"]}) is None
    assert compile_locator("form:command")(request, "text") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "header",
        "header:",
        "header: ",
        "cookie:x",
        "body:",
        "body:a..b",
        "body:.a",
        "body:a.",
        "X-Event",
        "header:a b",
        "header:é",
        "Header:x",
    ],
)
def test_the_error_of_an_invalid_locator_names_the_allowed_ones(text: str) -> None:
    with pytest.raises(ValueError, match=r"header:NAME.*body:dotted\.path|header name|single dots"):
        compile_locator(text)


def test_first_alternative_that_finds_a_text_wins() -> None:
    assert locate(("body:empty", "body:none", "header:x", "body:id"), post(), BODY) == "7"
    assert locate(("body:none",), post(), BODY) is None
    assert locate((), post(), BODY) is None


@pytest.mark.parametrize(
    "query", ["&".join(["a=1"] * 2000) + "&token=x", "%zz&token", "token", ";token=1"]
)
def test_unreadable_query_has_no_values(query: str) -> None:
    assert not compile_locator("query:token")(post(query_string=query), None)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values, st.lists(st.text() | st.sampled_from(["0", "1", "٣", "-1", "9" * 30])))
def test_digging_never_fails(value: Any, path: list[str]) -> None:
    dig(value, path)
    dig([value, {"": value}], path)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (JoinedLocators(("body:text", "body:id")), "é:7"),
        (JoinedLocators(("body:text", "body:id"), by="."), "é.7"),
        (JoinedLocators(("body:text", "body:nothing")), None),
        (JoinedLocators(("body:text", "body:nothing?", "body:id")), "é:7"),
        (JoinedLocators(("body:nothing?",)), None),
        (FirstOtherKey(("id", "live")), "rate"),
        (FirstOtherKey(tuple(BODY)), None),
    ],
)
def test_places_that_are_more_than_a_locator(place: Any, found: str | None) -> None:
    assert locate([place], post(), BODY) == found
    assert locate([place, "body:id"], post(), BODY) == found or "7"


@pytest.mark.parametrize("body", [None, [], "text", 5, {}])
def test_a_body_that_is_no_object_has_no_other_key(body: Any) -> None:
    assert locate([FirstOtherKey(("id",))], post(), body) is None
