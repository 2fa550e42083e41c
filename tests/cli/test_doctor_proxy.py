"""doctor through a proxy that changes what it passes on: it says what was changed, and of which
source that matters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from processes import call_here
from serving import SECRET, Bridge, github

from bridge.core.http_messages import Request
from bridge.web.receiving import dry_run

pytestmark = pytest.mark.usefixtures("new_processes")

KEY = "k" * 40
PUBLIC = "https://hooks.example.com"
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  square: {provider: square, secret: a-signature-key-of-square}
  token: {provider: token, secret: a-long-token-of-ours}
  rotated: {provider: github, secrets: [{value: an-old-secret-of-github, not_after: 2020-01-01}, a-new-secret-of-github]}
  ended: {provider: github, secrets: [{value: an-old-secret-of-github, not_after: 2020-01-01}]}
routes: []
"""
Change = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    environ = {"FLOWBRIDGE_SECRET_KEY": KEY, "FLOWBRIDGE_PUBLIC_URL": PUBLIC}
    with Bridge(tmp_path_factory.mktemp("doctor"), "web", routes=ROUTES, environ=environ) as bridge:
        yield bridge


@contextmanager
def proxy(port: int, change: Change, most: int = 1 << 30) -> Iterator[str]:
    """A proxy in front of a port that changes headers and bodies and refuses bodies of more than
    `most` bytes; gives its URL.
    """

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def pass_on(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            if size > most:
                self.rfile.read(size)
                self.send_error(413)
                return
            headers, body = change(
                {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(size)
            )
            behind = HTTPConnection("127.0.0.1", port, timeout=60)
            behind.request(
                self.command,
                self.path,
                body=body,
                headers={**headers, "content-length": str(len(body))},
            )
            answer = behind.getresponse()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() != "connection":
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
            behind.close()

        do_GET = do_POST = pass_on

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def without(word: str) -> Change:
    return lambda headers, body: (
        {name: value for name, value in headers.items() if word not in name},
        body,
    )


def before(text: str) -> Change:
    return lambda headers, body: (
        {text + name if "signature" in name else name: value for name, value in headers.items()},
        body,
    )


def anew(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return headers, json.dumps(json.loads(body)).encode() if body[:1] == b"{" else body


def doctor(
    bridge: Bridge, target: str, **more: str
) -> tuple[int, Mapping[tuple[str, str], tuple[str, str]]]:
    done = call_here(
        bridge.folder, "doctor", "--to", target, "--json", environ={**bridge.environ, **more}
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found, done.stderr
    return done.returncode, {
        (one["check"], one["of"]): (one["result"], one["found"]) for one in found
    }


CASES: dict[str, tuple[Change, str, str]] = {
    "dropped": (
        without("signature"),
        "github",
        "on the way the header x-hub-signature-256 did not arrive",
    ),
    "renamed": (
        before("x-original-"),
        "github",
        "on the way the header x-hub-signature-256 arrived as x-original-x-hub-signature-256",
    ),
    "no token": (
        without("authorization"),
        "token",
        "on the way the header authorization did not arrive",
    ),
    "rewritten": (
        anew,
        "github",
        "on the way the body was changed (6993 bytes sent, 7349 arrived)",
    ),
    "another value": (
        lambda headers, body: ({**headers, "content-type": "text/plain"}, body[:-1]),
        "github",
        "on the way the header content-type arrived with another value; the body was changed (",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_changed_on_the_way_is_said(bridge: Bridge, name: str) -> None:
    change, source, said = CASES[name]
    with proxy(bridge.port, change) as target:
        code, found = doctor(bridge, target)
    result, text = found["good", source]
    assert (code, result) == (1, "error") and text.startswith(f"answered 401: {said}"), text
    assert all(found[check, of][0] != "error" for check, of in found if check.startswith("forged"))
    assert bridge.count("event") == bridge.count("reject") == 0


def test_a_proxy_that_caps_the_size_is_named(bridge: Bridge) -> None:
    with proxy(bridge.port, lambda headers, body: (headers, body), most=1_000_000) as target:
        _, found = doctor(bridge, target)
    result, text = found["largest body", "github"]
    assert result == "error" and text.startswith(
        "a proxy refuses 25 MiB (max_body): raise its limit"
    )


def test_where_nothing_was_changed_the_secret_is_another(bridge: Bridge) -> None:
    _, found = doctor(
        bridge, f"http://127.0.0.1:{bridge.port}", GITHUB_SECRET="not-what-the-running-one-has"
    )
    assert found["good", "github"][1].endswith(
        "it arrived unchanged, so the running bridge has another secret or another routes.yaml"
    )


def test_what_signs_the_url_is_signed_for_what_the_sender_calls(bridge: Bridge) -> None:
    here = f"http://127.0.0.1:{bridge.port}"
    _, found = doctor(bridge, here)
    assert found["good", "square"][0] == "ok"
    _, found = doctor(bridge, here, FLOWBRIDGE_PUBLIC_URL="https://other.example.com")
    assert (
        "https://other.example.com/hooks/square was called; it was received as"
        f" {PUBLIC}/hooks/square" in found["good", "square"][1]
    )
    assert found["good", "github"][0] == "ok", "it signs no URL"
    sent = call_here(
        bridge.folder, "sample", "square", "--to", here, "--tamper", "body", environ=bridge.environ
    )
    assert sent.returncode == 0 and sent.stdout.startswith("401")


def test_samples_for_this_machine_are_signed_for_the_public_url(tmp_path: Path) -> None:
    with Bridge(
        tmp_path, "web", routes=ROUTES, environ={"FLOWBRIDGE_PUBLIC_URL": PUBLIC}
    ) as bridge:
        sent = call_here(
            bridge.folder,
            "sample",
            "square",
            "--to",
            f"http://127.0.0.1:{bridge.port}",
            environ=bridge.environ,
        )
        assert sent.returncode == 0 and bridge.count("event") == 1


def test_secrets_that_ended_are_not_signed_with_and_are_told(bridge: Bridge) -> None:
    code, found = doctor(bridge, f"http://127.0.0.1:{bridge.port}")
    assert found["good", "rotated"][0] == "ok"
    assert (code, *found["verified", "ended"]) == (
        1,
        "error",
        "all of its secrets have expired (not_after), so every request is refused",
    )
    refused = call_here(bridge.folder, "sample", "ended", environ=bridge.environ)
    assert (
        refused.returncode == 2
        and "all secrets of the source 'ended' have expired (not_after)" in refused.stderr
    )
    checked = call_here(bridge.folder, "check", environ=bridge.environ)
    assert checked.returncode == 1
    assert (
        "sources.rotated: a secret expired on 2020-01-01; requests signed with it are refused"
        in checked.stderr
    )
    assert (
        "sources.ended: all of its secrets have expired (not_after), so every request is refused"
        in checked.stdout + checked.stderr
    )


def test_nothing_that_was_sent_is_in_the_answer(bridge: Bridge) -> None:
    body = b'{"action":"a-word-of-the-body"}'
    headers = {
        **github(b"another body"),
        "X-Other": "a-word-of-a-header",
        dry_run.HEADER: dry_run.sign_token(KEY, "github"),
    }
    answer = bridge.post("/hooks/github", body, headers)
    came = json.loads(answer.body)["arrived"]
    assert answer.status == 401 and set(came) == {"url", "size", "body", "headers"}
    assert b"a-word" not in answer.body and SECRET.encode() not in answer.body
    plain = bridge.post(
        "/hooks/github",
        body,
        {name: value for name, value in headers.items() if name != dry_run.HEADER},
    )
    assert json.loads(plain.body) == {"error": "unauthorized"}


@pytest.mark.parametrize(
    "came",
    [None, [], "x", {}, {"headers": []}, {"headers": {"content-type": 5}, "body": None, "url": {}}],
)
def test_no_answer_of_another_program_makes_it_fail(came: object) -> None:
    request = Request(
        method="POST", path="/", headers={"content-type": "text/plain"}, body=b"x", url="http://h/"
    )
    assert all(isinstance(one, str) for one in dry_run.find_changes(request, came, signs_url=True))
    assert (
        list(
            dry_run.find_changes(
                request, dry_run.describe_request(replace(request, url="")), signs_url=False
            )
        )
        == []
    )
