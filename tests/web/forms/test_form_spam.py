"""Forms as people and bots meet them: real receivers, on both databases, several of them, through
restarts.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from conftest import new_postgres_database
from servers import Misbehaving, drip, redirect, respond, slow_headers
from serving import Answer, Bridge

from bridge.ingest.forms.spam import altcha, tokens
from bridge.ingest.forms.spam.dedup import derive_key

ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  contact:
    provider: form
    rate: 1000/min and 1000/min per address
    spam: {min_fill: 30s, expires: 1h, altcha_work: 2000, block_words: words.txt, block_domains: [spam.example], max_links: 2}
  strict:
    provider: form
    rate: 1000/min and 1000/min per address
    spam: {token: required, altcha: required, min_fill: 1ms, altcha_work: 1000}
  busy: {provider: form, rate: 100/min and 3/h per address}
  full: {provider: form, rate: 1000/min and 1000/min per address, addresses: full}
  hashed: {provider: form, rate: 1000/min and 1000/min per address, addresses: hashed}
  nothing: {provider: form, rate: 1000/min and 1000/min per address, addresses: none}
  sites: {provider: form, rate: 1000/min and 1000/min per address, allowed_origins: ["https://example.com"]}
  captcha:
    provider: form
    rate: 1000/min and 1000/min per address
    spam: {captcha: {kind: turnstile, secret: "${env:CAPTCHA_SECRET}", url: "URL", timeout: 20s}}
  lenient:
    provider: form
    rate: 1000/min and 1000/min per address
    spam: {captcha: {kind: recaptcha_v3, secret: "${env:CAPTCHA_SECRET}", url: "URL", timeout: 20s, unreachable: pass}}
  hasty:
    provider: form
    rate: 1000/min and 1000/min per address
    spam: {captcha: {kind: turnstile, secret: "${env:CAPTCHA_SECRET}", url: "URL", timeout: 500ms}}
  hasty_lenient:
    provider: form
    rate: 1000/min and 1000/min per address
    spam: {captcha: {kind: recaptcha_v3, secret: "${env:CAPTCHA_SECRET}", url: "URL", timeout: 500ms, unreachable: pass}}
routes:
  - {name: one, on: contact, inputs: {all: "${form}"}, flow: local/echo}
  - {name: two, on: captcha, flow: local/echo}
  - {name: three, on: strict, flow: local/echo}
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AS_JSON = FORM | {"Accept": "application/json"}
KEY = "a-secret-key-of-the-tests-" + "x" * 32
CAPTCHA_SECRET = "c4ptcha-s3cret"
_bodies = iter(range(10**9))


@pytest.fixture(scope="module")
def service() -> Iterator[Misbehaving]:
    """A captcha's service on this machine."""
    with Misbehaving() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def web(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    service: Misbehaving,
    new_processes: None,
) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("forms")
    (folder / "words.txt").write_text("# what nobody writes us\ncasino\nbuy now\n")
    environ = {
        "FLOWBRIDGE_SECRET_KEY": KEY,
        "FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.1",
        "CAPTCHA_SECRET": CAPTCHA_SECRET,
    }
    if request.param == "postgresql":
        environ["FLOWBRIDGE_DATABASE_URL"] = new_postgres_database(
            request.getfixturevalue("postgres")
        )
    routes = ROUTES.replace("URL", f"{service.url}/verify")
    with Bridge(folder, "web", routes=routes, environ=environ) as bridge:
        yield bridge


def send(
    web: Bridge,
    source: str = "contact",
    client: str = "203.0.113.77",
    headers: dict[str, str] | None = None,
    port: int | None = None,
    **fields: str,
) -> Answer:
    """Post a form. It has a field that no other submission has, unless `n` is given."""
    filled = {"n": str(next(_bodies))} | fields
    return web.post(
        f"/hooks/{source}",
        urlencode(filled).encode(),
        AS_JSON | {"X-Forwarded-For": client} | (headers or {}),
        port=port,
    )


def event_of(web: Bridge, answer: Answer) -> Any:
    assert answer.status == 202, answer
    return web.found(answer.json["event_id"]).event


def challenge_of(web: Bridge, source: str = "contact", token: str = "") -> Any:
    answer = web.get(f"/forms/{source}/challenge?token={token}")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    return answer.json


