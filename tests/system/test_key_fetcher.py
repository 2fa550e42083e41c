"""The keyring: what is fetched over real TLS, how rarely, and what nobody can make it do."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest
from authorities import Authority, certificate
from kinds import EC_PRIVATE, EC_PUBLIC, PAYPAL, PLAID, RSA_PRIVATE, SNS_BODY, SUBSCRIBED, written
from servers import (
    Misbehaving,
    Reply,
    cut_off,
    drip_body,
    drop,
    huge,
    redirect,
    respond,
    slow_headers,
)
from signing import NOW, post, secrets

from bridge.core.errors import BadSignature
from bridge.providers.signatures.certificates import SigningCertificate
from bridge.providers.signatures.ecdsa import Ecdsa
from bridge.providers.signatures.header_formats import Base64Json
from bridge.providers.signatures.jwks import KeyService, KeySet
from bridge.providers.signatures.key_source import DocumentRequest
from bridge.providers.signatures.pins import with_pins
from bridge.system.key_fetcher import MAX_NEW_URLS, MAX_REMEMBERED, Keyring


class Clock:
    """Time as a test sets it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server(tls_server: Misbehaving) -> Misbehaving:
    return tls_server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(ca_file: str, clock: Clock) -> Iterator[Keyring]:
    ring = Keyring(ca_file=ca_file, deadline=60, clock=clock)
    yield ring
    ring.close()


@pytest.fixture
def serve(server: Misbehaving) -> Callable[..., DocumentRequest]:
    def script(
        *replies: Reply, path: str = "/keys", group: str = "group", body: bytes = b""
    ) -> DocumentRequest:
        return DocumentRequest(
            server.script(path, *replies).replace("127.0.0.1", "localhost"), group, body
        )

    return script


Serve = Callable[..., DocumentRequest]


def test_document_is_fetched_once_and_then_remembered(
    keyring: Keyring, serve: Serve, server: Misbehaving, clock: Clock
) -> None:
    ask = serve(respond(200, b"one"), respond(200, b"two"))
    assert [keyring.fetch(ask) for _ in range(3)] == [b"one"] * 3
    clock.now += 3599
    assert keyring.fetch(ask) == b"one"
    assert [(one.method, one.path, one.headers.get("cookie")) for one in server.received] == [
        ("GET", "/keys", None)
    ]


def test_stale_document_is_used_while_it_is_fetched_anew(
    keyring: Keyring, serve: Serve, clock: Clock
) -> None:
    ask = serve(respond(200, b"one"), respond(200, b"two"))
    keyring.fetch(ask)
    clock.now += 3601
    until(lambda: keyring.fetch(ask) == b"two")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("public, max-age=19845, must-revalidate", 19845),
        ("max-age=0", 300),
        ("max-age=999999999", 86400),
        ("no-store", 3600),
        ("s-max-age=5", 3600),
    ],
)
def test_document_says_for_how_long_it_is_good(
    said: str, seconds: int, keyring: Keyring, serve: Serve, clock: Clock, server: Misbehaving
) -> None:
    ask = serve(respond(200, b"one", {"Cache-Control": said}), respond(200, b"two"))
    keyring.fetch(ask)
    clock.now += seconds - 1
    assert keyring.fetch(ask) == b"one"
    assert len(server.received) == 1
    clock.now += 2
    until(lambda: keyring.fetch(ask) == b"two")


def test_document_that_cannot_be_fetched_anew_serves_for_a_day(
    keyring: Keyring, serve: Serve, clock: Clock
) -> None:
    ask = serve(respond(200, b"one"), respond(500))
    keyring.fetch(ask)
    clock.now += 86399
    assert keyring.fetch(ask) == b"one"
    clock.now += 2
    assert keyring.fetch(ask) is None


