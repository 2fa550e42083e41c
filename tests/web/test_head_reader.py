"""The heads of requests on the event loop: the same answers from each parser that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.web.server.event_loop import http_parser
from bridge.web.server.event_loop.http_parser import (
    HeadReader,
    MalformedRequest,
    ParsedHead,
    read_plain_head,
)

#: The parser in C comes with an extra, and is tested where that is installed.
PARSERS = ["python", *(["c"] if find_spec("gunicorn_h1c") else [])]


@pytest.fixture(params=PARSERS)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeadReader]:
    if request.param == "python":
        monkeypatch.setattr(http_parser, "c_parser", None)
    yield HeadReader()


def read(reader: HeadReader, raw: bytes, step: int) -> tuple[ParsedHead, bytes]:
    """Return the head, and what follows it."""
    for at in range(0, len(raw), step):
        rest = reader.feed(raw[at : at + step])
        if rest is not None:
            return reader.read("192.0.2.1"), rest + raw[at + step :]
    raise AssertionError("the head is not complete")


@pytest.mark.parametrize("step", [1, 2, 5, 1000])
def test_heads_are_read_in_any_pieces_one_after_another(reader: HeadReader, step: int) -> None:
    raw = (
        b"\r\nPOST /hooks/%61?b=c HTTP/1.1\r\nHost: x\r\nA: 1\r\na: 2\r\nContent-Length: 3\r\n\r\n"
    )
    head, rest = read(reader, raw + b"{}\n", step)
    request = head.request
    assert (request.method, request.path, request.target) == (
        "POST",
        "/hooks/a",
        "/hooks/%61?b=c",
    )
    assert (request.query_string, dict(request.headers)) == ("b=c", {"host": "x", "a": "1,2"})
    assert (head.length, head.keeps_alive, head.may_chunk, rest) == (3, True, True, b"{}\n")
    head, rest = read(reader, b"GET / HTTP/1.0\r\n\r\nmore", step)
    assert (head.length, head.keeps_alive, head.may_chunk, rest) == (0, False, False, b"more")
    assert (request.protocol, head.request.protocol) == ("HTTP/1.1", "HTTP/1.0")
    chunked = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    head, _ = read(reader, chunked, step)
    assert (head.length, head.expects_continue) == (None, True)


def test_cookies_in_several_fields_are_joined_as_in_one(reader: HeadReader) -> None:
    raw = b"GET / HTTP/1.1\r\nCookie: a=1\r\nHost: x\r\ncookie: b=2; c=3\r\n\r\n"
    head, _ = read(reader, raw, 1000)
    assert head.request.headers["cookie"] == "a=1; b=2; c=3"


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST  /hooks/a HTTP/1.1\r\n\r\n", 400),
        (b"POST /hooks/a  HTTP/1.1\r\n\r\n", 400),
        (b"POST\t/hooks/a HTTP/1.1\r\n\r\n", 400),
        (b"POST /hooks/\xe4 HTTP/1.1\r\n\r\n", 400),
        (b"POST  HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5000), 400),
        (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: br, chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n", 417),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 9000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101, 431),
    ],
)
def test_malformed_heads_are_refused(
    reader: HeadReader, raw: bytes, status: int, step: int
) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read(reader, raw, step)
    assert refused.value.status == status
    assert "hooks" not in str(refused.value)


WEBHOOK = b"POST /hooks/a?b=%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-Id:1 2\t\r\nAccept: */*\r\n\r\n"
#: What may stand in a head, and what a mistake or an attack puts there.
PIECES = (
    [bytes([byte]) for byte in range(256)]
    + [
        b"\r\n",
        b"GET ",
        b"/",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"chunked",
        b"keep-alive, x",
        b"a" * 9000,
    ]
    + [
        b"\r\n%b: " % name
        for name in (b"Host", b"Connection", b"Content-Length", b"x_y", b"Expect")
    ]
    + [b"\r\nTransfer-Encoding: chunked", b"\r\nConnection: close", b"\r\nContent-Type:", b"\r\n a"]
)
EDITS = st.lists(
    st.tuples(st.integers(0, len(WEBHOOK)), st.integers(0, 4), st.sampled_from(PIECES)), max_size=3
)


def outcome(raw: bytes, step: int) -> tuple[ParsedHead, bytes] | None:
    """Return the head and what follows it, None if it is refused."""
    try:
        return read(HeadReader(), raw, step)
    except MalformedRequest:
        return None


@given(EDITS)
@example([])
@example([(0, 4, b"PUT")])
@example([(len(WEBHOOK) - 4, 0, b"\r\nA: b" * 97)])
@example([(len(WEBHOOK) - 4, 0, b"\r\nA: b" * 96)])
def test_a_head_that_arrives_whole_is_read_like_one_in_pieces(
    edits: list[tuple[int, int, bytes]],
) -> None:
    raw = WEBHOOK
    for at, size, piece in edits:
        raw = raw[:at] + piece + raw[at + size :]
    raw += b"{}\n\r\n\r\n"  # the head ends
    assert outcome(raw, len(raw)) == outcome(raw, 7)


def test_the_head_of_a_webhook_needs_no_parser() -> None:
    plain = read_plain_head(WEBHOOK + b"{}\n")
    assert plain is not None
    assert (plain.size, plain.headers["x-id"]) == (len(WEBHOOK), "1 2")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"/hooks", b"http://x/hooks"),
        (b"X-Id", b"X_Id"),
        (b"X-Id:", b"X-Id :"),
        (b"1 2", b"\xe4"),
        (b"1 2", b"1\r2"),
        (b"1 2", b"1\n2"),
        (b"1 2", b"1\r\n 2"),
        (b"1 2", b""),
        (b"1 2", b"1" * 9000),
        (b"X-Id", b"HOST"),
        (b"X-Id", b"Transfer-Encoding"),
        (b"X-Id", b"Expect"),
        (b"X-Id", b"Connection"),
        (b"X-Id", b"Upgrade"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_the_parser_reads_every_other_head(old: bytes, new: bytes) -> None:
    assert read_plain_head(WEBHOOK.replace(old, new)) is None
