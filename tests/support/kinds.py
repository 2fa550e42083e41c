"""Signed requests of schemes with key pairs or tokens, for the tests of signatures.

The keys here were made for these tests and protect nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest
from signing import BODY, NOW, post, secrets

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.certificates import SigningCertificate
from bridge.providers.signatures.ecdsa import Ecdsa
from bridge.providers.signatures.header_formats import Base64Json
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwks import KeySet
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.key_source import DocumentRequest
from bridge.providers.signatures.pins import Pin, with_pins
from bridge.providers.signatures.rsa import Rsa
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.timestamps import Timestamp

EC_PRIVATE = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghOWa9fz2eERttXq0fFnzL0LvndkZBZpuzslROf0fTrGhRANCAASp"
    "GFEScUAa13UuczAr2BzPIwUBmLlE5hvnKGbto/iTLUrA5k3LzYfA37tgfrNOfZPkY134OZCdbevRU0cCKrZu"
)
EC_PUBLIC = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqRhREnFAGtd1LnMwK9gczyMFAZi5ROYb5yhm7aP4ky1KwOZNy82HwN+7YH6zTn2T5GNd+DmQnW3r0VNHAiq2bg=="
EC_OTHER = (
    # the key that SendGrid's own tests use as a wrong one
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="
)

RSA_PRIVATE = (
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC/B2WAb2HMvHkQStXKzKLqGzPI+tESsMSEIdiUdSZUlM5Nnx1UW4pZin3hTzoYsuwe+1OE"
    "HFlS1aXJ2Y+nx8uTUHfXVcfKY+aA1/jxM7KgRn9yHn9jZfuzAeh+ICsUioxmJb8oG8j9OgYA3cIK0yZeZAylSTVm4Td4t+0fPPF42tYr7RJFo1nNHXUxhZ3v"
    "AJ0STRSRXahosgkn+KA4gxg4CljrG/tzwKHWmU1DIs7S2QydaK9FmbE9MwVMjMvFs4+RDfG8PpbMc+hqXVGrTjF+oshoVmFzTXXnAiKGK1WNwt+vBZJK4Zfj"
    "MaLY0aRa5PahQbE6eWmsVMjq7fYo4fNvAgMBAAECggEACBsrPnj7gHGa/Yr/aXyniSGgX+3sw0tG+4hoJVyXRM2Pt5GB8Bt2UnhjARWYlIW7KVFm6Ns/Gxm/"
    "0EHwK6F5zQWEIFoegUMd++euQ6X69XwoWlJa+3/PX3g8QmXhDh0W+hqt8ujC7aPxr0W5vzXYkfbS5oylvHjgHrpHUKUIZiVoOaR/0IQf6LJRN/78nzq/d/Ia"
    "0Dfa8H+TXCQqedjdhGPte8X1/atJRMkPTczBRifX+ztnt33QUvp8v809Kmfnc848WiauwxJh9msb6PfIGPrYpDYJJJI6URv+JGLHthQtJ/HGoIqhMBNvY3P0"
    "G5wkbSa36PEiIybV592/+fKz0QKBgQD6Ts+MbQabcpSS2VF93kVBuiqwoNLAJWZw6be7lZgNGmsbp3o1HM6gUHhfDL9fGDGuCk5LhOFpljjv80iHp0hGt5uO"
    "IXZJvVa1/CQWA/6guQ/aW+cO9E4+vr+Gbvt6FMRJeKVcovY9MJ+ur/D+LIhngbjys6Vf5NHlwAfFWAgOWQKBgQDDX3zwoF+UwxYaAgXbjs+LVQs3FHlPg5fT"
    "63MBWxXQi9xfz8m/YK1umbSq7znSU4sYswKNdmJRtIaseTXRFcJ41fo+v2qZTTyVf4XiFCVmLE99XsKZC4cwOOSxOlvB/KQTq3lJmi4GlodTKz1LjIJMLGiF"
    "HeI1BKMZyFeFzwonBwKBgAjbZw6yAOzZNhaoJ/ELP2oe+0m6txpjeGeAbabumS3FhIq692EPvuP/VPMQEWl9Aq0E4lZbwlopHaSn+CYMrksKTi/OUVA0qe/Q"
    "lzpMM+NeCQiR/fAShv5DY6WPIcjlGTj8UuWfQpVRtiTJRv7HdqAq/+9emfh1sVOu4teB0O8pAoGAcbt5mP5TBd+XUyaQUGLPUPX95F+HyxD45oXu2gAzL8br"
    "T98/O6hE7diOgt9mUpkNpSA4QS+ERroHmAmrmX7ISd2Oos59eKasuP6Waqh9qP/sejgaoktCtIC6KK2nUsMGpOiyX3Vgi7c/KdxG/17ZTwye/7cIwwJjDBRD"
    "VwLSjysCgYEA3FOdMhEExMOEXfszSpQG/bwYKy6/iUqYdSrZei590U+bF1zt0ErFGRps+Cw3G56IadnR4Ma3wLehbquViDrVLpGFmvnuu0VfN9SCMUThdCx7"
    "Q1jSA72mWnJ+bf3FwFMvH42Zb5cxmfS6kUXjGjv6+Az7kEMkZ6s2aTYrO09miZA="
)
RSA_PUBLIC = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvwdlgG9hzLx5EErVysyi6hszyPrRErDEhCHYlHUmVJTOTZ8dVFuKWYp94U86GLLsHvtThBxZUtWl"
    "ydmPp8fLk1B311XHymPmgNf48TOyoEZ/ch5/Y2X7swHofiArFIqMZiW/KBvI/ToGAN3CCtMmXmQMpUk1ZuE3eLftHzzxeNrWK+0SRaNZzR11MYWd7wCdEk0U"
    "kV2oaLIJJ/igOIMYOApY6xv7c8Ch1plNQyLO0tkMnWivRZmxPTMFTIzLxbOPkQ3xvD6WzHPoal1Rq04xfqLIaFZhc0115wIihitVjcLfrwWSSuGX4zGi2NGk"
    "WuT2oUGxOnlprFTI6u32KOHzbwIDAQAB"
)
RSA_OTHER = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtVTsA87epkhzUZhLn8KyXqtqHy1LaBKxFmJe7WN7gEBzNtYCD9lSl8EOYjJkwxZFPQOUBo8lgRpv"
    "vyzPCPq5CiJHoFD0saD4kKSal7DqREVppLdBHU06Z/zQ1rED1ASON0Hx50yax/4D4ZTVEWpRmt/gr1EfMSEw4mIpOHJt4nAr80odfqLDIai7ZECpcXqt4Wwt"
    "Y41GsRM4Leebq8N1zzoNhto+rwV9HQJpbJq5v0elgvFLX9yWG9hrrd8EJggQy8okrOW+KGPphq+FXrWD+QzeZE611/M47AjBaCXBOvWRXenvREkmfBeiOCs/"
    "zaojRpal8w835QB0MfobjVMFywIDAQAB"
)


@dataclass(frozen=True)
class Kind:
    """A scheme with a secret to verify, one to sign, and a wrong one of the same form.

    `at`: the header with the signature; empty if it is elsewhere.
    """

    scheme: Scheme
    secret: str
    private: str
    wrong: str
    at: str
    covers_body: bool = True
    body: bytes = BODY


CONTENTFUL = Hmac(
    at="header:X-Contentful-Signature",
    signed="{method}\n{canonical_uri}\n{headers:X-Contentful-Signed-Headers,X-Contentful-Timestamp}\n{body}",
    timestamp=Timestamp("header:X-Contentful-Timestamp", "ms", 30),
)
NETLIFY = Jwt(
    at="header:X-Webhook-Signature", algorithm="HS256", issuer=("netlify",), body_hash="sha256"
)
MONDAY = Jwt(
    algorithm="HS256",
    expires=True,
    pins=(Pin("audience", "the URL of this source", at="aud", required=False),),
)
PLAID = Jwt(
    at="header:Plaid-Verification",
    algorithm="ES256",
    body_hash="request_body_sha256",
    max_age=300,
    keys=KeySet(
        "https://{environment}.plaid.com/webhook_verification_key/get",
        ("client_id", "secret"),
        "key_id",
        "key",
    ),
    pins=(
        Pin("environment", "which of Plaid's", required=False, choices=("production", "sandbox")),
    ),
)
PUBSUB = Jwt(
    prefix="Bearer ",
    algorithm="RS256",
    expires=True,
    issuer=("https://accounts.google.com", "accounts.google.com"),
    claims=(("email_verified", True),),
    keys=KeySet("https://www.googleapis.com/oauth2/v3/certs"),
    pins=(
        Pin("audience", "the audience of the push subscription", at="aud"),
        Pin("email", "its service account", at="email"),
    ),
)
PUSHED = with_pins(
    PUBSUB,
    {"audience": "https://example.com/hooks/x", "email": ["push@p.iam.gserviceaccount.com", "b@p"]},
)

SNS = Rsa(
    at="body:Signature",
    signed="{lines:Message,MessageId,Subject?,SubscribeURL?,Timestamp,Token?,TopicArn,Type}",
    version_at="body:SignatureVersion",
    versions=(("1", "sha1"), ("2", "sha256")),
    certificate=SigningCertificate(
        at="body:SigningCertURL",
        url=r"https://sns\.[a-z]{2}(-[a-z]{2,12}){1,3}-\d{1,2}\.amazonaws\.com(\.cn)?/SimpleNotificationService-[\w-]{1,64}\.pem",
    ),
    pins=(Pin("topic_arn", "the ARN of the topic", at="body:TopicArn"),),
)
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"
SUBSCRIBED = with_pins(SNS, {"topic_arn": TOPIC})
PAYPAL = Rsa(
    at="header:PAYPAL-TRANSMISSION-SIG",
    signed="{h:PAYPAL-TRANSMISSION-ID}|{h:PAYPAL-TRANSMISSION-TIME}|{pin:webhook_id}|{body_crc32}",
    requires=(("header:PAYPAL-AUTH-ALGO", "SHA256withRSA"),),
    certificate=SigningCertificate(
        at="header:PAYPAL-CERT-URL",
        url=r"https://api(-m)?(\.sandbox)?\.paypal\.com/v1/notifications/certs/[\w-]{1,100}",
        names=(
            "messageverificationcerts.paypal.com",
            "messageverificationcerts.sandbox.paypal.com",
        ),
    ),
    pins=(Pin("webhook_id", "the webhook's id, as PayPal shows it"),),
)
PAID = with_pins(PAYPAL, {"webhook_id": "96605875FF6516633"})
SNS_BODY = json.dumps(
    {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": "Hello Zo\u00eb",
        "Timestamp": "2023-11-14T22:13:20.000Z",
        "SigningCertURL": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-test.pem",
    }
).encode()

WIX = Jwt(algorithm="RS256", wraps="data", expires=True)
EBAY = Ecdsa(
    at="header:X-EBAY-SIGNATURE",
    parse=Base64Json(fixed=(("alg", "ecdsa"), ("digest", "SHA1"))),
    digest="sha1",
)

KINDS = {
    "ebay": Kind(EBAY, EC_PUBLIC, EC_PRIVATE, EC_OTHER, "x-ebay-signature"),
    "rsa": Kind(Rsa(at="header:X-Sig"), RSA_PUBLIC, RSA_PRIVATE, RSA_OTHER, "x-sig"),
    "rsa_sha1": Kind(
        Rsa(at="header:X-Sig", algorithm="sha1"), RSA_PUBLIC, RSA_PRIVATE, RSA_OTHER, "x-sig"
    ),
    "aws_sns": Kind(
        SUBSCRIBED, RSA_PUBLIC, RSA_PRIVATE, RSA_OTHER, "", covers_body=False, body=SNS_BODY
    ),
    "paypal": Kind(PAID, RSA_PUBLIC, RSA_PRIVATE, RSA_OTHER, "paypal-transmission-sig"),
    "ecdsa": Kind(
        Ecdsa(at="header:X-Sig", signed="{h:X-Time}{body}"),
        EC_PUBLIC,
        EC_PRIVATE,
        EC_OTHER,
        "x-sig",
    ),
    "netlify": Kind(
        NETLIFY,
        "a-shared-secret-of-a-site-for-tests",
        "a-shared-secret-of-a-site-for-tests",
        "another-secret",
        "x-webhook-signature",
    ),
    "monday": Kind(
        MONDAY,
        "signing-secret-of-an-app-for-tests",
        "signing-secret-of-an-app-for-tests",
        "client-secret",
        "authorization",
        covers_body=False,
    ),
    "wix": Kind(WIX, RSA_PUBLIC, RSA_PRIVATE, RSA_OTHER, "", covers_body=False),
    "plaid": Kind(PLAID, EC_PUBLIC, EC_PRIVATE, EC_OTHER, "plaid-verification"),
    "pubsub": Kind(PUSHED, RSA_PUBLIC, RSA_PRIVATE, RSA_OTHER, "authorization", covers_body=False),
    "contentful": Kind(CONTENTFUL, "a" * 64, "a" * 64, "b" * 64, "x-contentful-signature"),
}


# some signatures differ each time, which hypothesis reports as a flaky test
@lru_cache(maxsize=1024)
def kind_request(name: str, body: bytes | None = None, now: float = NOW) -> Request:
    """Return a request that the kind `name` accepts at `now`."""
    kind = KINDS[name]
    return kind.scheme.sign(post(kind.body if body is None else body), kind.private, now)


def refusal(scheme: Scheme, request: Request, *values: str, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        scheme.verify(request, secrets(*values), now)
    return caught.value.reason


class Served:
    """A key source with the documents of a test; `asked` has the requests for them."""

    def __init__(self, roots: bytes = b"", **documents: bytes) -> None:
        self.documents = documents
        self.asked = []
        self.trusted = roots

    def fetch(self, request: DocumentRequest, *, again: bool = False) -> bytes | None:
        self.asked.append((request, again))
        return self.documents.get(request.url)

    def roots(self) -> bytes:
        return self.trusted


def written(key: str, form: str, *, private: bool) -> str:
    """Return `key` (base64 of DER) in another form."""
    from cryptography.hazmat.primitives.serialization import (
        load_der_private_key,
        load_der_public_key,
    )

    raw = base64.b64decode(key)
    if form == "jwk":
        if private:
            numbers = load_der_private_key(raw, None).private_numbers()  # type: ignore[union-attr]
            return json.dumps(jwk(numbers.public_numbers) | {"d": b64url(numbers.private_value)})  # type: ignore[union-attr]
        return json.dumps(jwk(load_der_public_key(raw).public_numbers()))  # type: ignore[union-attr]
    label = "PRIVATE KEY" if private else "PUBLIC KEY"
    pem = f"-----BEGIN {label}-----\n{base64.encodebytes(raw).decode()}-----END {label}-----\n"
    return pem if form == "pem" else pem.replace("\n", "\\n" if form == "one_line_pem" else "")


def jwk(numbers: Any) -> dict[str, str]:
    return {"kty": "EC", "crv": "P-256", "x": b64url(numbers.x), "y": b64url(numbers.y)}


def b64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")


def refused(scheme: Scheme, request: Request, keys: Served, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        scheme.verify(request, [], now, keys)
    return caught.value.reason
