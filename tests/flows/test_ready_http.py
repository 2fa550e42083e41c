"""http_request and slack_message, against real HTTP servers."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_server import make_certificates
from ready import Env, done, failed, run, server_context
from servers import (
    Misbehaving,
    chunked,
    cut_off,
    drip_body,
    drop,
    garbage,
    huge,
    redirect,
    refusing,
    respond,
    slow_headers,
)

from bridge.core.local_runs import LocalState
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.flows.ready.http import MAX_OUTPUT_BODY_BYTES
from bridge.flows.ready.http_client import MAX_CALL_ANSWER_BYTES, is_public


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(certificates: tuple[Path, Path]) -> ssl.SSLContext:
    return server_context(certificates[1])


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch) -> Env:
    return Env(monkeypatch)


# -- http_request
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def web(env: Env) -> Iterator[Misbehaving]:
    """A server on loopback, to which the operator allows calls."""
    env(HTTP_REQUEST_PRIVATE="127.0.0.0/8")
    with Misbehaving() as server:
        yield server


def test_a_request_is_sent_as_it_was_asked_for(tmp_path: Path, web: Misbehaving) -> None:
    url = web.script(
        "/a%20b/%C3%BC",
        respond(201, {"id": 7}, {"Content-Type": "application/json; charset=utf-8", "X-Y": "z"}),
    )
    outputs = done(
        "http_request",
        tmp_path,
        url=web.url + "/a%20b/ü?x=1#part",
        query={"q": "a&b=ü", "n": 5, "list": ["1", True], "no": None},
        headers={"Authorization": "Bearer x", "X-Number": 5},
        json={"name": "Ü", "tags": [None]},
    )
    assert (
        outputs["status"] == 201
        and outputs["body"] == {"id": 7}
        and outputs["headers"]["x-y"] == "z"
        and "truncated" not in outputs
    )
    (got,) = web.received
    assert (got.method, got.path, got.query) == (
        "POST",
        "/a%20b/%C3%BC",
        "x=1&q=a%26b%3D%C3%BC&n=5&list=1&list=true",
    )
    assert json.loads(got.body) == {"name": "Ü", "tags": [None]} and url.endswith(got.path)
    assert {
        name: got.headers[name]
        for name in ("content-type", "authorization", "x-number", "accept", "host")
    } == {
        "content-type": "application/json",
        "authorization": "Bearer x",
        "x-number": "5",
        "accept": "*/*",
        "host": f"127.0.0.1:{web.port}",
    }
    assert re.fullmatch(r"flowbridge/[\d.]+\w*", got.headers["user-agent"])


def test_the_default_method_depends_on_the_content(tmp_path: Path, web: Misbehaving) -> None:
    for inputs, expected in [
        ({}, ("GET", b"", None)),
        ({"body": "Grüße"}, ("POST", "Grüße".encode(), "text/plain; charset=utf-8")),
        ({"json": False}, ("POST", b"false", "application/json")),
        ({"method": "delete"}, ("DELETE", b"", None)),
        (
            {
                "method": "PUT",
                "body": "<a/>",
                "headers": {"content-type": "text/xml", "user-agent": "me"},
            },
            ("PUT", b"<a/>", "text/xml"),
        ),
        ({"headers": '{"X-A": "1"}', "body": "", "method": ""}, ("GET", b"", None)),
    ]:
        done("http_request", tmp_path, url=web.url, **inputs)
        got = web.received[-1]
        assert (got.method, got.body, got.headers.get("content-type")) == expected
    assert web.received[-2].headers["user-agent"] == "me" and web.received[-1].headers["x-a"] == "1"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Content-Type": "application/json"}, b"[1, 2]", [1, 2]),
        ({"Content-Type": "application/problem+json"}, b'{"a": null}', {"a": None}),
        ({"Content-Type": "application/json"}, b"null", None),
        ({"Content-Type": "application/json"}, b"{not json", "{not json"),
        ({"Content-Type": "application/json"}, b"[" * 700 + b"]" * 700, "[" * 700 + "]" * 700),
        ({"Content-Type": "text/html; charset=iso-8859-1"}, b"gr\xfc\xdfe", "grüße"),
        ({"Content-Type": "text/plain; charset=nonsense"}, "ü".encode(), "ü"),
        ({"Content-Type": "text/plain; charset=idna"}, "ü".encode(), "ü"),
        ({"Content-Type": "text/plain; charset=undefined"}, "ü".encode(), "ü"),
        ({"Content-Type": "text/plain; charset=unicode_escape"}, rb"\ud800", "?"),
        ({"Content-Type": "image/png"}, b"\x89PNG", "\ufffdPNG"),
        ({}, b'{"a": 1}', '{"a": 1}'),
        ({}, b"", ""),
    ],
)
def test_an_answer_is_json_or_text(
    tmp_path: Path, web: Misbehaving, headers: dict[str, str], body: bytes, expected: Any
) -> None:
    assert (
        done("http_request", tmp_path, url=web.script("/x", respond(200, body, headers)))["body"]
        == expected
    )


@pytest.mark.parametrize(
    ("status", "expect", "good"),
    [
        (200, "2xx", True),
        (204, "2xx", True),
        (404, "2xx", False),
        (404, "200, 404", True),
        (404, [200, "404"], True),
        (404, 404, True),
        (500, "any", True),
        (302, "3XX", True),
        (200, "404", False),
        (418, "4xx,5xx", True),
    ],
)
def test_a_status_that_is_not_expected_fails_the_run(
    tmp_path: Path, web: Misbehaving, status: int, expect: Any, good: bool
) -> None:
    url = web.script(
        "/x",
        respond(
            status, {"error": "gone", "message": "it\nis"}, {"Content-Type": "application/json"}
        ),
    )
    if good:
        assert done("http_request", tmp_path, url=url, expect=expect)["status"] == status
    else:
        assert (
            failed("http_request", tmp_path, url=url, expect=expect) == f"HTTP {status} gone: it is"
        )


def test_redirects_are_reported_and_not_followed(tmp_path: Path, web: Misbehaving) -> None:
    for status in (301, 302, 303, 307, 308):
        url = web.script("/x", redirect("http://169.254.169.254/latest/\x1b[2J", status))
        said = failed("http_request", tmp_path, url=url)
        assert said.startswith(
            f"HTTP {status}: redirect to http://169.254.169.254/latest/ [2J; redirects are not"
            " followed"
        )
    assert len(web.received) == 5


def test_an_answer_is_bounded(tmp_path: Path, web: Misbehaving) -> None:
    outputs = done("http_request", tmp_path, url=web.script("/x", huge(50 * 2**20)))
    assert outputs["truncated"] is True and outputs["body"] == "x" * MAX_CALL_ANSWER_BYTES
    outputs = done(
        "http_request",
        tmp_path,
        url=web.script("/y", chunked(b"[" + b"1," * MAX_CALL_ANSWER_BYTES)),
    )
    assert outputs["truncated"] is True and outputs["body"].startswith("[1,1,")
    assert "HTTP 200, but the answer was incomplete" in failed(
        "http_request", tmp_path, url=web.script("/z", cut_off())
    )


def test_an_answer_that_is_no_output_as_json_is_text_or_cut(
    tmp_path: Path, web: Misbehaving
) -> None:
    zeros = done("http_request", tmp_path, url=web.script("/x", respond(200, b"\0" * 256 * 1024)))
    assert zeros["truncated"] is True
    assert zeros["body"] == "\0" * ((MAX_OUTPUT_BODY_BYTES - 2) // 6)
    numbers = b"[" + b",".join([b"1e15"] * 52_000) + b"]"
    as_json = {"Content-Type": "application/json"}
    outputs = done("http_request", tmp_path, url=web.script("/y", respond(200, numbers, as_json)))
    assert outputs["body"] == numbers.decode() and "truncated" not in outputs
    deep = b"[" * 250 + b"]" * 250
    outputs = done("http_request", tmp_path, url=web.script("/w", respond(200, deep, as_json)))
    assert outputs["body"] == deep.decode() and "truncated" not in outputs
    large = {f"X-{number}": "ü" * 30_000 for number in range(30)}
    outputs = done("http_request", tmp_path, url=web.script("/z", respond(200, b"ok", large)))
    assert outputs["truncated"] is True and outputs["body"] == "ok"
    assert {"x-0", "x-1"} < outputs["headers"].keys() and "x-2" not in outputs["headers"]


@pytest.mark.usefixtures("slow")
def test_time_is_bounded_however_slowly_it_comes(tmp_path: Path, web: Misbehaving) -> None:
    host = "127.0.0.1"
    assert (
        failed("http_request", tmp_path, url=web.script("/a", slow_headers(120)), timeout=3.5)
        == f"url: {host}: no answer within 3.5 s; the request may have arrived"
    )
    assert "was incomplete or took over 3.5 s" in failed(
        "http_request", tmp_path, url=web.script("/b", drip_body(every=0.01)), timeout="3.5"
    )
    for timeout in (0, -1, 301, "soon", None, "nan", [1]):
        assert failed("http_request", tmp_path, url=web.url, timeout=timeout).startswith(
            "timeout: "
        )


def test_a_missing_answer_is_reported(tmp_path: Path, web: Misbehaving) -> None:
    assert "closed before an answer; the request may have arrived" in failed(
        "http_request", tmp_path, url=web.script("/a", drop)
    )
    assert failed("http_request", tmp_path, url=web.script("/b", garbage())).startswith(
        "url: 127.0.0.1: "
    )
    with refusing() as port:
        said = failed("http_request", tmp_path, url=f"http://127.0.0.1:{port}/?key=secret")
    assert said == "url: 127.0.0.1: the connection was refused"


def test_certificates_are_checked(
    tmp_path: Path, env: Env, tls: ssl.SSLContext, certificates: tuple[Path, Path]
) -> None:
    env(HTTP_REQUEST_PRIVATE="1")
    with Misbehaving(context=tls) as server:
        url = server.script("/x", respond(200, b"safe"))
        assert (
            failed("http_request", tmp_path, url=url)
            == "url: 127.0.0.1: the certificate is not trusted"
        )
        env(HTTP_REQUEST_CA=str(certificates[0]))
        assert done("http_request", tmp_path, url=url)["body"] == "safe"
        env(HTTP_REQUEST_CA=str(tmp_path / "none"))
        assert failed("http_request", tmp_path, url=url).startswith("FLOWBRIDGE_HTTP_REQUEST_CA: ")
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://0.0.0.0:{port}/",
        "http://0:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::]:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://10.0.0.1/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[::127.0.0.1]/",
        "http://224.0.0.1/",
        "https://192.168.0.1/",
    ],
)
def test_no_address_within_is_reached(tmp_path: Path, url: str) -> None:
    with Misbehaving() as server:
        said = failed("http_request", tmp_path, url=url.format(port=server.port), timeout=2)
        assert (
            "is this machine or a private network" in said
            and "FLOWBRIDGE_HTTP_REQUEST_PRIVATE" in said
        )
    assert (server.connections, server.received) == (0, [])


def test_the_address_that_is_checked_is_the_one_that_is_connected_to(
    tmp_path: Path, env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that says something else the second time, or several things at once, leads
    nowhere.
    """
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    asked = []
    real = socket.getaddrinfo

    def changing(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *more, **named)
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in answers[min(len(asked), len(answers)) - 1]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with Misbehaving() as server:
        connected = []
        monkeypatch.setattr(
            socket.socket,
            "connect",
            lambda sock, address: (
                connected.append(address) or (_ for _ in ()).throw(ConnectionRefusedError())
            ),
        )
        failed("http_request", tmp_path, url=f"http://rebind.example:{server.port}/")
        assert (asked, connected) == (
            ["rebind.example"],
            [("93.184.215.14", server.port)],
        ), "looked up once, and that is where it went"
        assert "has the address 127.0.0.1" in failed(
            "http_request", tmp_path, url=f"http://rebind.example:{server.port}/"
        )
        answers.append(["10.0.0.1", "93.184.215.14", "::1"])
        failed("http_request", tmp_path, url=f"http://rebind.example:{server.port}/")
        assert connected == [("93.184.215.14", server.port)] * 2
        monkeypatch.undo()
    assert server.connections == 0


