"""The web edge as senders meet it: real gunicorn receivers and raw sockets."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from select import select

import pytest
from forms import URLENCODED
from serving import (
    SECRET,
    Answer,
    Bridge,
    exchange,
    github,
    head,
    limit_file_size,
    read_answer,
    signature,
    until,
)

from bridge.core.units import MIB

pytestmark = pytest.mark.usefixtures("new_processes")

MARKER = "pl4nted-m4rker"
# where that is what is looked at; elsewhere it is longer than any machine stands still
READ_TIME = 1.5
ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}", max_body: 200 KiB}
  big: {provider: github, secret: "${env:GITHUB_SECRET}", max_body: 3 MiB}
  stripe: {provider: stripe, secret: "${env:GITHUB_SECRET}"}
  token: {provider: token, secret: "${env:TOKEN}", verify: {query: token}}
  limited: {provider: github, secret: "${env:GITHUB_SECRET}", rate: 3/h}
  page:
    provider: form
    rate: 100/min and 100/min per address
    schema: {type: object, required: [name], properties: {name: {type: string, minLength: 2}}}
  away: {provider: form, rate: 100/min and 100/min per address, redirect: "https://example.com/thanks"}
  sites: {provider: form, rate: 100/min and 100/min per address, allowed_origins: ["https://example.com"]}
  slow_form: {provider: form, rate: 100/min and 2/h per address}
routes:
  - {name: wanted, on: github wanted, inputs: {a: "1"}, flow: local/echo}
  - {name: broken, on: big, inputs: {title: "${add(body.title, '1')}"}, flow: local/echo}
"""
TOKEN = "a-long-random-token-of-ours"
ADMIN_TOKEN = "a-long-random-token-of-an-administrator"


