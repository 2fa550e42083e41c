"""Heads of requests and answers: the same bytes and the same fields as urllib3 and http.client."""

from __future__ import annotations

import io
import itertools
import random
from http.client import HTTPException, HTTPMessage, HTTPResponse, parse_headers
from typing import Any

import pytest
from urllib3.connection import HTTPConnection
from urllib3.util import parse_url

from bridge.system.http_head import (
    MAX_HEADER_LINES,
    HeadReader,
    encode_host,
    encode_request,
    parse_fields,
    parse_target,
    read_answer,
    read_lines,
)

AGENT = {"User-Agent": "flowbridge/0"}
CALLS: tuple[tuple[str, str, dict[str, str], bytes | None], ...] = (
    ("POST", "/start", {**AGENT, "Content-Type": "application/json"}, b'{"a":1}'),
    ("POST", "/start?user_id=a%2Bb", {**AGENT, "Content-Length": "2"}, b"{}"),
    ("POST", "/start", {**AGENT, "X-Latin": "caf\xe9"}, None),
    ("PUT", "/", {}, None),
    ("GET", "/runs?id=1", {**AGENT, "Accept-Encoding": "gzip"}, None),
    ("HEAD", "/", AGENT, None),
    ("DELETE", "/x", {**AGENT, "Host": "other.example"}, None),
    ("POST", "/", {**AGENT, "X-Folded": "a\r\n b", "X-Empty": ""}, b"\x00\xff"),
    ("POST", "/", {"Bad Name": "a"}, None),
    ("POST", "/", {"Bad\nName": "a"}, None),
    ("POST", "/", {"": "a"}, None),
    ("POST", "/", {"N\xe4me": "a"}, None),
    ("POST", "/", {"X": "a\r\nInjected: b"}, None),
    ("POST", "/", {"X": "a\nb"}, None),
    ("POST", "/", {"X": "a\rb"}, None),
    ("POST", "/", {"X": "\u2028"}, None),
    ("POST", "/a b", AGENT, None),
    ("POST", "/a\r\nb", AGENT, None),
    ("POST", "/\xe4", AGENT, None),
    ("PO ST", "/", AGENT, None),
    ("POST\r\n", "/", AGENT, None),
)
LINES = (
    b"Content-Type: application/json\r\n",
    b"Content-Length:11\r\n",
    b"X-Many: 1\r\n",
    b"x-many: \t 2  \r\n",
    b"X-Empty:\r\n",
    b"X-Bare: newline\n",
    b"X-Latin: caf\xe9 \x00\r\n",
    b"X-Colons: a: b\r\n",
)
ODD_LINES = (
    b" continued\r\n",
    b"\tcontinued\r\n",
    b"no colon\r\n",
    b": no name\r\n",
    b"Name with spaces: 1\r\n",
    b"From somebody\r\n",
    b"X-Return: a\rX-Other: b\r\n",
    b"N\xe4me: 1\r\n",
)


class _Recorder(HTTPConnection):
    """A connection that records its requests."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.written = b""

    def send(self, data: Any) -> None:
        self.written += data


class _Socket:
    """The part of a socket that a response uses."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._sent)


def by_urllib3(
    method: str, target: str, headers: dict[str, str], body: bytes | None
) -> bytes | None:
    recorder = _Recorder("flows.example", 8080)
    try:
        recorder.request(method, target, body, headers)
    except (ValueError, HTTPException):
        return None
    return recorder.written


def by_us(method: str, target: str, headers: dict[str, str], body: bytes | None) -> bytes | None:
    try:
        return encode_request(method, target, "flows.example:8080", headers, body)
    except (ValueError, HTTPException):
        return None


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_a_request_has_the_bytes_that_urllib3_writes_or_neither_writes_it(
    call: tuple[str, str, dict[str, str], bytes | None],
) -> None:
    assert by_us(*call) == by_urllib3(*call)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("flows.example", 80),
        ("flows.example", 8080),
        ("127.0.0.1", 81),
        ("::1", 80),
        ("fe80::1%eth0", 8080),
        ("m\xfcnchen.example", 80),
    ],
)
def test_the_host_header_is_that_of_http_client(host: str, port: int) -> None:
    recorder = _Recorder(host, port)
    recorder.request("GET", "/", headers=AGENT)
    assert b"\r\nHost: " + encode_host(host, port, 80).encode() + b"\r\n" in recorder.written


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://flows.example", ("http", "flows.example", None, "/")),
        (
            "https://Flows.example:8443/a b?c=d e#f",
            ("https", "flows.example", 8443, "/a%20b?c=d%20e"),
        ),
        ("http://[::1]:80/?a=%2B", ("http", "::1", 80, "/?a=%2B")),
        ("http://flows.example?\xe4=1", ("http", "flows.example", None, "/?%C3%A4=1")),
    ],
)
def test_a_url_has_a_target(url: str, parts: tuple[str, str, int | None, str]) -> None:
    assert parse_target(url) == parts