def solved(given: Any) -> str:
    """What the widget does."""
    tried = range(given["maxnumber"] + 1)
    number = next(
        n
        for n in tried
        if hashlib.sha256(f"{given['salt']}{n}".encode()).hexdigest() == given["challenge"]
    )
    said = {name: given[name] for name in ("algorithm", "challenge", "salt", "signature")} | {
        "number": number,
        "took": 5,
    }
    return b64encode(json.dumps(said).encode()).decode()


def aged(source: str = "contact", age: float = 60.0, key: str = KEY) -> str:
    """A token as it was given out some time ago."""
    return tokens.issue_token(
        derive_key(key, "tokens"), source, time.time() - age, secrets.token_hex(16)
    )


# -- bots and people


SPAM = {
    "honeypot": {"_gotcha": "x"},
    "token": {"_token": "forged"},
    "altcha": {"altcha": "forged"},
    "word": {"m": "the best casino"},
    "name": {"m": "me@spam.example"},
    "links": {"m": "http://a http://b http://c"},
}


@pytest.mark.parametrize("layer", SPAM)
def test_spam_is_kept_with_its_reason_and_nothing_is_planned(web: Bridge, layer: str) -> None:
    found = web.found(send(web, **SPAM[layer]).json["event_id"])
    assert found.event.spam is not None and found.event.spam.startswith(f"{layer}: ")
    assert found.deliveries == []
    assert any(line.get("event_id") == found.event.id and line["spam"] == layer for line in web.log)


def test_a_person_is_planned_for(web: Bridge) -> None:
    found = web.found(
        send(web, name="Ann", _gotcha="", _token=aged(), altcha=solved(challenge_of(web))).json[
            "event_id"
        ]
    )
    assert found.event.spam is None
    [delivery] = found.deliveries
    assert set(delivery.inputs["all"]) == {"n", "name"}, "what is there against spam is no field"
    assert b"_token" in found.event.body


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_bots_get_the_same_answer_as_people_byte_for_byte(web: Bridge, accept: str) -> None:
    def shape(answer: Answer) -> tuple[Any, ...]:
        return (
            answer.status,
            {**answer.headers, "date": ""},
            re.sub(rb"evt_\w{26}", b"evt_", answer.body),
        )

    person = shape(send(web, name="Ann", headers={"Accept": accept}))
    bots = {
        layer: shape(send(web, **fields, headers={"Accept": accept}))
        for layer, fields in SPAM.items()
    }
    again = [shape(send(web, n="copy " + accept, headers={"Accept": accept})) for _ in range(2)]
    assert {layer: bot for layer, bot in bots.items() if bot != person} == {}
    assert again == [person, person]


# -- tokens


def test_the_token_of_the_challenge_is_good_for_one_submission(web: Bridge) -> None:
    token = challenge_of(web)["token"]
    assert "filled in within" in event_of(web, send(web, _token=token)).spam
    token = aged()
    first = send(web, n="once", _token=token)
    again = send(web, n="once", _token=token)
    assert first.body == again.body
    assert (event_of(web, first).spam, event_of(web, first).duplicates) == (None, 1)
    other = send(web, n="twice", _token=token)
    assert (other.status, other.json["error"]) == (409, "used_before")


def test_a_token_is_good_for_its_form_and_its_time(web: Bridge) -> None:
    given = {
        aged("strict"): "another form",
        aged(age=-120): "the future",
        aged(age=-20.0): "within",
    }
    found = {token: event_of(web, send(web, _token=token)).spam for token in given}
    assert [
        (about, found[token]) for token, about in given.items() if about not in found[token]
    ] == []


def test_who_mends_a_form_at_once_is_no_bot(web: Bridge) -> None:
    """`full` has the usual `min_fill`: the time before the mistake counts, for the page that is
    sent back and for its script.
    """
    asked = FORM | {"Accept": "text/html", "X-Forwarded-For": "203.0.113.77"}
    page = web.post("/hooks/full", urlencode({"_token": aged("full")}).encode(), asked)
    assert page.status == 422
    (token,) = re.findall(r'name="_token" value="([^"]+)"', page.body.decode())
    by_script = web.get(f"/forms/full/challenge?token={token}").json["token"]
    assert len({token, by_script}) == 2
    assert [event_of(web, send(web, "full", _token=one)).spam for one in (token, by_script)] == [
        None,
        None,
    ]
    plain = web.post("/hooks/full", b"n=", asked).body.decode()
    (token,) = re.findall(r'name="_token" value="([^"]+)"', plain)
    assert event_of(web, send(web, "full", _token=token)).spam is None, (
        "nor who pasted the form without a script"
    )