@pytest.fixture(scope="module")
def web(
    edge: dict[str, str], tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Bridge]:
    """Receivers without a worker: what they keep stays as it was kept. They wait for longer than
    any test does.
    """
    timings = {"request_head_seconds": 600.0, "request_body_seconds": 600.0}
    with Bridge(
        tmp_path_factory.mktemp("web"),
        "web",
        routes=ROUTES,
        timings=timings,
        environ={"TOKEN": TOKEN, "FLOWBRIDGE_ADMIN_TOKEN": ADMIN_TOKEN, **edge},
    ) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def hurried(
    edge: dict[str, str], tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Bridge]:
    """Receivers that wait no longer than READ_TIME."""
    timings = {"request_head_seconds": READ_TIME, "request_body_seconds": READ_TIME}
    with Bridge(
        tmp_path_factory.mktemp("hurried"),
        "web",
        routes=ROUTES,
        timings=timings,
        environ={"TOKEN": TOKEN, **edge},
    ) as bridge:
        yield bridge


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: the receivers still answer, and no marker, secret, signature or traceback
    has reached the log.
    """
    name = next((name for name in ("web", "hurried") if name in request.fixturenames), None)
    bridge: Bridge | None = request.getfixturevalue(name) if name else None
    before = len(bridge.stderr) if bridge else 0
    yield
    if bridge:
        assert bridge.event().status == 202
        for planted in (MARKER, SECRET, TOKEN, "sha256=", "Traceback"):
            assert planted not in bridge.stderr[before:]


def post(
    web: Bridge,
    source: str,
    body: bytes,
    headers: dict[str, str] | None = None,
    target: str | None = None,
) -> Answer:
    answer = web.post(
        target or f"/hooks/{source}", body, github(body) if headers is None else headers
    )
    tells_nothing(answer)
    return answer


def tells_nothing(answer: Answer) -> None:
    """An answer never holds what is inside: no path, no traceback, no class, no statement, nothing
    that was sent.
    """
    text = answer.body.decode().lower()
    for inside in (
        "traceback",
        "bridge",
        "sqlite",
        "error:",
        "/work",
        "insert",
        ".py",
        SECRET.lower(),
        MARKER,
        "sha256=",
    ):
        assert inside not in text, answer


# -- what is kept


def test_a_signed_event_is_202_and_on_disk(web: Bridge) -> None:
    body = json.dumps({"action": MARKER}).encode()
    answer = post(web, "github", body, github(body, x_custom=MARKER))
    assert answer.status == 202
    event = web.found(answer.json["event_id"]).event
    assert (event.body, event.headers["x-custom"], event.type) == (body, MARKER, "issues")
    assert answer.json == {"event_id": event.id, "deliveries": 0}


def test_the_second_copy_is_200_and_counted(web: Bridge) -> None:
    headers = github(b"{}", event="wanted", delivery="twice")
    first = post(web, "github", b"{}", headers)
    second = post(web, "github", b"{}", headers)
    assert (first.status, second.status) == (202, 200)
    assert second.json == {"event_id": first.json["event_id"], "duplicate": True}


def test_verified_but_unreadable_is_202_with_a_problem(web: Bridge) -> None:
    for body in (b"\xff\xfe", b"{", b"[" * 100_000, b""):
        answer = post(web, "github", body)
        assert answer.status == 202
        assert web.found(answer.json["event_id"]).event.problem


def test_a_route_that_breaks_is_202_and_parked(web: Bridge) -> None:
    body = json.dumps({"title": MARKER}).encode()
    answer = post(web, "big", body)
    assert (answer.status, answer.json["deliveries"]) == (202, 1)
    (delivery,) = web.found(answer.json["event_id"]).deliveries
    assert delivery.status == "dead"


def test_a_body_exactly_at_the_limit_is_kept_whole(web: Bridge) -> None:
    body = b'"' + b"x" * (200 * 1024 - 2) + b'"'
    answer = post(web, "github", body)
    assert answer.status == 202
    assert web.found(answer.json["event_id"]).event.body == body


def test_requests_follow_each_other_on_one_connection(web: Bridge) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 60) as sock:
        statuses = []
        for body in (b"[1]", b"[22]", b"[333]"):
            sock.sendall(
                head("POST", "/hooks/github", {"Content-Length": str(len(body)), **github(body)})
                + body
            )
            statuses.append(read_answer(sock).status)
    assert statuses == [202, 202, 202]


# -- what is not


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers, body: headers.pop("X-Hub-Signature-256"),
        lambda headers, body: headers.update({"X-Hub-Signature-256": signature(body + b" ")}),
        lambda headers, body: headers.update(
            {"X-Hub-Signature-256": signature(body, "another secret of some length")}
        ),
        lambda headers, body: headers.update({"X-Hub-Signature-256": ""}),
        lambda headers, body: headers.update({"X-Hub-Signature-256": "sha256=" + "0" * 64}),
        lambda headers, body: headers.update(
            {"X-Hub-Signature-256": headers["X-Hub-Signature-256"].removeprefix("sha256=")}
        ),
        lambda headers, body: headers.update(
            {
                "X-Hub-Signature-256": (
                    headers["X-Hub-Signature-256"] + ", " + headers["X-Hub-Signature-256"]
                )
            }
        ),
        lambda headers, body: headers.update({"X-Hub-Signature-256": "sha256=\xe9\xff"}),
        lambda headers, body: (
            headers.pop("X-Hub-Signature-256"),
            headers.update({"X-Hub-Signature": "sha1=" + "0" * 40}),
        ),
        lambda headers, body: (
            headers.pop("X-Hub-Signature-256"),
            headers.update({"X_Hub_Signature_256": signature(body)}),
        ),
        lambda headers, body: (
            headers.pop("X-Hub-Signature-256"),
            headers.update({"Authorization": signature(body)}),
        ),
    ],
    ids=[
        "none",
        "of another body",
        "by another secret",
        "empty",
        "wrong",
        "no prefix",
        "twice in one",
        "bytes",
        "sha1 only",
        "underscores",
        "elsewhere",
    ],
)
def test_what_is_not_verified_is_401_and_leaves_no_trace(web: Bridge, spoil) -> None:
    body = json.dumps({"marker": MARKER}).encode()
    headers = github(body)
    spoil(headers, body)
    before = web.count()
    answer = post(web, "github", body, headers)
    assert (answer.status, answer.json) == (401, {"error": "unauthorized"})
    assert web.count() == before


@pytest.mark.parametrize("order", [0, 1])
def test_two_signature_headers_never_count_as_one_good_one(web: Bridge, order: int) -> None:
    body = b"{}"
    good = signature(body)
    bad = "sha256=" + "0" * 64
    headers = github(body)
    del headers["X-Hub-Signature-256"]
    pair = [("X-Hub-Signature-256", good), ("X-Hub-Signature-256", bad)][:: -1 if order else 1]
    sent = head("POST", "/hooks/github", [("Content-Length", "2"), *headers.items(), *pair])
    assert exchange(web.port, sent + body).status == 401
    twice = head(
        "POST",
        "/hooks/github",
        [("Content-Length", "2"), *headers.items(), *[("X-Hub-Signature-256", good)] * 2],
    )
    assert exchange(web.port, twice + body).status == 401


def test_the_event_of_two_event_headers_is_not_either_of_them(web: Bridge) -> None:
    sent = head(
        "POST",
        "/hooks/github",
        [("Content-Length", "2"), *github(b"{}").items(), ("X-GitHub-Event", "push")],
    )
    answer = exchange(web.port, sent + b"{}")
    assert web.found(answer.json["event_id"]).event.type == "issues,push"


@pytest.mark.parametrize("order", [1, -1])
def test_cookies_in_several_fields_are_those_of_one(web: Bridge, order: int) -> None:
    """HTTP/2 lets a browser split them, and a proxy may pass them on as they came."""
    token = f"token={ADMIN_TOKEN}".encode()
    form = {"Content-Type": URLENCODED, "Sec-Fetch-Site": "same-origin"}
    login = exchange(
        web.port,
        head("POST", "/console/login", {**form, "Content-Length": str(len(token))}) + token,
    )
    assert login.status == 303, login
    session = login.headers["set-cookie"].partition(";")[0]
    fields = [("Cookie", session), ("Host", "127.0.0.1"), ("cookie", "a=1; b=2,3")][::order]
    assert exchange(web.port, head("GET", "/console/settings", fields)).status == 200


def test_a_token_in_the_query_never_reaches_the_log(web: Bridge) -> None:
    assert post(web, "token", b"{}", {}, "/hooks/token?token=wrong").status == 401
    answer = post(web, "token", b"{}", {}, f"/hooks/token?t%6Fken={TOKEN}")
    assert answer.status == 202
    assert TOKEN not in web.found(answer.json["event_id"]).event.query_string


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_405(web: Bridge, method: str) -> None:
    answer = exchange(
        web.port, head(method, "/hooks/github", {**github(b""), "Connection": "close"})
    )
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["TRACE", "BREW", "get"])
def test_strange_methods_are_refused(web: Bridge, method: str) -> None:
    assert exchange(web.port, head(method, "/hooks/github", {"Connection": "close"})).status in (
        400,
        405,
        501,
    )


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/hooks/nobody", 404),
        ("/hooks/", 404),
        ("/hooks", 404),
        ("/", 404),
        ("//hooks/github", 404),
        ("/hooks//github", 404),
        ("/hooks/github/x", 404),
        ("/hooks/../hooks/github", 404),
        ("/hooks/./github", 404),
        ("/hooks/%2e%2e/github", 404),
        ("/hooks/github%00", 404),
        ("/hooks/github%2f", 202),
        ("/HOOKS/github", 404),
        ("/hooks/GitHub", 404),
        ("/hooks/git%68ub", 202),
        ("/hooks/github/", 202),
        ("/hooks/%ff%fe", 404),
        ("/hooks/" + "a" * 5000, 404),
        ("/hooks/github?x=" + "a" * 5000, 202),
        ("/static/x", 404),
        ("/api/v1/start_pipeline", 401),
        ("http://127.0.0.1/hooks/github", 202),
    ],
)
def test_paths_are_taken_literally(web: Bridge, target: str, status: int) -> None:
    assert post(web, "github", b"{}", None, target).status == status


def test_404_does_not_tell_which_sources_there_are(web: Bridge) -> None:
    assert post(web, "", b"{}", {}, "/hooks/nobody").json == {
        "error": "unknown_source",
        "message": "no such source",
    }


# -- sizes and framing


def test_a_length_over_the_limit_is_413_before_a_byte_is_read(web: Bridge) -> None:
    # none of it ever comes
    answer = exchange(web.port, head("POST", "/hooks/github", {"Content-Length": str(10**12)}))
    assert answer.status == 413


def test_the_connection_of_a_413_is_closed(web: Bridge) -> None:
    """Else what was to be its body would be read as the next request, or swallowed for as long as
    it comes.
    """
    with socket.create_connection(("127.0.0.1", web.port), 60) as sock:
        sock.sendall(head("POST", "/hooks/github", {"Content-Length": str(10**9)}))
        assert read_answer(sock).status == 413
        sock.settimeout(8)
        with pytest.raises(OSError):
            for _ in range(4000):
                sock.sendall(b"x" * 65536)
            raise AssertionError("260 MB were taken after a 413")


def chunks(body: bytes, size: int) -> bytes:
    return (
        b"".join(
            b"%x\r\n%s\r\n" % (len(body[at : at + size]), body[at : at + size])
            for at in range(0, len(body), size)
        )
        + b"0\r\n\r\n"
    )


@pytest.mark.parametrize("size", [1, 7, 65536, 10**6])
def test_a_chunked_body_is_read_whole(web: Bridge, size: int) -> None:
    body = json.dumps({"text": "x" * (2000 if size == 1 else 150_000)}).encode()
    sent = head(
        "POST",
        "/hooks/github",
        {"Transfer-Encoding": "chunked", "Connection": "close", **github(body)},
    )
    answer = exchange(web.port, sent + chunks(body, size))
    assert answer.status == 202
    assert web.found(answer.json["event_id"]).event.body == body


@pytest.mark.parametrize("extra", [0, 1, 65536, 3_000_000])
def test_a_chunked_body_over_the_limit_is_413_and_never_cut(web: Bridge, extra: int) -> None:
    """The signature is that of the first 200 KiB: a body cut there would verify."""
    kept = b"x" * (200 * 1024)
    sent = head(
        "POST",
        "/hooks/github",
        {"Transfer-Encoding": "chunked", "Connection": "close", **github(kept)},
    )
    assert exchange(web.port, sent + chunks(kept + b"y" * extra, 50_000)).status == (
        413 if extra else 202
    )


@pytest.mark.parametrize(
    "framing",
    [
        b"xyz\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"2 \r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"ffffffffffffffffff\r\n{}",
        b"2\r\n{}\r\n",
        b"2\r\n{}\r\n0\r\n",
        b"2\r\n{}\r\n0\r\nbad trailer\r\n\r\n",
        b"2;" + b"a" * 20_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\n" + b"X-A: b\r\n" * 50_000,
    ],
    ids=[
        "no size",
        "no end",
        "negative",
        "blank",
        "hex mark",
        "bare LF",
        "huge",
        "cut off",
        "no last line",
        "bad trailer",
        "endless size",
        "endless trailers",
    ],
)
def test_chunks_that_are_none_are_400_and_not_kept(web: Bridge, framing: bytes) -> None:
    before = web.count()
    sent = head(
        "POST",
        "/hooks/github",
        {"Transfer-Encoding": "chunked", "Connection": "close", **github(b"{}")},
    )
    answer = exchange(web.port, sent + framing, end=True)
    assert answer.status in (0, 400)
    assert web.count() == before


@pytest.mark.parametrize(
    "codings",
    [
        ["gzip, chunked"],
        ["gzip", "chunked"],
        ["deflate, chunked"],
        ["compress,chunked"],
        ["identity, chunked"],
        ["br, chunked"],
    ],
)
def test_a_coding_that_would_stay_on_the_body_is_501(web: Bridge, codings: list[str]) -> None:
    before = web.count()
    framing = [("Connection", "close"), *(("Transfer-Encoding", each) for each in codings)]
    sent = head("POST", "/hooks/github", [*framing, *github(b"{}").items()])
    assert exchange(web.port, sent, b"2\r\n{}\r\n0\r\n\r\n").status == 501
    assert web.count() == before


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "2"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "12")],
        [("Content-Length", "2"), ("Content-Length", "5")],
        [("Content-Length", "2, 5")],
        [("Content-Length", "+2")],
        [("Content-Length", "-1")],
        [("Content-Length", "0x2")],
        [("Content-Length", "2 2")],
        [("Content-Length", "\u00b2")],
        [("Content-Length", "9" * 5000)],
        [("Content-Length", "2_0")],
        [("Transfer-Encoding", "xchunked")],
        [("Transfer-Encoding", "chunked, identity")],
        [("Transfer-Encoding", "identity, chunked, chunked")],
        [("Transfer-Encoding ", "chunked"), ("Content-Length", "2")],
        [("Transfer-Encoding", "\x0bchunked")],
        [(" Transfer-Encoding", "chunked"), ("Content-Length", "2")],
    ],
)
def test_framing_that_two_parsers_could_read_differently_is_refused(
    web: Bridge, headers: list[tuple[str, str]]
) -> None:
    before = web.count()
    sent = head("POST", "/hooks/github", [*github(b"{}").items(), *headers])
    smuggled = head("POST", "/hooks/github", {**github(b"[]"), "Content-Length": "2"}) + b"[]"
    assert exchange(web.port, sent + b"{}" + smuggled, end=True).status in (0, 400, 413, 501)
    assert web.count() == before


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /hooks/github HTTP/1.1\nHost: x\n\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00" * 100,
        b"POST /hooks/github\r\n\r\n",
        b"POST  /hooks/github HTTP/1.1\r\n\r\n",
        b"POST /hooks/github HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /hooks/github HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /hooks/github HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"POST /hooks/github HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"POST /hooks/github HTTP/1.1\r\n: b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /hooks/github HTTP/1.1\r\nA: " + b"b" * 9000 + b"\r\n\r\n",
        b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"POST /hooks/github HTTP/1.1\r\n"
        + b"".join(b"A%d: b\r\n" % n for n in range(101))
        + b"\r\n",
        b"GET /hooks/github\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /hooks/github HTTP/1.1\r\nA: b\rX-GitHub-Event: c\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(web: Bridge, raw: bytes) -> None:
    answer = exchange(web.port, raw, end=True)
    assert answer.status == 0 or 400 <= answer.status < 600
    assert answer.status != 500
    tells_nothing(answer)


@pytest.mark.parametrize("sent", [b"", b"{"])
def test_a_body_shorter_than_its_length_is_400(web: Bridge, sent: bytes) -> None:
    answer = exchange(
        web.port,
        head("POST", "/hooks/github", {"Content-Length": "2", **github(sent)}) + sent,
        end=True,
    )
    assert answer.status == 400
    tells_nothing(answer)


def test_expect_100_continue_is_honoured(web: Bridge) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 60) as sock:
        sock.sendall(
            head(
                "POST",
                "/hooks/github",
                {"Content-Length": "2", "Expect": "100-continue", **github(b"{}")},
            )
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        sock.sendall(b"{}")
        assert read_answer(sock).status == 202


# -- slowness


@pytest.mark.parametrize("in_body", [False, True], ids=["head", "body"])
def test_a_sender_that_stops_is_cut_off(hurried: Bridge, in_body: bool) -> None:
    whole = head("POST", "/hooks/github", {"Content-Length": "5000", **github(b"")})
    with socket.create_connection(("127.0.0.1", hurried.port), 60) as sock:
        sock.sendall(whole if in_body else whole[:20])
        answer = read_answer(sock)
    assert answer.status in ((400,) if in_body else (0, 400, 408))


def test_silent_connections_hold_nobody_up(web: Bridge) -> None:
    """More than there are threads: a connection without a request takes none. Who waited for one
    would wait for longer than we do.
    """
    silent = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(40)]
    try:
        for _ in range(8):
            assert web.event().status == 202
    finally:
        for sock in silent:
            sock.close()


#: Its third for the first 256 KiB of each body has room for eight bodies: a small one fits beside
#: seven that are being read, however far each is.
BUDGET = 6 * MIB
#: A quarter of the budget, but for a little: four of them leave no place for a body of 10 KB.
QUARTER = BUDGET // 4 - 1024


def hold_bodies(web: Bridge, addresses: Sequence[str], stack: ExitStack) -> list[socket.socket]:
    """Begin a large body from each address, and send a quarter of the budget of it."""
    begin = head("POST", "/hooks/big", {"Content-Length": str(2 * MIB), **github(b"")})
    connections = []
    for address in addresses:
        sock = socket.create_connection(("127.0.0.1", web.port), 60, source_address=(address, 0))
        connections.append(stack.enter_context(sock))
        with suppress(OSError):  # it is refused before all of it is sent
            sock.sendall(begin + b"x" * QUARTER)
    return connections


def read_refusals(connections: Sequence[socket.socket], count: int) -> list[Answer]:
    """Wait until so many of the connections are answered, and return the answers."""

    def answered() -> list[socket.socket]:
        return select(connections, [], [], 0)[0]

    until(lambda: len(answered()) >= count, what="refusals")
    return [read_answer(sock) for sock in answered()]


@pytest.fixture(scope="module")
def narrow(
    edge: dict[str, str], tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Bridge]:
    """Receivers with a small budget for bodies, which wait for longer than any test does."""
    timings = {"bridge.web.receiving.body_reader.IN_FLIGHT": BUDGET, "request_body_seconds": 600.0}
    environ = {"TOKEN": TOKEN, **edge}
    folder = tmp_path_factory.mktemp("narrow")
    with Bridge(folder, "web", routes=ROUTES, timings=timings, environ=environ) as bridge:
        yield bridge


def test_bodies_in_flight_are_bounded(narrow: Bridge) -> None:
    """While the budget is held, more is told to come back; when it is free, all is well."""
    with ExitStack() as stack:
        # of two receivers at most, one at least gets four of the seven
        connections = hold_bodies(narrow, [f"127.0.{n}.1" for n in range(1, 8)], stack)
        [busy, *_] = read_refusals(connections, 1)
        assert (busy.status, busy.headers["retry-after"]) == (503, "5")
        tells_nothing(busy)
        assert narrow.event().status == 202  # a small one still fits
    body = b"x" * QUARTER
    post_again = lambda: narrow.post("/hooks/big", body, github(body)).status == 202  # noqa: E731
    until(post_again, what="a free budget")


def test_one_network_leaves_room_for_others(narrow: Bridge) -> None:
    body = b'"' + b"x" * 10_000 + b'"'
    with ExitStack() as stack:
        connections = hold_bodies(narrow, ["127.0.9.1", "127.0.9.2", "127.0.9.3"] * 4, stack)
        # two receivers have room for eight such bodies
        refusals = read_refusals(connections, 4)
        assert {answer.status for answer in refusals} == {503}
        assert [narrow.event(body).status for _ in range(20)] == [202] * 20


# -- rates and forms


def test_over_the_rate_is_429_and_says_when(web: Bridge) -> None:
    answers = [post(web, "limited", b"{}") for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 20 * 60


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AS_JSON = {**FORM, "Accept": "application/json"}
AS_PAGE = {**FORM, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_form_is_answered_with_a_page(web: Bridge) -> None:
    answer = post(web, "page", b"name=Ann", AS_PAGE)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert web.count() > 0


def test_a_form_is_answered_with_a_redirect_where_it_has_one(web: Bridge) -> None:
    answer = post(web, "away", b"name=Ann", AS_PAGE)
    assert (answer.status, answer.headers["location"]) == (303, "https://example.com/thanks")
    assert (
        post(web, "away", b"name=Ann&redirect=https://evil.example", AS_PAGE).headers["location"]
        == "https://example.com/thanks"
    )


def test_a_script_gets_json(web: Bridge) -> None:
    answer = post(web, "page", b"name=Ann", AS_JSON)
    assert answer.status == 202
    assert (answer.json["ok"], answer.json["next"]) == (True, None)
    assert web.found(answer.json["event_id"]).event.body == b"name=Ann"


def test_what_is_wrong_is_422_by_field(web: Bridge) -> None:
    answer = post(web, "page", b"name=A", AS_JSON)
    assert (answer.status, set(answer.json["fields"]), answer.json["ok"]) == (422, {"name"}, False)
    page = post(web, "page", b"name=<script>", AS_PAGE | {"Accept": "text/html"})
    assert page.status == 200
    wrong = post(web, "page", b"name=%3C", AS_PAGE)
    assert wrong.status == 422
    assert b"<script>" not in wrong.body


def test_a_file_is_415_and_nonsense_400(web: Bridge) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="cv";'
        b' filename="a.pdf"\r\n\r\n%PDF\r\n--b--\r\n'
    )
    kind = {"Content-Type": "multipart/form-data; boundary=b", "Accept": "application/json"}
    assert post(web, "away", body, kind).status == 415
    assert post(web, "away", b"--x", kind).status == 400
    assert post(web, "away", b"\x81", AS_JSON).status == 400


@pytest.mark.parametrize(
    ("origin", "status", "allowed"),
    [
        ("https://example.com", 202, "https://example.com"),
        ("https://evil.example", 403, None),
        ("null", 403, None),
        (None, 202, None),
    ],
)
def test_a_form_is_for_its_sites(
    web: Bridge, origin: str | None, status: int, allowed: str | None
) -> None:
    more = {} if origin is None else {"Origin": origin}
    answer = post(web, "sites", b"name=Ann", AS_JSON | more)
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (status, allowed)
    assert answer.headers["vary"] == "Origin"
    asked = exchange(
        web.port,
        head(
            "OPTIONS",
            "/hooks/sites",
            {"Connection": "close", "Access-Control-Request-Method": "POST", **more},
        ),
    )
    assert (asked.status, asked.headers.get("access-control-allow-origin")) == (
        403 if status == 403 else 204,
        allowed,
    )


def test_a_form_has_a_rate_per_address(web: Bridge) -> None:
    answers = [
        post(web, "slow_form", b"a=1", AS_JSON | {"X-Forwarded-For": f"203.0.113.{n}"})
        for n in range(3)
    ]
    assert [answer.status for answer in answers] == [202, 202, 429]


# -- health, faults and the log


def test_health(web: Bridge) -> None:
    assert (web.get("/healthz").status, web.get("/healthz").json) == (200, {"alive": True})
    ready = web.get("/readyz")
    assert (ready.status, ready.json) == (503, {"ready": False})  # no worker


def test_a_store_that_fails_is_503_and_recovers(edge: dict[str, str], tmp_path: Path) -> None:
    """A file size limit has the effect of a full disk. The sender gets 503 until it is lifted, and
    then sends the event again.
    """
    with Bridge(tmp_path, "web", routes=ROUTES, environ={"TOKEN": TOKEN, **edge}) as web:
        assert web.event().status == 202
        assert web.process is not None
        size = (tmp_path / "data" / "flowbridge.db-wal").stat().st_size
        limit_file_size(web, size)
        body = b'{"text": "' + b"x" * 100_000 + b'"}'
        headers = github(body)
        answer = web.post("/hooks/github", body, headers)
        assert (answer.status, answer.headers["retry-after"], answer.json["error"]) == (
            503,
            "5",
            "store_failed",
        )
        tells_nothing(answer)
        assert web.get("/readyz").json == {"ready": False}
        assert web.count() == 1
        limit_file_size(web, resource.RLIM_INFINITY)
        again = web.post("/hooks/github", body, headers)
        assert again.status == 202
        assert web.found(again.json["event_id"]).event.body == body
        (line,) = until(
            lambda: [line for line in web.log if line["event"] == "event_not_stored"],
            what="its line",
        )
        assert (line["source"], line["level"]) == ("github", "error")


def test_the_log_has_one_line_of_json_for_each_event(web: Bridge) -> None:
    answer = post(web, "github", b"{}", github(b"{}", event="push", delivery="for-the-log"))
    lines = until(
        lambda: [line for line in web.log if line.get("event_id") == answer.json["event_id"]],
        what="a line",
    )
    (line,) = lines
    assert (
        line["event"],
        line["source"],
        line["type"],
        line["provider_id"],
        line["bytes"],
        line["duplicate"],
    ) == (
        "event",
        "github",
        "push",
        "for-the-log",
        2,
        False,
    )
    assert [text for text in web.stderr.splitlines() if not text.startswith("{")] == []


def test_a_reject_is_one_line_with_its_reason(web: Bridge) -> None:
    rejected = lambda: [line for line in web.log if line["event"] == "rejected"]  # noqa: E731
    before = len(rejected())
    post(web, "github", b"{}", {"X-Hub-Signature-256": "sha256=" + "0" * 64})
    (line,) = until(lambda: rejected()[before:], what="a line")
    assert (line["source"], line["reason"], line["client"]) == (
        "github",
        "mismatch",
        "127.0.0.0/24",
    )
