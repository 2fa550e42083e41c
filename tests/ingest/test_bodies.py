"""Bodies: what each content type says, the limits, and that no bytes whatever make decoding fail or
take long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from urllib.parse import quote_plus, urlencode

import pytest
from growth import CACHED_BYTES, Work, check_growth
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.json_values import exceeds_depth
from bridge.core.model import Body, FormFile
from bridge.ingest.bodies import MAX_FIELDS, decode

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=limit"


def read(
    content_type: str, raw: bytes, *, max_depth: int = 100, wrapped_in: str | None = None
) -> Body:
    return decode(content_type, raw, max_depth=max_depth, wrapped_in=wrapped_in)


def multipart(*parts: tuple[str, str, bytes]) -> bytes:
    """A multipart body of (name, what follows the name in the header, content)."""
    whole = b"".join(
        b'--limit\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (name.encode(), more.encode(), content)
        for name, more, content in parts
    )
    return whole + b"--limit--\r\n"


# -- JSON


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "Application/JSON; charset=utf-8",
        "application/cloudevents+json",
        "application/csp-report+json",
    ],
)
def test_json_is_its_value(content_type: str) -> None:
    body = read(content_type, '{"a": [1, "Zoë ✓", null, true]}'.encode())
    assert (body.value, body.form, body.problem) == ({"a": [1, "Zoë ✓", None, True]}, None, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b"[1e400]",
        b'{"a":1,}',
        b"'a'",
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"\x00",
        b"[1]\x00",
    ],
)
def test_what_is_not_json_is_a_problem_that_says_where(raw: bytes) -> None:
    body = read(JSON, raw)
    assert (body.value, body.form) == (None, None)
    assert body.problem is not None
    assert "not JSON" in body.problem
    assert "line 1" in body.problem


def test_the_problem_never_quotes_the_body() -> None:
    assert "hunter2" not in (read(JSON, b'{"password": hunter2}').problem or "")


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**63, 2**64 - 1, -(2**63)])
def test_an_integer_of_64_bits_is_exact(number: int) -> None:
    value = read(JSON, b"[%d]" % number).value
    assert value == [number]
    assert type(value[0]) is int


def test_a_longer_integer_is_a_number_of_its_size() -> None:
    assert read(JSON, b"1" + b"0" * 30).value == 1e30


def test_the_last_of_two_equal_keys_counts() -> None:
    assert read(JSON, b'{"a": 1, "a": 2}').value == {"a": 2}


# -- depth


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_depth_is_counted_exactly(opening: str, closing: str) -> None:
    step = opening.count("[") + opening.count("{")
    fits = (opening * (100 // step) + "1" + closing * (100 // step)).encode()
    assert read(JSON, fits).problem is None
    assert "deeper than 100" in (read(JSON, b"[" + fits + b"]").problem or "")


@pytest.mark.parametrize(
    "text",
    ["[" * 500, "{" * 500 + '"', '\\"[' * 200, "\\\\", '\\\\"[{' * 200, "\n[{" * 300, "é[" * 200],
)
def test_brackets_in_strings_do_not_count(text: str) -> None:
    raw = json.dumps({"a": text, "b": [[text]]}).encode()
    assert read(JSON, raw, max_depth=3).value == {"a": text, "b": [[text]]}
    assert read(JSON, raw, max_depth=2).problem is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'"' + b"[" * 1000,
        b"]" * 1000 + b"[" * 1000,
    ],
)
def test_a_bomb_is_a_problem_and_no_crash(raw: bytes) -> None:
    assert read(JSON, raw).problem is not None
    assert read("", raw).value in (None, raw.decode())


@given(
    st.recursive(
        st.none() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
    st.integers(0, 6),
)
def test_depth_agrees_with_the_value(value: object, limit: int) -> None:
    def depth(one: object) -> int:
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    assert exceeds_depth(json.dumps(value).encode(), limit) == (depth(value) > limit)


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (lambda size: b'"' + b'\\"' * size + b"[" * 101, 100_000),
        (lambda size: b"[" * 101 + b'"\\' * size, 100_000),
        (lambda size: b"[" * 101 + b'"' + b"\\" * (2 * size + 1), 100_000),
        (lambda size: b'{"a":"' + b"x" * size + b'","b":[' + b"[]," * 101 + b"1]}", CACHED_BYTES),
        (lambda size: b"[" + b"[]," * size + b"1]", 50_000),
    ],
    ids=[
        "escaped quotes",
        "quotes and backslashes",
        "backslashes",
        "one long string",
        "many brackets",
    ],
)
def test_time_grows_with_size_only(body: Callable[[int], bytes], size: int) -> None:
    """Bytes made to be looked at again and again: a public form takes such bodies from anyone."""

    def prepare(size: int) -> Work:
        raw = body(size)
        return lambda: read(JSON, raw)

    check_growth(prepare, size)


# -- forms


def test_a_urlencoded_form_is_an_object_and_form_is_the_same() -> None:
    body = read(URLENCODED, b"name=Zo%C3%AB+B&empty=&tag=a&tag=b&tag=c&a%26b=%3D")
    assert body.value == {"name": "Zoë B", "empty": "", "tag": ["a", "b", "c"], "a&b": "="}
    assert body.form is body.value


def test_an_empty_form_is_an_empty_object() -> None:
    assert read(URLENCODED, b"").value == {}


@pytest.mark.parametrize(
    "raw",
    [b"a=%ff", b"a=\xc3\xab", b"novalue", b"a=1&&b=2", b"&".join([b"a=1"] * (MAX_FIELDS + 1))],
)
def test_a_form_that_cannot_be_read_is_a_problem(raw: bytes) -> None:
    body = read(URLENCODED, raw)
    assert (body.value, body.form) == (None, None)
    assert "URL-encoded form" in (body.problem or "")


def test_as_many_fields_as_allowed_are_read() -> None:
    assert read(URLENCODED, b"&".join([b"a=1"] * MAX_FIELDS)).value == {"a": ["1"] * MAX_FIELDS}


def test_a_multipart_form_is_an_object() -> None:
    body = read(
        MULTIPART,
        multipart(
            ("name", "", "Zoë\r\n--x".encode()),
            ("tag", "", b"a"),
            ("tag", "", b"b"),
            ("empty", "", b""),
        ),
    )
    assert body.value == {"name": "Zoë\r\n--x", "tag": ["a", "b"], "empty": ""}
    assert body.form is body.value
    assert body.files == ()


def test_a_part_without_a_name_is_left_out() -> None:
    raw = b"--limit\r\nContent-Disposition: form-data\r\n\r\n1\r\n" + multipart(("a", "", b"2"))
    assert read(MULTIPART, raw).value == {"a": "2"}


def test_a_file_is_listed_and_stays_in_the_body() -> None:
    """As SendGrid and Mailgun send attachments: what there is to know of each, beside the
    fields.
    """
    content = b"\x89PNG\r\n\x1a\n\xff"
    body = read(
        MULTIPART, multipart(("name", "", b"Ann"), ("photo", '; filename="../a.png"', content))
    )
    assert (body.value, body.problem) == ({"name": "Ann"}, None)
    assert body.files == (
        FormFile(
            field="photo",
            name="a.png",
            type="image/png",
            size=9,
            sha256=hashlib.sha256(content).hexdigest(),
        ),
    )


def test_a_file_field_left_empty_is_no_file() -> None:
    """What a browser sends for a file input in which nothing was chosen."""
    raw = multipart(
        ("photo", '; filename=""\r\nContent-Type: application/octet-stream', b""),
        ("name", "", b"Ann"),
    )
    body = read(MULTIPART, raw)
    assert body.files == ()
    assert (body.value or {})["name"] == "Ann"


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        (MULTIPART, b""),
        (MULTIPART, b"--limit\r\n"),
        (MULTIPART, multipart(("a", "", b"1"))[:-12]),
        (MULTIPART, multipart(("a", "", b"\xff"))),
        (MULTIPART, multipart(*[("a", "", b"1")] * (MAX_FIELDS + 1))),
        ("multipart/form-data", multipart(("a", "", b"1"))),
        ("multipart/form-data; boundary=é", b"--\xe9--"),
    ],
)
def test_a_multipart_body_that_cannot_be_read_is_a_problem(content_type: str, raw: bytes) -> None:
    body = read(content_type, raw)
    assert (body.value, body.form) == (None, None)
    assert "multipart form" in (body.problem or "")


# -- JSON inside a form


PAYLOAD = {"action": "opened", "issue": {"number": 7, "title": "Ünicode & more = +1"}}


def test_githubs_form_mode_gives_the_same_body_as_its_json_mode() -> None:
    raw = json.dumps(PAYLOAD).encode()
    inside = read(URLENCODED, b"payload=" + quote_plus(raw).encode(), wrapped_in="payload")
    assert inside.value == read(JSON, raw, wrapped_in="payload").value == PAYLOAD
    assert inside.form is None


def test_a_form_without_the_field_is_an_ordinary_form() -> None:
    """Slack's commands are forms, its interactions are JSON in `payload`."""
    body = read(
        URLENCODED, urlencode({"command": "/deploy", "text": "now"}).encode(), wrapped_in="payload"
    )
    assert body.value == body.form == {"command": "/deploy", "text": "now"}


