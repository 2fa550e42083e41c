"""URL tests of payment services, shops and work tools, with real and hostile requests."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from handshake_requests import HOSTILE, MARKUP, TEXTS, answer, ask, json_post
from senders import sender

from bridge.core.errors import BadSignature, Refused
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED
from bridge.providers.signatures.shared_token import Unsigned

SECRET = "integration_private_key"
BRAINTREE = replace(sender("braintree"), secret=f"integration_public_key|{SECRET}", private=SECRET)


class TestBraintree:
    """https://developer.paypal.com/braintree/docs/guides/webhooks/create"""

    def test_the_published_challenge_gets_its_published_answer(self) -> None:
        reply, events = answer(
            BRAINTREE, ask("braintree", bt_challenge="20f9f8ed05f77439fe955c977e4c8a53")
        )
        assert (reply.status, events) == (200, [])
        assert reply.body == b"integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4"
        assert (
            reply.content_type.startswith("text/plain")
            and reply.headers["X-Content-Type-Options"] == "nosniff"
        )

    @pytest.mark.parametrize(
        "challenge",
        [
            *TEXTS,
            "20F9F8ED05F77439FE955C977E4C8A53",
            "a" * 19,
            "a" * 33,
            "PD94bWwgdmVyc2lvbj0iMS4wIj8+",
        ],
    )
    def test_nothing_that_could_be_a_notification_is_signed(self, challenge: str) -> None:
        with pytest.raises(BadSignature):
            answer(BRAINTREE, ask("braintree", bt_challenge=challenge))

    def test_a_challenge_that_was_signed_for_anyone_is_no_notification(self) -> None:
        challenge = "20f9f8ed05f77439fe955c977e4c8a53"
        signature = answer(BRAINTREE, ask("braintree", bt_challenge=challenge))[0].body.decode()
        for payload in (challenge, challenge + "\n"):
            body = urlencode({"bt_signature": signature, "bt_payload": payload}).encode()
            with pytest.raises(BadSignature):
                answer(BRAINTREE, ask("braintree", "POST", body, {"content-type": URLENCODED}))

    def test_without_a_public_key_no_challenge_is_answered_but_notifications_are_taken(
        self,
    ) -> None:
        bare = replace(BRAINTREE, secret=SECRET)
        with pytest.raises(BadSignature):
            answer(bare, ask("braintree", bt_challenge="20f9f8ed05f77439fe955c977e4c8a53"))
        for one in (bare, BRAINTREE):
            assert len(answer(one, one.signed())[1]) == 1


class TestEbay:
    """https://developer.ebay.com/marketplace-account-deletion"""

    token = "verification_token_0123456789abcdef"
    code = "a8628072-3d33-45ee-9004-bee86830a22d"

    def test_is_answered_with_the_digest_of_code_token_and_url(self) -> None:
        one = replace(sender("ebay"), secret=f"token:{self.token}")
        reply, events = answer(one, ask("ebay", challenge_code=self.code))
        assert (reply.status, reply.content_type, events) == (200, "application/json", [])
        assert json.loads(reply.body) == {
            "challengeResponse": "ccfc2a9551d753141d6b049dad52f089ad5ac6bd05d39296314770139ac3a026"
        }

    @pytest.mark.parametrize("code", TEXTS)
    def test_nothing_else_is(self, code: str) -> None:
        with pytest.raises((BadSignature, Refused)):
            answer(
                replace(sender("ebay"), secret=f"token:{self.token}"),
                ask("ebay", challenge_code=code),
            )

    def test_without_a_token_there_is_no_answer_and_the_token_verifies_no_request(self) -> None:
        with pytest.raises((BadSignature, Refused)):
            answer("ebay", ask("ebay", challenge_code=self.code))
        with pytest.raises(BadSignature, match="no_secret"):
            answer(replace(sender("ebay"), secret=f"token:{self.token}"), sender("ebay").signed())


class TestWooCommerce:
    """WC_Webhook::deliver_ping of https://github.com/woocommerce/woocommerce"""

    def ping(self, body: bytes, **headers: str) -> Request:
        agent = "WooCommerce/9.9.0 Hookshot (WordPress/6.8)"
        return ask(
            "woocommerce",
            "POST",
            body,
            {"content-type": URLENCODED, "user-agent": agent, **headers},
        )

    def test_the_unsigned_ping_is_answered_200_and_is_no_event(self) -> None:
        reply, events = answer("woocommerce", self.ping(b"webhook_id=4"))
        assert (reply.status, events) == (200, [])

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"webhook_id=",
            b"webhook_id=x",
            b"webhook_id=1&id=2",
            b"webhook_id=1&webhook_id=2",
            b"id=1",
            b"webhook_id=" + b"1" * 21,
            b"\xff",
            b'{"webhook_id": "4"}',
        ],
    )
    def test_anything_more_must_be_signed(self, body: bytes) -> None:
        with pytest.raises(BadSignature):
            answer("woocommerce", self.ping(body))

    def test_what_says_a_topic_must_be_signed(self) -> None:
        with pytest.raises(BadSignature):
            answer(
                "woocommerce", self.ping(b"webhook_id=4", **{"x-wc-webhook-topic": "order.created"})
            )


class TestXero:
    """https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/"""

    def test_intent_to_receive_is_an_empty_200_if_well_signed_and_refused_if_not(self) -> None:
        one = sender("xero")
        signed = one.signed("intent_to_receive")
        reply, events = answer(one, signed)
        assert (reply.status, reply.body, events) == (200, b"", [])
        with pytest.raises(BadSignature):
            answer(
                one,
                replace(
                    signed, headers={**signed.headers, "x-xero-signature": "AAAA" * 10 + "AAA="}
                ),
            )

    def test_events_are_answered_with_no_body_too(self) -> None:
        reply, events = answer("xero", sender("xero").signed())
        assert (reply.status, reply.body) == (200, b"")
        assert [event.type for event in events] == ["INVOICE.UPDATE", "CONTACT.CREATE"]


