"""Masking hides every static credential, and changes no other byte."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import pytest
from growth import Work, check_growth
from hypothesis import given, settings
from hypothesis import strategies as st
from records import NOW, make_event

from bridge.core.http_messages import Request
from bridge.core.masking import MASK, locators_within_items, mask_request
from bridge.core.model import Body
from bridge.routing.planner import build_context

CREDENTIALS = frozenset(
    ["header:authorization", "header:x-gitlab-token", "query:token", "query:api key"]
)
SECRET = "s3cr3t-value"
FORM = "application/x-www-form-urlencoded"


def request(
    body: bytes = b"", query: str = "", media: str = "application/json", **headers: str
) -> Request:
    url = f"https://example.com/hooks/x?{query}" if query else "https://example.com/hooks/x"
    given = {
        "content-type": media,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Request(
        method="POST", path="/hooks/x", headers=given, body=body, query_string=query, url=url
    )


def shown(body: bytes, *locators: str, media: str = "application/json", **more: Any) -> bytes:
    return mask_request(request(body, media=media), locators or ("body:passcode",), **more).body


# -- headers and the query


@pytest.mark.parametrize(
    "query",
    [
        "token={}",
        "a=1&token={}&b=2",
        "%74oken={}",
        "t%6Fken={}",
        "token={}&token={}",
        "api+key={}",
        "api%20key={}",
        "token={}=={}",
        "%74%6f%6b%65%6e={}",
        "token={};x=1",
    ],
)
def test_a_credential_is_masked_however_its_name_is_written(query: str) -> None:
    sent = request(
        query=query.replace("{}", SECRET),
        authorization=f"Bearer {SECRET}",
        x_gitlab_token=SECRET,
        x_event="push",
    )
    kept = mask_request(sent, CREDENTIALS)
    assert SECRET not in repr(kept)
    assert kept.url == f"https://example.com/hooks/x?{kept.query_string}"
    assert kept.headers == {
        "content-type": "application/json",
        "authorization": MASK,
        "x-gitlab-token": MASK,
        "x-event": "push",
    }
    roots = build_context(
        make_event("1", query_string=kept.query_string, headers=kept.headers), Body(value={}), NOW
    )
    assert set(roots["headers"]) == {"content-type", "x-event"}
    assert SECRET not in repr(roots)
    assert not {"token", "api key"} & set(roots["query"])


def test_what_is_no_credential_is_left_as_it_was_sent() -> None:
    sent = request(b'{"token":"x"}', query="a=%20b&&c&=d&tokens=1&e=%FF", x="y")
    assert mask_request(sent, CREDENTIALS) is sent


@given(st.text(alphabet="tokenTOKEN%746F6b65+&=;a\xe9\x00#", max_size=40))
def test_no_query_makes_masking_fail_or_lets_the_token_through(text: str) -> None:
    kept = mask_request(request(query=text), CREDENTIALS)
    assert (
        "token"
        not in build_context(
            make_event("1", query_string=kept.query_string), Body(value=None), NOW
        )["query"]
    )


# -- the body


BODIES = {
    "alone": (b'{"passcode":"{}"}', b'{"passcode":"***"}'),
    "among others": (b'{"a":1,"passcode":"{}","b":[2]}', b'{"a":1,"passcode":"***","b":[2]}'),
    "written with blanks": (
        b' {\n  "a" : 1.50 ,\r\n\t"passcode"  :  "{}" } \n',
        b' {\n  "a" : 1.50 ,\r\n\t"passcode"  :  "***" } \n',
    ),
    "twice": (b'{"passcode":"{}","passcode":"{}"}', b'{"passcode":"***","passcode":"***"}'),
    "with its name in escapes": (rb'{"p\u0061ss\u0063ode":"{}"}', rb'{"p\u0061ss\u0063ode":"***"}'),
    "with quotes in it": (rb'{"passcode":"\"{}\\","a":"\\"}', rb'{"passcode":"***","a":"\\"}'),
    "an object": (b'{"passcode":{"x":["{}"]},"a":1}', b'{"passcode":"***","a":1}'),
    "a list": (b'{"passcode":["{}",{"passcode":"{}"}]}', b'{"passcode":"***"}'),
    "a number": (b'{"passcode":123456789}', b'{"passcode":"***"}'),
    "elsewhere is none": (
        b'{"a":{"passcode":"kept"},"b":["passcode"]}',
        b'{"a":{"passcode":"kept"},"b":["passcode"]}',
    ),
    "other bytes": (
        '{"ä":"\u2028","passcode":"{}","e":1e400}'.encode(),
        '{"ä":"\u2028","passcode":"***","e":1e400}'.encode(),
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_only_the_bytes_of_the_value_change(name: str) -> None:
    sent, expected = BODIES[name]
    for verified in (True, False):
        assert shown(sent.replace(b"{}", SECRET.encode()), verified=verified) == expected


def test_each_element_of_a_list_is_masked() -> None:
    sent = b'{"value":[{"clientState":"s","a":1},{"clientState":"t"},"x",[]],"clientState":"kept"}'
    masked = (
        b'{"value":[{"clientState":"***","a":1},{"clientState":"***"},"x",[]],"clientState":"kept"}'
    )
    assert shown(sent, "body:value.0.clientState") == masked
    assert locators_within_items(
        ["body:value.0.clientState", "body:other.0.x", "body:value.name", "header:x"], "value"
    ) == ["body:clientState"]
    assert locators_within_items(["body:0.a.b", "body:passcode"], "") == ["body:a.b"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"passcode=s3&a=%20b", b"passcode=***&a=%20b"),
        (b"a=1&pass%63ode=s3&passcode=t4", b"a=1&pass%63ode=***&passcode=***"),
        (
            b"payload=%7B%22passcode%22%3A+%22s3%22%7D&b=+",
            b"payload=%7B%22passcode%22%3A%20%22%2A%2A%2A%22%7D&b=+",
        ),
        (
            b"payload=%7B%22a%22%3A+1%7D&passcodes=kept",
            b"payload=%7B%22a%22%3A+1%7D&passcodes=kept",
        ),
        (b' {"passcode":"s3"}', b' {"passcode":"***"}'),
    ],
)
def test_a_form_is_masked_field_by_field_and_the_json_in_it(sent: bytes, expected: bytes) -> None:
    assert shown(sent, media=FORM, wrapped_in="payload") == expected


@pytest.mark.parametrize(
    "sent",
    [b"", b"[]", b"passcode=x", b'"passcode"', b"{", b"\xff", b'{"passcode"', b"[" * 100_000],
)
def test_what_was_verified_is_never_lost(sent: bytes) -> None:
    assert shown(sent) == sent


@pytest.mark.parametrize(
    "sent",
    [
        b"passcode=s3",
        b"<passcode>s3</passcode>",
        b'\xef\xbb\xbf{"passcode":"s3"}',
        b'{passcode:"s3"}',
        b"s3",
    ],
)
def test_unreadable_parts_of_an_unverified_body_are_masked(sent: bytes) -> None:
    assert shown(sent, media="multipart/form-data", verified=False) in (b"***", b"{***")
    assert b"s3" not in shown(sent, verified=False)


SENT = json.dumps({"a": ["x", {"b": None}], "passcode": SECRET, "c": {"passcode": 1}}).encode()


def test_a_body_that_was_cut_or_broken_gives_nothing_away() -> None:
    for end in range(len(SENT)):
        assert SECRET[:3].encode() not in shown(SENT[:end], verified=False)
    for at in range(SENT.index(SECRET.encode())):
        for other in b'"{}[],:\\ x\x00\xff':
            broken = SENT[:at] + bytes([other]) + SENT[at + 1 :]
            kept = shown(broken, verified=False)
            assert SECRET.encode() not in kept or "passcode" not in _as_json(broken), broken


def _as_json(body: bytes) -> Any:
    """The object, where it is one: a name that another byte was put into is another name."""
    try:
        return json.loads(body)
    except ValueError:
        return ["passcode"]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["passcode", "a", "1", '"', "ä"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.lists(values) | st.dictionaries(st.sampled_from(["passcode", "a"]), values),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.booleans(),
)
@settings(deadline=None)
def test_all_else_reads_as_it_did(
    value: Any, indent: int | None, ascii_only: bool, verified: bool
) -> None:
    sent = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    kept = json.loads(shown(sent, "body:a.1.passcode", "body:passcode", verified=verified))
    assert kept == _masked(value)


def _masked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    made = {name: MASK if name == "passcode" else inner for name, inner in value.items()}
    inside = made.get("a")
    if isinstance(inside, list):
        made["a"] = [_without(one) for one in inside]
    elif isinstance(inside, dict) and "1" in inside:
        made["a"] = {**inside, "1": _without(inside["1"])}
    return made


def _without(value: Any) -> Any:
    return {**value, "passcode": MASK} if isinstance(value, dict) and "passcode" in value else value


@given(st.dictionaries(st.text(min_size=1, max_size=6), st.text(max_size=6), max_size=5))
def test_all_other_fields_of_a_form_read_as_they_did(fields: dict[str, str]) -> None:
    sent = "&".join(
        f"{quote_plus(name)}={quote_plus(value)}"
        for name, value in {**fields, "passcode": SECRET}.items()
    ).encode()
    kept = dict(parse_qsl(shown(sent, media=FORM).decode(), keep_blank_values=True))
    assert kept == {**fields, "passcode": MASK}


@pytest.mark.parametrize(
    ("first", "piece", "size"),
    [
        (b"", b"[", 16384),
        (b"", b'{"a":', 2500),
        (b"", b'"\\', 8000),
        (b"", b'{"passcode":[', 1250),
        (b"", b"1 ", 8192),
        (b'[""', b',""', 5250),
    ],
)
def test_masking_takes_linear_time(first: bytes, piece: bytes, size: int) -> None:
    def prepare(size: int) -> Work:
        body = first + piece * size
        return lambda: shown(body, verified=False)

    check_growth(prepare, size)


@pytest.mark.parametrize("begins", [b"{", b"[1", b'{"a":1}x', b' {"passcode":'])
def test_a_form_that_begins_as_json_does_is_masked_as_both(begins: bytes) -> None:
    sent = begins + b"&passcode=" + SECRET.encode() + b"&a=1"
    for verified in (True, False):
        assert SECRET.encode() not in shown(sent, "form:passcode", media=FORM, verified=verified)
    whole = json.dumps({"url": "https://x/?a=1&passcode=2", "passcode": SECRET}).encode()
    assert json.loads(shown(whole, "body:passcode", media=FORM)) == {
        "url": "https://x/?a=1&passcode=2",
        "passcode": MASK,
    }
