"""`redact`: what a source must not keep gives way to a receipt before anything is planned or
stored; what cannot be read is left out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from command_line import lines, run
from forms import MULTIPART, PNG, multipart, part
from hypothesis import given
from hypothesis import strategies as st
from receiving import receive_request
from records import NOW
from serving import Bridge, github, until

from bridge.config.loader import check
from bridge.core.errors import SettingsError
from bridge.core.http_messages import Request
from bridge.core.model import Delivery, Event
from bridge.ingest.redaction import add_keys, compile_redaction, redaction_mark
from bridge.ingest.rejects import build_reject, readmission_obstacle
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import events

KEY = "k" * 40
SECRET = "It's a Secret to Everybody"
SSN = "078-05-1120"
CARD = "4111111111111111"
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  crm:
    provider: hmac
    secret: "SECRET"
    verify: {header: X-Signature, algorithm: sha256, encoding: hex, signed: ["{body}"]}
    event_id: body:customer.ssn
    redact: [body.customer.ssn, "body.items[].card", body.whole, headers.X-User, query.token]
  contact: {provider: form, redact: [form.ssn]}
  photos: {provider: form, files: true, redact: [form.ssn]}
  github: {provider: github, secret: "SECRET", redact: body.customer.ssn}
routes:
  - name: all
    on: crm
    inputs: {ssn: "${body.customer.ssn}", cards: "${body.items[].card}", user: "${headers.\\"x-user\\"}"}
    flow: local/echo
  - {name: form, on: contact, inputs: {ssn: "${form.ssn}", name: "${form.name}"}, flow: local/echo}
  - {name: photo, on: photos, inputs: {ssn: "${form.ssn}", photo: "${form.photo}"}, flow: local/echo}
  - {name: hub, on: github, inputs: {ssn: "${body.customer.ssn}"}, flow: local/echo}
""".replace("SECRET", SECRET)
BODY = (
    b'{"customer": {"ssn": "078-05-1120", "n": 12345678901234567890123, "f": 1.10}, '
    b'"items": [{"card": 4111111111111111}, {"card": null}], "whole": {"b": 1, "a": 2}}'
)


@pytest.fixture
def config(folder: Path) -> Config:
    (folder / "routes.yaml").write_text(ROUTES)
    found, report = check(folder / "routes.yaml", {})
    assert found is not None, report
    return found


Taken = tuple[Event, list[Delivery]]