@pytest.mark.parametrize(
    ("allowed", "good"),
    [
        ("1", True),
        ("127.0.0.1", True),
        ("10.0.0.0/8, 127.0.0.0/8", True),
        ("localhost", False),
        ("other.example,127.0.0.2", False),
        ("0", False),
        ("::1", False),
        ("", False),
    ],
)
def test_private_addresses_can_be_allowed(
    tmp_path: Path, env: Env, allowed: str, good: bool
) -> None:
    env(HTTP_REQUEST_PRIVATE=allowed)
    with Misbehaving() as server:
        assert (
            run(READY_FLOWS["http_request"], tmp_path, url=server.url).state is LocalState.DONE
        ) is good
        by_name = (
            run(
                READY_FLOWS["http_request"],
                tmp_path,
                url=server.url.replace("127.0.0.1", "LOCALHOST"),
            ).state
            is LocalState.DONE
        )
    assert by_name is (good or allowed == "localhost")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("64:ff9b::8.8.8.8", True),
        ("::ffff:8.8.8.8", True),
        ("::ffff:10.0.0.1", False),
        ("2002:808:808::", True),
        ("2002:a00:1::", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b:1::8.8.8.8", False),
        ("2001:0:808:808::", False),
        ("168.63.129.16", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("203.0.113.9", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("2001:db8::1", False),
        ("172.31.255.255", False),
        ("172.32.0.1", True),
    ],
)
def test_what_is_out_on_the_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"url": "ftp://example.com/"}, "begin with https:// or http://"),
        ({"url": "file:///etc/passwd"}, "begin with https:// or http://"),
        ({"url": "example.com"}, "begin with https:// or http://"),
        ({"url": ""}, "begin with https:// or http://"),
        ({"url": None}, "begin with https:// or http://"),
        ({"url": {"a": 1}}, "url: expected a text"),
        ({"url": "http://user:hunter2@example.com/"}, "put them into a header"),
        ({"url": "http://good.example\\@evil.example/"}, "without blanks, backslashes"),
        ({"url": "http://example.com/a b"}, "without blanks, backslashes"),
        ({"url": "http://exam\tple.com/"}, "without blanks, backslashes"),
        ({"url": "http://example.com/\r\nX: y"}, "without blanks, backslashes"),
        ({"url": "http:///path"}, "no valid host"),
        ({"url": "http://exa$mple.com/"}, "no valid host"),
        ({"url": "http://[::1/"}, "not a valid URL"),
        ({"url": "http://example.com:99999/"}, "not a valid URL"),
        ({"url": "http://example.com:x/"}, "not a valid URL"),
        ({"url": "http://" + "a" * 300 + ".com/"}, "url: "),
        ({"url": "http://example.com/" + "a" * 9000}, "at most 8190"),
        ({"method": "GET / HTTP/1.1\r\nX: y"}, "method: "),
        ({"method": "CONNECT"}, "method: 'CONNECT' is not allowed"),
        ({"method": "G T"}, "method: "),
        ({"headers": {"X": "a\r\nY: b"}}, "headers.X: a line end or control character (U+000D"),
        ({"headers": {"X": "a\nY: b"}}, "headers.X: a line end"),
        ({"headers": {"X\r\nY": "b"}}, "cannot be set"),
        ({"headers": {"": "b"}}, "cannot be set"),
        ({"headers": {"Host": "evil.example"}}, "'Host' cannot be set"),
        ({"headers": {"content-length": 5}}, "cannot be set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "cannot be set"),
        ({"headers": {"X": "ü"}}, "ASCII only"),
        ({"headers": {"X": {"a": 1}}}, "headers.X: expected a text"),
        ({"headers": "X: y"}, "headers: not a JSON object"),
        ({"headers": ["X"]}, "headers: expected an object, found a list"),
        ({"query": {"q": {"a": 1}}}, "query.q: expected a text"),
        ({"json": {}, "body": "x"}, "one of the two"),
        ({"body": {"a": 1}}, "or a list with `json`"),
        ({"expect": "good"}, "expect: 'good' is not allowed"),
        ({"expect": "600"}, "expect: "),
        ({"expect": []}, ""),
    ],
)
def test_what_is_wrong_with_a_request_is_said_and_nothing_sent(
    tmp_path: Path, web: Misbehaving, inputs: dict[str, Any], words: str
) -> None:
    said = failed("http_request", tmp_path, **{"url": web.url} | inputs)
    assert words in said and "hunter2" not in said
    assert inputs == {"expect": []} or web.received == []


