"""The client of a remote bridge: where a token goes, redirects, waits, and errors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from servers import Misbehaving, redirect, refusing, respond

from bridge.api.problems import TYPE_PREFIX
from bridge.cli.remote.client import MAX_WAIT_SECONDS, AdminClient
from bridge.cli.remote.server_problems import ServerError
from bridge.cli.remote.server_url import parse_server_url
from bridge.core.errors import InvalidRequest, NotFound, SettingsError
from bridge.services.lists import MAX_CURSOR_CHARS
from bridge.services.records.json_record import UnreadableAnswer

TOKEN = "fb_0123456789"
STATUS = "/admin/v1/status"


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


def make_client(port: int, waits: list[float] | None = None) -> AdminClient:
    url = parse_server_url(f"http://127.0.0.1:{port}")
    return AdminClient(url, TOKEN, sleep=[].append if waits is None else waits.append)


def problem(word: str, detail: str = "because") -> dict[str, Any]:
    return {"type": f"{TYPE_PREFIX}{word}", "detail": detail, "errors": []}


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Bridge.Example.com", "https://bridge.example.com"),
        ("https://bridge.example.com:443/", "https://bridge.example.com"),
        ("https://bridge.example.com:8443/admin/v1", "https://bridge.example.com:8443"),
        ("https://[2001:db8::1]:9000", "https://[2001:db8::1]:9000"),
        ("http://localhost:8081", "http://localhost:8081"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8081", "http://[::1]:8081"),
    ],
)
def test_an_origin_is_written_in_one_way(text: str, origin: str) -> None:
    assert str(parse_server_url(text)) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bridge.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://user:password@bridge.example.com",
        "https://@bridge.example.com",
        "https://bridge.example.com/path",
        "https://bridge.example.com?a=b",
        "https://bridge.example.com#a",
        "https://bridge.example.com:99999",
        "https://bridge example.com",
        "https://bridge.example.com\r\nHost: a",
        "https://" + "a" * 600,
        "https://[::1",
        "http://bridge.example.com",
        "http://10.0.0.1:8081",
        "http://0.0.0.0:8081",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://2130706433",
        "http://[::1].example.com",
        "https://example.com[::1]",
    ],
)
def test_any_other_url_is_refused_without_a_request(text: str) -> None:
    with pytest.raises(SettingsError, match="SSH tunnel") as caught:
        parse_server_url(text)
    assert "password@" not in str(caught.value)


def test_the_token_goes_to_the_server_only(server: Misbehaving) -> None:
    with Misbehaving() as other:
        other.script("/admin/v1/", respond(200, {"version": "1"}))
        server.script("/admin/v1/", redirect(f"{other.url}/admin/v1/"))
        with pytest.raises(ServerError, match="redirect, which is not followed"):
            make_client(server.port).get("/")
        assert other.received == []
    [asked] = server.received
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_proxies_of_the_environment_are_not_used(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Misbehaving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        server.script("/admin/v1/", respond(200, {"version": "1"}))
        assert make_client(server.port).get("/") == {"version": "1"}
        assert proxy.received == []


def test_a_name_that_leads_to_another_machine_gets_no_plain_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.1", 8081))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: there)
    client = AdminClient(parse_server_url("http://localhost:8081"), TOKEN)
    with pytest.raises(ServerError, match="cannot be reached"):
        client.get("/")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for(server: Misbehaving, status: int) -> None:
    waits: list[float] = []
    busy = respond(status, problem("busy"), {"Retry-After": "2"})
    server.script(STATUS, busy, busy, respond(200, {"ok": True}))
    assert make_client(server.port, waits).get("/status") == {"ok": True}
    assert waits == [2.0, 2.0]


@pytest.mark.parametrize("after", ["0", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_request_is_not_sent_again_at_once(server: Misbehaving, after: str) -> None:
    waits: list[float] = []
    server.script(STATUS, respond(503, problem("busy", "wait"), {"Retry-After": after}))
    with pytest.raises(ServerError, match="refused: wait"):
        make_client(server.port, waits).get("/status")
    assert set(waits) == {1.0}
    assert sum(waits) <= MAX_WAIT_SECONDS


@pytest.mark.parametrize("items", [3, "x", [3], [None], {}])
def test_a_page_with_other_items_is_unreadable(server: Misbehaving, items: object) -> None:
    server.script("/admin/v1/events", respond(200, {"items": items, "next": None}))
    with pytest.raises(UnreadableAnswer):
        list(make_client(server.port).list_pages("/events", [], 0))


def test_the_waits_are_bounded_in_total(server: Misbehaving) -> None:
    waits: list[float] = []
    server.script(STATUS, respond(429, problem("rate_limited", "wait"), {"Retry-After": "25"}))
    with pytest.raises(ServerError, match="refused: wait"):
        make_client(server.port, waits).get("/status")
    assert sum(waits) <= MAX_WAIT_SECONDS
    assert len(server.received) == len(waits) + 1 == 3


@pytest.mark.parametrize("after", [None, "soon", "99999999999", "1e3", "-1"])
def test_an_answer_that_says_no_time_is_an_error(server: Misbehaving, after: str | None) -> None:
    waits: list[float] = []
    server.script(STATUS, respond(503, b"", {} if after is None else {"Retry-After": after}))
    with pytest.raises(ServerError, match="answered 503"):
        make_client(server.port, waits).get("/status")
    assert waits == []


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (401, problem("unauthorized"), ServerError, "Next: flowbridge login http://127"),
        (403, problem("missing_scope"), ServerError, "refused: because"),
        (404, problem("not_found"), NotFound, "^because$"),
        (409, problem("ambiguous_id"), NotFound, "^because$"),
        (400, problem("invalid_parameter"), InvalidRequest, "because"),
        (404, b"", ServerError, "no admin API: it is served on the private listener"),
        (421, b"{}", ServerError, "FLOWBRIDGE_CONSOLE_HOSTS"),
        (500, b"<html>", ServerError, "answered 500"),
        (200, b"<html>", UnreadableAnswer, "not as expected"),
        (200, b"[]", UnreadableAnswer, "not as expected"),
        (404, {"type": 1}, ServerError, "no admin API"),
    ],
)
def test_errors_say_the_reason(
    server: Misbehaving, status: int, body: Any, error: type[Exception], words: str
) -> None:
    server.script(STATUS, respond(status, body))
    with pytest.raises(error, match=words) as caught:
        make_client(server.port).get("/status")
    assert TOKEN not in str(caught.value)


def test_the_place_of_an_error_is_named_once(server: Misbehaving) -> None:
    errors = [{"param": "type", "detail": "it has 0 characters"}]
    wrong = problem("invalid_parameter", "not valid: type") | {"errors": errors}
    server.script(STATUS, respond(400, wrong))
    with pytest.raises(InvalidRequest, match=r"not valid: type: it has 0 characters$"):
        make_client(server.port).get("/status")


def test_a_server_that_does_not_answer_is_named() -> None:
    with refusing() as port, pytest.raises(ServerError, match="cannot be reached") as caught:
        make_client(port).get("/status")
    assert f"http://127.0.0.1:{port}" in str(caught.value)


def test_a_list_ends_where_a_cursor_repeats(server: Misbehaving) -> None:
    server.script("/admin/v1/events", respond(200, {"items": [], "next": "a"}))
    with pytest.raises(UnreadableAnswer):
        list(make_client(server.port).list_pages("/events", [], 0))
    assert [one.query for one in server.received] == ["limit=500", "limit=500&before=a"]


def test_a_list_ends_where_cursors_alternate(server: Misbehaving) -> None:
    long = "a" * MAX_CURSOR_CHARS
    pages = [respond(200, {"items": [], "next": cursor}) for cursor in (long, "b", long, "b")]
    server.script("/admin/v1/events", *pages, respond(200, {"items": [], "next": None}))
    with pytest.raises(UnreadableAnswer):
        list(make_client(server.port).list_pages("/events", [], 0))
    assert [one.query for one in server.received] == [
        "limit=500",
        f"limit=500&before={long}",
        "limit=500&before=b",
    ]


@pytest.mark.parametrize("cursor", ["", "a" * (MAX_CURSOR_CHARS + 1), 7])
def test_a_list_ends_at_what_is_no_cursor(server: Misbehaving, cursor: object) -> None:
    server.script("/admin/v1/events", respond(200, {"items": [], "next": cursor}))
    with pytest.raises(UnreadableAnswer):
        list(make_client(server.port).list_pages("/events", [], 0))
    assert [one.query for one in server.received] == ["limit=500"]


def test_hostile_texts_are_escaped_in_the_query(server: Misbehaving) -> None:
    server.script("/admin/v1/events", respond(200, {}))
    make_client(server.port).get("/events", [("body", "%&a=b"), ("type", "a b#?\r\n€")])
    assert server.received[0].query == "body=%25%26a%3Db&type=a%20b%23%3F%0D%0A%E2%82%AC"
