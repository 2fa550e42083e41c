"""The ASGI application under a server of the test: bodies, pages, disconnects and the lifespan."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from asgi_client import GONE, AsgiBridge, AsgiExchange, AsgiLifespan, piece, scope_of
from serving import SECRET, github, until

from bridge.core.timings import Timings
from bridge.store.db.database import Database
from bridge.web.server.asgi_requests import read_head
from bridge.web.server.event_loop import commit_gatherer
from bridge.web.server.event_loop.hook_calls import MAX_LOOP_BODY_BYTES
from bridge.web.server.event_loop.http_parser import MalformedRequest

ROUTES = f"""
version: 1
platforms: {{local: {{type: local}}}}
sources:
  github: {{provider: github, secret: "{SECRET}", max_body: 10 KiB}}
  large: {{provider: github, secret: "{SECRET}", max_body: 100 KiB}}
routes:
  - {{name: all, on: github, inputs: {{a: "${{body.a}}"}}, flow: local/echo}}
"""
MEGABYTE = b"x" * 1024 * 1024


@pytest.fixture
def bridge(sqlite: Database, tmp_path: Path) -> AsgiBridge:
    return AsgiBridge(sqlite, tmp_path, ROUTES)


def run(bridge: AsgiBridge, test: Callable[[], Awaitable[None]]) -> None:
    """Run a test on a loop, within the lifespan of the application."""

    async def live() -> None:
        async with AsgiLifespan(bridge.app):
            await test()

    asyncio.run(live())


def send(bridge: AsgiBridge, *exchanges: AsgiExchange) -> None:
    """Call the application with these requests, one after the other."""

    async def call() -> None:
        for one in exchanges:
            await one.call(bridge.app)

    run(bridge, call)


def hook(
    *pieces: Mapping[str, Any], signed: bytes = b"{}", source: str = "github", **headers: str
) -> AsgiExchange:
    """Return a signed request, whose body has no declared length unless `headers` have it."""
    given = {**github(signed), "transfer-encoding": "chunked"}
    if headers:
        given = {**github(signed), **{name.replace("_", "-"): v for name, v in headers.items()}}
    return AsgiExchange(scope_of("POST", f"/hooks/{source}?x=1", given), pieces)


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM event").scalar() or 0


def test_an_event_is_on_disk_before_its_answer(bridge: AsgiBridge) -> None:
    one = hook(piece(b'{"a"', more=True), piece(b": 1}"), signed=b'{"a": 1}')
    send(bridge, one)
    assert (one.status, one.is_whole, count(bridge.database)) == (202, True, 1)
    assert orjson.loads(one.body)["deliveries"] == 1
    assert one.headers["content-type"] == "application/json"
    assert "connection" not in one.headers


def test_a_body_that_is_larger_than_allowed_is_refused(bridge: AsgiBridge) -> None:
    declared = hook(content_length="10241")
    declared.arrive(piece(b""))
    grown = hook(piece(b"x" * 10_000, more=True), piece(b"x" * 241, more=True), piece(b"x"))
    send(bridge, declared, grown)
    for one in (declared, grown):
        assert (one.status, one.headers["connection"], one.is_whole) == (413, "close", True)
        assert orjson.loads(one.body)["error"] == "too_large"
    assert count(bridge.database) == 0


@pytest.mark.parametrize("body", [b"{", b"{} "])
def test_a_body_of_another_length_than_declared_is_refused(bridge: AsgiBridge, body: bytes) -> None:
    one = hook(piece(body), signed=body, content_length="2")
    send(bridge, one)
    assert (one.status, orjson.loads(one.body)["error"]) == (400, "cut_short")


def test_a_body_that_stalls_or_drips_is_cut_off(sqlite: Database, tmp_path: Path) -> None:
    timings = Timings(request_body_seconds=0.01)
    bridge = AsgiBridge(sqlite, tmp_path, ROUTES, timings)
    stalled = hook(piece(b"{", more=True))
    dripping = hook()

    async def drip() -> None:
        while not dripping.messages:
            dripping.arrive(piece(b" ", more=True))
            await asyncio.sleep(0.001)
        dripping.arrive(GONE)
        stalled.arrive(GONE)

    async def test() -> None:
        await asyncio.gather(stalled.call(bridge.app), dripping.call(bridge.app), drip())

    run(bridge, test)
    for one in (stalled, dripping):
        assert (one.status, one.is_whole) == (400, True)
        assert orjson.loads(one.body)["error"] == "cut_short"


def test_a_client_that_goes_during_its_body_stores_nothing(bridge: AsgiBridge) -> None:
    one = hook(piece(b"{}", more=True), GONE)
    send(bridge, one)
    assert count(bridge.database) == 0
    assert bridge.app._edge is None


def test_the_budget_of_bodies_is_free_again_after_each_request(bridge: AsgiBridge) -> None:
    intake = bridge.intake
    send(bridge, hook(piece(b"{}")), hook(piece(b"x", more=True), GONE), hook(piece(MEGABYTE)))
    assert intake.held == 0


def test_a_body_that_nothing_reads_is_dropped(bridge: AsgiBridge) -> None:
    exchanges = [
        AsgiExchange(
            scope_of("POST", target, {"transfer-encoding": "chunked"}),
            [*([piece(MEGABYTE, more=True)] * 40), piece(b"")],
        )
        for target in ("/healthz", "/nowhere")
    ]
    send(bridge, *exchanges)
    assert [(request.status, request.headers["connection"]) for request in exchanges] == [
        (405, "close"),
        (404, "close"),
    ]


@pytest.mark.parametrize(
    ("method", "target", "status", "has_body"),
    [
        ("GET", "/healthz", 200, True),
        ("HEAD", "/healthz", 200, False),
        ("GET", "/nowhere", 404, True),
        ("GET", "/hooks/nowhere", 404, True),
        ("HEAD", "/hooks/github", 405, False),
        ("POST", "/healthz", 405, True),
    ],
)
def test_each_request_has_its_answer(
    bridge: AsgiBridge, method: str, target: str, status: int, has_body: bool
) -> None:
    one = AsgiExchange(scope_of(method, target))
    send(bridge, one)
    assert (one.status, bool(one.body), one.is_whole) == (status, has_body, True)
    assert int(one.headers["content-length"]) > 0
    assert "connection" not in one.headers


@pytest.mark.parametrize(
    ("server", "status"),
    [
        (("127.0.0.1", 8080), 200),
        (("127.0.0.1", 8000), 404),
        (("10.0.0.5", 8080), 404),
        (("/run/server.sock", None), 404),
        (None, 404),
    ],
)
def test_private_paths_are_served_at_the_address_of_the_settings_only(
    bridge: AsgiBridge, server: Any, status: int
) -> None:
    for path in ("/metrics", "//metrics"):
        one = AsgiExchange(scope_of("GET", path, server=server))
        send(bridge, one)
        assert one.status == status
    public = AsgiExchange(scope_of("GET", "/healthz", server=server))
    send(bridge, public)
    assert public.status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"transfer-encoding": "gzip, chunked"}, 501),
        ({"transfer-encoding": "chunked", "content-length": "2"}, 400),
        ({"content-length": "2x"}, 400),
    ],
)
def test_a_framing_that_servers_may_read_in_two_ways_is_refused(
    bridge: AsgiBridge, headers: dict[str, str], status: int
) -> None:
    one = AsgiExchange(scope_of("POST", "/hooks/github", {**github(b"{}"), **headers}))
    send(bridge, one)
    assert (one.status, one.headers["connection"]) == (status, "close")
    assert orjson.loads(one.body)["message"] == "malformed HTTP request"


def test_a_repeated_host_or_a_blank_in_the_target_is_malformed() -> None:
    repeated = scope_of("GET", "/")
    repeated["headers"] += [(b"host", b"example.com")]
    for scope in (repeated, scope_of("GET", "/hooks/a b")):
        with pytest.raises(MalformedRequest):
            read_head(scope)


def test_a_head_is_read_as_on_the_other_edges() -> None:
    scope = scope_of("POST", "/hooks/git%68ub?a=%20", {"X-A": "1", "x_b": "2"})
    scope["headers"] += [(b"x-a", b"2"), (b"content-length", b"7")]
    head, length = read_head(scope)
    assert (head.path, head.target, head.query_string, length) == (
        "/hooks/github",
        "/hooks/git%68ub?a=%20",
        "a=%20",
        7,
    )
    assert head.headers == {"host": "127.0.0.1", "x-a": "1,2"}
    assert (head.address, head.protocol) == ("127.0.0.1", f"HTTP/{scope['http_version']}")


def test_a_server_without_the_raw_path_or_a_client_is_understood() -> None:
    scope = scope_of("GET", "/", client=None)
    scope |= {"raw_path": None, "path": "/hooks/a\u00e9%/b"}
    head, length = read_head(scope)
    assert (head.target, head.address, length) == ("/hooks/a%C3%A9%25/b", None, None)
    assert head.path == "/hooks/a\u00e9%/b".encode().decode("latin-1")


def test_without_http_1_no_connection_header_is_sent(bridge: AsgiBridge) -> None:
    scope = scope_of("POST", "/hooks/nowhere", {"content-length": "2"}, version="2")
    one = AsgiExchange(scope, [piece(b"{}")])
    send(bridge, one)
    assert (one.status, one.is_whole, "connection" in one.headers) == (404, True, False)


class Stream:
    """A WSGI application whose answer has parts without an end, and of a size."""

    def __init__(self, size: int = 1) -> None:
        self.parts = 0
        self.size = size
        self.closed = threading.Event()

    def __call__(self, _environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        try:
            while True:
                self.parts += 1
                yield b"x" * self.size
        finally:
            self.closed.set()


def test_a_stream_ends_when_its_client_goes(bridge: AsgiBridge) -> None:
    stream = Stream()
    bridge.flask.wsgi_app = stream  # type: ignore[method-assign]
    one = AsgiExchange(scope_of("GET", "/console/tail"))

    async def test() -> None:
        call = asyncio.create_task(one.call(bridge.app))
        while len(one.messages) < 3:
            await asyncio.sleep(0)
        one.arrive(GONE)
        await call

    run(bridge, test)
    assert stream.closed.is_set()
    assert one.status == 200 and not one.is_whole


def test_a_thread_waits_for_a_client_that_reads_slowly_and_not_for_ever(
    sqlite: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = AsgiBridge(sqlite, tmp_path, ROUTES, Timings(answer_stall_seconds=0.05))
    stream = Stream()
    bridge.flask.wsgi_app = stream  # type: ignore[method-assign]
    one = AsgiExchange(scope_of("GET", "/console/tail"))

    async def test() -> None:
        call = asyncio.create_task(one.call(bridge.app))
        await one.sent.wait()
        one.is_stalled = True
        await call

    run(bridge, test)
    assert stream.closed.is_set()
    assert not one.is_whole
    assert stream.parts <= len(one.messages) + 2, "it waits for each part"
    assert "answer_stalled" in caplog.text


def test_a_request_that_the_server_cancels_ends_its_thread(bridge: AsgiBridge) -> None:
    stream = Stream()
    bridge.flask.wsgi_app = stream  # type: ignore[method-assign]
    one = AsgiExchange(scope_of("GET", "/console/tail"))

    async def test() -> None:
        call = asyncio.create_task(one.call(bridge.app))
        await one.sent.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run(bridge, test)
    until(stream.closed.is_set, what="the end of the stream")


def test_an_answer_that_is_too_short_or_fails_is_no_whole_answer(bridge: AsgiBridge) -> None:
    def short(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        return [b"ab"]

    def broken(_environ: Any, _start_response: Any) -> list[bytes]:
        raise RuntimeError("a bug")

    answers = []
    for app in (short, broken):
        bridge.flask.wsgi_app = app  # type: ignore[method-assign]
        answers.append(AsgiExchange(scope_of("GET", "/healthz")))
        send(bridge, answers[-1])
    assert [(one.status, one.is_whole) for one in answers] == [(200, False), (500, True)]
    assert orjson.loads(answers[1].body)["error"] == "internal_error"


def test_flask_reads_a_large_body_while_it_arrives(bridge: AsgiBridge) -> None:
    read: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        read.append(len(environ["wsgi.input"].read()))
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    bridge.flask.wsgi_app = app  # type: ignore[method-assign]
    pieces = [*(piece(MEGABYTE, more=True) for _ in range(4)), piece(b"end")]
    one = AsgiExchange(scope_of("POST", "/console/x", {"transfer-encoding": "chunked"}), pieces)
    cut = AsgiExchange(
        scope_of("POST", "/console/x", {"content-length": "9000000"}),
        [piece(MEGABYTE, more=True), GONE],
    )
    send(bridge, one, cut)
    assert (one.status, one.body, one.is_whole) == (200, b"ok", True)
    assert read == [4 * len(MEGABYTE) + 3], "one that is cut is no body"
    assert not cut.messages
    assert bridge.intake.held == 0


def test_flask_refuses_a_large_body_before_it_has_arrived(bridge: AsgiBridge) -> None:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("413 Too Large", [("Content-Length", "2")])
        return [b"no"]

    bridge.flask.wsgi_app = app  # type: ignore[method-assign]
    one = AsgiExchange(
        scope_of("POST", "/console/x", {"content-length": "9000000"}), [piece(b"", more=True)]
    )

    async def test() -> None:
        call = asyncio.create_task(one.call(bridge.app))
        while not one.body:
            await asyncio.sleep(0)
        assert not one.is_whole, "the rest of the body is read first"
        one.arrive(piece(b"x" * 9_000_000))
        await call

    run(bridge, test)
    assert (one.status, one.headers["connection"], one.is_whole) == (413, "close", True)


def test_the_lifespan_begins_and_ends_once(bridge: AsgiBridge) -> None:
    async def live() -> list[Any]:
        async with AsgiLifespan(bridge.app) as lifespan:
            assert bridge.lived == ["begin"]
            await AsgiExchange(scope_of("GET", "/healthz")).call(bridge.app)
        return lifespan.said

    said = [message["type"] for message in asyncio.run(live())]
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert bridge.lived == ["begin", "end"]


def test_a_server_without_a_lifespan_begins_with_the_first_request(bridge: AsgiBridge) -> None:
    one = hook(piece(b"{}"))
    asyncio.run(one.call(bridge.app))  # type: ignore[arg-type]
    assert (one.status, bridge.lived) == (202, ["begin"])


def test_the_server_gets_the_reason_of_a_failed_begin(bridge: AsgiBridge) -> None:
    def fail() -> None:
        raise OSError("no room for counters")

    bridge.app._begin = fail

    async def live() -> list[Any]:
        async with AsgiLifespan(bridge.app) as lifespan:
            return lifespan.said

    assert asyncio.run(live()) == [
        {"type": "lifespan.startup.failed", "message": "no room for counters"}
    ]


def test_the_end_waits_for_commits_in_progress(
    bridge: AsgiBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    going_on = threading.Event()
    append = bridge.database.append

    def wait(*given: Any) -> Any:
        begun.set()
        going_on.wait(60)
        return append(*given)

    monkeypatch.setattr(bridge.database, "append", wait)
    body = b"x" * (MAX_LOOP_BODY_BYTES + 1)  # it is stored in a thread
    one = hook(piece(body), signed=body, source="large")

    async def live() -> None:
        async with AsgiLifespan(bridge.app) as lifespan:
            call = asyncio.create_task(one.call(bridge.app))
            await asyncio.to_thread(begun.wait, 60)
            ending = asyncio.create_task(lifespan.tell("lifespan.shutdown"))
            await asyncio.sleep(0)
            assert bridge.lived == ["begin"] and not one.messages
            going_on.set()
            await call
            await ending

    asyncio.run(live())
    assert (one.status, bridge.lived) == (202, ["begin", "end"])
    assert count(Database(str(bridge.database.url))) == 1


def test_a_slow_disk_holds_up_one_commit_and_no_other_request(
    bridge: AsgiBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes its time twice: first on the loop, which knows it only afterwards."""
    clock = [0.0]
    threads: list[threading.Thread] = []
    going_on = threading.Event()
    append_each = bridge.database.append_each

    def write_slowly(*given: Any, **how: Any) -> Any:
        threads.append(threading.current_thread())
        if len(threads) == 2:
            going_on.wait(60)
        result = append_each(*given, **how)
        clock[0] += 1.0
        return result

    monkeypatch.setattr(commit_gatherer, "monotonic", lambda: clock[0])
    bridge.database.write(lambda _: None)  # opens the connection
    monkeypatch.setattr(bridge.database, "append_each", write_slowly)
    first, second = hook(piece(b"{}")), hook(piece(b"{}"))
    health = AsgiExchange(scope_of("GET", "/healthz"))

    async def test() -> None:
        await first.call(bridge.app)
        commit = asyncio.create_task(second.call(bridge.app))
        await health.call(bridge.app)
        assert (health.status, second.status) == (200, 0)
        going_on.set()
        await commit

    run(bridge, test)
    assert (first.status, second.status) == (202, 202)
    ours = threading.current_thread()
    assert [thread is ours for thread in threads] == [True, False]


def test_web_sockets_are_closed(bridge: AsgiBridge) -> None:
    one = AsgiExchange({"type": "websocket"}, [{"type": "websocket.connect"}])
    send(bridge, one)
    assert one.messages == [{"type": "websocket.close", "code": 1000}]