@pytest.mark.parametrize(
    "target",
    ["/", "/%2f%zz", "/%2f%C3", "/a;b=c:@!$&'()*+,=~", '/[x]|"<>^`{}\\?[y]|?/@%', "/\u20ac?\u20ac"],
)
def test_a_target_is_encoded_as_by_urllib3(target: str) -> None:
    assert parse_target(f"http://h{target}").path == parse_url(f"http://h{target}").request_uri


def test_usual_and_odd_headers_are_those_of_http_client() -> None:
    chance = random.Random(1)
    heads = [
        *itertools.permutations(LINES, 2),
        *itertools.product((*LINES, *ODD_LINES), repeat=2),
        *(chance.choices((*LINES, *ODD_LINES), k=6) for _ in range(500)),
    ]
    for head in heads:
        text = b"".join(head) + b"\r\n"
        expected = parse_headers(io.BytesIO(text)).items()
        got = parse_fields(read_lines(io.BytesIO(text)))
        assert got == [(name, unfolded(value)) for name, value in expected], head


def unfolded(value: str) -> str:
    lines = value.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return " ".join(line.strip(" \t") for line in lines) if len(lines) > 1 else value


def test_a_head_is_limited_as_in_http_client() -> None:
    most = b"A: b\r\n" * (MAX_HEADER_LINES - 1) + b"\r\n"
    assert len(read_lines(io.BytesIO(most))) == MAX_HEADER_LINES - 1
    assert len(parse_headers(io.BytesIO(most))) == MAX_HEADER_LINES - 1
    for too_much in (b"A: b\r\n" + most, b"A: " + b"b" * 65534 + b"\r\n\r\n"):
        for read in (read_lines, parse_headers):
            with pytest.raises(HTTPException):
                read(io.BytesIO(too_much))


FRAMINGS = (
    b"",
    b"Content-Length: 5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Length: five\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: Chunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\nContent-Length: 5\r\n",
    b"Connection: Keep-Alive\r\nContent-Length: 5\r\n",
    b"Keep-Alive: timeout=5\r\nContent-Length: 5\r\n",
    b"Proxy-Connection: keep-alive\r\nContent-Length: 5\r\n",
)
STATUS_LINES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/0.9 200\r\n",
    b"HTTP/1.2 201 Made\r\n",
    b"HTTP/2.0 200 OK\r\n",
    b"HTTP/1.1 204 \r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 103 Early Hints\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many\r\n",
    b"HTTP/1.1 1000 \r\n",
    b"ICY 200 OK\r\n",
    b"\r\n",
    b"",
)


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_a_body_ends_where_http_client_ends_it(method: str) -> None:
    for status, framing in itertools.product(STATUS_LINES, FRAMINGS):
        sent = status + framing + b"\r\n5\r\nhello\r\n0\r\n\r\n"
        assert framed(HeadReader, sent, method) == framed(HTTPResponse, sent, method), sent


def framed(kind: type[HTTPResponse], sent: bytes, method: str) -> object:
    """Return what a class of responses makes of an answer, and the type of its error."""
    response = kind(_Socket(sent), method=method)  # type: ignore[arg-type]  # as much of a socket as it uses
    try:
        response.begin()
        how: Any = response
        seen = (how.status, how.reason, how.version, how.chunked, how.length, how.will_close)
        return (*seen, response.read())
    except HTTPException as error:
        return type(error)


def test_the_fields_of_an_answer_are_read_with_all_lines_of_a_name() -> None:
    answer = HeadReader(
        _Socket(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n"),  # type: ignore[arg-type]  # as much of a socket as it uses
        method="GET",
    )
    answer.begin()
    assert list(answer.fields.items()) == [("X-A", "1"), ("X-A", "2"), ("Content-Length", "0")]
    assert not isinstance(answer.headers, HTTPMessage)


@pytest.mark.parametrize(
    ("framing", "body", "expected"),
    [
        (b"Content-Length: 5\r\n", b"hello", (b"hello", False)),
        (b"Content-Length: 5\r\n", b"hello, and the next", (b"hello", False)),
        (b"Content-Length: 0\r\n", b"", (b"", False)),
        (b"Content-Length: 5\r\n", b"hell", (b"", True)),
        (b"Content-Length: 9\r\n", b"hello all", None),
        (b"Content-Length: 5\r\nContent-Encoding: gzip\r\n", b"hello", None),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello", None),
        (b"Content-Length: 5, 5\r\n", b"hello", None),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", None),
        (b"", b"hello", None),
    ],
)
def test_an_answer_of_a_known_length_is_read_at_once_and_any_other_by_urllib3(
    framing: bytes, body: bytes, expected: tuple[bytes, bool] | None
) -> None:
    sent = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body
    head = HeadReader(_Socket(sent), method="POST")  # type: ignore[arg-type]  # as much of a socket as it uses
    head.begin()
    answer = read_answer(head, 8)
    assert (None if answer is None else (answer.body, answer.truncated)) == expected
    assert head.isclosed() is (expected is not None), "only then the connection is free"
