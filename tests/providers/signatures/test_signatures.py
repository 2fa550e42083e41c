"""Every scheme verifies the published vectors, and refuses spoiled requests."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from signing import (
    BODY,
    CASES,
    COVERS_BODY,
    NOW,
    TIMED,
    WHPK,
    WHSEC,
    WHSK,
    case_request,
    post,
    row,
    secrets,
)
from tables import for_each
from vectors import VECTORS, Vector

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import Unsigned

SIGNATURE_HEADERS = {
    "github": "x-hub-signature-256",
    "stripe": "stripe-signature",
    "slack": "x-slack-signature",
    "standard_webhooks": "webhook-signature",
    "standard_webhooks_v1a": "webhook-signature",
    "svix": "svix-signature",
    "token": "authorization",
    "basic": "authorization",
    "hmac": "x-signature",
    "hmac_timed": "x-signature",
    "numbered": "x-docusign-signature-1",
}
GARBAGE = [
    "",
    " ",
    "=",
    ",",
    "v1,",
    "v0=",
    "sha256=",
    "t=,v1=",
    "é",
    "\udcff",
    "\x00",
    "😀",
    "t=1,v1=" + "z" * 64,
    "sha256=" + "g" * 64,
    "v1," + "A" * 43,
    "v1," * 900,
    "Basic",
    "Basic " + "!" * 20,
    "Bearer ",
    "x" * 100_000,
]


def refusal(scheme: Scheme, request: Request, *values: str, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        scheme.verify(request, secrets(*values), now)
    return caught.value.reason


def vector_scheme(vector: Vector) -> Scheme:
    if vector.provider != "generic":
        return row(vector.provider)
    ((name, value),) = vector.headers.items()
    prefix = value.partition("=")[0] + "=" if value.startswith("sha") else ""
    algorithm = prefix.removesuffix("=") or (
        "sha512" if "sha512" in vector.id or "sha-512" in vector.id else "sha256"
    )
    encoding = "base64" if vector.id.endswith("base64") else "hex"
    return Hmac(at=f"header:{name}", prefix=prefix, algorithm=algorithm, encoding=encoding)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_published_vectors_are_judged_as_their_publisher_says(vector: Vector) -> None:
    scheme = vector_scheme(vector)
    request = post(vector.body.encode(), vector.headers)
    if vector.valid:
        scheme.verify(request, secrets(vector.secret), vector.now)
        scheme.verify(request, secrets("another", vector.secret), vector.now)
    else:
        refusal(scheme, request, vector.secret, now=vector.now)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v.private_key], ids=lambda vector: vector.id
)
def test_signing_with_the_published_private_key_gives_the_published_signature(
    vector: Vector,
) -> None:
    bare = {name: value for name, value in vector.headers.items() if name != "webhook-signature"}
    signed = row(vector.provider).sign(
        post(vector.body.encode(), bare), vector.private_key, vector.now
    )
    assert signed.headers["webhook-signature"] == vector.headers["webhook-signature"]


@pytest.mark.parametrize("name", CASES)
def test_what_a_scheme_signs_it_verifies(name: str) -> None:
    case = CASES[name]
    case.scheme.verify(case_request(name), secrets(case.secret), NOW)


@pytest.mark.parametrize("name", CASES)
class TestSpoiled:
    def test_wrong_secret(self, name: str) -> None:
        other = {"whsec": "whsec_" + "B" * 32, "whpk_": "whpk_" + "A" * 43 + "="}.get(
            CASES[name].secret[:5], "other:secret"
        )
        other = "00" * 32 if name == "ed25519_hex" else other
        assert refusal(CASES[name].scheme, case_request(name), other) == "mismatch"

    @pytest.mark.parametrize("values", [(), ("",), ("  ",), ("", "\n")])
    def test_empty_or_missing_secret_lets_nothing_in(
        self, name: str, values: tuple[str, ...]
    ) -> None:
        assert refusal(CASES[name].scheme, case_request(name), *values) == "no_secret"

    def test_expired_secret_is_not_used(self, name: str) -> None:
        case = CASES[name]
        case.scheme.verify(case_request(name), [Secret(case.secret, NOW + 1)], NOW)
        with pytest.raises(BadSignature, match="no_secret"):
            case.scheme.verify(case_request(name), [Secret(case.secret, NOW)], NOW)

    def test_bare_request_is_missing_its_signature(self, name: str) -> None:
        assert refusal(CASES[name].scheme, post(), CASES[name].secret) == "missing"

    @for_each("other", CASES)
    def test_no_other_schemes_signature_is_accepted(self, name: str, other: str) -> None:
        if (
            CASES[name].secret == CASES[other].secret
            and name != other
            and {name, other} != {"svix", "standard_webhooks"}
        ):
            return  # one shared secret and overlapping recipes may rightly agree
        if name != other and {name, other} != {"svix", "standard_webhooks"}:
            refusal(CASES[name].scheme, case_request(other), CASES[name].secret)

    def test_error_names_neither_secret_nor_signature(self, name: str) -> None:
        case = CASES[name]
        request = case_request(name)
        spoiled = replace(
            request, body=b"{}", query_string="", headers={**request.headers, "x-sig": "00"}
        )
        with pytest.raises(BadSignature) as caught:
            case.scheme.verify(
                spoiled, secrets("whsec_AAAA" if case.secret.startswith("wh") else "no:no"), NOW
            )
        assert str(caught.value) in {
            "missing",
            "malformed",
            "mismatch",
            "no_secret",
            "stale",
            "future",
        }


@pytest.mark.parametrize("name", COVERS_BODY)
@pytest.mark.parametrize(
    "body", [BODY + b" ", BODY.replace(b"evt_1", b"evt_2"), b"", b"\x00\xff", "Zoe\u0308".encode()]
)
def test_changed_body_is_refused(name: str, body: bytes) -> None:
    assert (
        refusal(CASES[name].scheme, replace(case_request(name), body=body), CASES[name].secret)
        == "mismatch"
    )


@for_each("name, garbage", product(SIGNATURE_HEADERS, GARBAGE))
def test_garbage_in_the_signature_header_is_refused(name: str, garbage: str) -> None:
    request = case_request(name)
    spoiled = replace(request, headers={**request.headers, SIGNATURE_HEADERS[name]: garbage})
    assert refusal(CASES[name].scheme, spoiled, CASES[name].secret) in {
        "missing",
        "malformed",
        "mismatch",
    }


@pytest.mark.parametrize("name", TIMED)
def test_time_is_enforced_on_both_sides(name: str) -> None:
    case = CASES[name]
    tolerance = 60 if name == "hmac_timed" else 300
    for offset in (-tolerance, tolerance):
        case.scheme.verify(case_request(name), secrets(case.secret), NOW + offset)
    assert refusal(case.scheme, case_request(name), case.secret, now=NOW + tolerance + 1) == "stale"
    assert (
        refusal(case.scheme, case_request(name), case.secret, now=NOW - tolerance - 1) == "future"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "-1",
        "+1700000000",
        " 1700000000",
        "1_700_000_000",
        "1700000000.0",
        "٣",
        "9" * 60,
        "9" * 5000,
    ],
)
def test_odd_times_are_refused(text: str) -> None:
    request = case_request("slack")
    spoiled = replace(request, headers={**request.headers, "x-slack-request-timestamp": text})
    assert refusal(CASES["slack"].scheme, spoiled, CASES["slack"].secret) in {
        "missing",
        "malformed",
        "future",
    }


class TestNoDowngrade:
    def test_github_sha1_is_not_looked_at(self) -> None:
        sha1 = Hmac(at="header:X-Hub-Signature", prefix="sha1=", algorithm="sha1")
        assert refusal(row("github"), sha1.sign(post(), "s", NOW), "s") == "missing"
        both = row("github").sign(post(headers={"X-Hub-Signature": "sha1=00"}), "s", NOW)
        row("github").verify(both, secrets("s"), NOW)

    def test_stripe_v0_is_no_signature(self) -> None:
        request = case_request("stripe")
        header = request.headers["stripe-signature"].replace("v1=", "v0=")
        assert (
            refusal(
                row("stripe"),
                replace(request, headers={"stripe-signature": header}),
                CASES["stripe"].secret,
            )
            == "missing"
        )

    def test_stripe_time_given_twice_is_malformed(self) -> None:
        request = case_request("stripe")
        header = "t=1,".replace("1", str(int(NOW) + 1)) + request.headers["stripe-signature"]
        assert (
            refusal(
                row("stripe"),
                replace(request, headers={"stripe-signature": header}),
                CASES["stripe"].secret,
            )
            == "malformed"
        )

    def test_shared_secret_accepts_no_v1a_and_public_key_no_v1(self) -> None:
        shared = case_request("standard_webhooks")
        public = case_request("standard_webhooks_v1a")
        assert refusal(row("standard_webhooks"), public, WHSEC) == "missing"
        assert refusal(row("standard_webhooks"), shared, WHPK) == "missing"
        both = f"{public.headers['webhook-signature']} {shared.headers['webhook-signature']}"
        mixed = replace(shared, headers={**shared.headers, "webhook-signature": both})
        row("standard_webhooks").verify(mixed, secrets(WHSEC), NOW)
        row("standard_webhooks").verify(mixed, secrets(WHPK), NOW)
        row("standard_webhooks").verify(public, secrets(WHSEC, WHPK), NOW)

    def test_public_key_is_never_used_as_an_hmac_key(self) -> None:
        v1 = Hmac(
            at="header:webhook-signature",
            prefix="v1,",
            encoding="base64",
            signed="{h:webhook-id}.{h:webhook-timestamp}.{body}",
            key="base64",
        )
        request = post(headers={"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW))})
        forged = v1.sign(request, WHPK.removeprefix("whpk_"), NOW)
        assert refusal(row("standard_webhooks"), forged, WHPK) == "missing"

    def test_private_key_as_secret_lets_nothing_in(self) -> None:
        assert (
            refusal(row("standard_webhooks"), case_request("standard_webhooks_v1a"), WHSK)
            == "no_secret"
        )
        assert "private" in str(row("standard_webhooks").secret_problem(WHSK))

    def test_svix_header_sets_are_never_mixed(self) -> None:
        standard = case_request("standard_webhooks")
        row("svix").verify(standard, secrets(WHSEC), NOW)
        for name in ("svix-id", "svix-timestamp", "svix-signature", "svix-anything"):
            mixed = replace(
                standard,
                headers={
                    **standard.headers,
                    name: standard.headers.get(name.replace("svix", "webhook"), "x"),
                },
            )
            refusal(row("svix"), mixed, WHSEC)

    @pytest.mark.parametrize("name", ["standard_webhooks", "svix"])
    def test_event_id_is_a_signed_header(self, name: str) -> None:
        request = case_request(name)
        header = "svix-id" if name == "svix" else "webhook-id"
        assert (
            refusal(
                row(name), replace(request, headers={**request.headers, header: "msg_other"}), WHSEC
            )
            == "mismatch"
        )

    def test_numbered_headers_match_numbers_only(self) -> None:
        request = case_request("numbered")
        signature = request.headers["x-docusign-signature-1"]
        moved = replace(
            request,
            headers={"x-docusign-signature-1": "AAAA", "x-docusign-signature-17": signature},
        )
        CASES["numbered"].scheme.verify(moved, secrets("shared"), NOW)
        for number in ("x", "", "1x", "٣", "1000"):
            odd = replace(request, headers={f"x-docusign-signature-{number}": signature})
            assert refusal(CASES["numbered"].scheme, odd, "shared") == "missing"


def test_rotation_tries_every_secret_with_every_signature() -> None:
    stripe = row("stripe")
    old = case_request("stripe")
    new = row("stripe").sign(post(), "whsec_new", NOW)
    header = (
        f"{old.headers['stripe-signature']},{new.headers['stripe-signature'].partition(',')[2]}"
    )
    both = replace(old, headers={"stripe-signature": header})
    for values in (("whsec_new",), ("whsec_test_secret",), ("x", "y", "whsec_new")):
        stripe.verify(both, secrets(*values), NOW)
    assert refusal(stripe, both, "x", "y") == "mismatch"


def test_work_is_bounded_in_signatures_and_secrets() -> None:
    request = case_request("stripe")
    time, _, good = request.headers["stripe-signature"].partition(",")
    late = replace(
        request, headers={"stripe-signature": ",".join([time, *["v1=" + "00" * 32] * 16, good])}
    )
    assert refusal(row("stripe"), late, CASES["stripe"].secret) == "mismatch"
    assert (
        refusal(row("github"), case_request("github"), *"abcdefgh", CASES["github"].secret)
        == "mismatch"
    )


def test_hex_case_does_not_matter_and_other_spellings_do() -> None:
    request = case_request("github")
    signature = request.headers["x-hub-signature-256"]

    def with_signature(text: str) -> Request:
        return replace(request, headers={"x-hub-signature-256": text})

    row("github").verify(
        with_signature("sha256=" + signature[7:].upper()), secrets(CASES["github"].secret), NOW
    )
    for odd in (
        signature.upper(),
        signature[7:],
        signature + " ",
        signature[:-2],
        "sha256= " + signature[7:],
        signature + "," + signature,
    ):
        refusal(row("github"), with_signature(odd), CASES["github"].secret)


def test_unsigned_lets_everyone_in_and_says_so() -> None:
    Unsigned().verify(post(), [], NOW)
    assert not Unsigned().needs_secret
    assert all(case.scheme.needs_secret for case in CASES.values())


class TestStatic:
    @pytest.mark.parametrize("header", ["Bearer a-long-random-token", "bearer a-long-random-token"])
    def test_word_before_a_token_has_no_case(self, header: str) -> None:
        row("token").verify(
            post(headers={"authorization": header}), secrets("a-long-random-token"), NOW
        )

    @pytest.mark.parametrize(
        "header",
        [
            "a-long-random-token",
            "Bearer A-LONG-RANDOM-TOKEN",
            "Bearer  a-long-random-token",
            "Bearer",
        ],
    )
    def test_anything_else_is_refused(self, header: str) -> None:
        refusal(row("token"), post(headers={"authorization": header}), "a-long-random-token")

    def test_password_may_hold_colons_and_neither_part_may_be_wrong_or_empty(self) -> None:
        basic = row("basic")
        request = basic.sign(post(), "hook:pass:word", NOW)
        basic.verify(request, secrets("hook:pass:word"), NOW)
        for other in ("hook:pass", "hoo:k:pass:word", "hook2:pass:word", "hook:pass:word2"):
            assert refusal(basic, request, other) == "mismatch"
        for unusable in ("hook", "hook:", ":word", ":"):
            assert refusal(basic, basic.sign(post(), unusable, NOW), unusable) == "no_secret"

    def test_static_schemes_name_the_credentials_to_mask(self) -> None:
        assert row("token").credentials == row("basic").credentials == ("header:authorization",)
        assert CASES["token_query"].scheme.credentials == ("query:token",)
        assert row("github").credentials == row("svix").credentials == ()
