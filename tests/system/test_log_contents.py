"""The log at its most talkative, whoever sends whatever: no secret, no signature, nothing of a
body, a header or a query, no address.
"""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from receiving import StoreEvents, hooks_of, keep_nothing
from senders import ALL, PROVEN, Sender, stranger
from servers import Misbehaving, Reply, cut_off, drop, garbage, redirect, respond
from serving import until
from spoiled_requests import added, spoiled
from werkzeug.test import Client
from worker_bench import LOCAL, add, attempts, configured, get, gumloop, run_of, start_run, working

from bridge.config.settings import Settings, load_settings
from bridge.core.errors import StoreError
from bridge.core.http_messages import Request
from bridge.core.model import Status
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.polling import Polling
from bridge.flows import flow
from bridge.routing.model import Config, Source
from bridge.store.db.database import Database
from bridge.store.inbound.arrivals import AddedEvent
from bridge.system import logs
from bridge.system.logs import configure, get_logger
from bridge.web.receiving import dry_run, effects

MARKER = "Pl4ntedM4rker"
ADDRESS = "203.0.113.77"
FORM = "application/x-www-form-urlencoded"
SHORT = 8  # characters of what is no secret yet


class Stream(io.TextIOWrapper):
    """Where the log goes: no terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8")

    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()

    def words(self) -> set[str]:
        """What happened, one word for each kind of line."""
        return {json.loads(line)["event"] for line in self.text().splitlines()}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    """All that is logged, at the level debug, as it is written; what libraries say goes there
    alone.
    """
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(logs, "setup", logs.setup)
    configure("debug")
    root = logging.getLogger()
    handlers = root.handlers
    root.handlers = [one for one in root.handlers if type(one).__module__ == configure.__module__]
    yield stream
    root.handlers = handlers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    environ = {
        "FLOWBRIDGE_SECRET_KEY": "k" * 32,
        "FLOWBRIDGE_DATA": str(tmp_path),
        "FLOWBRIDGE_PUBLIC_URL": "https://example.com",
    }
    return load_settings(environ)


def edge(settings: Settings, source: Source, keep: StoreEvents = keep_nothing) -> Client:
    """The HTTP edge with one source, which keeps nothing."""
    config = Config(
        sources={source.name: source}, routes=(), flows={}, platforms={}, hash="", canonical=""
    )
    return Client(hooks_of(settings, lambda: config, keep))


def post(client: Client, request: Request) -> int:
    """Send a request as it is. One that no server would hand on, for what is in its headers, is not
    sent: 0.
    """
    environ = {
        f"HTTP_{name.upper().replace('-', '_')}": value
        for name, value in request.headers.items()
        if name != "content-type"
    }
    environ |= {
        "REMOTE_ADDR": ADDRESS,
        "QUERY_STRING": request.query_string,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
    }
    environ["RAW_URI"] = f"{request.path}?{request.query_string}"
    return client.post(request.path, data=request.body, environ_overrides=environ).status_code


def planted(request: Request) -> Request:
    """Return the request with markers in its headers, in its query, and in its body, where that
    stays what it is.
    """
    headers = {
        **request.headers,
        "x-planted": f"{MARKER}-header",
        "cookie": f"{MARKER}-cookie",
        "user-agent": f"{MARKER}-agent",
        "x-forwarded-for": ADDRESS,
    }
    query = "&".join(filter(None, (request.query_string, f"planted={MARKER}-query")))
    url = f"{request.url.partition('?')[0]}?{query}"
    return replace(
        request,
        headers=headers,
        query_string=query,
        url=url,
        body=_planted(request.body, request.content_type),
    )


def _planted(body: bytes, media: str) -> bytes:
    # its only field
    if media == "application/x-www-form-urlencoded" and body.startswith(b"mandrill_events="):
        # into the first event; it may be spoiled already
        return body.replace(b"%22", f"%22planted%22%3A%22{MARKER}%22%2C%22".encode(), 1)
    if media == "application/x-www-form-urlencoded":
        return body + b"&planted=" + MARKER.encode()
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return json.dumps({**value, "planted": MARKER}).encode() if isinstance(value, dict) else body


def told_of(one: Sender, request: Request) -> set[str]:
    """What must not be in the log: secrets, signatures, and what was planted."""
    before = one.request()
    signatures = {
        value for name, value in request.headers.items() if before.headers.get(name) != value
    }
    signatures |= {
        value
        for name, value in parse_qsl(request.query_string)
        if (name, value) not in parse_qsl(before.query_string)
    }
    return {
        text
        for text in {one.secret, one.private, *signatures, MARKER, ADDRESS}
        if len(text) >= SHORT
    }


def leaks(log: Stream, secrets: set[str]) -> list[str]:
    text = log.text()
    return sorted(
        secret for secret in secrets if secret in text or json.dumps(secret)[1:-1] in text
    )


def values_of(body: bytes) -> set[str]:
    """The texts in a JSON body that are longer than a word."""
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, str) and len(value) > 2 * SHORT:
            found.add(value)
        for inner in (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        ):
            walk(inner)

    try:
        walk(json.loads(body))
    except ValueError:
        return set()
    return found


@pytest.mark.parametrize("name", ALL)
def test_a_good_request_leaves_ids_and_counts_only(
    name: str, log: Stream, settings: Settings
) -> None:
    # a time that the sender says is then none that a line of the log has
    one = ALL[name]
    now = time.time() - 2
    request = one.sign(planted(one.request(now=now)), now)
    known: list[str] = []

    def keep_and_know(arrivals: Any, replan: object) -> list[AddedEvent]:
        known.extend(f"{event.type} {event.provider_id}" for event, _ in arrivals)
        return keep_nothing(arrivals, replan)

    assert post(edge(settings, one.source(), keep=keep_and_know), request) in (
        200,
        202,
        204,
        303,
    ), log.text()
    assert "event" in log.words()
    hidden = told_of(one, request) | values_of(request.body)
    assert leaks(log, {value for value in hidden if value not in " ".join(known)}) == []


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("name", PROVEN)
def test_a_spoiled_request_leaves_a_word_only(name: str, log: Stream, settings: Settings) -> None:
    one = PROVEN[name]
    client = edge(settings, one.source())
    secrets = {one.secret, one.private, stranger(one).secret, MARKER, ADDRESS}
    secrets |= {
        value
        for header, value in one.signed().headers.items()
        if header in added(one) and len(value) >= SHORT
    }
    for what, request in spoiled(one):
        bare = replace(
            request,
            headers={
                key: value
                for key, value in request.headers.items()
                if value.isprintable() and value.isascii()
            },
        )
        if request.query_string.isascii():  # as any server has it
            assert post(client, planted(bare)) in (401, 405, 413, 503), what
    assert log.words() <= {"rejected", "no_key"}
    assert leaks(log, {text for text in secrets if len(text) >= SHORT}) == []


UNREADABLE = (
    b"{" + MARKER.encode(),
    b'{"a": ' + MARKER.encode() + b"}",
    MARKER.encode() + b"\xff",
    b"[" * 500 + MARKER.encode(),
)


@pytest.mark.parametrize("body", UNREADABLE)
@pytest.mark.parametrize(
    "media", ["application/json", FORM, "multipart/form-data; boundary=x", "text/plain"]
)
def test_what_cannot_be_read_is_not_quoted(
    body: bytes, media: str, log: Stream, settings: Settings
) -> None:
    one = ALL["github"]
    request = one.request()
    request = one.sign(
        replace(request, body=body, headers={**request.headers, "content-type": media})
    )
    assert post(edge(settings, one.source()), planted(replace(request, body=body))) in (202, 401)
    assert leaks(log, {MARKER, ADDRESS}) == []


def breaks(error: BaseException) -> Callable[..., Any]:
    def raising(*_: object) -> Any:
        try:
            raise KeyError(MARKER)
        except KeyError as cause:
            raise error from cause

    return raising


@pytest.mark.parametrize(
    "error",
    [ValueError(MARKER), KeyError(MARKER), ExceptionGroup(MARKER, [TypeError(MARKER)])],
    ids=repr,
)
def test_a_bug_says_where_it_is_and_not_what_it_met(
    error: Exception, log: Stream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ALL["github"]
    now = time.time()
    request = one.sign(planted(one.request(now=now)), now)
    assert post(edge(settings, one.source(), keep=breaks(error)), request) == 500
    monkeypatch.setattr("bridge.ingest.event_builder.plan", breaks(error))
    assert post(edge(settings, one.source()), request) == 202
    assert {"internal_error", "planning_failed"} <= log.words()
    assert log.text().count("raise error from cause") >= 2, "where"
    assert type(error).__name__ in log.text()
    assert leaks(log, {MARKER, ADDRESS}) == []


def test_errors_of_code_keep_their_text(log: Stream) -> None:
    try:
        None.lower()  # type: ignore[attr-defined]
    except AttributeError as error:
        get_logger().error("unforeseen", exc_info=error)
    assert "'NoneType' object has no attribute 'lower'" in log.text()


def test_an_error_that_led_to_itself_ends(log: Stream) -> None:
    first = ValueError(MARKER)
    second = ValueError(MARKER)
    first.__cause__, second.__cause__ = second, first
    get_logger().error("unforeseen", exc_info=first)
    assert log.text().count("Traceback") == 2
    assert leaks(log, {MARKER}) == []


def test_a_store_that_fails_says_no_values(log: Stream, settings: Settings) -> None:
    one = ALL["github"]
    now = time.time()
    request = one.sign(planted(one.request(now=now)), now)
    assert (
        post(
            edge(
                settings, one.source(), keep=breaks(StoreError("OperationalError: disk I/O error"))
            ),
            request,
        )
        == 503
    )
    assert "disk I/O error" in log.text()
    assert leaks(log, {MARKER, ADDRESS}) == []


@pytest.mark.parametrize(
    ("how", "logged"), [("full", ADDRESS), ("truncated", "203.0.113.0/24"), ("none", None)]
)
def test_as_much_of_a_callers_address_is_logged_as_the_settings_say(
    how: str, logged: str | None, log: Stream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", log)  # pytest has put its own there meanwhile
    configure("debug", how)
    assert post(edge(settings, ALL["github"].source()), planted(ALL["github"].request())) == 401
    assert json.loads(log.text())["client"] == logged


def test_what_is_logged_of_a_dry_request_says_that_it_was_dry(
    log: Stream, settings: Settings
) -> None:
    one = ALL["github"]
    client = edge(settings, ALL["github"].source())
    mark = {dry_run.HEADER.lower(): dry_run.sign_token(settings.secret_key, one.source().name)}
    for more in (mark, {}):
        assert (
            post(
                client,
                one.sign(
                    replace(one.request(), headers={**one.request().headers, **more}), time.time()
                ),
            )
            == 202
        )
        assert (
            post(client, replace(one.request(), headers={**one.request().headers, **more})) == 401
        )
    said = [json.loads(line) for line in log.text().splitlines()]
    assert [(line["event"], line.get("dry")) for line in said] == [
        ("event", True),
        ("rejected", True),
        ("event", None),
        ("rejected", None),
    ]


FIELDS = {
    "name": f"Ada {MARKER}",
    "email": f"{MARKER}@example.com",
    "age": MARKER,
    "_next": f"https://{MARKER}.example",
    "website": MARKER,
}


PART = (
    '--MARKER\r\nContent-Disposition: form-data; name="MARKER";'
    ' filename="MARKER.exe"\r\n\r\nMARKER\r\n--MARKER--\r\n'
)


@pytest.mark.parametrize("spam", [None, f"honeypot: {MARKER}"])
@pytest.mark.parametrize(
    ("media", "body"),
    [
        (FORM, urlencode(FIELDS).encode()),
        ("application/json", json.dumps(FIELDS).encode()),
        ("text/plain", f"name={MARKER}\r\n".encode()),
        (FORM, b"%zz=" + MARKER.encode() * 2000),
        ("application/json", f'{{"{MARKER}": '.encode()),
        (f"multipart/form-data; boundary={MARKER}", PART.replace("MARKER", MARKER).encode()),
        (f"application/{MARKER}", MARKER.encode()),
        (f"{FORM}; charset={MARKER}", f"name={MARKER}".encode()),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_form_leaves_nothing_of_who_filled_it_in(
    media: str,
    body: bytes,
    spam: str | None,
    log: Stream,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = ALL["form"].source()
    check = effects.check_submission
    for found in (check, lambda *given: replace(check(*given), spam=spam)):
        monkeypatch.setattr(effects, "check_submission", found)
        client = edge(settings, source)
        for accept in ("application/json", "text/html"):
            request = Request(
                method="POST",
                path="/hooks/form",
                headers={"content-type": media, "accept": accept},
                body=body,
            )
            headers = planted(request).headers | {
                "referer": f"https://{MARKER}.example/{MARKER}",
                "origin": "null",
            }
            assert post(client, replace(request, headers=headers, query_string=f"a={MARKER}")) < 500
    assert leaks(log, {MARKER, ADDRESS}) == []


# -- the worker

ECHO = {"error": {"message": f"{MARKER} is no e-mail address"}, "detail": MARKER, "code": MARKER}
ANSWERS: Mapping[str, Reply] = {
    **{
        f"says {status}": respond(status, ECHO)
        for status in (200, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 503)
    },
    "no JSON": respond(200, MARKER.encode()),
    "a page": respond(502, f"<title>{MARKER}</title>".encode()),
    "a redirect": redirect(f"https://{MARKER}.example/?{MARKER}"),
    "no HTTP": garbage(f"{MARKER}\r\n\r\n".encode()),
    "wrong headers": garbage(
        f"HTTP/1.1 200 OK\r\n{MARKER}\r\n: {MARKER}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    ),
    "a cut answer": cut_off(body=ECHO),
    "no answer": drop,
    "asks to wait": respond(429, ECHO, {"Retry-After": MARKER, "X-Planted": MARKER}),
}
KEY = "a-secret-key-of-the-platform"


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_platform_answers_is_with_the_attempt_and_not_in_the_log(
    answer: str, log: Stream, sqlite: Database
) -> None:
    with Misbehaving() as server:
        server.script("/start_pipeline", ANSWERS[answer])
        config = configured(gumloop(url=server.url, api_key=KEY, user_id="a-user-of-the-platform"))
        [one] = add(sqlite, inputs={"text": MARKER}, on_unknown="hold")
        with working(sqlite, config):
            until(
                lambda: [each for each in attempts(sqlite, one) if each.outcome], what="an attempt"
            )
            until(lambda: "attempt" in log.words(), what="its line")
    assert leaks(log, {MARKER, KEY, "a-user-of-the-platform"}) == []


def test_how_a_run_ended_is_with_the_delivery_and_not_in_the_log(
    log: Stream, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        PLATFORMS,
        "gumloop",
        replace(PLATFORMS["gumloop"], polling=Polling(first=0.03, growth=1.2, max=0.1, together=0)),
    )
    with Misbehaving() as server:
        server.script(
            "/start_pipeline",
            respond(200, {"run_id": "r1", "url": f"https://example.com/{MARKER}"}),
        )
        said = {"state": "FAILED", "outputs": {"text": MARKER}, "log": [f"ValueError: {MARKER}"]}
        server.script("/get_pl_run", respond(500, ECHO), respond(200, said))
        [one] = add(sqlite, inputs={"text": MARKER})
        with working(sqlite, configured(gumloop(url=server.url, api_key=KEY))):
            until(lambda: get(sqlite, one).run_state == "failed", what="the end of the run")
            until(lambda: "run" in log.words(), what="its line")
    assert MARKER in str(get(sqlite, one).log)
    assert leaks(log, {MARKER, KEY}) == []


@flow
def breaks_with(text: str) -> None:
    print(text)  # noqa: T201
    raise ValueError(text)


@pytest.mark.usefixtures("new_processes")
def test_a_flow_that_fails_is_told_of_without_its_inputs(
    log: Stream, sqlite: Database, tmp_path: Path
) -> None:
    with working(sqlite, configured(LOCAL), {"breaks_with": breaks_with}, data=tmp_path):
        run_id = start_run(sqlite, "breaks_with", json.dumps({"text": MARKER}))
        until(lambda: run_of(sqlite, run_id).state == "FAILED", what="the end of the run")
        until(lambda: "flow_failed" in log.words(), what="its line")
    assert run_of(sqlite, run_id).log == (MARKER, f"ValueError: {MARKER}")
    assert "raise ValueError(text)" in log.text()
    assert leaks(log, {MARKER}) == []


def test_a_call_that_meets_a_bug_says_nothing_of_the_inputs(log: Stream, sqlite: Database) -> None:
    [one] = add(sqlite, inputs={"text": MARKER}, on_unknown="hold")
    with working(
        sqlite, configured(gumloop(url="http://127.0.0.1:9")), send=breaks(ValueError(MARKER))
    ):
        until(lambda: get(sqlite, one).status is Status.UNKNOWN, what="the attempt")
    assert "call_failed" in log.words()
    assert leaks(log, {MARKER}) == []