def test_another_key_is_looked_for_once_a_minute(
    keyring: Keyring, serve: Serve, clock: Clock, server: Misbehaving
) -> None:
    ask = serve(respond(200, b"one"), respond(200, b"two"))
    keyring.fetch(ask)
    assert [keyring.fetch(ask, again=True) for _ in range(50)] == [b"one"] * 50
    clock.now += 61
    assert [keyring.fetch(ask, again=True) for _ in range(50)] == [b"two"] * 50
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "reply",
    [
        respond(404, b"none"),
        respond(500, b"x"),
        respond(204),
        respond(200, b""),
        redirect("https://localhost/elsewhere"),
        drop,
        cut_off(200),
        huge(70_000),
    ],
    ids=["404", "500", "204", "empty", "redirect", "drop", "cut_off", "huge"],
)
def test_failure_is_remembered_too(
    reply: Reply, keyring: Keyring, serve: Serve, clock: Clock, server: Misbehaving
) -> None:
    ask = serve(reply, respond(200, b"good"))
    assert [keyring.fetch(ask, again=bool(n % 2)) for n in range(20)] == [None] * 20
    assert len(server.received) == 1
    clock.now += 61
    assert keyring.fetch(ask) == b"good"


def test_urls_of_one_sender_together_are_fetched_rarely(
    keyring: Keyring, serve: Serve, clock: Clock, server: Misbehaving
) -> None:
    asks = [serve(respond(200, b"x"), path=f"/{n}") for n in range(100)]
    assert (
        sum(keyring.fetch(ask) is not None for ask in asks) == MAX_NEW_URLS == len(server.received)
    )
    other = serve(respond(200, b"y"), path="/other", group="other")
    assert keyring.fetch(other) == b"y"
    clock.now += 61
    assert keyring.fetch(asks[-1]) == b"x"


@pytest.mark.parametrize("body", [b"", b'{"kid":"good"}'])
def test_good_document_is_renewed_whatever_else_is_asked_for(
    keyring: Keyring, serve: Serve, clock: Clock, body: bytes
) -> None:
    """Who names URLs that are none, many times a minute, would else outlast what is remembered."""
    good = serve(respond(200, b"one"), respond(200, b"two"), path="/good", body=body)
    assert keyring.fetch(good) == b"one"
    clock.now += 86401
    for number in range(MAX_NEW_URLS):
        keyring.fetch(
            serve(respond(404), path=f"/none/{number}", body=body and b'{"kid":%d}' % number)
        )
    assert keyring.fetch(good) == b"two"


def test_service_that_is_asked_for_each_key_is_asked_once_a_minute(
    keyring: Keyring, serve: Serve, clock: Clock, server: Misbehaving
) -> None:
    asks = [serve(respond(200, b"x"), body=b'{"kid":%d}' % n) for n in range(20)]
    assert [keyring.fetch(ask) for ask in asks] == [b"x"] + [None] * 19
    clock.now += 61
    assert keyring.fetch(asks[5]) == b"x"
    assert [(one.method, one.headers["content-type"], one.body) for one in server.received] == [
        ("POST", "application/json", b'{"kid":0}'),
        ("POST", "application/json", b'{"kid":5}'),
    ]


def test_many_threads_share_one_fetch(keyring: Keyring, serve: Serve, server: Misbehaving) -> None:
    ask = serve(slow_headers(0.2, respond(200, b"one")))
    barrier = threading.Barrier(20)

    def fetch(again: bool) -> bytes | None:
        barrier.wait()
        return keyring.fetch(ask, again=again)

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(fetch, [False, True] * 10)) == {b"one"}
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "reply", [slow_headers(3600), drip_body(200, 0.05, 10**5)], ids=["silent", "dripping"]
)
def test_nobody_waits_longer_than_the_deadline(reply: Reply, ca_file: str, serve: Serve) -> None:
    ring = Keyring(ca_file=ca_file, deadline=0.3)
    ask = serve(reply)
    began = monotonic()
    assert ring.fetch(ask) is None
    assert ring.fetch(ask, again=True) is None
    assert monotonic() - began < 60  # else an hour
    ring.close()