class TestTebex:
    """https://docs.tebex.io/developers/webhooks/overview"""

    def test_the_id_comes_back_after_verification(self) -> None:
        one = sender("tebex")
        reply, events = answer(one, one.signed("validation.webhook"))
        assert (json.loads(reply.body), events) == ({"id": "fresh-id"}, [])
        with pytest.raises(BadSignature):
            answer(one, one.request("validation.webhook"))

    @pytest.mark.parametrize("id_", HOSTILE)
    def test_other_ids_do_not(self, id_: Any) -> None:
        one = sender("tebex")
        body = json.dumps({"type": "validation.webhook", "id": id_}).encode()
        reply, _ = answer(
            one, one.sign(ask("tebex", "POST", body, {"content-type": "application/json"}))
        )
        assert MARKUP.encode() not in reply.body and reply.status == 202


class TestMonday:
    """https://developer.monday.com/api-reference/reference/webhooks"""

    def test_the_challenge_comes_back_as_json(self) -> None:
        reply, events = answer(
            "monday",
            json_post(
                "monday", {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}
            ),
        )
        assert (reply.status, reply.content_type, events) == (200, "application/json", [])
        assert json.loads(reply.body) == {
            "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
        }

    @pytest.mark.parametrize("challenge", HOSTILE)
    def test_anything_else_does_not(self, challenge: Any) -> None:
        with pytest.raises(BadSignature):
            answer("monday", json_post("monday", {"challenge": challenge}))

    def test_an_event_with_a_challenge_in_it_must_be_signed(self) -> None:
        with pytest.raises(BadSignature):
            answer(
                "monday",
                json_post("monday", {"challenge": "abc", "event": {"type": "create_pulse"}}),
            )


@pytest.mark.parametrize("name", ["dropbox"])
class TestDropbox:
    """https://www.dropbox.com/developers/reference/webhooks"""

    def test_the_challenge_comes_back_as_text_that_is_not_guessed_at(self, name: str) -> None:
        reply, events = answer(name, ask(name, challenge="abc123"))
        assert (reply.status, reply.body, events) == (200, b"abc123", [])
        assert (
            reply.content_type.startswith("text/plain")
            and reply.headers["X-Content-Type-Options"] == "nosniff"
        )

    @pytest.mark.parametrize("challenge", TEXTS)
    def test_anything_else_does_not(self, name: str, challenge: str) -> None:
        with pytest.raises((BadSignature, Refused)):
            answer(name, ask(name, challenge=challenge))

    def test_without_one_get_is_no_method(self, name: str) -> None:
        with pytest.raises((BadSignature, Refused)):
            answer(name, ask(name))

    def test_an_unsigned_source_refuses_a_get_without_one_as_405(self, name: str) -> None:
        with pytest.raises(Refused) as refused:
            answer(replace(sender(name), scheme=Unsigned()), ask(name))
        assert (refused.value.status, refused.value.headers) == (405, {"Allow": "POST"})


@pytest.mark.parametrize("name", ["trello", "surveymonkey"])
class TestHead:
    """https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/"""

    def test_head_is_answered_with_nothing_and_leaves_no_event(self, name: str) -> None:
        reply, events = answer(name, ask(name, "HEAD"))
        assert (reply.status, reply.body, events) == (200, b"", [])

    def test_get_is_refused(self, name: str) -> None:
        with pytest.raises(Refused) as refused:
            answer(name, ask(name))
        assert (refused.value.status, refused.value.headers) == (405, {"Allow": "HEAD, POST"})


class TestFront:
    """https://dev.frontapp.com/docs/application-webhooks"""

    def test_the_header_comes_back_as_text(self) -> None:
        reply, events = answer(
            "front", ask("front", "POST", b"{}", {"x-front-challenge": "a1B2-c3_"})
        )
        assert (reply.status, reply.body, events) == (200, b"a1B2-c3_", [])

    @pytest.mark.parametrize("challenge", TEXTS)
    def test_anything_else_does_not(self, challenge: str) -> None:
        with pytest.raises(BadSignature):
            answer("front", ask("front", "POST", b"{}", {"x-front-challenge": challenge}))


STRAVA = {"hub.mode": "subscribe", "hub.challenge": "15f7d1a91c1f40f8", "hub.verify_token": "any"}


class TestStrava:
    """https://developers.strava.com/docs/webhooks/"""

    def test_the_challenge_is_echoed_only_with_the_token(self) -> None:
        one = sender("strava")
        reply, events = answer(one, ask("strava", token=one.secret, **STRAVA))
        assert (json.loads(reply.body), events) == ({"hub.challenge": "15f7d1a91c1f40f8"}, [])

    @pytest.mark.parametrize("token", [*TEXTS, "wrong"])
    def test_nobody_else_gets_it(self, token: str) -> None:
        with pytest.raises((BadSignature, Refused)):
            answer("strava", ask("strava", token=token, **STRAVA))

    @pytest.mark.parametrize("challenge", TEXTS)
    def test_other_challenges_do_not(self, challenge: str) -> None:
        with pytest.raises((BadSignature, Refused)):
            answer(
                "strava",
                ask(
                    "strava",
                    token=sender("strava").secret,
                    **{**STRAVA, "hub.challenge": challenge},
                ),
            )
