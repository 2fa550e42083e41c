"""The provider table: each row is whole, its samples are real requests of it, its handshake answers only what is one."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from signing import CASES, NOW, post, secrets
from vectors import VECTORS

from bridge import samples
from bridge.locate import compile_locator, locate
from bridge.model import Request
from bridge.providers import CREDENTIALS, EVIDENCE, FORM, PROVIDERS, Probe, Provider, Sample, masked
from bridge.samples import sample, sample_types
from bridge.signatures import HeaderSets, Token, scheme_of

ROWS = list(PROVIDERS.values())
SAMPLES = [(row, entry) for row in ROWS for entry in row.samples]
IDS = {
    "github": "fresh-id",
    "stripe": "evt_fresh-id",
    "slack": "Evfresh-id",
    "standard_webhooks": "msg_fresh-id",
    "svix": "msg_fresh-id",
}


def decoded(request: Request) -> Any:
    return dict(parse_qsl(request.body.decode())) if request.content_type == FORM else json.loads(request.body)


def signed_sample(row: Provider, entry: Sample, new_id: str = "fresh-id") -> Request:
    request = sample(row.name, entry.type, now=NOW, new_id=new_id, url=f"https://example.com/hooks/{row.name}")
    return row.scheme.sign(request, CASES[row.name].secret, NOW) if row.scheme and row.scheme.needs_secret else request


def test_the_table_has_the_rows_it_must() -> None:
    assert list(PROVIDERS) == ["github", "stripe", "slack", "standard_webhooks", "svix", "form", "hmac", "token", "basic"]
    assert [row.name for row in ROWS if row.generates_secret] == ["github", "hmac", "token", "basic"]
    assert [row.name for row in ROWS if row.scheme is None] == ["hmac"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_is_whole(row: Provider) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name)
    assert row.evidence in EVIDENCE
    assert re.fullmatch(r"https://\S+", row.docs)
    assert row.title and row.secret_hint and row.setup.endswith(".") and row.retries.endswith(".")
    assert row.body == "json" or re.fullmatch(r"form_payload:\w+", row.body)
    assert set(CREDENTIALS) <= set(row.credentials)
    assert row.samples and len(set(sample_types(row.name))) == len(row.samples)
    for text in (*row.event_type, *row.event_id, *row.credentials):
        compile_locator(text)


@pytest.mark.parametrize("row", [row for row in ROWS if row.evidence == "vector"], ids=lambda row: row.name)
def test_row_with_vector_evidence_has_a_valid_and_an_invalid_vector(row: Provider) -> None:
    name = "generic" if row.name == "hmac" else row.name
    verdicts = {vector.valid for vector in VECTORS if vector.provider == name}
    assert True in verdicts and (False in verdicts or name == "generic")


@pytest.mark.parametrize(("row", "entry"), SAMPLES, ids=lambda value: getattr(value, "name", None) or value.type)
class TestSample:
    def test_is_accepted_once_signed(self, row: Provider, entry: Sample) -> None:
        if row.scheme:
            row.scheme.verify(signed_sample(row, entry), secrets(CASES[row.name].secret) if row.scheme.needs_secret else [], NOW)

    def test_has_its_type_and_a_fresh_id(self, row: Provider, entry: Sample) -> None:
        request = signed_sample(row, entry)
        if row.event_type:
            assert locate(row.event_type, request, decoded(request)) == entry.type
        if row.event_id and entry.type != "url_verification":
            assert locate(row.event_id, request, decoded(request)) == IDS[row.name]

    def test_is_filled_in_and_fresh(self, row: Provider, entry: Sample) -> None:
        one, two = (sample(row.name, entry.type, now=NOW + n, new_id=f"id-{n}") for n in (1, 2))
        for text in (one.body.decode(), *one.headers.values()):
            assert not samples.HOLE.search(text)
        assert row.name == "form" or (one.body, dict(one.headers)) != (two.body, dict(two.headers))
        assert one.path == f"/hooks/{row.name}" and one.method == "POST"
        assert all(name == name.lower() for name in one.headers)

    def test_is_unsigned(self, row: Provider, entry: Sample) -> None:
        names = " ".join(sample(row.name, entry.type, now=NOW, new_id="x").headers)
        assert "signature" not in names and "authorization" not in names


def test_unknown_sample_says_what_there_is() -> None:
    with pytest.raises(ValueError, match="there are issues, ping"):
        sample("github", "nope", now=NOW, new_id="x")
    with pytest.raises(ValueError, match="github, stripe"):
        sample("nope", now=NOW, new_id="x")


def test_github_type_is_the_header_alone() -> None:
    request = post(headers={"x-github-event": "issues"})
    assert locate(PROVIDERS["github"].event_type, request, {"action": "opened", "type": "x"}) == "issues"


@pytest.mark.parametrize(
    ("body", "form", "type_", "id_"),
    [
        ({"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}}, False, "message", "Ev1"),
        ({"type": "block_actions", "trigger_id": "1.2.a"}, True, "block_actions", "1.2.a"),
        ({"command": "/deploy", "trigger_id": "1.2.b", "text": ""}, True, "/deploy", "1.2.b"),
        ({"type": "app_rate_limited"}, False, "app_rate_limited", None),
    ],
)
def test_slack_names_its_three_kinds_of_request(body: dict[str, Any], form: bool, type_: str, id_: str | None) -> None:
    request = post(headers={"content-type": FORM if form else "application/json"})
    assert locate(PROVIDERS["slack"].event_type, request, body) == type_
    assert locate(PROVIDERS["slack"].event_id, request, body) == id_


def test_slack_challenge_is_answered_after_verification_and_nothing_else_is() -> None:
    (handshake,) = PROVIDERS["slack"].handshakes
    assert handshake.signed and handshake.methods == ("POST",)
    reply = handshake.answer(Probe(post(), {"type": "url_verification", "challenge": "3eZbrw1a"}))
    assert reply is not None
    assert (reply.status, reply.content_type, json.loads(reply.body)) == (200, "application/json", {"challenge": "3eZbrw1a"})
    for body in (
        None,
        [],
        "url_verification",
        {"type": "url_verification"},
        {"type": "url_verification", "challenge": 1},
        {"challenge": "x"},
    ):
        assert handshake.answer(Probe(post(), body)) is None
    form = post(headers={"content-type": FORM})
    assert handshake.answer(Probe(form, {"type": "url_verification", "challenge": "x"})) is None


def test_svix_takes_its_id_from_the_set_that_was_verified() -> None:
    scheme = PROVIDERS["svix"].scheme
    assert isinstance(scheme, HeaderSets)
    assert [f"header:{start}id" for start, _ in scheme.sets] == list(PROVIDERS["svix"].event_id)


def test_static_credentials_are_masked() -> None:
    assert masked(PROVIDERS["token"], Token(at=("header:X-Key", "query:token"))) == {*CREDENTIALS, "header:x-key", "query:token"}
    for row in ROWS:
        assert set(CREDENTIALS) <= masked(row, row.scheme or PROVIDERS["basic"].scheme or Token())


class TestDescribed:
    def test_an_hmac_of_the_documented_keys(self) -> None:
        scheme = scheme_of(
            "hmac",
            {
                "header": "X-Signature",
                "algorithm": "sha256",
                "encoding": "hex",
                "prefix": "sha256=",
                "signed": "{timestamp}.{body}",
                "timestamp": {"header": "X-Timestamp", "unit": "s", "tolerance": 300},
            },
        )
        scheme.verify(scheme.sign(post(), "s", NOW), secrets("s"), NOW)

    def test_a_list_such_as_stripes(self) -> None:
        scheme = scheme_of("hmac", {"header": "X-Sig", "label": "v1", "signed": "{t}.{body}", "timestamp": {"label": "t"}})
        stripes = CASES["stripe"].scheme.sign(post(), "s", NOW).headers["stripe-signature"]
        scheme.verify(post(headers={"x-sig": stripes}), secrets("s"), NOW)

    @pytest.mark.parametrize(
        ("verify", "says"),
        [
            ({}, "exactly one of header, query, form, body"),
            ({"header": "X", "query": "y"}, "exactly one"),
            ({"header": 5}, "exactly one"),
            ({"header": "X", "colour": 1}, "'colour' is unknown; allowed are header"),
            ({"header": "X", "algorithm": "md5"}, "allowed are sha1, sha256, sha512"),
            ({"header": "X", "algorithm": 5}, "algorithm must be text"),
            ({"header": "X", "encoding": "rot13"}, "allowed are hex, base64, base64url"),
            ({"header": "X", "key": "pem"}, "allowed are utf8, hex, base64, whsec, sha1"),
            ({"header": "X", "signed": "{boddy}"}, "{boddy} is unknown; allowed are {body}"),
            ({"header": "X", "signed": "{body"}, "not closed"),
            ({"header": "X", "signed": ""}, "something that is signed"),
            ({"header": "X", "signed": "{secret}{body}"}, "plain digest"),
            ({"header": "X", "separator": ";"}, "needs the label"),
            ({"header": "X", "timestamp": 5}, "must be a mapping"),
            ({"header": "X", "timestamp": {"header": "T"}}, "does not cover the time"),
            ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "unit": "h"}}, "allowed are s, ms"),
            ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "tolerance": 0}}, "more than 0"),
            ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "tolerance": True}}, "must be a number"),
            (
                {"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "tolerance": float("nan")}},
                "more than 0",
            ),
            ({"header": "a b"}, "no header name"),
        ],
    )
    def test_mistakes_say_what_is_allowed(self, verify: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError, match=re.escape(says)):
            scheme_of("hmac", verify)

    def test_token_and_basic(self) -> None:
        token = scheme_of("token", {"query": "token"})
        token.verify(token.sign(post(), "s", NOW), secrets("s"), NOW)
        assert scheme_of("basic", {}).credentials == ("header:authorization",)
        with pytest.raises(ValueError, match="no keys at all"):
            scheme_of("basic", {"header": "X"})
        with pytest.raises(ValueError, match="only hmac, token, basic"):
            scheme_of("github", {"header": "X"})


@pytest.mark.parametrize(
    ("name", "secret", "says"),
    [
        ("github", "x", None),
        ("github", "", "empty"),
        ("stripe", "whsec_not base64!", None),
        ("svix", "whsec_!", "base64"),
        ("svix", "whsec_", "no key"),
        ("standard_webhooks", "whpk_AAAA", "32 byte"),
        ("token", " ", "empty"),
        ("basic", "user", "user:password"),
        ("form", "", None),
    ],
)
def test_unusable_secret_is_explained_and_not_quoted(name: str, secret: str, says: str | None) -> None:
    scheme = PROVIDERS[name].scheme
    assert scheme is not None
    problem = scheme.secret_problem(secret)
    assert (problem is None) if says is None else (says in str(problem))
    assert not secret.strip() or secret not in str(problem) or name == "basic"
