"""The sender against a server that misbehaves: every fault is an answer or a loss, in time, and
`sent` never lies.
"""

from __future__ import annotations

import gc
import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from servers import (
    Misbehaving,
    chunked,
    cut_off,
    drip,
    drip_body,
    drip_headers,
    drop,
    garbage,
    huge,
    redirect,
    refusing,
    reset,
    respond,
    slow_headers,
    then_close,
    withhold,
)
from stepped_clocks import Clocks, clocks

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.timings import TIMINGS
from bridge.system import deadline_sockets
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import BrokenAnswer, HttpClient, OpenAnswer
from bridge.system.http_head import HeadReader

__all__ = ["clocks"]
BODY = b'{"title":"hi"}'
#: Seconds until what never comes is given up. A machine that stands still before the request has
#: left must not make it another loss.
MAX_IDLE = TIMINGS.connection_idle_seconds
SHORT = 1.5


class DeadlineOnceConnected(Deadline):
    """A deadline that cannot pass before the connection stands, however slow the machine is."""

    def left(self) -> float:
        return super().left() if deadline_sockets.progress.connected else 60.0


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


@pytest.fixture
def sender() -> Iterator[HttpClient]:
    # a connection that was kept is used again, however slowly a test goes on
    made = HttpClient(idle_seconds=60.0)
    yield made
    made.close()


def post(url: str, body: bytes = BODY, **headers: str) -> Call:
    return Call(
        method="POST",
        url=url,
        headers={"Content-Type": "application/json", "User-Agent": "flowbridge/0", **headers},
        body=body,
    )


def test_an_answer_comes_back_whole_with_lower_case_header_names(
    server: Misbehaving, sender: HttpClient
) -> None:
    url = server.script("/start", respond(201, {"run_id": "a"}, {"X-One": "1", "Retry-After": "5"}))
    answer = sender.send(post(url + "?user_id=a%2Bb", Authorization="Bearer k"), Deadline.after(60))
    assert isinstance(answer, Answer) and not answer.truncated
    assert (
        answer.status,
        json.loads(answer.body),
        answer.headers["x-one"],
        answer.headers["retry-after"],
    ) == (
        201,
        {"run_id": "a"},
        "1",
        "5",
    )
    (request,) = server.received
    assert (request.method, request.path, request.query, request.body) == (
        "POST",
        "/start",
        "user_id=a%2Bb",
        BODY,
    )
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "flowbridge/0",
        "authorization": "Bearer k",
        "content-length": str(len(BODY)),
    }


@pytest.mark.parametrize("status", [204, 304, 400, 401, 429, 500, 503, 599])
def test_every_status_is_an_answer(server: Misbehaving, sender: HttpClient, status: int) -> None:
    answer = sender.send(
        post(server.script("/x", respond(status, b"" if status in (204, 304) else b"why"))),
        Deadline.after(60),
    )
    assert isinstance(answer, Answer) and answer.status == status and not answer.truncated


def test_a_redirect_is_an_answer_and_is_not_followed(
    server: Misbehaving, sender: HttpClient
) -> None:
    answer = sender.send(
        post(server.script("/x", redirect(server.url + "/other"))), Deadline.after(60)
    )
    assert (
        isinstance(answer, Answer)
        and answer.status == 307
        and [one.path for one in server.received] == ["/x"]
    )