# -- slack_message
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def slack(env: Env) -> Iterator[Misbehaving]:
    """What the operator says is Slack; it is on loopback, which only the operator may say."""
    with Misbehaving() as server:
        env(SLACK_WEBHOOK_URL=server.script("/services/T0/B0/hunter2", respond(200, b"ok")))
        yield server


def test_a_message_is_posted_with_its_text_escaped(tmp_path: Path, slack: Misbehaving) -> None:
    text = "*Paid* <!channel> & <https://evil.example|your bank>\nü"
    assert done("slack_message", tmp_path, text=text, channel="#sales") == {"ok": True}
    done("slack_message", tmp_path, text=7)
    first, second = (json.loads(one.body) for one in slack.received)
    assert first == {
        "text": "*Paid* &lt;!channel&gt; &amp; &lt;https://evil.example|your bank&gt;\nü",
        "channel": "#sales",
    }
    assert (
        second == {"text": "7"} and slack.received[0].headers["content-type"] == "application/json"
    )


def test_a_long_message_is_cut_between_characters(tmp_path: Path, slack: Misbehaving) -> None:
    for before in range(5):
        result = run(READY_FLOWS["slack_message"], tmp_path, text="x" * before + "&" * 40_000)
        assert "cut" in result.log[0]
        text = json.loads(slack.received[-1].body)["text"]
        assert 39_990 < len(text) <= 40_000 and re.fullmatch(r"x*(&amp;)*…", text)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b"no_service", "no_service: the webhook is disabled or was removed"),
        (403, b"invalid_token\n", "invalid_token: the webhook URL is wrong"),
        (410, b"channel_is_archived", "the channel is archived"),
        (404, b"channel_not_found", "the channel does not exist"),
        (403, b"something_new", "HTTP 403: something_new"),
        (500, b"<html><title>Oops</title>", "HTTP 500: a page titled 'Oops'"),
        (302, b"", "HTTP 302"),
    ],
)
def test_refusals_of_slack_are_explained(
    tmp_path: Path, slack: Misbehaving, status: int, body: bytes, words: str
) -> None:
    slack.script("/services/T0/B0/hunter2", respond(status, body))
    said = failed("slack_message", tmp_path, text="x")
    assert (
        said.startswith("Slack refused the message: ") and words in said and "hunter2" not in said
    )