def test_the_depth_inside_a_form_is_bounded_too() -> None:
    assert "deeper" in (
        read(URLENCODED, b"payload=" + b"[" * 101, wrapped_in="payload").problem or ""
    )


def test_broken_json_inside_a_form_is_a_problem() -> None:
    assert "not JSON" in (read(URLENCODED, b"payload=%7B", wrapped_in="payload").problem or "")


def test_a_field_that_came_twice_is_not_taken_for_json() -> None:
    assert read(URLENCODED, b"payload=1&payload=2", wrapped_in="payload").value == {
        "payload": ["1", "2"]
    }


# -- everything else


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/octet-stream", "nonsense", ";;;", "text/xml; charset=utf-8"],
)
def test_an_unknown_type_is_json_if_it_reads_as_json_and_text_otherwise(content_type: str) -> None:
    assert read(content_type, b'{"a": 1}').value == {"a": 1}
    assert read(content_type, "<a>é</a>".encode()).value == "<a>é</a>"
    assert read(content_type, b"").value == ""
    assert "neither JSON nor UTF-8" in (read(content_type, b"\x89PNG\xff").problem or "")


TYPES = st.sampled_from(
    [JSON, URLENCODED, MULTIPART, "multipart/form-data", "text/plain", ""]
) | st.text(max_size=60)
PIECES = st.sampled_from(
    [
        b"--limit",
        b"--limit--",
        b"\r\n",
        b'Content-Disposition: form-data; name="a"',
        b"; filename=",
        b'"',
        b"\\",
        b"[",
        b"{",
        b"&",
        b"=",
        b"%",
    ]
)
BYTES = st.binary(max_size=200) | st.lists(PIECES | st.binary(max_size=4), max_size=30).map(
    b"".join
)


@given(TYPES, BYTES, st.integers(0, 20), st.sampled_from([None, "payload"]))
def test_no_bytes_make_it_fail(
    content_type: str, raw: bytes, depth: int, wrapped: str | None
) -> None:
    body = read(content_type, raw, max_depth=depth, wrapped_in=wrapped)
    assert (body.problem is None) or (body.value is None and body.form is None)
    assert body.form is None or body.form is body.value
