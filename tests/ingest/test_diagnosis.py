"""Why a request failed: each way of going wrong is named, nothing secret is said, and only what
verifies is let in, once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import NOW
from serving import Bridge, until
from signed_rejects import make_reject

from bridge.config.loader import load
from bridge.core.errors import BadSignature, NotFound
from bridge.core.http_messages import Request
from bridge.core.model import Reject
from bridge.ingest.diagnosis import NOT_KEPT, REASONS, UNREADABLE, diagnose
from bridge.ingest.rejects import (
    MAX_REJECT_BODY_BYTES,
    build_reject,
    prepare_readmission,
    readmission_obstacle,
    rebuild_request,
)
from bridge.providers.signatures.scheme import Secret
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import rejects
from bridge.system.ids import event_id, reject_id

NEW = "new-secret-of-github"
OLD = "old-secret-of-github"
OTHER = "secret-of-the-other-one"
STRIPE = "whsec_stripe_secret"
HEX = "ab" * 16
SVIX = "whsec_" + base64.b64encode(b"k" * 24).decode()
SECRETS = {
    "NEW": NEW,
    "OLD": OLD,
    "OTHER": OTHER,
    "STRIPE": STRIPE,
    "SVIX": SVIX,
    "TOKEN": "a-long-random-token",
    "HEX": HEX,
    "TEAMS": base64.b64encode(b"k" * 32).decode(),
}
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secrets: ["${env:NEW}", {value: "${env:OLD}", not_after: 2020-01-01}]}
  fork: {provider: github, secret: "${env:OTHER}"}
  stripe: {provider: stripe, secret: "${env:STRIPE}"}
  svix: {provider: svix, secret: "${env:SVIX}"}
  token: {provider: token, secret: "${env:TOKEN}"}
  parameter: {provider: token, secret: "${env:TOKEN}", verify: {query: token}}
  figma: {provider: figma, secret: "${env:TOKEN}"}
  teams: {provider: msteams_outgoing, secret: "${env:TEAMS}"}
  slack: {provider: slack, secret: "${env:NEW}"}
  sns: {provider: aws_sns, pins: {topic_arn: "arn:aws:sns:eu-central-1:123456789012:garden"}}
  crm: {provider: hmac, secret: "${env:HEX}", verify: {header: X-Sig, algorithm: sha256, encoding: hex}}
routes:
  - {name: all, on: github, inputs: {a: "${body.a}"}, flow: local/echo}
"""
BODY = b'{"a":1,"b":"\xc3\xa9"}'


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("config") / "routes.yaml"
    path.write_text(ROUTES)
    return load(path, SECRETS)


def digest(secret: str | bytes, body: bytes = BODY, algorithm: str = "sha256") -> bytes:
    return hmac.digest(secret if isinstance(secret, bytes) else secret.encode(), body, algorithm)


def github(
    config: Config,
    headers: Mapping[str, str],
    body: bytes = BODY,
    source: str = "github",
    now: float = NOW,
) -> Reject:
    given = {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-github-delivery": "d-1",
        **headers,
    }
    request = Request(
        method="POST",
        path=f"/hooks/{source}",
        headers=given,
        body=body,
        url=f"https://x/hooks/{source}",
        client="203.0.113.9",
    )
    with pytest.raises(BadSignature) as bad:
        config.sources[source].scheme.verify(request, config.sources[source].secrets, now)
    return build_reject(request, config.sources[source], bad.value.reason, now, reject_id(now))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def signed(secret: str, body: bytes = BODY, **more: Any) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + digest(secret, body, **more).hex()}


def stripe(at: float, secret: str = STRIPE) -> dict[str, str]:
    return {
        "stripe-signature": f"t={int(at)},v1={digest(secret, f'{int(at)}.'.encode() + BODY).hex()}"
    }


