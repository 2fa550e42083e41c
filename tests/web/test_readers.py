"""Every reader of what anyone may send takes time that grows with what it reads, whatever stands in
that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from forms import BOUNDARY, MULTIPART, PDF, URLENCODED, multipart, part
from growth import CACHED_BYTES, check_growth, measure
from werkzeug.http import parse_options_header

from bridge.core import file_types
from bridge.core.client_address import mask_addresses
from bridge.core.errors import Refused
from bridge.core.http_messages import Request
from bridge.core.json_values import exceeds_depth, exceeds_values
from bridge.core.locators import query_value
from bridge.core.masking import Redaction, mask_request
from bridge.core.model import JSON, Body
from bridge.core.multipart import (
    MAX_HEADER_PARAMETERS,
    MAX_PART_HEADER_BYTES,
    MAX_PART_HEADERS,
    MultipartError,
    parse_parts,
    sanitize_file_name,
)
from bridge.core.text import normalize
from bridge.ingest import forms
from bridge.ingest.bodies import decode
from bridge.ingest.body_stages import MaskedBody
from bridge.ingest.data_subjects import fold_text
from bridge.ingest.forms.spam import blocklists
from bridge.ingest.redaction import redact_body
from bridge.ingest.source_bodies import split_batch
from bridge.providers.model import EventBatch
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.shared_token import Unsigned
from bridge.routing.form import FieldRules, FileRules, Form
from bridge.routing.model import Source

MARK = b"--" + BOUNDARY.encode()
LARGE = Form(
    fields=FieldRules(max=10**6, max_length=10**9, nested=True),
    files=FileRules(types=None, max=10**6),
)
SOURCE = Source(name="x", provider=PROVIDERS["github"], scheme=Unsigned())

Make = Callable[[int], Any]


def assert_linear(make: Make, read: Callable[[Any], object], size: int) -> None:
    """Read what `make` makes of a size, and of four times that; what is read is made once."""

    def prepare(of: int) -> Callable[[], object]:
        made = make(of)
        return lambda: read(made)

    check_growth(prepare, size)


def as_form(content_type: str, raw: bytes, form: Form = LARGE) -> None:
    """Do all that is done with a form until it is kept."""
    try:
        sent = forms.read(form, content_type, raw, max_depth=100)
        forms.check(form, sent)
    except Refused:
        return
    forms.take(form, sent)


def head(extra: bytes, kind: bytes = b"") -> bytes:
    return b'--%s\r\nContent-Disposition: form-data; name="a"%s%s\r\n\r\nx\r\n' % (
        BOUNDARY.encode(),
        extra,
        kind,
    )


FORMS: dict[str, tuple[str, Make, int]] = {
    "text/plain: lines of one value": ("text/plain", lambda n: b"a=1\n" + b"x\n" * n, 50_000),
    "text/plain: empty lines": ("text/plain", lambda n: b"a=1" + b"\n" * n, 100_000),
    "text/plain: fields": ("text/plain", lambda n: b"a=1\n" * n, 20_000),
    "urlencoded: escapes": (URLENCODED, lambda n: b"a=" + b"%41" * n, 100_000),
    "urlencoded: broken escapes": (URLENCODED, lambda n: b"a=" + b"%" * n, 100_000),
    "urlencoded: blanks": (URLENCODED, lambda n: b"a=" + b"+" * n, CACHED_BYTES),
    "urlencoded: nothing between": (URLENCODED, lambda n: b"&" * n, CACHED_BYTES),
    "urlencoded: one name": (URLENCODED, lambda n: b"a=1&" * n, 20_000),
    "urlencoded: nested names": (
        URLENCODED,
        lambda n: b"".join(b"a[%d]=1&" % i for i in range(n)),
        5_000,
    ),
    "urlencoded: another charset": (
        f"{URLENCODED}; charset=gb18030",
        lambda n: b"a=" + b"%81%30" * n,
        100_000,
    ),
    "multipart: fields": (MULTIPART, lambda n: multipart(part("a", b"1") * n), 2_000),
    "multipart: files": (
        MULTIPART,
        lambda n: multipart(part("a", PDF, "." * 150 + "x.pdf") * n),
        250,
    ),
    "multipart: what is nearly a boundary": (
        MULTIPART,
        lambda n: multipart(part("a", b"\r\n--" + BOUNDARY.encode() + b" ") * n),
        5_000,
    ),
    "multipart: blanks behind a boundary": (
        MULTIPART,
        lambda n: MARK + (b"\n" + MARK + b" " * n) * 20,
        50_000,
    ),
    "multipart: a head without end": (
        MULTIPART,
        lambda n: b"--%s\r\nA: " % BOUNDARY.encode() + b"x" * n,
        CACHED_BYTES,
    ),
    "multipart: parts with a charset each": (
        MULTIPART,
        lambda n: multipart(head(b"", b"\r\nContent-Type: a/b; charset=gbk") * n),
        2_000,
    ),
    "JSON: empty objects": (
        "application/json",
        lambda n: b'{"a":[' + b"{}," * n + b"{}]}",
        100_000,
    ),
    "JSON: names": (
        "application/json",
        lambda n: b"{" + b",".join(b'"%d":0' % i for i in range(n)) + b"}",
        5_000,
    ),
    "JSON: in another charset": (
        "application/json; charset=gbk",
        lambda n: b'{"a":"' + b"\x81\x40" * n + b'"}',
        200_000,
    ),
}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("content_type", "make", "size"), FORMS.values(), ids=FORMS)
def test_a_form_is_read_in_time_that_grows_with_it(
    content_type: str, make: Make, size: int
) -> None:
    assert_linear(make, partial(as_form, content_type), size)


BODIES: dict[str, tuple[str, Make, int]] = {
    "JSON: a text of escapes": (
        "application/json",
        lambda n: b'["' + b"\\u0041" * n + b'"]',
        CACHED_BYTES // 6,
    ),
    "JSON: a text without end": ("application/json", lambda n: b'["' + b"\\" * n, CACHED_BYTES),
    "JSON: brackets in texts": (
        "application/json",
        lambda n: b"[" + b'"[[{{",' * n + b"0]",
        100_000,
    ),
    "JSON: brackets alone": ("application/json", lambda n: b"[" * n, CACHED_BYTES),
    "JSON: brackets that close": ("application/json", lambda n: b"[" + b"[]," * n + b"0]", 100_000),
    "JSON: one name": ("application/json", lambda n: b"{" + b'"a":0,' * n + b'"a":0}', 100_000),
    "JSON: a long number": ("application/json", lambda n: b"[" + b"1" * n + b"]", 500_000),
    "JSON: numbers": ("application/json", lambda n: b"[" + b"1e308," * n + b"0]", 100_000),
    "JSON: a fault behind many lines": (
        "application/json",
        lambda n: b"[" + b"\n" * n + b"x",
        CACHED_BYTES,
    ),
    "text": ("text/plain", lambda n: b"a\n" * n, CACHED_BYTES),
    "urlencoded: escapes": (URLENCODED, lambda n: b"a=" + b"%41" * n, 100_000),
    "urlencoded: nothing between": (URLENCODED, lambda n: b"&" * n, CACHED_BYTES),
    "multipart: fields": (MULTIPART, lambda n: multipart(part("a", b"1") * n), 240),
    "multipart: files": (
        MULTIPART,
        lambda n: multipart(part("a", PDF, "." * 300 + "x.pdf") * n),
        240,
    ),
    "multipart: what is nearly a boundary": (
        MULTIPART,
        lambda n: multipart(part("a", (b"\n--" + BOUNDARY.encode() + b" ") * n)),
        20_000,
    ),
}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("content_type", "make", "size"), BODIES.values(), ids=BODIES)
def test_a_body_is_read_in_time_that_grows_with_it(
    content_type: str, make: Make, size: int
) -> None:
    assert_linear(
        make, lambda raw: decode(content_type, raw, max_depth=100, max_values=10**9), size
    )


def hide(raw: bytes, content_type: str = "application/json") -> Request:
    request = Request(method="POST", path="/", headers={"content-type": content_type}, body=raw)
    return mask_request(
        request, {"body:a", "body:0.a", "form:b"}, wrapped_in="payload", verified=False
    )


def redact(raw: bytes, content_type: str = "application/json") -> object:
    request = Request(method="POST", path="/", headers={"content-type": content_type}, body=raw)
    source = replace(SOURCE, redact=Redaction(body=(("a",), ("0", "a")), secret_key="k"))
    read = lambda one: decode(content_type, one.body, max_depth=100)  # noqa: E731
    return redact_body(MaskedBody(request, read(request)), source, "", read)


def take_apart(value: JSON) -> object:
    source = replace(SOURCE, batch=EventBatch("events", keep=("beside",)))
    return split_batch(
        Request(method="POST", path="/", headers={}, body=b""), source, Body(value=value)
    )


def mask(value: str, name: str = "forwarded") -> object:
    return mask_addresses({name: value}, "203.0.113.9", lambda address: address[:6])


OTHERS: dict[str, tuple[Callable[[Any], object], Make, int]] = {
    "depth": (partial(exceeds_depth, limit=10**9), lambda n: b"[" + b'"\\"[",[' * n, 50_000),
    "depth: a text without end": (
        partial(exceeds_depth, limit=10),
        lambda n: b"[" * 11 + b'"' + b'\\"' * n,
        300_000,
    ),
    "values": (partial(exceeds_values, limit=10), lambda n: b'"' + b'\\",' * n, 300_000),
    "masking: a name that comes often": (hide, lambda n: b"{" + b'"a":"x",' * n + b'"a":0}', 3_000),
    "masking: a list": (hide, lambda n: b"[" + b'{"a":0},' * n + b"0]", 3_000),
    "masking: a text without end": (hide, lambda n: b'{"a":"' + b"\\" * n, CACHED_BYTES),
    "masking: blanks": (hide, lambda n: b"{" + b" " * n, CACHED_BYTES),
    "masking: nested": (hide, lambda n: b"[" * n, 10_000),
    "masking: fields": (partial(hide, content_type=URLENCODED), lambda n: b"b=1&" * n, 10_000),
    "masking: JSON in a field": (
        partial(hide, content_type=URLENCODED),
        lambda n: b"payload=%7B" + b"%22a%22:0," * n,
        3_000,
    ),
    "redaction: a list": (redact, lambda n: b"[" + b'{"a":0},' * n + b"0]", 2_000),
    "redaction: one large value": (redact, lambda n: b'{"a":[' + b"0," * n + b"0]}", 20_000),
    "redaction: fields": (
        partial(redact, content_type=URLENCODED),
        lambda n: b"a=" + b"%41" * n,
        20_000,
    ),
    "a batch": (take_apart, lambda n: {"events": [{"n": 0}] * n, "beside": "x" * 100 * n}, 240),
    "a batch with an object beside": (
        take_apart,
        lambda n: {"events": [{"n": 0}] * n, "beside": {"x": "x" * 100 * n}},
        240,
    ),
    "a query": (partial(query_value, name="b"), lambda n: "a=%41&" * n, 200),
    "a header of forwarded addresses": (mask, lambda n: "for=" * n, 1_000),
    "a header with a quote without end": (mask, lambda n: 'for="' * n, 1_000),
    "a header of addresses": (
        partial(mask, name="x-forwarded-for"),
        lambda n: "203.0.113.9," * n,
        170,
    ),
    "a content type: parameters": (parse_options_header, lambda n: "a/b" + ";x=1" * n, 500),
    "a content type: a quote without end": (
        parse_options_header,
        lambda n: 'a/b;x="' + '\\"' * n,
        1_000,
    ),
    "a file: zeros": (
        file_types.detect_type,
        lambda n: b"PK\x03\x04" + b"word/document.xm" * n,
        100_000,
    ),
    "a file: markup": (file_types.detect_type, lambda n: b"<" + b"<!doctype " * n, 100_000),
    "texts of a form: marks": (
        lambda text: blocklists.submission_text({"a": text}),
        lambda n: "a" + "\u0300\u0316" * n,
        8_000,
    ),
    "texts of a form: halfwidth marks": (
        lambda text: blocklists.submission_text({"a": text}),
        lambda n: "a" + "\uff9e\u0300" * n,
        8_000,
    ),
    "texts that are compared: marks": (fold_text, lambda n: "a" + "\u0300\u0316" * n, 8_000),
    "texts of a form: links": (blocklists.count_links, lambda n: "http://www." * n, 5_000),
    "texts of a form: mailboxes": (
        lambda text: blocklists.find_name(text, blocklists.build_blocklist(domains=["x.example"])),
        lambda n: "a@b." * n,
        10_000,
    ),
    "texts of a form: words": (
        lambda text: blocklists.find_word(text, blocklists.build_blocklist(["a b c d", "*aab*"])),
        lambda n: "aa " * n,
        20_000,
    ),
}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("read", "make", "size"), OTHERS.values(), ids=OTHERS)
def test_other_readers_take_time_that_grows_with_what_they_read(
    read: Callable[[Any], object], make: Make, size: int
) -> None:
    assert_linear(make, read, size)


# -- multipart: what is in each part is bounded


HEADS: dict[str, Make] = {
    "quotes that do not end": lambda n: head(b';a="\\' * (n // 5)),
    "quotes": lambda n: head(b';a="' * (n // 4)),
    "parameters without a value": lambda n: head(b";x" * (n // 2)),
    "a type with parameters": lambda n: head(b"", b"\r\nContent-Type: a/b" + b";x" * (n // 2)),
    "a type with quotes": lambda n: head(b"", b'\r\nContent-Type: a/b;x="' + b'\\"' * (n // 2)),
    "headers": lambda n: head(b"", b"\r\na:b" * (n // 5)),
    "a name of dots": lambda n: head(b'; filename="' + b"." * n + b'x"'),
}


@pytest.mark.parametrize("make", HEADS.values(), ids=HEADS)
def test_a_head_of_a_part_is_read_in_time_that_grows_with_it(make: Make) -> None:
    assert_linear(lambda n: multipart(make(n) * 200), partial(as_form, MULTIPART), 450)


@pytest.mark.parametrize("make", HEADS.values(), ids=HEADS)
def test_the_worst_heads_cost_little_more_than_a_body_of_ordinary_parts(make: Make) -> None:
    """A head is at most 2 KiB, and read once: 400 of the worst against a thousand ordinary
    parts.
    """
    worst = multipart(make(MAX_PART_HEADER_BYTES - 200) * 400)
    ordinary = multipart(part("a", b"x" * 700) * 1000)
    slow, usual = (
        min(measure(lambda raw=raw: as_form(MULTIPART, raw), 1) for _ in range(5))
        for raw in (worst, ordinary)
    )  # type: ignore[misc]
    assert slow < 10 * usual


def test_a_head_has_bounds() -> None:
    def read(extra: bytes, kind: bytes = b"") -> int:
        return len(list(parse_parts(multipart(head(extra, kind)), BOUNDARY)))

    assert read(b'; filename="' + b";" * 100 + b'"') == 1, (
        "what stands in a quoted name is no parameter"
    )
    assert (
        read(b";x=1" * (MAX_HEADER_PARAMETERS - 1))
        == read(b"", b"\r\nContent-Type: a/b" + b";x=1" * MAX_HEADER_PARAMETERS)
        == 1
    )
    assert read(b"", b"\r\na: b" * (MAX_PART_HEADERS - 1)) == 1
    for extra, kind in (
        (b";x=1" * MAX_HEADER_PARAMETERS, b""),
        (b";" * MAX_HEADER_PARAMETERS, b""),
        (b"", b"\r\nContent-Type: a/b" + b";x=1" * (MAX_HEADER_PARAMETERS + 1)),
        (b"", b"\r\na: b" * MAX_PART_HEADERS),
        (b"; filename=" + b"x" * MAX_PART_HEADER_BYTES, b""),
    ):
        with pytest.raises(MultipartError):
            read(extra, kind)


def test_a_name_that_has_too_many_parameters_in_its_own_charset_only_is_refused() -> None:
    """In Shift JIS the second byte of a letter may be a backslash: there the quote ends where it
    does not in UTF-8.
    """
    raw = (
        b'--b\r\nContent-Disposition: form-data; name="a\x83"'
        + b'\\";x=1' * MAX_HEADER_PARAMETERS
        + b'"\r\n\r\n1\r\n--b--\r\n'
    )
    with pytest.raises(Refused) as refused:
        forms.read(
            Form(),
            "multipart/form-data; boundary=b; charset=shift_jis",
            raw.replace(b"\x83", b"\x83\x5c", 1),
            max_depth=9,
        )
    assert refused.value.code == "unreadable"


# -- what is too much is refused while it is read


def test_a_text_that_is_too_long_is_refused_while_it_is_read() -> None:
    """Each value by itself: a name says which, in whatever charset it is."""
    short = Form(fields=FieldRules(max_length=10))
    with pytest.raises(Refused) as refused:
        forms.read(
            short, "text/plain", b"a=1\nb=1\n" + b"x\n" * 14 + b"no\xff charset", max_depth=9
        )
    assert (refused.value.status, refused.value.code, list(refused.value.fields)) == (
        413,
        "too_large",
        ["b"],
    )
    sent = forms.read(
        short, "text/plain", b"a=" + "€".encode() * 10 + b"\nb=" + b"1" * 10, max_depth=9
    )
    forms.check(short, sent)
    with pytest.raises(Refused) as refused:
        forms.check(short, forms.read(short, "text/plain", b"a=" + b"x" * 11, max_depth=9))
    assert (refused.value.status, refused.value.code, list(refused.value.fields)) == (
        413,
        "too_large",
        ["a"],
    )


def test_a_batch_with_much_beside_the_list_is_kept_whole_and_says_so() -> None:
    [whole] = take_apart({"events": [{"n": 1}, {"n": 2}], "beside": "x" * 201})  # type: ignore[misc]
    assert whole.said.problem == (
        "a field beside the list of a batch is not a single value of at most 200 characters"
    )
    assert len(take_apart({"events": [{"n": 1}, {"n": 2}], "beside": "x" * 200})) == 2  # type: ignore[arg-type]


# -- texts


def test_a_normal_form_is_that_of_unicode_but_for_long_rows_of_marks() -> None:
    import unicodedata

    for form in ("NFC", "NFKC"):
        for text in (
            "abc",
            "e\u0301" * 100,
            "ｶ\uff9e" * 50,
            "a" + "\u0300\u0316" * 15,
            "한글 … — ﬁ" * 20,
            "\U0001f600" * 30,
        ):
            assert normalize(form, text) == unicodedata.normalize(form, text)  # type: ignore[arg-type]
        assert normalize(form, "a" + "\u0316" * 1000 + "b") == "a" + "\u0316" * 30 + "b"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make", [lambda n: "a" + "." * n + "b", lambda n: "\u0300\u0316" * n], ids=["dots", "marks"]
)
def test_the_name_of_a_file_is_read_in_time_that_grows_with_it(make: Make) -> None:
    assert_linear(make, lambda name: [sanitize_file_name(name) for _ in range(300)], 140)
