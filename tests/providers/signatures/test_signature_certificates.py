"""RSA signatures with certificates that a request names: which are fetched and trusted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from authorities import Authority, certificate
from kinds import (
    PAID,
    PAYPAL,
    RSA_PRIVATE,
    RSA_PUBLIC,
    SNS,
    SNS_BODY,
    SUBSCRIBED,
    TOPIC,
    Served,
    kind_request,
    refusal,
    refused,
)
from signing import NOW, post, secrets

from bridge.core.http_messages import Request
from bridge.providers.signatures.pins import with_pins
from bridge.system.key_fetcher import Keyring


class TestSns:
    def signed(self, **fields: Any) -> Request:
        body = {
            name: value
            for name, value in (json.loads(SNS_BODY) | fields).items()
            if value is not None
        }
        return SUBSCRIBED.sign(post(json.dumps(body).encode()), RSA_PRIVATE, NOW)

    def test_versions_and_kinds_of_message(self) -> None:
        for fields in (
            {"SignatureVersion": "1"},
            {"SignatureVersion": "2", "Subject": "s", "Message": "a\nMessageId\nb\n"},
            {
                "Type": "SubscriptionConfirmation",
                "Token": "t",
                "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?x",
            },
        ):
            SUBSCRIBED.verify(self.signed(**fields), secrets(RSA_PUBLIC), NOW)

    def test_fields_added_or_taken_or_changed(self) -> None:
        good = json.loads(self.signed(Subject="s").body)
        for change in (
            {"Subject": None},
            {"Subject": "t"},
            {"Token": "t"},
            {"SubscribeURL": "u"},
            {"Type": "Subscription"},
            {"Message": "m"},
        ):
            body = {name: value for name, value in (good | change).items() if value is not None}
            assert refusal(SUBSCRIBED, post(json.dumps(body).encode()), RSA_PUBLIC) == "mismatch"
        for lacking in ("Message", "Type", "MessageId", "Timestamp"):
            body = {name: value for name, value in good.items() if name != lacking}
            assert refusal(SUBSCRIBED, post(json.dumps(body).encode()), RSA_PUBLIC) == "missing"

    @pytest.mark.parametrize("kind", ["Notification", "SubscriptionConfirmation"])
    def test_a_message_to_another_topic_cannot_be_cut_into_one_to_this(self, kind: str) -> None:
        """Amazon signs for everyone: whoever writes the fields of a message into that of a topic of
        his own has its signature for both.
        """
        fields = {
            "MessageId": "m",
            "Timestamp": "2026-01-01T00:00:00Z",
            "TopicArn": TOPIC,
            "Type": kind,
        }
        if kind == "SubscriptionConfirmation":
            fields = {
                "MessageId": "m",
                "SubscribeURL": "u",
                "Timestamp": "t",
                "Token": "t",
                "TopicArn": TOPIC,
                "Type": kind,
            }
        inside = "".join(f"\n{name}\n{value}" for name, value in fields.items())
        theirs = with_pins(SNS, {"topic_arn": TOPIC + "-theirs"})
        sent = json.loads(SNS_BODY) | {"Message": f"evil{inside}", "TopicArn": TOPIC + "-theirs"}
        signed = json.loads(theirs.sign(post(json.dumps(sent).encode()), RSA_PRIVATE, NOW).body)
        rest = "".join(
            f"\n{name}\n{signed[name]}" for name in ("MessageId", "Timestamp", "TopicArn", "Type")
        )
        forged = signed | fields | {"Message": "evil", "Type": kind + rest}
        assert refusal(SUBSCRIBED, post(json.dumps(forged).encode()), RSA_PUBLIC) == "malformed"
        for name in ("MessageId", "Timestamp", "TopicArn", "Type"):
            cut = json.loads(SNS_BODY) | {name: json.loads(SNS_BODY)[name] + "\nx"}
            assert refusal(SUBSCRIBED, post(json.dumps(cut).encode()), RSA_PUBLIC) in (
                "malformed",
                "mismatch",
                "not_pinned",
                "missing",
            )

    @pytest.mark.parametrize("version", ["3", "", None, 1, "sha1", ["1"], {}])
    def test_unknown_version(self, version: Any) -> None:
        body = json.loads(self.signed().body) | {"SignatureVersion": version}
        if version == 1:
            return  # a number reads as its text
        keys = Served()
        assert refusal(SUBSCRIBED, post(json.dumps(body).encode()), RSA_PUBLIC) == "malformed"
        assert refused(SUBSCRIBED, post(json.dumps(body).encode()), keys) == "malformed"
        assert keys.asked == []

    def test_topic_is_pinned(self) -> None:
        other = with_pins(SNS, {"topic_arn": [TOPIC + "2", TOPIC]})
        other.verify(self.signed(), secrets(RSA_PUBLIC), NOW)
        keys = Served()
        assert (
            refusal(with_pins(SNS, {"topic_arn": TOPIC + "2"}), self.signed(), RSA_PUBLIC)
            == "not_pinned"
        )
        assert (
            refused(with_pins(SNS, {"topic_arn": TOPIC + "2"}), self.signed(), keys) == "not_pinned"
        )
        assert refusal(SNS, self.signed(), RSA_PUBLIC) == "not_pinned"
        assert keys.asked == []

    @pytest.mark.parametrize(
        "url",
        [
            "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "HTTPS://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
            "https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.s3.amazonaws.com/SimpleNotificationService-a.pem",
            "https://evil.example/sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com@evil.example/SimpleNotificationService-a.pem",
            "https://evil.example#@sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://evil.example\\@sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com:8443/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem?x=.pem",
            "https://sns.us-west-2.amazonaws.com/../SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem\n",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-é.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-" + "a" * 300 + ".pem",
            "https://sns.us-west-2.amazonaws.com/?Action=Publish",
            "file:///etc/passwd",
            "https://127.0.0.1/SimpleNotificationService-a.pem",
        ],
    )
    def test_certificate_of_another_host_is_not_asked_for(self, url: str) -> None:
        keys = Served()
        assert refused(SUBSCRIBED, self.signed(SigningCertURL=url), keys) == "not_pinned"
        assert refused(SUBSCRIBED, self.signed(SigningCertURL=None), keys) == "missing"
        assert keys.asked == []

    def test_certificate_counts_while_it_is_in_force(self) -> None:
        url = json.loads(SNS_BODY)["SigningCertURL"]
        pem = certificate("sns.amazonaws.com", begins=NOW - 100, ends=NOW + 100)
        keys = Served(**{url: pem})
        for now in (NOW - 100, NOW, NOW + 100):
            SUBSCRIBED.verify(self.signed(), [], now, keys)
            for text in (
                pem.decode(),
                pem.decode().replace("\n", "\\n"),
                pem.decode().replace("\n", ""),
            ):
                SUBSCRIBED.verify(self.signed(), secrets(text), now)
        for now in (NOW - 101, NOW + 101, float("nan"), float("inf"), -1.0, 1e18):
            assert refused(SUBSCRIBED, self.signed(), keys, now) == "no_key"
            assert refusal(SUBSCRIBED, self.signed(), pem.decode(), now=now) == "no_secret"

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"x",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            b"\xff" * 100,
        ],
    )
    def test_what_is_no_certificate(self, document: bytes) -> None:
        url = json.loads(SNS_BODY)["SigningCertURL"]
        assert refused(SUBSCRIBED, self.signed(), Served(**{url: document})) == "no_key"


class TestPayPal:
    url = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"
    name = "messageverificationcerts.paypal.com"

    def signed(self) -> Request:
        request = kind_request("paypal")
        return replace(request, headers={**request.headers, "paypal-cert-url": self.url})

    def test_chain_to_a_trusted_root(self) -> None:
        root = Authority("Root")
        middle = Authority("Middle")
        middle.signed_by(root)
        pem = certificate(self.name, by=middle) + middle.pem
        PAID.verify(self.signed(), [], NOW, Served(root.pem, **{self.url: pem}))
        elsewhere = Authority("Root")
        assert (
            refused(PAID, self.signed(), Served(Keyring().roots(), **{self.url: pem})) == "no_key"
        )
        for trusted in (b"", b"x", elsewhere.pem):
            assert refused(PAID, self.signed(), Served(trusted, **{self.url: pem})) == "no_key"
        assert (
            refused(
                PAID,
                self.signed(),
                Served(root.pem, **{self.url: certificate(self.name, by=middle)}),
            )
            == "no_key"
        ), "no middle"
        assert (
            refused(PAID, self.signed(), Served(root.pem, **{self.url: certificate(self.name)}))
            == "no_key"
        ), "signed by itself"

    @pytest.mark.parametrize(
        "name",
        [
            "paypal.com",
            "messageverificationcerts.paypal.com.evil.example",
            "evil.example",
            "*.paypal.com",
        ],
    )
    def test_certificate_of_another_name(self, name: str) -> None:
        root = Authority("Root")
        pem = certificate(name, by=root)
        good = name.startswith("*")  # a wildcard of PayPal's own covers it, as it would for a host
        if good:
            PAID.verify(self.signed(), [], NOW, Served(root.pem, **{self.url: pem}))
        else:
            assert refused(PAID, self.signed(), Served(root.pem, **{self.url: pem})) == "no_key"

    def test_dates(self) -> None:
        root = Authority("Root")
        keys = Served(
            root.pem,
            **{self.url: certificate(self.name, by=root, begins=NOW - 100, ends=NOW + 100)},
        )
        for now in (NOW - 100, NOW + 100):
            PAID.verify(self.signed(), [], now, keys)
        for now in (NOW - 101, NOW + 101):
            assert refused(PAID, self.signed(), keys, now) == "no_key"

    @pytest.mark.parametrize(
        "url",
        [
            "https://www.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
            "https://api.paypal.com/v1/notifications/certs/../../x",
            "https://apixpaypal.com/v1/notifications/certs/CERT-1",
            "http://api.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com/v1/notifications/certs/CERT-1?x",
            "",
        ],
    )
    def test_certificate_of_another_host_is_not_asked_for(self, url: str) -> None:
        request = self.signed()
        keys = Served()
        assert refused(
            PAID, replace(request, headers={**request.headers, "paypal-cert-url": url}), keys
        ) in {"not_pinned", "missing"}
        assert keys.asked == []

    def test_what_is_signed(self) -> None:
        request = self.signed()
        for name in ("paypal-transmission-id", "paypal-transmission-time"):
            spoiled = replace(request, headers={**request.headers, name: "x"})
            assert refusal(PAID, spoiled, RSA_PUBLIC) == "mismatch"
        spoiled = replace(request, headers={**request.headers, "paypal-auth-algo": "SHA1withRSA"})
        assert refusal(PAID, spoiled, RSA_PUBLIC) == "mismatch"
        assert refusal(with_pins(PAYPAL, {"webhook_id": "x"}), request, RSA_PUBLIC) == "mismatch"
        assert refusal(PAYPAL, request, RSA_PUBLIC) == "not_pinned"