def test_a_page_that_was_open_for_too_long_is_sent_again_with_what_was_typed(web: Bridge) -> None:
    """What was good once is a person's, more likely than a bot's; a bot gets the same answer."""
    asked = FORM | {
        "Accept": "text/html",
        "Accept-Language": "de",
        "X-Forwarded-For": "203.0.113.77",
    }
    before = web.count()
    late = altcha.make_challenge(
        derive_key(KEY, "altcha"),
        "contact",
        time.time() - 60,
        salt="a" * 24,
        number=7,
        max_number=10,
    )
    for fields in (
        {"altcha": solved(late)},
        {"_token": aged(age=3700), "_gotcha": "x"},
        {"_token": aged(age=3700)},
    ):
        page = web.post("/hooks/contact", urlencode({"n": "late", **fields}).encode(), asked)
        assert page.status == 409 and "Dieses Formular war zu lange geöffnet." in page.body.decode()
        assert 'value="late"' in page.body.decode()
        assert send(web, n="late", **fields).json["error"] == "expired"
    assert web.count() == before
    (token,) = re.findall(r'name="_token" value="([^"]+)"', page.body.decode())
    assert event_of(web, send(web, n="late", _token=token)).spam is None


def test_a_double_click_sends_once_from_any_receiver(web: Bridge, tmp_path: Path) -> None:
    """Two nodes on one database, and many clicks at the same moment."""
    other = Bridge(
        tmp_path,
        "web",
        routes=web.config.read_text(),
        environ={**web.environ, "FLOWBRIDGE_BIND": "127.0.0.1:0"},
    )
    (tmp_path / "words.txt").write_text("casino\n")
    other.environ["FLOWBRIDGE_BIND"] = f"127.0.0.1:{other.port}"
    with other, ThreadPoolExecutor(12) as pool:
        for fields in ({"n": "double", "_token": aged()}, {"n": "double without a token"}):
            ports = [web.port, other.port] * 6
            answers = list(
                pool.map(lambda port, fields=fields: send(web, port=port, **fields), ports)
            )
            assert len({(one.status, one.body) for one in answers}) == 1
            found = web.found(answers[0].json["event_id"])
            assert (found.event.duplicates, len(found.deliveries)) == (11, 1)


def test_a_browser_writes_another_boundary_each_time(web: Bridge) -> None:
    def multipart(boundary: str) -> Answer:
        body = (
            f"--{boundary}\r\nContent-Disposition: form-data;"
            f' name="n"\r\n\r\nparts\r\n--{boundary}--\r\n'.encode()
        )
        kind = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Accept": "application/json",
        }
        return web.post("/hooks/contact", body, kind | {"X-Forwarded-For": "203.0.113.77"})

    assert multipart("aaa").body == multipart("bbb").body


def test_the_same_from_another_address_or_with_another_token_is_another(web: Bridge) -> None:
    sent = [
        send(web, n="same"),
        send(web, n="same", client="203.0.113.78"),
        *(send(web, n="same", _token=aged()) for _ in range(2)),
    ]
    assert len({one.json["event_id"] for one in sent}) == 4


def test_what_is_remembered_outlives_a_restart(web: Bridge) -> None:
    token = aged()
    work = solved(challenge_of(web))
    first = send(web, n="restart", _token=token, altcha=work)
    limited = [send(web, "busy", client="198.51.100.1").status for _ in range(3)]
    web.stop()
    web.start()
    assert send(web, n="restart", _token=token, altcha=work).body == first.body
    assert send(web, n="other", _token=token).status == 409
    assert send(web, n="third", altcha=work).status == 409
    again = [send(web, "busy", client=f"198.51.100.{n}").status for n in (1, 2)]
    assert [*limited, *again] == [202, 202, 202, 429, 202]


def test_a_refused_token_of_another_key_is_spam(web: Bridge) -> None:
    assert (
        "not issued by this flowbridge"
        in event_of(web, send(web, _token=aged(key="another key"))).spam
    )


