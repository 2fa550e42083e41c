"""Every provider through a real receiver: samples are stored, URL tests answered, forgeries refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from ruamel.yaml import YAML
from senders import PINS, sender, stranger
from serving import Answer, Bridge, exchange, head
from tables import for_each

from bridge.core.http_messages import Request
from bridge.providers.handshakes.general import verify_token
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.pins import pins_of

SAMPLES = [(name, entry.type) for name, row in PROVIDERS.items() for entry in row.samples]
PROVEN = [name for name in PROVIDERS if sender(name).is_proven]
LATE = 3.0  # seconds; Paddle's signatures, which say whole seconds, are good for five


def routes() -> dict[str, object]:
    """A routes.yaml with a source of each provider, and their secrets."""
    sources = {}
    for name, row in PROVIDERS.items():
        source: dict[str, object] = {"provider": name}
        if sender(name).is_proven:
            source["secret"] = "${env:SECRET_OF_" + name.upper() + "}"
        if pins := {pin.name: PINS[pin.name] for pin in pins_of(row.scheme) if pin.required}:
            source["pins"] = pins
        if name == "hmac":
            source["verify"] = {"header": "X-Signature"}
        sources[name] = source
    return {"version": 1, "platforms": {"local": {"type": "local"}}, "sources": sources}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    """Receivers without a worker, that answer to https://example.com."""
    folder = tmp_path_factory.mktemp("providers")
    with (folder / "written.yaml").open("w") as file:
        YAML().dump(routes(), file)
    secrets = {f"SECRET_OF_{name.upper()}": sender(name).secret for name in PROVEN}
    environ = {"FLOWBRIDGE_PUBLIC_URL": "https://example.com", **secrets}
    with Bridge(
        folder, "web", routes=(folder / "written.yaml").read_text(), environ=environ
    ) as bridge:
        yield bridge


def send(web: Bridge, signed: Callable[[float], Request]) -> tuple[Answer, float]:
    """Send what is signed at a time, and return the answer and the time: a signature is good for
    seconds, so late ones are sent anew.
    """
    while True:
        now = time.time()
        request = signed(now)
        target = f"{request.path}?{request.query_string}" if request.query_string else request.path
        answer = web.post(target, request.body, dict(request.headers))
        if time.time() - now < LATE:
            return answer, now


@for_each("name, type_", SAMPLES)
def test_sample_gets_in_and_is_answered_as_its_sender_wants(
    web: Bridge, name: str, type_: str
) -> None:
    one = sender(name)
    answer, now = send(web, lambda now: one.signed(type_, f"edge-{now}", now))
    expected, events = one.receive(one.signed(type_, f"edge-{now}", now), now)
    assert answer.status == expected.reply.status, answer.body
    if events and one.row.ack is None:
        assert web.found(answer.json["event_id"]).event.type == events[0].type
    if not events or one.row.ack:
        assert answer.body == expected.reply.body
        assert answer.headers["content-type"] == expected.reply.content_type


@for_each("name", PROVEN)
def test_a_forgery_is_refused_without_a_reason(web: Bridge, name: str) -> None:
    answer, _ = send(web, lambda now: stranger(sender(name)).signed(None, f"forged-{now}", now))
    assert (answer.status, answer.body) == (
        401,
        b"" if PROVIDERS[name].bare_refusal else b'{"error":"unauthorized"}',
    )


@pytest.mark.parametrize(
    ("method", "target", "headers", "status", "body"),
    [
        ("HEAD", "/hooks/mandrill", {}, 200, b""),
        ("HEAD", "/hooks/intercom", {}, 200, b""),
        ("GET", "/hooks/mailchimp", {}, 200, b""),
        ("GET", "/hooks/nylas?challenge=xyz", {}, 200, b"xyz"),
        (
            "GET",
            "/hooks/okta",
            {"X-Okta-Verification-Challenge": "abc"},
            200,
            b'{"verification":"abc"}',
        ),
        (
            "GET",
            "/hooks/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
            + verify_token(sender("meta").secret),
            {},
            200,
            b"1158201444",
        ),
        (
            "GET",
            "/hooks/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=guessed",
            {},
            401,
            b'{"error":"unauthorized"}',
        ),
        (
            "GET",
            "/hooks/x?crc_token=" + quote('{"for_user_id":"1"}'),
            {},
            401,
            b'{"error":"unauthorized"}',
        ),
        (
            "POST",
            "/hooks/msgraph?validationToken=Validation%3A+a%20b",
            {"Content-Type": "text/plain", "Content-Length": "0"},
            200,
            b"Validation: a b",
        ),
        (
            "OPTIONS",
            "/hooks/cloudevents",
            {"WebHook-Request-Origin": "eventemitter.example.com"},
            200,
            b"",
        ),
    ],
)
def test_the_url_is_tested_over_http(
    web: Bridge, method: str, target: str, headers: dict[str, str], status: int, body: bytes
) -> None:
    answer = exchange(web.port, head(method, target, {"Connection": "close", **headers}))
    assert (answer.status, answer.body) == (status, body)
    if status == 200:
        assert answer.headers["x-content-type-options"] == "nosniff"
    if method == "OPTIONS":
        wanted = {
            "webhook-allowed-origin": "eventemitter.example.com",
            "webhook-allowed-rate": "*",
            "allow": "POST",
        }
        assert wanted.items() <= answer.headers.items()


@pytest.mark.parametrize("origin", ["", "a b", "<b>", "x" * 300, "a\u00e9"])
def test_no_origin_that_is_none_is_allowed(web: Bridge, origin: str) -> None:
    answer = exchange(
        web.port,
        head(
            "OPTIONS",
            "/hooks/cloudevents",
            {"Connection": "close", "WebHook-Request-Origin": origin},
        ),
    )
    assert answer.status in (400, 401) and "webhook-allowed-origin" not in answer.headers


def test_no_secret_is_in_the_log(web: Bridge) -> None:
    for name in PROVEN:
        assert sender(name).secret not in web.stderr


def test_no_secret_is_in_the_database(web: Bridge) -> None:
    kept = b"".join(path.read_bytes() for path in (web.folder / "data").glob("flowbridge.db*"))
    for name in PROVEN:
        # also what a reject showed may be right elsewhere
        for one in (sender(name), stranger(sender(name))):
            assert one.secret.encode() not in kept, name
