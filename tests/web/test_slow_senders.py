"""Requests that do not arrive whole occupy a socket each, and good ones are answered beside them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from serving import Bridge, github, head, read_answer, until
from slow_senders import SlowSenders, endless_body, endless_head, networks

PATIENT = {"request_head_seconds": 600.0, "request_body_seconds": 600.0}
KINDS = {"head": endless_head(), "body": endless_body()}
CROWDS = {"64 from one network": ["127.0.0.9"] * 64, "500 from 100 networks": networks(100) * 5}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    """Receivers that wait for longer than any test does."""
    with Bridge(tmp_path_factory.mktemp("slow"), "web", timings=PATIENT) as bridge:
        yield bridge


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("crowd", CROWDS)
def test_good_requests_are_answered_while_slow_senders_are_connected(
    web: Bridge, kind: str, crowd: str
) -> None:
    with SlowSenders(web.port, KINDS[kind], CROWDS[crowd]) as slow:
        until(lambda: slow.open == len(CROWDS[crowd]), what="connections")
        for _ in range(20):
            assert web.event().status == 202
        assert slow.answers == []


def test_a_body_that_nothing_reads_is_not_waited_for(web: Bridge) -> None:
    """An unknown source is answered by its head."""
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