# -- what is required


def test_a_form_can_require_a_token_and_work(web: Bridge) -> None:
    assert event_of(web, send(web, "strict")).spam == "token: no token was sent"
    given = challenge_of(web, "strict")
    assert (
        event_of(web, send(web, "strict", _token=given["token"])).spam
        == "altcha: no solution was sent"
    )
    given = challenge_of(web, "strict")
    found = web.found(
        send(web, "strict", _token=given["token"], altcha=solved(given)).json["event_id"]
    )
    assert (found.event.spam, len(found.deliveries), found.deliveries[0].inputs.keys()) == (
        None,
        1,
        {"n"},
    )


def test_a_challenge_is_for_its_form_and_its_sites(web: Bridge) -> None:
    assert event_of(
        web, send(web, "strict", _token=aged("strict"), altcha=solved(challenge_of(web)))
    ).spam.endswith("another form")
    allowed = {
        origin: (
            web.get("/forms/sites/challenge", {"Origin": origin}).headers.get(
                "access-control-allow-origin"
            )
        )
        for origin in ("https://example.com", "https://evil.example")
    }
    assert allowed == {"https://example.com": "https://example.com", "https://evil.example": None}
    assert web.get("/forms/contact/challenge").headers["access-control-allow-origin"] == "*"
    assert [
        web.get(f"/forms/{name}/challenge").status for name in ("nobody", "..%2fcontact", "x" * 300)
    ] == [404] * 3
    script = web.get("/forms/altcha.js")
    assert (
        script.status == 200
        and script.headers["content-type"].startswith("text/javascript")
        and b"data-altcha" in script.body
    )


# -- addresses


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("full", "203.0.113.77"),
        ("contact", "203.0.113.0/24"),
        ("hashed", "hmac:"),
        ("nothing", None),
    ],
)
def test_no_more_of_an_address_is_kept_than_the_form_says(
    web: Bridge, source: str, kept: str | None
) -> None:
    proxied = {
        "CF-Connecting-IP": "203.0.113.77",
        "X-Real-IP": "203.0.113.77",
        "True-Client-IP": "203.0.113.77",
        "Forwarded": "for=203.0.113.77",
        "X-Some-Proxy": "203.0.113.77",
    }
    said_before = len(web.stderr)
    event = event_of(web, send(web, source, headers=proxied))
    assert event.client == kept or (kept == "hmac:" and event.client.startswith(kept))
    with web.database.read() as connection:
        tables = ("event", "recent", "reject", "delivery")
        stored = "".join(
            repr(connection.exec_driver_sql(f"SELECT * FROM {table}").all())  # noqa: S608
            for table in tables[1:]
        )
        stored += repr(
            connection.exec_driver_sql(f"SELECT * FROM event WHERE id = '{event.id}'").all()  # noqa: S608
        )
    assert ("203.0.113.77" in stored) is (source == "full")
    assert "203.0.113.77" not in web.stderr[said_before:]


# -- a captcha's service


def captcha(web: Bridge, source: str = "captcha", response: str = "tok", **fields: str) -> Answer:
    field = "g-recaptcha-response" if "lenient" in source else "cf-turnstile-response"
    return send(web, source, **{field: response}, **fields)


def test_who_solved_it_gets_through_and_is_asked_about_once(
    web: Bridge, service: Misbehaving
) -> None:
    service.script(
        "/verify",
        respond(200, {"success": True}),
        respond(200, {"success": False, "error-codes": ["timeout-or-duplicate"]}),
    )
    before = len(service.received)
    first = captcha(web, n="solved")
    again = captcha(web, n="solved")
    found = web.found(first.json["event_id"])
    assert (found.event.spam, found.event.duplicates, len(found.deliveries), again.body) == (
        None,
        1,
        1,
        first.body,
    )
    [asked] = service.received[before:]
    assert (asked.method, asked.body) == ("POST", f"secret={CAPTCHA_SECRET}&response=tok".encode())