INDENTED = json.dumps(json.loads(BODY), indent=2, ensure_ascii=False).encode()
SHA = hashlib.sha256(BODY).hexdigest()
CASES: dict[str, tuple[str, dict[str, str], bytes, str]] = {
    "missing": (
        "github",
        {},
        BODY,
        "The signature is missing: expected in header:x-hub-signature-256, and no header",
    ),
    "sha1 only": (
        "github",
        {"x-hub-signature": "sha1=00"},
        BODY,
        "found instead: 'x-hub-signature'.",
    ),
    "renamed": (
        "github",
        {"hub-signature-256": "sha256=00"},
        BODY,
        "is in the header 'hub-signature-256', not in header:x-hub-sig",
    ),
    "old secret": (
        "github",
        signed(OLD),
        BODY,
        "an expired secret of this source",
    ),
    "swapped": ("github", signed(OTHER), BODY, "signed with the secret of the source 'fork'"),
    "line end added": (
        "github",
        signed(NEW),
        BODY + b"\n",
        "for the body without the line end it came with",
    ),
    "line end lost": (
        "github",
        signed(NEW, BODY + b"\n"),
        BODY,
        "for the body with a line end after it",
    ),
    "written anew": (
        "github",
        signed(NEW),
        json.dumps(json.loads(BODY)).encode(),
        "for the body written as compact JSON:",
    ),
    "indented": ("github", signed(NEW, INDENTED), BODY, "indented by 2"),
    "base64": (
        "github",
        {"x-hub-signature-256": "sha256=" + b64(digest(NEW))},
        BODY,
        "written as base64, ",
    ),
    "sha1": (
        "github",
        {"x-hub-signature-256": "sha256=" + digest(NEW, BODY, "sha1").hex()},
        BODY,
        "made with sha1, where sha256",
    ),
    "no prefix": (
        "github",
        {"x-hub-signature-256": digest(NEW).hex()},
        BODY,
        "the prefix 'sha256=' is missing",
    ),
    "hex key": (
        "crm",
        {"x-sig": digest(bytes.fromhex(HEX)).hex()},
        BODY,
        "decoded from hexadecimal (expected: ",
    ),
    "stale": (
        "stripe",
        stripe(NOW - 900),
        BODY,
        "The signature is right, but was made 900 seconds before it arrived, and 300 are allowed",
    ),
    "fast": (
        "stripe",
        stripe(NOW + 901),
        BODY,
        "901 seconds after it arrived, and 300 are allowed: this machine's clock is behind",
    ),
    "stale and wrong": (
        "stripe",
        stripe(NOW - 900, "x"),
        BODY,
        "Its timestamp says that it was signed 900 seconds before",
    ),
    "wrong sender": (
        "stripe",
        signed(NEW),
        BODY,
        "It verifies for the source 'github' (GitHub): the sender uses the wrong URL",
    ),
    "looks like": (
        "github",
        stripe(NOW, "x"),
        BODY,
        "It looks like Stripe: it has the header 'stripe-signature'",
    ),
    "whsec": (
        "svix",
        {
            "svix-id": "m",
            "svix-timestamp": str(int(NOW)),
            "svix-signature": (
                "v1," + base64.b64encode(digest(SVIX, f"m.{int(NOW)}.".encode() + BODY)).decode()
            ),
        },
        BODY,
        "the secret is used as text (expected: ",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_way_of_going_wrong_is_named(config: Config, name: str) -> None:
    source, headers, body, said = CASES[name]
    found = diagnose(github(config, headers, body, source), config)
    assert any(said in one for one in found), found
    text = " ".join(found)
    assert not any(secret in text for secret in SECRETS.values())
    assert "sha256=" not in text.replace("'sha256='", "") and SHA not in text


def test_a_signature_by_an_unknown_secret_has_no_diagnosis(config: Config) -> None:
    assert diagnose(github(config, signed("unknown")), config) == []


def test_an_api_key_in_place_of_the_secret_is_named_and_not_shown(config: Config) -> None:
    key = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
    source = replace(config.sources["stripe"], secrets=(Secret(key),))
    wrong = replace(config, sources={**config.sources, "stripe": source})
    signed = hmac.new(STRIPE.encode(), f"{NOW:.0f}.".encode() + BODY, "sha256").hexdigest()
    found = diagnose(
        github(wrong, {"stripe-signature": f"t={NOW:.0f},v1={signed}"}, source="stripe"), wrong
    )
    assert found[0].startswith(
        "A secret of the source may be wrong: a value that starts with `sk_test_` is an API key of"
        " Stripe"
    )
    assert "whsec_…" in found[0] and key not in str(found)


def test_what_verifies_now_is_said(config: Config) -> None:
    reject = replace(github(config, {}), headers=signed(NEW))
    assert diagnose(reject, config) == [
        "It verifies now, with the current routes.yaml: `flowbridge rejects readmit` accepts it."
    ]


def test_a_cut_body_a_masked_credential_and_a_source_that_is_gone_are_obstacles(
    config: Config,
) -> None:
    big = github(config, signed(NEW), b"x" * (MAX_REJECT_BODY_BYTES + 1))
    assert (len(big.body), big.size, big.cut) == (
        MAX_REJECT_BODY_BYTES,
        MAX_REJECT_BODY_BYTES + 1,
        True,
    )
    assert "Only the first 65536 of its 65537 bytes are stored" in diagnose(big, config)[-1]
    redacted = replace(big, body=b"", size=20)
    assert (
        "Its body is not stored, because its source has `redact`" in diagnose(redacted, config)[-1]
    )
    token = github(config, {"authorization": "Bearer wrong-secret"}, source="token")
    assert token.headers["authorization"] == "***" and "credential is not stored" in (
        readmission_obstacle(token, config) or ""
    )
    gone = replace(big, source="gone")
    assert diagnose(gone, config) == ["routes.yaml no longer has the source 'gone'"]
    for reject in (big, token, gone):
        with pytest.raises(BadSignature):
            prepare_readmission(reject, config, new_id=lambda _: "")


SHOWN: dict[str, tuple[str, dict[str, str], bytes, str]] = {
    "header": ("token", {"authorization": "Bearer w-r-o-n-g"}, b"{}", ""),
    "query": ("parameter", {}, b"{}", "a=1&token=w-r-o-n-g"),
    "signed header": ("teams", {"authorization": "HMAC w-r-o-n-g"}, b"{}", ""),
    "body": ("figma", {}, b'{"passcode": "w-r-o-n-g", "event_type": "PING"}', ""),
    "long body": (
        "figma",
        {},
        b'{"passcode": "w-r-o-n-g", "long": "' + b"x" * MAX_REJECT_BODY_BYTES + b'"}',
        "",
    ),
    "body cut in the passcode": (
        "figma",
        {},
        b'{"long": "' + b"x" * (MAX_REJECT_BODY_BYTES - 26) + b'", "passcode": "w-r-o-n-g"}',
        "",
    ),
    "broken body": ("figma", {}, b'{"event_type": "PING", "passcode": "w-r-o-n-g"', ""),
    "form": (
        "figma",
        {"content-type": "application/x-www-form-urlencoded"},
        b"passcode=w-r-o-n-g",
        "",
    ),
    "other body": ("figma", {"content-type": "text/xml"}, b"<passcode>w-r-o-n-g</passcode>", ""),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_was_shown_in_place_of_the_secret_is_not_kept_and_that_is_said(
    config: Config, name: str
) -> None:
    source, headers, body, query = SHOWN[name]
    request = Request(
        method="POST",
        path="/",
        headers={"content-type": "application/json", **headers},
        body=body,
        query_string=query,
        url=f"https://x/hooks/{source}?{query}",
    )
    reject = build_reject(request, config.sources[source], "mismatch", NOW, "rej_x")
    assert "w-r-o" not in repr(reject)
    assert reject.size == len(body)
    if name not in ("form", "other body"):
        assert reject.cut or (
            "its credential is not stored" in (readmission_obstacle(reject, config) or "")
            and NOT_KEPT in diagnose(reject, config)
        )
    with pytest.raises(BadSignature):
        prepare_readmission(reject, config, new_id=lambda _: "")


def test_a_body_that_is_signed_is_kept_whole_since_it_may_verify_later(config: Config) -> None:
    body = b'{"token":"deprecated","type":"x"}'
    source = config.sources["slack"]
    request = source.scheme.sign(
        Request(method="POST", path="/", headers={"content-type": "application/json"}, body=body),
        NEW,
        NOW,
    )
    reject = build_reject(request, source, "mismatch", NOW, "rej_x")
    assert reject.body == body and readmission_obstacle(reject, config) is None
    prepared = prepare_readmission(reject, config, new_id=lambda _: "evt_x")
    assert prepared is not None
    ((event, _),) = prepared.arrivals
    assert b"deprecated" not in event.body


@pytest.mark.parametrize(
    ("source", "place"),
    [("token", "header:authorization"), ("parameter", "query:token"), ("figma", "body:passcode")],
)
def test_a_token_that_is_missing_is_said(config: Config, source: str, place: str) -> None:
    found = diagnose(github(config, {}, source=source), config)
    assert (
        f"The token or password is missing: expected in {place}, and no header looks like a"
        " signature" in found[0]
    )


def test_a_header_in_another_form_than_the_sender_uses_is_said(config: Config) -> None:
    reject = github(config, {"stripe-signature": "t=1,t=2,v1=0"}, source="stripe")
    assert reject.reason == "malformed"
    assert diagnose(reject, config) == [REASONS["malformed"]]


def test_a_query_that_cannot_be_read_is_no_reason_to_fail(config: Config) -> None:
    reject = replace(
        github(config, {}, source="parameter"), query_string="&".join("a=1" for _ in range(2000))
    )
    assert diagnose(reject, config) == [UNREADABLE]
    assert diagnose(github(config, {}, b"no JSON", source="figma"), config)[0] == UNREADABLE


TOPIC = "arn:aws:sns:eu-central-1:123456789012:garden"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"TopicArn": "arn:aws:sns:eu-central-1:9:weeds"},
            "Its topic_arn is not pinned by the source: 'arn:aws:sns:eu-central-1:9:weeds'",
        ),
        (
            {"SigningCertURL": "https://evil.example/x.pem"},
            "or it names a key on a host that does not belong to the sender",
        ),
        (
            {"Signature": None},
            (
                "The signature is missing: expected in body:Signature, and no header looks like a"
                " signature."
            ),
        ),
        ({}, "The sender's public keys could not be fetched, then or now"),
    ],
)
def test_what_is_wrong_with_a_message_that_everyone_could_have_signed_is_said(
    config: Config, changes: dict[str, str | None], said: str
) -> None:
    message = {
        "Type": "Notification",
        "MessageId": "1",
        "TopicArn": TOPIC,
        "Message": "x",
        "Timestamp": "2025-01-01T00:00:00.000Z",
        "SignatureVersion": "2",
        "Signature": base64.b64encode(b"x" * 256).decode(),
        "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        **changes,
    }
    body = json.dumps(
        {name: value for name, value in message.items() if value is not None}
    ).encode()
    found = diagnose(github(config, {}, body, source="sns"), config)
    assert said in found[0], found


