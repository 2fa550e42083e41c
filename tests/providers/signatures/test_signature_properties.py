"""Properties of every scheme for any request, and of the engine's source."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import KINDS, kind_request
from signing import CASES, COVERS_BODY, NOW, Case, case_request, secrets

import bridge.providers.signatures
from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request

ENGINE = sorted(Path(bridge.providers.signatures.__file__).parent.glob("*.py"))
ALL = {**CASES, **{name: Case(kind.scheme, kind.secret) for name, kind in KINDS.items()}}
COVERED = (*COVERS_BODY, "wix", *(name for name, kind in KINDS.items() if kind.covers_body))
names = st.sampled_from(sorted(ALL))
texts = (
    st.text(max_size=60)
    | st.text(st.characters(max_codepoint=255), max_size=60)
    | st.sampled_from(
        [
            "t=1,v1=ab",
            "v1,AA== v1a,AA==",
            "Basic Og==",
            "Bearer \udc80",
            "sha256=00",
            "&|&|",
            "1700000000,00",
            "v0=\x00",
            "e30.e30.",
            "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA",
            "MEUC",
            "x-contentful-signed-headers,x-contentful-timestamp,é",
            "9" * 400,
        ]
    )
)
bodies = st.binary(max_size=80) | st.sampled_from(
    [
        b"[" * 3000,
        b'{"signature":{"mac":[]}}',
        b'{"signature":{"mac":"00","timestamp":1e999}}',
        b"sig=%ff%00&payload=%zz",
        b"a=1&" * 2000,
        b'{"Signature":"AAAA","SignatureVersion":"1","TopicArn":[],"Type":{}}',
    ]
)


def good_request(name: str, body: bytes | None = None, now: float = NOW) -> Request:
    """A request that is accepted as that of `name`."""
    if name in KINDS:
        return kind_request(name, body, now)
    return case_request(name, now=now) if body is None else case_request(name, body, now)


known = sorted({header for name in ALL for header in good_request(name).headers})


@settings(max_examples=400, deadline=None)
@given(
    names,
    bodies,
    st.dictionaries(st.sampled_from(known), texts, max_size=8),
    texts,
    texts,
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "x"]),
    st.lists(st.text(max_size=50), max_size=3),
    st.floats(),
)
def test_nothing_but_bad_signature_comes_out(
    name: str,
    body: bytes,
    headers: dict[str, str],
    query: str,
    url: str,
    kind: str,
    values: list[str],
    now: float,
) -> None:
    request = Request(
        method="POST",
        path="/",
        url=url,
        query_string=query,
        headers={"content-type": kind, **headers},
        body=body,
    )
    for offered in (values, [ALL[name].secret]):
        with pytest.raises(BadSignature):
            ALL[name].scheme.verify(request, secrets(*offered), now)


@settings(max_examples=150, deadline=None)
@given(names, texts, st.data())
def test_one_spoiled_header_of_a_good_request_raises_nothing_else(
    name: str, text: str, data: st.DataObject
) -> None:
    request = good_request(name)
    header = data.draw(st.sampled_from(sorted(request.headers)))
    try:
        ALL[name].scheme.verify(
            replace(request, headers={**request.headers, header: text}),
            secrets(ALL[name].secret),
            NOW,
        )
    except BadSignature:
        return
    assert (
        header in {"content-type", "authorization"}
        or request.headers[header].strip() == text.strip()
    )


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(COVERED), st.binary(min_size=1, max_size=200), st.data())
def test_a_flipped_bit_of_the_body_never_verifies(
    name: str, body: bytes, data: st.DataObject
) -> None:
    request = good_request(name, body)
    ALL[name].scheme.verify(request, secrets(ALL[name].secret), NOW)
    with pytest.raises(BadSignature):
        ALL[name].scheme.verify(
            replace(request, body=flip(request.body, data)), secrets(ALL[name].secret), NOW
        )


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            "github",
            "stripe",
            "slack",
            "standard_webhooks",
            "standard_webhooks_v1a",
            "svix",
            "hmac",
            "hmac_timed",
            "numbered",
            *(name for name, kind in KINDS.items() if kind.at),
        ]
    ),
    st.data(),
)
def test_a_flipped_bit_of_the_signature_never_verifies(name: str, data: st.DataObject) -> None:
    request = good_request(name)
    header = (
        KINDS[name].at
        if name in KINDS
        else next(header for header in request.headers if "signature" in header)
    )
    value = request.headers[header]
    flipped = flip(value.encode(), data).decode("latin-1")
    in_tokens = name in KINDS and name not in ("contentful", "pubsub")
    if flipped.lower() == value.lower() and not in_tokens:
        return  # the case of a hexadecimal digit, or of a label: the same signature, or none
    with pytest.raises(BadSignature):
        ALL[name].scheme.verify(
            replace(request, headers={**request.headers, header: flipped}),
            secrets(ALL[name].secret),
            NOW,
        )


@settings(max_examples=150, deadline=None)
@given(
    names.filter(lambda name: name not in {"json_field", "form_field", "aws_sns"}),
    st.binary(max_size=300),
    st.floats(min_value=0, max_value=4e9, allow_nan=False),
)
def test_what_is_signed_is_verified(name: str, body: bytes, now: float) -> None:
    ALL[name].scheme.verify(good_request(name, body, now), secrets(ALL[name].secret), now)


def flip(raw: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_refusals_hold_one_of_the_known_words(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "BadSignature":
            words = {
                inner.value for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Constant)
            }
            assert words <= {
                "missing",
                "malformed",
                "mismatch",
                "stale",
                "future",
                "no_secret",
                "not_pinned",
                "no_key",
            }
