"""Requests that do not arrive whole hold a part of a receiver only, whatever their number; good
ones are answered beside them.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from select import select

import pytest
from serving import Bridge, github, head, read_answer, until
from slow_senders import SlowSenders, endless_body, endless_head, networks

from bridge.core.errors import Refused
from bridge.web.server.app import THREADS
from bridge.web.server.connection import Connection
from bridge.web.server.incomplete_requests import (
    MAX_PER_NETWORK,
    IncompleteRequests,
    RequestDeadline,
)

BUSY = "HTTP/1.1 503 Service Unavailable Retry-After"
PATIENT = {"request_head_seconds": 600.0, "request_body_seconds": 600.0}
HALF = THREADS // 2
KINDS = {"head": endless_head(), "body": endless_body()}
CROWDS = {"64 from one network": ["127.0.0.9"] * 64, "500 from 100 networks": networks(100) * 5}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """Receivers that wait for longer than any test does: what they refuse is refused for its
    number.
    """
    with Bridge(tmp_path_factory.mktemp("slow"), "web", timings=PATIENT) as bridge:
        yield bridge


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("crowd", CROWDS)
def test_good_requests_are_answered_while_slow_senders_are_connected(
    web: Bridge, kind: str, crowd: str
) -> None:
    """Without a bound each slow sender would hold a thread for ten minutes."""
    with SlowSenders(web.port, KINDS[kind], CROWDS[crowd]) as slow:
        until(lambda: len(slow.answers) > 64, what="refusals")
        for _ in range(20):
            assert web.event().status == 202
        assert slow.open > 0
        assert set(slow.answers) == {BUSY}


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_has_a_few_places_and_others_have_theirs(web: Bridge, kind: str) -> None:
    receivers = 2
    with SlowSenders(web.port, KINDS[kind], ["127.0.0.9"] * 64) as slow:
        until(lambda: len(slow.answers) >= 64 - receivers * MAX_PER_NETWORK, what="refusals")
        whole = head("POST", "/hooks/github", {"Content-Length": "2", **github(b"{}")}) + b"{}"
        with socket.create_connection(
            ("127.0.0.1", web.port), 60, source_address=("127.9.9.9", 0)
        ) as sock:
            sock.sendall(whole[:-1] if kind == "body" else whole[:20])
            count = len(slow.answers)
            until(lambda: len(slow.answers) > count + 64, what="more refusals")
            sock.sendall(whole[-1:] if kind == "body" else whole[20:])
            assert read_answer(sock).status == 202


def test_a_trusted_proxy_has_half_of_the_places(tmp_path: Path) -> None:
    """Who calls it is not known before a head is whole, so all that it passes on would be of one
    network.
    """
    environ = {"FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.9"}
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})  # one receiver
    try:
        bridge = Bridge(tmp_path, "web", timings=PATIENT, environ=environ, fresh=True).start()
    finally:
        os.sched_setaffinity(0, processors)
    with ExitStack() as held:
        held.callback(bridge.__exit__)
        connect = lambda: socket.create_connection(  # noqa: E731
            ("127.0.0.1", bridge.port), 60, source_address=("127.0.0.9", 0)
        )
        socks = [held.enter_context(connect()) for _ in range(64)]
        for sock in socks:
            sock.sendall(endless_head())
        until(lambda: len(select(socks, [], [], 0)[0]) >= 64 - HALF, what="refusals")
        assert bridge.event().status == 202
        refused, _, _ = select(socks, [], [], 0)
        assert len(refused) == 64 - HALF
        assert {read_answer(sock).status for sock in refused} == {503}


def test_a_body_that_nothing_reads_is_not_waited_for(web: Bridge) -> None:
    """An unknown source is answered by its head; the rest of its body would hold a thread for
    seconds.
    """
    begin = head("POST", "/hooks/unknown", {"Content-Length": "1000000"})
    with SlowSenders(web.port, begin, networks(100)) as slow:
        until(lambda: len(slow.answers) > 100, what="answers")
        assert web.event().status == 202
        assert set(slow.answers) == {"HTTP/1.1 404 Not Found"}


def test_what_follows_an_unread_body_is_no_request(web: Bridge) -> None:
    hidden = head("POST", "/hooks/github", {"Content-Length": "2", **github(b"{}")}) + b"{}"
    before = web.count()
    with socket.create_connection(("127.0.0.1", web.port), 60) as sock:
        sock.sendall(head("POST", "/hooks/unknown", {"Content-Length": str(len(hidden) + 10)}))
        assert read_answer(sock).status == 404
        try:
            sock.sendall(hidden)
            assert read_answer(sock).status == 0
        except OSError:
            pass  # it is closed already
    assert web.event().status == 202
    assert web.count() == before + 1


def test_a_peer_that_does_not_close_holds_nothing_up(web: Bridge) -> None:
    """The main loop of a receiver would wait two seconds for each, one after another."""
    request = head("POST", "/hooks/github", {"Content-Length": "2", "Connection": "close"}) + b"{}"
    socks = [socket.create_connection(("127.0.0.1", web.port), 60) for _ in range(60)]
    try:
        for sock in socks:
            sock.sendall(request)
        for sock in socks:
            assert read_answer(sock).status == 401
        answer = web.event()
        assert answer.status == 202
        for sock in socks:  # all of them are closed by the receivers in the end
            sock.settimeout(60)
            while sock.recv(65536):
                pass
    finally:
        for sock in socks:
            sock.close()


# -- the counts


def test_places_are_counted_by_network_and_in_all() -> None:
    counts = IncompleteRequests(8)
    one = counts.network_of(("192.0.2.7", 1), ("127.0.0.1", 80))
    other = counts.network_of(("198.51.100.1", 1), None)
    assert [counts.take_place(one) for _ in range(5)] == [True] * 4 + [False]
    assert [counts.take_place(other) for _ in range(5)] == [True] * 4 + [False]
    assert not counts.take_place("203.0.113.0/24") and not counts.take_place("")
    counts.free_place(one)
    assert counts.take_place("203.0.113.0/24")


@pytest.mark.parametrize(
    ("peer", "server", "network"),
    [
        ("192.0.2.7", "192.0.2.1", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "::1", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "::1", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "::1", "fe80::/56"),
        ("10.1.2.3", "192.0.2.1", ""),
        ("::ffff:10.1.2.3", "192.0.2.1", ""),
        ("127.0.0.1", "127.0.0.1", ""),
    ],
)
def test_networks_are_of_24_and_56_bits_and_proxies_and_the_private_socket_have_none(
    peer: str, server: str, network: str
) -> None:
    counts = IncompleteRequests(8, [ip_network("10.0.0.0/8")], ("127.0.0.1", 8081))
    assert counts.network_of((peer, 5000), (server, 8081)) == network


def test_a_peer_without_a_network_counts_toward_the_total() -> None:
    counts = IncompleteRequests(8)
    assert [counts.take_place("") for _ in range(9)] == [True] * 8 + [False]


# -- the reading of one request


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection that is being read, and its sender's end."""
    ours, sender = socket.socketpair()
    with Connection(fileno=ours.detach()) as ours_, sender:
        yield ours_, sender