@given(
    st.dictionaries(
        st.sampled_from(["x-hub-signature-256", "stripe-signature", "svix-signature", "x-sig"]),
        st.text(max_size=40),
    ),
    st.binary(max_size=60),
    st.sampled_from(["github", "stripe", "svix", "crm"]),
)
@settings(max_examples=200, deadline=None)
def test_no_request_crashes_the_diagnosis(
    config: Config, headers: dict[str, str], body: bytes, source: str
) -> None:
    request = Request(method="POST", path="/", headers=headers, body=body)
    diagnose(build_reject(request, config.sources[source], "missing", NOW, "rej_x"), config)


# -- the store, on SQLite and PostgreSQL


def plain(number: int, source: str = "github", body: bytes = BODY) -> Reject:
    return make_reject(
        id=f"rej_{source}{number:05}",
        source=source,
        received_at=NOW + number,
        path="/hooks/x",
        headers={"a": "\xe9"},
        url="https://x",
        body=body,
    )


def test_rejects_are_kept_as_they_are_and_found_by_the_beginning_of_their_id(
    database: Database,
) -> None:
    rejects.add(database, plain(1))
    rejects.add(database, plain(2, "fork"))
    assert rejects.get(database, "rej_git") == plain(1)
    assert [one.id for one in rejects.list_rejects(database)] == [
        "rej_fork00002",
        "rej_github00001",
    ]
    assert [one.id for one in rejects.list_rejects(database, source="github")] == [
        "rej_github00001"
    ]
    assert [one.id for one in rejects.list_rejects(database, since=NOW + 2, limit=1)] == [
        "rej_fork00002"
    ]
    with pytest.raises(NotFound, match="several ids match 'rej_': rej_"):
        rejects.get(database, "rej_")
    with pytest.raises(NotFound, match="no reject has the id 'rej_x%'"):
        rejects.get(database, "rej_x%")