def take(
    config: Config,
    body: bytes,
    source: str = "crm",
    key: str = KEY,
    query: str = "",
    **headers: str,
) -> Taken:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    sent = {
        "content-type": "application/json",
        "x-signature": digest,
        "x-hub-signature-256": f"sha256={digest}",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(
        method="POST", path=f"/hooks/{source}", headers=sent, body=body, query_string=query
    )
    kept: list[Any] = []

    def keep(arrivals: Any, _replan: object) -> Any:
        from bridge.store.inbound.arrivals import AddedEvent

        kept.extend(arrivals)
        return [AddedEvent(event.id, tuple(deliveries)) for event, deliveries in arrivals]

    receive_request(request, add_keys(config.sources[source], key), config, keep, NOW)
    ((event, deliveries),) = kept
    return event, deliveries


def test_values_give_way_to_receipts_and_nothing_else_changes(config: Config) -> None:
    event, (delivery,) = take(
        config, BODY, query="a=1&token=little%40d&b=", x_user="ann@example.com"
    )
    ssn, card, whole = (redaction_mark(KEY, "crm", text) for text in (SSN, CARD, '{"a":2,"b":1}'))
    expected = BODY.replace(b'"078-05-1120"', json.dumps(ssn).encode()).replace(
        b"4111111111111111", json.dumps(card).encode()
    )
    assert event.body == expected.replace(b'{"b": 1, "a": 2}', json.dumps(whole).encode())
    assert (
        event.query_string
        == f"a=1&token={quote(redaction_mark(KEY, 'crm', 'little@d'), safe='')}&b="
    )
    assert event.headers["x-user"] == redaction_mark(KEY, "crm", "ann@example.com")
    assert delivery.inputs == {"ssn": ssn, "cards": [card], "user": event.headers["x-user"]}
    assert event.provider_id == ssn
    assert (
        event.body_sha256
        == hashlib.sha256(event.body).hexdigest()
        != hashlib.sha256(BODY).hexdigest()
    )
    # no l is in what is random
    assert not any(secret in repr((event, delivery)) for secret in (SSN, CARD, "ann@", "little"))


def test_the_same_value_has_the_same_receipt_and_no_other_source_or_key_has(config: Config) -> None:
    assert (
        take(config, BODY)[0].provider_id
        == take(config, b'{"customer":{"ssn":"078-05-1120"}}')[0].provider_id
    )
    assert (
        len(
            {
                redaction_mark(key, source, text)
                for key in (KEY, "x" * 40)
                for source in ("a", "b")
                for text in (SSN, CARD)
            }
        )
        == 8
    )


def test_a_value_that_nests_deep_is_redacted(config: Config) -> None:
    crm = replace(config.sources["crm"], max_depth=500)
    whole = "[" * 450 + json.dumps(SSN) + "]" * 450
    event, _ = take(replace(config, sources={"crm": crm}), f'{{"whole": {whole}, "n": 1}}'.encode())
    mark = redaction_mark(KEY, "crm", whole)
    assert event.body == f'{{"whole": "{mark}", "n": 1}}'.encode()


def test_a_key_that_comes_twice_is_redacted_twice(config: Config) -> None:
    event, _ = take(
        config, b'{"customer": {"ssn": "111"}, "customer": {"ssn": "222", "ss\\u006e": "333"}}'
    )
    assert not any(each in event.body for each in (b"111", b"222", b"333"))


UNREADABLE = {
    "cut": b'{"customer": {"ssn": "078-05-1120"',
    "text": b"my number is 078-05-1120",
    "bytes": b"\xff\xfe078-05-1120",
    "a list of lists that is too deep": b"[" * 200 + b'"078-05-1120"' + b"]" * 200,
    "a byte order mark": b'\xef\xbb\xbf{"customer": {"ssn": "078-05-1120"}}',
    "a text": b'"078-05-1120"',
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_kept_without_its_body(config: Config, name: str) -> None:
    event, deliveries = take(config, UNREADABLE[name])
    assert event.body == b"" and deliveries == []
    assert event.problem is not None and "redact" in event.problem
    assert (
        hashlib.sha256(UNREADABLE[name]).hexdigest()
        != event.body_sha256
        != hashlib.sha256(b"").hexdigest()
    )
    assert SSN not in repr(event)


FORMS: dict[str, tuple[str, bytes]] = {
    "urlencoded": (
        "application/x-www-form-urlencoded",
        b"name=Ann&ssn=078-05-1120&ssn=9&tag=a%26b",
    ),
    "json": ("application/json", b'{"name": "Ann", "ssn": ["078-05-1120", "9"], "tag": "a&b"}'),
    "multipart": (
        "multipart/form-data; boundary=x",
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % pair
            for pair in (
                (b"name", b"Ann"),
                (b"ssn", b"078-05-1120"),
                (b"ssn", b"9"),
                (b"tag", b"a&b"),
            )
        )
        + b"--x--\r\n",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_fields_of_a_form_are_kept_as_json_without_it(config: Config, name: str) -> None:
    content_type, body = FORMS[name]
    event, (delivery,) = take(config, body, "contact", content_type=content_type)
    assert SSN not in repr((event, delivery))
    assert (
        json.loads(event.body)["tag"] == "a&b"
        and event.headers["content-type"] == "application/json"
    )
    assert delivery.inputs == {
        "name": "Ann",
        "ssn": redaction_mark(KEY, "contact", '["078-05-1120","9"]'),
    }
    assert event.body_sha256 != hashlib.sha256(body).hexdigest()


def test_a_file_stays_in_its_field_where_another_field_is_redacted(config: Config) -> None:
    body = multipart(part("ssn", SSN.encode()), part("photo", PNG, "photo.png", "image/png"))
    event, (delivery,) = take(config, body, "photos", content_type=MULTIPART)
    assert SSN not in repr((event, delivery)) and [file.name for file in event.files] == [
        "photo.png"
    ]
    assert delivery.inputs is not None and delivery.inputs["ssn"] == redaction_mark(
        KEY, "photos", SSN
    )
    assert delivery.inputs["photo"]["sha256"] == hashlib.sha256(PNG).hexdigest()


def test_json_within_a_form_is_redacted_too(config: Config) -> None:
    body = b"payload=" + quote('{"customer": {"ssn": "078-05-1120"}}').encode()
    kind = "application/x-www-form-urlencoded"
    event, (delivery,) = take(
        config, body, "github", content_type=kind, x_github_event="issues", x_github_delivery="d1"
    )
    assert SSN not in repr((event, delivery)) and delivery.inputs == {
        "ssn": redaction_mark(KEY, "github", SSN)
    }


def test_without_a_key_nothing_is_taken(config: Config) -> None:
    with pytest.raises(SettingsError):
        take(config, BODY, key="")


def test_a_reject_keeps_nothing_of_a_body_that_nobody_has_proven(config: Config) -> None:
    request = Request(
        method="POST",
        path="/hooks/crm",
        headers={"x-user": "ann@example.com"},
        body=BODY,
        query_string="token=abc",
    )
    reject = build_reject(request, config.sources["crm"], "mismatch", NOW, "rej_1")
    assert not any(secret in repr(reject) for secret in (SSN, CARD, "ann@", "abc"))
    assert (
        readmission_obstacle(reject, config)
        == f"only the first 0 of its {len(BODY)} bytes are stored"
    )


@pytest.mark.parametrize(
    "text", ["", "ssn", "body", "body.", "body.a..b", "fields.x", "cookies.x", "headers."]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid path"):
        compile_redaction((text,))


NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.text() | st.integers(-(2**53), 2**53) | st.booleans() | st.none()
VALUES = st.recursive(LEAVES, lambda each: st.lists(each) | st.dictionaries(NAMES, each))


@given(VALUES.map(lambda value: {"a": {"b": value}, "c": [{"b": value}, 1]}))
def test_whatever_stands_there_is_gone_and_the_rest_stays(value: dict[str, Any]) -> None:
    from bridge.core.masking import rewrite_values

    written = rewrite_values(
        json.dumps(value).encode(),
        compile_redaction(("body.a.b", "body.c[].b")).body,
        lambda _: b'"gone"',
    )
    assert written is not None and json.loads(written) == {
        "a": {"b": "gone"},
        "c": [{"b": "gone"}, 1],
    }


# -- the commands


def test_a_value_is_recognized_by_its_receipt_and_erased_by_it(
    config: Config, store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_SECRET_KEY", KEY)
    event, deliveries = take(config, BODY, x_user="ann@example.com")
    events.add(store, event, deliveries, lambda *_: [])
    (shown,) = lines(run("fingerprint", SSN, "--source", "crm", "--json"))
    assert shown == {"source": "crm", "fingerprint": redaction_mark(KEY, "crm", SSN)}
    assert (
        run("fingerprint", "-", "--source", "crm", input=SSN).stdout.strip() == shown["fingerprint"]
    )
    assert [
        one["id"] for one in lines(run("events", "--json", "--body", shown["fingerprint"]))
    ] == [event.id]
    assert lines(run("erase", "ann@example.com", "--dry-run", "--json")) == [{"count": 1}]
    assert run("erase", SSN, "--field", "ssn", "--yes").exit_code == 0
    assert lines(run("events", "--json")) == []


def test_what_is_wrong_is_said_at_its_place(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("[form.ssn]", "[ssn]"))
    said = run("check")
    assert said.exit_code in {1, 2}
    assert "is not a valid path" in said.stdout + said.stderr


# -- a whole bridge


@pytest.mark.usefixtures("new_processes")
def test_a_whole_bridge_has_it_neither_on_disk_nor_in_its_log(folder: Path) -> None:
    """Sent, verified, run to its end, refused, said in the log at its most talkative: the value is
    nowhere.
    """
    routes = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}", redact: [body.customer.ssn, headers.X-User]}
  contact: {provider: form, redact: form.ssn}
routes:
  - {name: hub, on: github, inputs: {body: "${body}"}, flow: local/echo}
  - {name: form, on: contact, inputs: {form: "${form}"}, flow: local/echo}
"""
    with Bridge(
        folder, routes=routes, environ={"FLOWBRIDGE_LOG": "debug", "FLOWBRIDGE_SECRET_KEY": KEY}
    ) as bridge:
        body = (
            b'{"customer": {"ssn": "078-05-1120", "name": "Ann Smith"}, "big": %s}'
            % json.dumps("x" * 9000).encode()
        )
        fields = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answers = [bridge.post("/hooks/contact", b"ssn=078-05-1120&name=Ann+Smith", fields)]
        for sent in (body, body[:-9]):  # the second cannot be read
            answers.append(bridge.post("/hooks/github", sent, github(sent, X_User="078-05-1120")))
        refused = bridge.post("/hooks/github", body, {**github(b"{}"), "X-User": "078-05-1120"})
        assert ([one.status for one in answers], refused.status) == ([202, 202, 202], 401)
        until(lambda: bridge.count("delivery", "run_state = 'done'") == 2, what="both runs")
        kept = b"".join(
            path.read_bytes() for path in sorted((folder / "data").rglob("*")) if path.is_file()
        )
        told = bridge.stderr
    assert SSN.encode() not in kept and SSN not in told
    assert (
        kept.count(redaction_mark(KEY, "github", SSN).encode()) >= 2
        and kept.count(redaction_mark(KEY, "contact", SSN).encode()) >= 2
    )
    assert (
        b"Ann Smith" in kept and "Smith" not in told and SECRET not in told and "rejected" in told
    )