def test_slack_is_given_the_time_it_asks_for(tmp_path: Path, slack: Misbehaving) -> None:
    busy = respond(429, b"rate_limited", {"Retry-After": "0"})
    slack.script("/services/T0/B0/hunter2", busy, busy, respond(200, b"ok"))
    result = run(READY_FLOWS["slack_message"], tmp_path, text="x")
    assert (result.state, result.log) == (
        LocalState.DONE,
        ("Slack limits the rate: retry in 0 s",) * 2 + ("posted 1 characters",),
    )
    slack.script("/services/T0/B0/hunter2", respond(429, b"rate_limited", {"Retry-After": "61"}))
    assert failed("slack_message", tmp_path, text="x") == "Slack limits the rate (HTTP 429)"
    slack.script("/services/T0/B0/hunter2", busy)
    assert "HTTP 429" in failed("slack_message", tmp_path, text="x")
    assert len(slack.received) == 3 + 1 + 4


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "https://evil.example/services/hunter2",
            "https://evil.example is not allowed; use https:// at hooks.slack.com",
        ),
        (
            "http://hooks.slack.com/services/hunter2",
            "http://hooks.slack.com is not allowed; use https://",
        ),
        (
            "https://hooks.slack.com.evil.example/hunter2",
            "https://hooks.slack.com.evil.example is not allowed",
        ),
        ("https://hooks.slack.com@evil.example/hunter2", "put them into a header"),
        ("https://hooks.slack.com\n.evil.example/hunter2", "a line end"),
        ("hunter2", "the URL must begin with"),
    ],
)
def test_a_webhook_that_is_an_input_leads_to_slack_only(
    tmp_path: Path, slack: Misbehaving, url: str, words: str
) -> None:
    said = failed("slack_message", tmp_path, text="x", webhook_url=url)
    assert words in said and "hunter2" not in said and slack.received == []