def test_each_source_keeps_its_newest_only(database: Database) -> None:
    rejects.add(database, plain(0, "fork"))
    for number in range(rejects.MAX_REJECTS_PER_SOURCE + 7):
        rejects.add(database, plain(number, body=b"x"))
    kept = [one.id for one in rejects.list_rejects(database, source="github")]
    assert kept == [
        f"rej_github{number:05}" for number in range(rejects.MAX_REJECTS_PER_SOURCE + 6, 6, -1)
    ]
    for limit in (
        1,
        rejects.PAGE_ROWS - 1,
        rejects.PAGE_ROWS,
        rejects.PAGE_ROWS + 1,
        rejects.MAX_REJECTS_PER_SOURCE + 1,
    ):
        assert [
            one.id for one in rejects.list_rejects(database, source="github", limit=limit)
        ] == kept[:limit]
    assert len(list(rejects.list_rejects(database, source="fork"))) == 1


def test_a_reject_that_verifies_is_planned_as_of_its_arrival(config: Config) -> None:
    right = replace(
        github(config, {}),
        headers={"x-github-event": "push", "x-github-delivery": "d-1", **signed(NEW)},
    )
    prepared = prepare_readmission(right, config, new_id=event_id)
    assert prepared is not None
    ((event, deliveries),) = prepared.arrivals
    assert (event.received_at, len(deliveries)) == (NOW, 1)


