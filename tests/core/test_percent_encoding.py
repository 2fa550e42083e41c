"""Percent-encoded bodies: the same result as the library's, within bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from urllib.parse import unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import BadSignature, Refused
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED
from bridge.core.percent_encoding import MAX_ESCAPES, decode_percents
from bridge.ingest import forms
from bridge.ingest.bodies import decode
from bridge.providers.signatures.request_view import RequestView
from bridge.routing.form import Form

BYTES_PER_BYTE = 20
SIZE = 2_000_000
BODIES = {
    "percents": b"a=" + b"%" * SIZE,
    "escapes": b"a=" + b"%41" * (SIZE // 3),
    "no-escapes": b"a=" + b"%G" * (SIZE // 2),
}


def request(body: bytes) -> Request:
    return Request(method="POST", path="/", headers={"content-type": URLENCODED}, body=body)


READERS: dict[str, Callable[[bytes], object]] = {
    "proven": lambda raw: decode(URLENCODED, raw, max_depth=20),
    "public": lambda raw: decode(URLENCODED, raw, max_depth=20, max_values=50_000),
    "signed": lambda raw: RequestView(request(raw)).form(),
    "form": lambda raw: forms.read(Form(), URLENCODED, raw, max_depth=20),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("reader", READERS)
def test_a_body_of_percent_signs_takes_bounded_memory(reader: str, body: str) -> None:
    tracemalloc.start()
    try:
        READERS[reader](BODIES[body])
    except (BadSignature, Refused):
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= BYTES_PER_BYTE * SIZE


def test_too_many_escapes_are_refused_before_anything_is_proven() -> None:
    body = b"a=" + b"%41" * (MAX_ESCAPES + 1)
    with pytest.raises(BadSignature, match="malformed"):
        READERS["signed"](body)
    with pytest.raises(Refused) as refused:
        READERS["form"](body)
    assert (refused.value.status, refused.value.code) == (400, "unreadable")
    public = decode(URLENCODED, body, max_depth=20, max_values=50_000)
    assert "percent signs" in (public.problem or "")
    proven = decode(URLENCODED, body, max_depth=20)
    assert proven.form == {"a": "A" * (MAX_ESCAPES + 1)}


@given(st.text("%4aZ+\xff", max_size=40), st.integers(3, 9))
def test_pieces_decode_as_the_whole(text: str, size: int) -> None:
    raw = text.encode("latin-1")
    assert decode_percents(raw, size) == unquote_to_bytes(raw)


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1, max_size=5))
def test_fields_decode_as_they_were_encoded(pairs: list[tuple[str, str]]) -> None:
    body = urlencode(pairs, errors="surrogatepass").encode()
    if any("\ud800" <= letter <= "\udfff" for pair in pairs for part in pair for letter in part):
        return
    sent = [
        (name.encode().decode("latin-1"), value.encode().decode("latin-1")) for name, value in pairs
    ]
    assert RequestView(request(body)).form() == sent