@pytest.mark.usefixtures("slow")
def test_what_is_remembered_is_bounded_and_good_documents_stay(
    keyring: Keyring, serve: Serve, clock: Clock
) -> None:
    good = serve(respond(200, b"good", {"Cache-Control": "max-age=86400"}))
    assert keyring.fetch(good) == b"good"
    bad = serve(respond(404), path="/bad")
    for n in range(MAX_REMEMBERED + 20):
        clock.now += 11
        keyring.fetch(replace(bad, url=f"{bad.url}?{n}", group=f"g{n % 7}"))
    assert len(keyring._entries) <= MAX_REMEMBERED
    assert keyring.fetch(good) == b"good"


def test_host_without_a_trusted_certificate_gets_no_request(
    serve: Serve, server: Misbehaving, tmp_path: Path
) -> None:
    ask = serve(respond(200, b"x"))
    other = tmp_path / "other.pem"
    now = time()
    other.write_bytes(Authority("Another", begins=now - 100, ends=now + 1000).pem)
    for ring, asked in ((Keyring(), ask), (Keyring(ca_file=str(other)), ask)):
        assert ring.fetch(asked) is None
        ring.close()
    assert server.received == []


def test_certificate_of_another_host_name_is_refused(
    keyring: Keyring, serve: Serve, server: Misbehaving
) -> None:
    ask = serve(respond(200, b"x"))
    assert keyring.fetch(replace(ask, url=ask.url.replace("localhost", "127.0.0.1"))) is None
    assert server.received == []