def test_another_host_can_be_allowed(
    tmp_path: Path, env: Env, tls: ssl.SSLContext, certificates: tuple[Path, Path]
) -> None:
    env(SLACK_HOSTS="chat.example, localhost", HTTP_REQUEST_CA=str(certificates[0]))
    with Misbehaving(context=tls) as server:
        url = server.script("/hooks/x", respond(200, b"ok")).replace("127.0.0.1", "localhost")
        done("slack_message", tmp_path, text="x", webhook_url=url)
        assert failed(
            "slack_message", tmp_path, text="x", webhook_url=url.replace("localhost", "127.0.0.1")
        ).startswith("webhook_url: ")
    assert len(server.received) == 1


def test_slack_hosts_own_name_leads_to_no_address_within(
    tmp_path: Path, env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))],
    )
    said = failed(
        "slack_message", tmp_path, text="x", webhook_url="https://hooks.slack.com/services/hunter2"
    )
    assert "hooks.slack.com has the address 127.0.0.1" in said and "hunter2" not in said


def test_what_a_message_needs_is_named(tmp_path: Path, env: Env) -> None:
    assert failed("slack_message", tmp_path, text="x").startswith(
        "no webhook: set FLOWBRIDGE_SLACK_WEBHOOK_URL"
    )
    assert failed("slack_message", tmp_path, text=" \n") == "text: empty"
    assert failed("slack_message", tmp_path, text={"a": 1}).startswith("text: expected a text")
    env(SLACK_WEBHOOK_URL="nonsense hunter2")
    assert failed("slack_message", tmp_path, text="x").startswith("FLOWBRIDGE_SLACK_WEBHOOK_URL: ")
