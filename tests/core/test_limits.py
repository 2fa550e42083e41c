"""Size limits that apply before an unverified body is parsed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
from growth import Work, check_growth
from hypothesis import given
from hypothesis import strategies as st
from senders import PROVEN, Sender, sender, stranger
from signing import post

from bridge.core.errors import BadSignature, Refused
from bridge.core.http_messages import Request
from bridge.core.json_values import MAX_TEST_BYTES, MAX_VALUES, exceeds_values
from bridge.ingest import receive
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.shared_token import Unsigned
from bridge.web.receiving.learned_secrets import read_lesson

MIB = 1024 * 1024
BOMB = b'{"":0},' * (5 * MIB // 7)  # read, it takes 170 MiB
BOMBS = (b"[" + BOMB + b"0]", b'{"notificationItems":[' + BOMB + b"0]}")
values = st.recursive(
    st.none() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(values, st.integers(0, 12))
def test_no_value_escapes_being_counted(value: object, limit: int) -> None:
    def count(one: object) -> int:
        inner = (
            list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else []
        )
        return 1 + sum(map(count, inner))

    raw = json.dumps(value, ensure_ascii=False).encode()
    assert exceeds_values(raw, limit) or count(value) <= limit + 1


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (lambda size: b'"' * size, 500_000),
        (lambda size: b"\\" * size, 500_000),
        (lambda size: b'"\\' * size, 250_000),
        (lambda size: b'"",' * (size // 80) + b'"' * size, 500_000),
        (lambda size: b",x" * size + b"[" * (size // 25), 12_000),
    ],
    ids=["quotes", "backslashes", "escapes", "texts", "marks"],
)
def test_counting_takes_time_that_grows_with_the_bytes_alone(
    body: Callable[[int], bytes], size: int
) -> None:
    def prepare(size: int) -> Work:
        raw = body(size)
        return lambda: exceeds_values(raw)

    check_growth(prepare, size)


def test_marks_inside_of_texts_do_not_count() -> None:
    assert not exceeds_values(json.dumps({"Message": json.dumps([{"a": 1}] * MAX_VALUES)}).encode())
    assert exceeds_values(json.dumps([{"a": 1}] * MAX_VALUES).encode())


def taken(call: object) -> int:
    """The most bytes that a call held at once."""
    tracemalloc.start()
    try:
        with pytest.raises((BadSignature, Refused)):
            call()  # type: ignore[operator]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", PROVEN)
def test_an_unverified_body_takes_little_memory(name: str) -> None:
    one = PROVEN[name]
    forged = stranger(one).signed()
    request = replace(
        forged,
        body=BOMBS[name == "adyen"],
        headers={**forged.headers, "content-type": "application/json"},
    )
    assert taken(lambda: one.receive(request)) < 20 * MIB


def test_a_form_that_is_sent_as_json_takes_little_memory_too() -> None:
    one = sender("form")
    request = post(BOMBS[0], {"content-type": "application/json"})
    assert taken(lambda: one.receive(request)) < 20 * MIB


def test_an_insecure_source_stores_an_unread_body_with_the_reason() -> None:
    one = sender("github")
    open_to_all = Sender(one.row, Unsigned(), "", "")
    for body, kind in (
        (BOMBS[0], "application/json"),
        (b"payload=" + BOMBS[0], "application/x-www-form-urlencoded"),
    ):
        _, (event,) = open_to_all.receive(post(body, {"content-type": kind}))
        assert event.problem is not None


TESTED = [
    name
    for name, row in PROVIDERS.items()
    if any(not shake.signed and "POST" in shake.methods for shake in row.handshakes)
]


@pytest.mark.parametrize("name", TESTED)
def test_what_is_larger_than_any_test_of_the_url_is_not_read_to_see_if_it_is_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = receive.read_body
    monkeypatch.setattr(
        receive,
        "read_body",
        lambda source, kind, raw: (read.append(len(raw)), real(source, kind, raw))[1],
    )
    for size in (MAX_TEST_BYTES, MAX_TEST_BYTES + 1):
        with pytest.raises(BadSignature):
            sender(name).receive(unproven(name, size))
    assert read == [MAX_TEST_BYTES]


def unproven(name: str, size: int) -> Request:
    return post(
        b'{"a":"' + b"x" * (size - 8) + b'"}',
        {"content-type": "application/json"},
        url=f"https://example.com/hooks/{name}",
    )


def test_what_is_larger_than_any_lesson_teaches_nothing() -> None:
    for size, is_lesson in ((200, True), (MAX_TEST_BYTES + 1, False)):
        request = post(
            b'{"verification_token":"secret_abcdefgh"' + b" " * size + b"}",
            {"content-type": "application/json"},
        )
        assert (read_lesson(request, sender("notion").source()) is not None) is is_lesson