def test_proxies_of_the_environment_are_not_used(
    keyring: Keyring, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert keyring.fetch(serve(respond(200, b"x"))) == b"x"


@pytest.mark.parametrize(
    "url",
    ["http://localhost/keys", "ftp://localhost/keys", "file:///etc/passwd", "//localhost", ""],
)
def test_only_https_can_be_asked_for(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        DocumentRequest(url, "group")


def test_roots_are_those_that_browsers_trust(keyring: Keyring, authority: Authority) -> None:
    assert keyring.roots() == authority.pem
    assert Keyring().roots().count(b"BEGIN CERTIFICATE") > 100


class TestWithSchemes:
    """Whole verifications over loopback TLS."""

    def test_key_by_its_id(
        self, keyring: Keyring, serve: Serve, server: Misbehaving, clock: Clock
    ) -> None:
        key = json.loads(written(EC_PUBLIC, "jwk", private=False)) | {"kid": "one"}
        ask = serve(respond(200, {"key": key}), path="/get")
        scheme = with_pins(
            replace(PLAID, keys=KeySet(ask.url, ("client_id", "secret"), "key_id", "key")), {}
        )
        request = scheme.sign(
            post(),
            json.dumps(json.loads(written(EC_PRIVATE, "jwk", private=True)) | {"kid": "one"}),
            NOW,
        )
        for _ in range(3):
            scheme.verify(request, secrets("client:secret"), NOW, keyring)
        assert [json.loads(one.body) for one in server.received] == [
            {"client_id": "client", "secret": "secret", "key_id": "one"}
        ]

    def test_rotated_key_set(
        self, keyring: Keyring, serve: Serve, server: Misbehaving, clock: Clock
    ) -> None:
        key = json.loads(written(EC_PUBLIC, "jwk", private=False))
        ask = serve(
            respond(200, {"keys": [key | {"kid": "old"}]}),
            respond(200, {"keys": [key | {"kid": "new"}]}),
        )
        scheme: Any = replace(PLAID, keys=KeySet(ask.url))
        private = json.loads(written(EC_PRIVATE, "jwk", private=True))
        old, new = (
            scheme.sign(post(), json.dumps(private | {"kid": kid}), NOW) for kid in ("old", "new")
        )
        scheme.verify(old, [], NOW, keyring)
        with pytest.raises(BadSignature, match="no_key"):
            scheme.verify(new, [], NOW, keyring)
        clock.now += 61
        scheme.verify(new, [], NOW, keyring)
        assert len(server.received) == 2

    def test_key_of_a_service_by_a_login(
        self, keyring: Keyring, serve: Serve, server: Misbehaving, clock: Clock
    ) -> None:
        login = serve(
            respond(200, {"access_token": "first"}),
            respond(200, {"access_token": "second"}),
            path="/login",
            group="login",
        )
        key = {"key": written(EC_PUBLIC, "pem", private=False)}
        url = serve(
            respond(401, b"{}"), respond(401, b"{}"), respond(200, key), path="/key/one"
        ).url.replace("one", "{kid}")
        scheme: Any = Ecdsa(
            at="header:X-Sig", parse=Base64Json(), service=KeyService(url, login.url, "all")
        )
        good = scheme.sign(post(), EC_PRIVATE, NOW)
        value = json.loads(b64decode(good.headers["x-sig"]))
        one, two = (
            replace(
                good,
                headers={"x-sig": b64encode(json.dumps(value | {"kid": kid}).encode()).decode()},
            )
            for kid in ("one", "two")
        )
        # in the second the token is found to be too old
        for minute in (["/login", "/key/one"], ["/key/one", "/login"]):
            for request in (one, two) * 5:
                with pytest.raises(BadSignature, match="no_key"):
                    scheme.verify(request, secrets("app:cert"), NOW, keyring)
            assert [each.path for each in server.received[-2:]] == minute
            clock.now += 61
        for _ in range(5):
            scheme.verify(one, secrets("app:cert"), NOW, keyring)
        shown = [
            each.headers["authorization"] for each in server.received if each.path == "/key/one"
        ]
        assert (shown, len(server.received)) == (
            ["Bearer first", "Bearer first", "Bearer second"],
            5,
        )

    def test_certificate_by_url(self, keyring: Keyring, serve: Serve, server: Misbehaving) -> None:
        ask = serve(
            respond(200, certificate("sns.amazonaws.com")), path="/SimpleNotificationService-1.pem"
        )
        at = SigningCertificate(
            at="body:SigningCertURL",
            url=r"https://localhost:\d+/SimpleNotificationService-\w+\.pem",
        )
        scheme: Any = replace(SUBSCRIBED, certificate=at)
        request = scheme.sign(
            post(json.dumps(json.loads(SNS_BODY) | {"SigningCertURL": ask.url}).encode()),
            RSA_PRIVATE,
            NOW,
        )
        for _ in range(3):
            scheme.verify(request, [], NOW, keyring)
        assert len(server.received) == 1
        with pytest.raises(BadSignature, match="mismatch"):
            scheme.verify(
                replace(request, body=request.body.replace(b"Hello", b"Hullo")), [], NOW, keyring
            )

    def test_chain_to_the_trusted_authority(
        self, keyring: Keyring, serve: Serve, authority: Authority
    ) -> None:
        now = time()
        name = "messageverificationcerts.paypal.com"
        chains = {
            "/good": certificate(name, by=authority, begins=now - 1000, ends=now + 1000),
            "/other": certificate(
                name, by=Authority("Another"), begins=now - 1000, ends=now + 1000
            ),
        }
        scheme: Any = with_pins(
            replace(
                PAYPAL,
                certificate=SigningCertificate(
                    "header:PAYPAL-CERT-URL", r"https://localhost:\d+/\w+", (name,)
                ),
            ),
            {"webhook_id": "w"},
        )
        for path, pem in chains.items():
            ask = serve(respond(200, pem), path=path)
            signed = scheme.sign(post(headers={"paypal-cert-url": ask.url}), RSA_PRIVATE, now)
            if path == "/good":
                scheme.verify(signed, [], now, keyring)
            else:
                with pytest.raises(BadSignature, match="no_key"):
                    scheme.verify(signed, [], now, keyring)


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    end = monotonic() + 60
    while not holds():
        assert monotonic() < end
        threading.Event().wait(0.01)