def test_the_request_is_the_same_again(config: Config) -> None:
    reject = github(config, signed("x"))
    assert (
        rebuild_request(reject).body == BODY
        and rebuild_request(reject).url == "https://x/hooks/github"
    )


# -- the edge


@pytest.mark.usefixtures("new_processes")
def test_a_flood_leaves_a_few_copies_and_learns_nothing(tmp_path: Path) -> None:
    with Bridge(tmp_path) as bridge:
        began = time.monotonic()
        answers = [
            bridge.post(
                "/hooks/github", b"x" * 200_000, {"X-Hub-Signature-256": "sha256=" + "0" * 64}
            )
            for _ in range(35)
        ]
        assert {answer.status for answer in answers} == {401}
        assert {answer.body for answer in answers} == {b'{"error":"unauthorized"}'}
        # thirty at once, and then one in two seconds
        most = 30 + int((time.monotonic() - began) / 2)
        lines = until(
            lambda: (
                (found := [one for one in bridge.log if one["event"] == "rejected"])[29:] and found
            ),
            what="30 lines",
        )
        assert all(line["reject_id"] for line in lines[:30])
        copies = bridge.count("reject")
        assert 30 <= copies <= most
        assert copies == bridge.count("reject", "cut AND size = 200000 AND length(body) = 65536")
        assert bridge.count("event") == 0