def test_neither_cookies_nor_netrc_nor_the_environments_proxy_is_used(
    server: Misbehaving, sender: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    url = server.script("/x", respond(200, b"", {"Set-Cookie": "a=b"}))
    for _ in range(2):
        assert isinstance(sender.send(post(url), Deadline.after(60)), Answer)
    assert not {"cookie", "authorization"} & set(server.received[1].headers)


def test_a_chunked_body_and_a_compressed_one_are_read(
    server: Misbehaving, sender: HttpClient
) -> None:
    answer = sender.send(
        post(server.script("/c", chunked(b'{"run_', b'id":"a"}'))), Deadline.after(60)
    )
    assert isinstance(answer, Answer) and answer.body == b'{"run_id":"a"}' and not answer.truncated
    zipped = server.script(
        "/z", respond(200, gzip.compress(b'{"run_id":"a"}'), {"Content-Encoding": "gzip"})
    )
    answer = sender.send(post(zipped), Deadline.after(60))
    assert isinstance(answer, Answer) and answer.body == b'{"run_id":"a"}' and not answer.truncated


def test_a_connection_is_kept_and_used_again(server: Misbehaving, sender: HttpClient) -> None:
    url = server.script(
        "/x", respond(200, b"ok"), chunked(b"ok"), respond(204), respond(200, b"ok")
    )
    for _ in range(4):
        assert isinstance(sender.send(post(url), Deadline.after(60)), Answer)
    assert server.connections == 1


def test_a_connection_that_was_idle_for_as_long_as_servers_may_keep_it_is_not_used_again(
    server: Misbehaving, clocks: Clocks
) -> None:
    """Servers close after 5 seconds or more. A request on a connection that is just being closed
    would be ambiguous.
    """
    sender = HttpClient()
    url = server.script("/x", respond(200, b"ok"))
    for seconds, connected in (
        (0.0, 1),
        (MAX_IDLE - 0.1, 1),
        (MAX_IDLE - 0.1, 1),
        (MAX_IDLE, 2),
        (0.0, 2),
    ):
        clocks.later += seconds
        assert isinstance(sender.send(post(url), Deadline.after(600)), Answer)
        assert server.connections == connected
    assert MAX_IDLE < 5.0
    sender.close()


def test_a_connection_that_the_server_is_about_to_close_is_not_used_again(
    server: Misbehaving, sender: HttpClient
) -> None:
    """The server closes it once the next request has arrived there."""
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"
    url = server.script("/x", withhold(closing, b""), respond(200, b"b"))
    answers = [sender.send(post(url), Deadline.after(60)) for _ in range(2)]
    assert [getattr(answer, "body", None) for answer in answers] == [b"a", b"b"]
    assert server.connections == 2


def test_an_answer_to_a_request_that_the_server_did_not_read_to_its_end_is_read(
    server: Misbehaving, sender: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may refuse a long request by its head, and close the connection."""
    send_all = deadline_sockets.PlainSocket.sendall

    def lose_connection(sock: deadline_sockets.PlainSocket, data: bytes) -> None:
        send_all(sock, data)
        raise ConnectionResetError

    monkeypatch.setattr(deadline_sockets.PlainSocket, "sendall", lose_connection)
    answer = sender.send(post(server.script("/x", respond(413))), Deadline.after(60))
    assert isinstance(answer, Answer) and answer.status == 413


@pytest.mark.parametrize("times", [2, 5000], ids=["in one packet", "in many"])
def test_what_is_left_of_an_answer_is_never_read_as_the_next(
    server: Misbehaving, times: int
) -> None:
    """The first answer is longer than is read of it, and what follows looks like answers."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    sender = HttpClient(max_answer=len(forged) - 1, idle_seconds=60.0)
    url = server.script("/x", respond(200, forged * times), respond(200, b"real"))
    first, second = (sender.send(post(url), Deadline.after(60)) for _ in range(2))
    assert isinstance(first, Answer) and first.truncated and isinstance(second, Answer)
    assert (second.body, second.truncated, server.connections) == (b"real", False, 2)
    sender.close()


@pytest.mark.parametrize(
    ("head", "sent", "is_late"),
    [
        (b"Content-Length: 1000", b"x" * 101, False),
        (b"Content-Length: 100", b"x" * 99, True),
        (b"Content-Length: 1000", b"x" * 99, True),
        (b"Transfer-Encoding: chunked", b"c8\r\n" + b"x" * 101, False),
        (b"Transfer-Encoding: chunked", b"63\r\n" + b"x" * 98, True),
    ],
    ids=["too long", "late", "late and too long", "too many chunks", "late chunks"],
)
def test_the_rest_of_an_answer_that_arrives_later_is_not_read_as_the_next(
    server: Misbehaving,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
    head: bytes,
    sent: bytes,
    is_late: bool,
) -> None:
    """The rest arrives with the next request. `is_late`: the deadline passes after the head."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    start = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + sent
    url = server.script("/x", withhold(start, forged), respond(200, b"real"))
    client = HttpClient(max_answer=100, idle_seconds=60.0)
    begin = HeadReader.begin

    def read_head(reader: HeadReader) -> None:
        begin(reader)
        clocks.later += 3600.0 * is_late

    with monkeypatch.context() as patch:
        patch.setattr(HeadReader, "begin", read_head)
        truncated = client.send(post(url), Deadline.after(60))
    answer = client.send(post(url), Deadline.after(60))
    client.close()
    assert isinstance(truncated, Answer) and truncated.truncated
    assert isinstance(answer, Answer) and answer.body == b"real"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (huge(3_000_000), 200),
        (huge(3_000_000, 429), 429),
        (cut_off(200), 200),
        (cut_off(503, b"sorry"), 503),
        (chunked(b"abc", end=False), 200),
        (respond(200, b"no gzip", {"Content-Encoding": "gzip"}), 200),
        (respond(200, gzip.compress(b"0" * 50_000_000), {"Content-Encoding": "gzip"}), 200),
    ],
    ids=[
        "huge",
        "huge error",
        "cut off",
        "cut off error",
        "chunks without end",
        "bad gzip",
        "gzip bomb",
    ],
)
def test_a_body_that_cannot_be_had_whole_leaves_the_status(
    server: Misbehaving, sender: HttpClient, script: object, status: int
) -> None:
    answer = sender.send(
        post(server.script("/x", script, respond(200, b"fine"))), Deadline.after(60)
    )  # type: ignore[arg-type]
    assert (
        isinstance(answer, Answer)
        and answer.status == status
        and answer.truncated
        and len(answer.body) <= 256 * 1024
    )
    following = sender.send(post(server.url + "/x"), Deadline.after(60))
    assert following == Answer(status=200, headers={"content-length": "4"}, body=b"fine"), (
        "the next call has a connection of its own"
    )


def test_a_body_is_read_by_pieces_as_it_comes(server: Misbehaving, sender: HttpClient) -> None:
    pieces = [b"a" * 1000, b"b" * 300_000]
    call = Call(method="GET", url=server.script("/x", chunked(*pieces), respond(200, b"next")))
    with sender.open(call, 60) as answer:
        assert isinstance(answer, OpenAnswer)
        assert answer.headers["transfer-encoding"] == "chunked"
        assert b"".join(answer.read_pieces()) == b"".join(pieces)
    assert sender.send(call, Deadline.after(60)) == Answer(
        status=200, headers={"content-length": "4"}, body=b"next"
    )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (respond(200, b"whole"), "a break would look like its end"),
        (chunked(b"begun", end=False), "it was broken off"),
        (
            withhold(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", b""),
            f"nothing came for {SHORT:g} s",
        ),
    ],
    ids=["of known length", "broken off", "silent"],
)
def test_a_body_that_does_not_come_whole_by_pieces_is_broken(
    server: Misbehaving, sender: HttpClient, script: Any, reason: str
) -> None:
    call = Call(method="GET", url=server.script("/x", script))
    with sender.open(call, SHORT if "nothing" in reason else 60) as answer:
        assert isinstance(answer, OpenAnswer)
        with pytest.raises(BrokenAnswer, match=reason):
            list(answer.read_pieces())


@pytest.mark.parametrize("body", [b"", b"x", b"refused"])
def test_an_answer_of_another_status_comes_whole_instead(
    server: Misbehaving, sender: HttpClient, body: bytes
) -> None:
    call = Call(method="GET", url=server.script("/x", respond(403, body)))
    with sender.open(call, 60) as answer:
        assert isinstance(answer, Answer)
        assert (answer.status, answer.body, answer.truncated) == (403, body, False)


def test_an_answer_by_pieces_that_does_not_come_is_none(sender: HttpClient) -> None:
    with refusing() as port:
        call = Call(method="GET", url=f"http://127.0.0.1:{port}/")
        with sender.open(call, 60) as answer:
            assert answer == NoAnswer("127.0.0.1: the connection was refused", sent=False)


def test_a_body_of_exactly_the_limit_is_whole(server: Misbehaving) -> None:
    sender = HttpClient(max_answer=1000)
    answer = sender.send(post(server.script("/x", respond(200, b"x" * 1000))), Deadline.after(60))
    assert isinstance(answer, Answer) and len(answer.body) == 1000 and not answer.truncated
    answer = sender.send(post(server.script("/y", respond(200, b"x" * 1001))), Deadline.after(60))
    assert isinstance(answer, Answer) and len(answer.body) == 1000 and answer.truncated


def test_a_call_may_ask_for_a_longer_answer(server: Misbehaving, sender: HttpClient) -> None:
    url = server.script("/list", respond(200, b"x" * 300_000))
    whole = sender.send(Call(method="GET", url=url, most=400_000), Deadline.after(60))
    assert isinstance(whole, Answer) and len(whole.body) == 300_000 and not whole.truncated
    cut = sender.send(Call(method="GET", url=url), Deadline.after(60))
    assert isinstance(cut, Answer) and len(cut.body) == 256 * 1024 and cut.truncated


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (drop, "closed before an answer"),
        (reset, "reset"),
        (garbage(), "not HTTP"),
        (garbage(b"HTTP/1.1 abc\r\n\r\n"), "not HTTP"),
        (garbage(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n"), "not HTTP"),
        (garbage(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 99999), "not HTTP"),
    ],
    ids=["drop", "reset", "garbage", "bad status line", "too many headers", "endless header"],
)
def test_once_the_request_has_left_a_loss_is_ambiguous(
    server: Misbehaving, sender: HttpClient, script: object, reason: str
) -> None:
    lost = sender.send(post(server.script("/x", script) + "?user_id=secret-id"), Deadline.after(60))  # type: ignore[arg-type]
    assert isinstance(lost, NoAnswer) and lost.sent and len(server.received) == 1
    assert reason in lost.reason and "127.0.0.1" in lost.reason and "secret-id" not in lost.reason


def test_the_deadline_holds_however_an_answer_drips(
    server: Misbehaving, sender: HttpClient
) -> None:
    """All at once, since each takes its whole time: silence, headers, 100 Continue without end, and
    a body, whose status is kept.
    """
    scripts = (
        slow_headers(120),
        drip_headers(0.02),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, 0.001),
        drip_body(429, 0.02),
    )
    urls = [server.script(f"/{number}", script) for number, script in enumerate(scripts)]

    def send(url: str) -> tuple[Answer | NoAnswer, float]:
        began = time.monotonic()
        return sender.send(post(url), Deadline.after(SHORT)), time.monotonic() - began

    with ThreadPoolExecutor(len(urls)) as pool:
        *lost, (answer, seconds) = pool.map(send, urls)
    assert [one for one, _ in lost] == [
        NoAnswer(f"127.0.0.1: no answer within {SHORT} s", sent=True)
    ] * 3
    assert isinstance(answer, Answer) and answer.status == 429 and answer.truncated
    assert all(SHORT - 0.05 <= each < 60 for each in (*(taken for _, taken in lost), seconds))


def test_the_deadline_holds_while_the_request_cannot_leave(sender: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts by its backlog and never reads
        began = time.monotonic()
        lost = sender.send(
            post(f"http://127.0.0.1:{deaf.getsockname()[1]}/x", b"x" * 30_000_000),
            DeadlineOnceConnected.after(0.3),
        )
        assert time.monotonic() - began < 60
    assert lost == NoAnswer("127.0.0.1: no answer within 0.3 s", sent=False), (
        "a request whose end never left cannot have been acted on"
    )


def test_the_next_call_has_a_deadline_of_its_own(server: Misbehaving, sender: HttpClient) -> None:
    url = server.script("/x", respond(200), slow_headers(SHORT + 0.1, respond(200)))
    assert isinstance(sender.send(post(url), Deadline.after(SHORT)), Answer)
    assert isinstance(sender.send(post(url), Deadline.after(60)), Answer)
    assert server.connections == 1


def test_what_never_left_is_certain(sender: HttpClient) -> None:
    with refusing() as port:
        lost = sender.send(post(f"http://127.0.0.1:{port}/x?api_key=k"), Deadline.after(60))
    assert lost == NoAnswer("127.0.0.1: the connection was refused", sent=False)
    lost = sender.send(post("http://no-such-host.invalid/x"), Deadline.after(60))
    assert lost == NoAnswer("no-such-host.invalid: the name was not found", sent=False)


def test_a_connection_that_does_not_come_about_in_time_is_certain(sender: HttpClient) -> None:
    with socket.socket() as full:  # nobody accepts, and the backlog is full
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        lost = sender.send(post(f"http://127.0.0.1:{port}/x"), Deadline.after(0.3))
        for one in waiting:
            one.close()
    assert (
        lost == NoAnswer("127.0.0.1: no connection within 0.3 s", sent=False)
        and time.monotonic() - began < 60
    )


@pytest.mark.parametrize("lost_addresses", [1, 2])
def test_addresses_that_do_not_answer_leave_time_for_the_next(
    server: Misbehaving,
    clocks: Clocks,
    sender: HttpClient,
    monkeypatch: pytest.MonkeyPatch,
    lost_addresses: int,
) -> None:
    """As a name whose IPv6 address has no route: each packet to it is lost."""
    lost_address = ("127.0.0.2", server.port)
    answering_address = ("127.0.0.1", server.port)
    connect = deadline_sockets.PlainSocket.connect

    def lose_packets(sock: deadline_sockets.PlainSocket, address: tuple[str, int]) -> None:
        if address == lost_address:
            clocks.later += sock.gettimeout() or 0.0
            raise TimeoutError
        connect(sock, address)

    addresses = [*[lost_address] * lost_addresses, answering_address]
    records = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
    monkeypatch.setattr(deadline_sockets.PlainSocket, "connect", lose_packets)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: records)
    answer = sender.send(post(server.script("/x", respond(200, b"a"))), Deadline.after(600))
    assert isinstance(answer, Answer) and answer.body == b"a"


@pytest.mark.parametrize(
    "call",
    [
        post("http://127.0.0.1:1/x", **{"X-Bad": "a\r\nb"}),
        post("http://127.0.0.1:1/x", **{"X-Bad": "ü\u2028"}),
        post("http:///x"),
        post("ftp://127.0.0.1/x"),
        post("http://[::1/x"),
        post("http://127.0.0.1:99999/x"),
        post("no url"),
        post("http://" + "a" * 70 + ".invalid/x"),
        post("http://127.0.0.1:1/x\r\nX-Bad: 1"),
    ],
)
def test_a_call_that_cannot_be_written_is_a_certain_loss_not_an_error(
    sender: HttpClient, call: Call
) -> None:
    lost = sender.send(call, Deadline.after(60))
    assert isinstance(lost, NoAnswer) and not lost.sent and "Bad" not in lost.reason


def test_a_connection_the_server_closed_between_calls_is_not_written_to(
    server: Misbehaving, sender: HttpClient
) -> None:
    url = server.script("/x", then_close(respond(200, b"one")), respond(200, b"two"))
    assert isinstance(sender.send(post(url), Deadline.after(60)), Answer)
    assert server.closed.acquire(timeout=60)
    answer = sender.send(post(url), Deadline.after(60))
    assert isinstance(answer, Answer) and answer.body == b"two"
    assert server.connections == 2 and [one.connection for one in server.received] == [1, 2]


def test_a_connection_that_was_idle_too_long_is_not_used_again(
    server: Misbehaving, sender: HttpClient
) -> None:
    url = server.script("/x", respond(200))
    for _ in range(2):
        sender.send(post(url), Deadline.after(60))
    sender._idle_seconds = 0.0
    sender.send(post(url), Deadline.after(60))
    assert [one.connection for one in server.received] == [1, 1, 2]


def test_one_sender_serves_many_threads(server: Misbehaving, sender: HttpClient) -> None:
    url = server.script("/x", respond(200, {"run_id": "a"}))
    slow = server.script("/slow", slow_headers(120))
    results: list[Answer | NoAnswer] = []

    def work(place: int) -> None:
        for _ in range(20):
            results.append(
                sender.send(post(url, json.dumps({"n": place}).encode()), Deadline.after(60))
            )
        results.append(sender.send(post(slow), Deadline.after(SHORT)))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sum(isinstance(one, Answer) and one.status == 200 for one in results) == 160
    assert (
        sum(one == NoAnswer(f"127.0.0.1: no answer within {SHORT} s", sent=True) for one in results)
        == 8
    )
    assert server.connections <= 16


# -- TLS
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[Misbehaving]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Misbehaving(context=context) as running:
        yield running


def test_tls_is_verified_kept_alive_and_under_the_same_deadline(
    tls_server: Misbehaving, certificate: Path
) -> None:
    url = tls_server.script(
        "/x", respond(200, b"a"), respond(200, b"b"), drip_headers(0.02)
    ).replace("127.0.0.1", "localhost")
    sender = HttpClient(ca_file=str(certificate))
    assert [
        getattr(sender.send(post(url), Deadline.after(60)), "body", None) for _ in range(2)
    ] == [b"a", b"b"]
    assert tls_server.connections == 1
    began = time.monotonic()
    assert sender.send(post(url), Deadline.after(SHORT)) == NoAnswer(
        f"localhost: no answer within {SHORT} s", sent=True
    )
    assert time.monotonic() - began < 60
    sender.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_client_closes_its_idle_connections(
    server: Misbehaving, tls_server: Misbehaving, certificate: Path, scheme: str
) -> None:
    there = tls_server if scheme == "https" else server
    url = there.script("/x", respond(200)).replace("127.0.0.1", "localhost")
    client = HttpClient(ca_file=str(certificate))
    assert isinstance(client.send(post(url), Deadline.after(60)), Answer)
    client.close()
    assert there.closed.acquire(timeout=60)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_that_is_held_up_until_its_deadline_does_not_leave(
    server: Misbehaving,
    tls_server: Misbehaving,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    """As where the process is stopped after it prepared the socket, and goes on much later."""
    prepare = deadline_sockets._DeadlineSocket.settimeout

    def hold_up(sock: Any, value: float | None) -> None:
        prepare(sock, value)
        if deadline_sockets.progress.connected and not deadline_sockets.progress.sent:
            deadline_sockets.progress.deadline = Deadline.after(-10.0)

    monkeypatch.setattr(deadline_sockets._DeadlineSocket, "settimeout", hold_up)
    there = tls_server if scheme == "https" else server
    url = there.script("/x", respond(200)).replace("127.0.0.1", "localhost")
    lost = HttpClient(ca_file=str(certificate)).send(post(url), Deadline.after(60))
    assert lost == NoAnswer("localhost: no answer within 60 s", sent=False)
    assert there.received == []


@pytest.mark.parametrize(
    ("owner", "step", "scheme"),
    [
        (socket, "getaddrinfo", "http"),
        (deadline_sockets.PlainSocket, "connect", "http"),
        (deadline_sockets.TLSSocket, "do_handshake", "https"),
    ],
    ids=["lookup", "connect", "TLS"],
)
def test_a_machine_that_is_suspended_while_it_connects_sends_nothing_when_it_wakes(
    server: Misbehaving,
    tls_server: Misbehaving,
    certificate: Path,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    step: str,
    scheme: str,
) -> None:
    """The boot clock goes on meanwhile, the monotonic clock stands still."""
    take_step = getattr(owner, step)

    def suspend(*args: Any, **options: Any) -> Any:
        result = take_step(*args, **options)
        clocks.later += 3600.0
        return result

    monkeypatch.setattr(owner, step, suspend)
    there = tls_server if scheme == "https" else server
    url = there.script("/x", respond(200)).replace("127.0.0.1", "localhost")
    client = HttpClient(ca_file=str(certificate))
    lost = client.send(post(url), Deadline.after(60))
    assert isinstance(lost, NoAnswer) and not lost.sent
    assert there.received == []
    client.close()


def test_a_call_whose_deadline_has_passed_does_not_leave_on_an_open_connection(
    server: Misbehaving, sender: HttpClient
) -> None:
    url = server.script("/x", respond(200))
    assert isinstance(sender.send(post(url), Deadline.after(60)), Answer)
    lost = sender.send(post(url), Deadline.after(0.0))
    assert isinstance(lost, NoAnswer) and not lost.sent
    assert len(server.received) == 1


@pytest.mark.usefixtures("slow")
def test_a_large_request_leaves_as_the_server_reads_it(
    tls_server: Misbehaving, server: Misbehaving, certificate: Path
) -> None:
    body = bytes(range(256)) * 40_000
    for there in (server, tls_server):
        url = there.script("/x", respond(200, b"a")).replace("127.0.0.1", "localhost")
        answer = HttpClient(ca_file=str(certificate)).send(post(url, body), Deadline.after(60))
        assert isinstance(answer, Answer) and answer.body == b"a"
        assert there.received[0].body == body


def test_a_certificate_that_is_not_to_be_trusted_gets_no_request(
    tls_server: Misbehaving, certificate: Path, sender: HttpClient
) -> None:
    url = tls_server.script("/x", respond(200))
    lost = sender.send(post(url.replace("127.0.0.1", "localhost")), Deadline.after(60))
    assert lost == NoAnswer("localhost: the certificate is not trusted", sent=False)
    other_name = HttpClient(ca_file=str(certificate)).send(post(url), Deadline.after(60))
    assert other_name == NoAnswer("127.0.0.1: the certificate is not trusted", sent=False)
    assert tls_server.received == []


def test_who_the_machine_trusts_is_trusted(
    tls_server: Misbehaving, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tls_server.script("/x", respond(200, b"a")).replace("127.0.0.1", "localhost")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))  # is not looked at
    assert HttpClient().send(post(url), Deadline.after(60)) == NoAnswer(
        "localhost: the certificate is not trusted", sent=False
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer = HttpClient().send(post(url), Deadline.after(60))
    assert isinstance(answer, Answer) and answer.body == b"a"


def test_a_server_that_does_not_speak_tls_gets_no_request(
    server: Misbehaving, sender: HttpClient
) -> None:
    server.drop_connections = 1
    lost = sender.send(post(server.url.replace("http:", "https:") + "/x"), Deadline.after(60))
    assert isinstance(lost, NoAnswer) and not lost.sent
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        lost = sender.send(
            post(f"https://127.0.0.1:{silent.getsockname()[1]}/x"), Deadline.after(0.3)
        )
        assert (
            lost == NoAnswer("127.0.0.1: no connection within 0.3 s", sent=False)
            and time.monotonic() - began < 60
        )


def test_a_proxy_is_used_where_it_is_given(server: Misbehaving) -> None:
    sender = HttpClient(proxies={"http": server.url})
    answer = sender.send(post("http://flows.example/start?a=1"), Deadline.after(60))
    assert isinstance(answer, Answer) and answer.status == 200
    assert server.received[0].headers["host"] == "flows.example"


def test_a_call_by_a_proxy_is_made_once(server: Misbehaving) -> None:
    server.drop_connections = 1
    client = HttpClient(proxies={"http": server.url})
    answer = client.send(Call(method="GET", url="http://flows.example/x"), Deadline.after(60))
    assert isinstance(answer, NoAnswer)
    assert server.received == []
    client.close()


def test_of_a_header_that_is_given_twice_in_other_letters_the_last_is_sent(
    sender: HttpClient,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        call = post(
            f"http://127.0.0.1:{server.getsockname()[1]}/start", **{"X-One": "1", "x-one": "2"}
        )
        sending = pool.submit(sender.send, call, Deadline.after(60))
        request = b""
        with server.accept()[0] as sock:
            while not request.endswith(BODY):
                request += sock.recv(65536)
            sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert isinstance(sending.result(), Answer)
    assert [line for line in request.lower().split(b"\r\n") if line.startswith(b"x-one")] == [
        b"x-one: 2"
    ]


def test_the_connection_of_an_answer_with_two_lengths_is_closed() -> None:
    closed: list[bool] = []

    def serve(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(60)
            sock.recv(65536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
            closed.append(sock.recv(1) == b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        client = HttpClient()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        gc.disable()  # it would close what is forgotten
        try:
            assert isinstance(
                client.send(Call(method="GET", url=url), Deadline.after(60.0)), NoAnswer
            )
            thread.join(60)
        finally:
            gc.enable()
    assert closed == [True]
    client.close()
