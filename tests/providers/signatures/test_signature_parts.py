"""Single options of a scheme that the table-driven tests do not cover."""

from __future__ import annotations

from dataclasses import replace

import pytest
from signing import CASES, NOW, case_request, post, secrets

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.encodings import unbase64, unbase64url, unhex
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.signed_template import SignedTemplate
from bridge.providers.signatures.timestamps import Timestamp

FORM = {"content-type": "application/x-www-form-urlencoded"}


def reason(name: str, request: Request) -> str:
    with pytest.raises(BadSignature) as caught:
        CASES[name].scheme.verify(request, secrets(CASES[name].secret), NOW)
    return caught.value.reason


@pytest.mark.parametrize(
    "text", ["QQ", "QR==", "QQ==\n", " QQ==", "QQ===", "Q-==", "QQ==QQ==", "é", "\x00"]
)
def test_base64_has_one_spelling(text: str) -> None:
    assert unbase64("QQ==") == b"A"
    with pytest.raises(ValueError):
        unbase64(text)


@pytest.mark.parametrize("text", ["QR", "+w", "/w", "Q", "_w="])
def test_base64url_takes_its_own_alphabet_only(text: str) -> None:
    assert unbase64url("-_8") == unbase64url("-_8=") == b"\xfb\xff"
    with pytest.raises(ValueError):
        unbase64url(text)


@pytest.mark.parametrize("text", ["a", "0 1", "0x01", "zz", "٣٣", "ab\n"])
def test_hex_takes_no_blanks(text: str) -> None:
    assert unhex("aB") == b"\xab"
    with pytest.raises(ValueError):
        unhex(text)


def test_signature_with_stray_bits_is_refused() -> None:
    request = case_request("svix")
    value = request.headers["svix-signature"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    # the last two bits of this digit stand for nothing
    sibling = alphabet[alphabet.index(value[-2]) | 1]
    assert (
        reason(
            "svix",
            replace(
                request, headers={**request.headers, "svix-signature": value[:-2] + sibling + "="}
            ),
        )
        == "malformed"
    )


def test_fields_are_read_from_urlencoded_bodies_only() -> None:
    request = case_request("form_field")
    assert (
        reason("form_field", replace(request, headers={"content-type": "application/json"}))
        == "missing"
    )


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (None, "missing"),
        ("2", "mismatch"),
        ("", "mismatch"),
        ("é", "mismatch"),
        ("😀", "malformed"),
    ],
)
def test_required_header_must_be_right(version: str | None, why: str) -> None:
    request = case_request("required")
    headers = {name: value for name, value in request.headers.items() if name != "x-version"}
    assert (
        reason(
            "required",
            replace(request, headers=headers | ({} if version is None else {"x-version": version})),
        )
        == why
    )


def test_body_whose_hash_the_url_lacks_is_refused() -> None:
    scheme = CASES["url_and_form"].scheme
    form = scheme.sign(post(b"a=1", FORM), "shared", NOW)
    scheme.verify(form, secrets("shared"), NOW)
    assert (
        reason(
            "url_and_form",
            replace(form, headers={**form.headers, "content-type": "application/json"}),
        )
        == "missing"
    )


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("https://a.example/x?y=1", b"https://a.example:443/x?y=1"),
        ("https://a.example:443/x", b"https://a.example/x"),
        ("http://a.example/", b"http://a.example:80/"),
        ("https://a.example:8443/x", b"https://a.example:8443/x"),
        ("ftp://a.example/x", b"ftp://a.example/x"),
    ],
)
def test_url_with_the_other_spelling_of_its_port(url: str, other: bytes) -> None:
    assert SignedTemplate("{url_other_port}").build(RequestView(post(url=url))) == other


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://h/hooks/x", "https://h/hooks/x"),
        ("https://h/x?a=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B", "https://h/x?a=:/?@!$'()*,;"),
        ("https://h/x?a=%3a%2f", "https://h/x?a=:/"),
        (
            "https://h/x?a=%20%26%3D%23%25%2B%22%5B%C3%A9",
            "https://h/x?a=%20%26%3D%23%25%2B%22%5B%C3%A9",
        ),
        ("https://h/x?a=%253A&b=%25%33A&c=%&d=%3", "https://h/x?a=%253A&b=%25%33A&c=%&d=%3"),
        ("https://h/é?a=%3A", "https://h/é?a=:"),
        ("", ""),
    ],
)
def test_escapes_of_twelve_marks_are_undone_once_where_hubspot_signs_them_undone(
    url: str, signed: str
) -> None:
    assert SignedTemplate("{url_unescaped}").build(RequestView(post(url=url))) == signed.encode()


@pytest.mark.parametrize("part", ["h:X-Id", "q:id", "f:id", "json:id"])
def test_a_part_that_is_missing_is_not_an_empty_one(part: str) -> None:
    """A signature of the rest alone must not do, as a sender's own signature of a shorter template
    might.
    """
    request = post(b"{}" if part.startswith("json") else b"")
    optional = Hmac(at="header:X-Sig", signed=f"{{{part}?}}.{{body}}").sign(request, "shared", NOW)
    with pytest.raises(BadSignature) as caught:
        Hmac(at="header:X-Sig", signed=f"{{{part}}}.{{body}}").verify(
            optional, secrets("shared"), NOW
        )
    assert caught.value.reason == "missing"


def test_template_parts() -> None:
    request = post(b"b=2&a=1&a=0&c=3", FORM, query_string="q=%C3%A9")
    view = RequestView(request)
    view.labels = {"ts": "7"}
    built = SignedTemplate("{{{q:q}}}|{f:c}|{form_sorted}|{label:ts}|{h:x?}|{method}|{path}").build(
        view
    )
    assert built == "{é}|3|a0a1b2c3|7||POST|/hooks/x".encode()


@pytest.mark.parametrize("text", ["{", "}", "{a", "{h:}", "{x:y}", "{label:}", "{}", "{ body }"])
def test_bad_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"signed '"):
        SignedTemplate(text)


def test_a_checked_time_must_be_signed() -> None:
    with pytest.raises(ValueError, match="does not cover the time"):
        Ed25519(at="header:X-Sig", timestamp=Timestamp("header:X-Time"))
    for signed, at in (
        ("{url}{body}", "query:t"),
        ("{t}{body}", "label:t"),
        ("{h:X-Time}{body}", "header:x-time"),
        ("{body}", "body:at"),
    ):
        Hmac(at="header:X-Sig", signed=signed, timestamp=Timestamp(at))
    Hmac(at="header:X-Sig", timestamp=Timestamp("header:X-Time", enforced=False))


@pytest.mark.parametrize(
    "bad", [{"plain": True}, {"signed": ()}, {"at": ()}, {"signed": "{secret}"}, {"at": "nowhere"}]
)
def test_scheme_that_could_not_protect_is_refused_when_it_is_made(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Hmac(**{"at": "header:X-Sig", **bad})  # type: ignore[arg-type]