def test_what_a_captcha_gave_comes_along_where_nobody_was_asked_about_it_yet(
    web: Bridge, service: Misbehaving
) -> None:
    asked = FORM | {"Accept": "text/html", "X-Forwarded-For": "203.0.113.77"}
    before = len(service.received)
    page = web.post(
        "/hooks/captcha",
        urlencode({"cf-turnstile-response": "tok-1", "_token": aged("captcha")}).encode(),
        asked,
    )
    assert page.status == 422 and len(service.received) == before
    hidden = dict(
        re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', page.body.decode())
    )
    assert hidden.keys() == {"cf-turnstile-response", "_token"}
    service.script("/verify", respond(200, {"success": True}))
    assert event_of(web, send(web, "captcha", **hidden)).spam is None
    token = aged("captcha")
    service.script("/verify", respond(200, {"success": True}))
    send(web, "captcha", n="first", _token=token, **{"cf-turnstile-response": "tok-2"})
    again = urlencode({"n": "other", "_token": token, "cf-turnstile-response": "tok-3"}).encode()
    page = web.post("/hooks/captcha", again, asked)
    assert page.status == 409 and b"tok-3" not in page.body and b"other" in page.body


def test_a_page_of_ours_is_sent_by_work_in_place_of_a_captcha(
    web: Bridge, service: Misbehaving
) -> None:
    before = len(service.received)
    page = web.get("/forms/captcha").body.decode()
    assert "enable JavaScript to send this form" in page
    (token,) = re.findall(r'name="_token" value="([^"]+)"', page)
    given = challenge_of(web, "captcha", token)
    assert event_of(web, send(web, "captcha", _token=given["token"])).spam.startswith(
        ("token: ", "captcha: ")
    )
    ours = tokens.issue_token(
        derive_key(KEY, "tokens"), "captcha", time.time() - 60, secrets.token_hex(16), is_ours=True
    )
    assert event_of(web, send(web, "captcha", _token=ours, altcha=solved(given))).spam is None
    assert len(service.received) == before, "nobody is asked"


def test_who_is_asked_too_late_lets_the_first_go(web: Bridge, service: Misbehaving) -> None:
    """Of two clicks at once the service says yes to one only, and that may be the one that is kept
    second.
    """
    service.script(
        "/verify",
        respond(200, {"success": False, "error-codes": ["timeout-or-duplicate"]}),
        respond(200, {"success": True}),
    )
    first = captcha(web, n="late")
    again = captcha(web, n="late")
    found = web.found(first.json["event_id"])
    assert (found.event.spam, len(found.deliveries), again.body) == (None, 1, first.body)


def is_held(
    web: Bridge, service: Misbehaving, reply: Any, reason: str, sources: tuple[str, str]
) -> None:
    """Whether a service that replies so has the one source hold it and the other let pass what
    could not be checked.
    """
    service.script("/verify", reply)
    strict, lenient = sources
    assert reason in event_of(web, captcha(web, strict)).spam
    assert (event_of(web, captcha(web, lenient)).spam is None) is ("could not" in reason)
    assert CAPTCHA_SECRET not in web.stderr


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (respond(200, {"success": False}), "captcha: it was not solved"),
        (respond(200, {"success": "yes"}), "could not be checked"),
        (respond(200, b"<html>garbage"), "could not be checked"),
        (respond(200, b"x" * 200_000), "could not be checked"),
        (respond(503, {"success": True}), "could not be checked"),
        (redirect("http://127.0.0.1:1/"), "could not be checked"),
    ],
    ids=["no", "no boolean", "garbage", "too much", "503", "redirect"],
)
def test_what_is_no_plain_yes_holds_it(
    web: Bridge, service: Misbehaving, reply: Any, reason: str
) -> None:
    is_held(web, service, reply, reason, ("captcha", "lenient"))


@pytest.mark.parametrize(
    "reply",
    [slow_headers(3600.0), drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000)],
    ids=["slow", "drips"],
)
def test_a_service_that_takes_longer_than_it_may_is_not_waited_for(
    web: Bridge, service: Misbehaving, reply: Any
) -> None:
    """Else the answer would come after an hour."""
    is_held(web, service, reply, "could not be checked", ("hasty", "hasty_lenient"))


def test_a_service_that_hangs_takes_no_more_than_its_share_of_threads(
    web: Bridge, service: Misbehaving
) -> None:
    service.script("/verify", slow_headers(30.0))
    with ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(captcha, web, "hasty") for _ in range(30)]
        assert send(web).status == 202
        assert all("could not be checked" in event_of(web, each.result()).spam for each in waiting)