def test_a_request_that_is_there_needs_no_place(ends: tuple[Connection, socket.socket]) -> None:
    connection, sender = ends
    connection.reading = RequestDeadline(IncompleteRequests(0), "192.0.2.0/24")
    sender.sendall(b"whole")
    assert connection.recv(100) == b"whole"
    with pytest.raises(Refused) as refused:
        connection.recv(100)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")


def test_one_that_waits_holds_a_place_until_it_is_whole(
    ends: tuple[Connection, socket.socket],
) -> None:
    connection, sender = ends
    counts = IncompleteRequests(1)
    connection.reading = RequestDeadline(counts, "")
    heard: list[bytes] = []
    thread = threading.Thread(target=lambda: heard.append(connection.recv(100)))
    thread.start()
    until(lambda: not _is_free(counts), what="a place that is taken")
    sender.sendall(b"late")
    thread.join()
    assert heard == [b"late"] and not _is_free(counts)
    connection.reading.end()
    connection.reading.end()
    assert _is_free(counts) and [counts.take_place(""), counts.take_place("")] == [True, False]


def _is_free(counts: IncompleteRequests) -> bool:
    if free := counts.take_place(""):
        counts.free_place("")
    return free


def test_time_is_bought_by_what_is_wanted_of_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = RequestDeadline(IncompleteRequests(1), "")
    began = reading.until - 5.0
    reading.receive(1_000_000)
    assert reading.until == began + 5.0, "a head buys none"
    reading.begin_body()
    began = reading.until - 5.0
    reading.expect(64 * 1024)
    reading.receive(16 * 1024)
    assert reading.until == began + 7.0
    reading.receive(1_000_000)
    assert reading.until == began + 13.0, "what is no part of the body buys none"
    reading.expect(128 * 1024)
    assert reading.until == began + 21.0, "what had come already counts when it is wanted"
