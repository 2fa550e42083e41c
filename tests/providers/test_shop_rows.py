"""Wrapped events, times and ids of websites, subscriptions and notifications."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from senders import sender
from signing import NOW, post

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.model import Body, Event
from bridge.ingest.bodies import decode_token
from bridge.ingest.source_bodies import read_body
from bridge.providers.signatures.encodings import to_base64url

TEXT = {"content-type": "text/plain"}


def wix(event: Any) -> Request:
    """A webhook of Wix that holds this event, as JSON text, or as the text that it is."""
    return sender("wix").sign(
        post((event if isinstance(event, str) else json.dumps(event)).encode(), TEXT)
    )


def of_wix(event: Any) -> Event:
    (found,) = sender("wix").receive(wix(event))[1]
    return found


def token(value: Any, claim: str = "data") -> bytes:
    """A token that holds `value`; nobody verifies it here."""
    parts = ({"alg": "RS256"}, {claim: value})
    return ".".join([*(to_base64url(json.dumps(each).encode()) for each in parts), "AA"]).encode()


INNER = {
    "id": "11-22",
    "entityFqdn": "wix.contacts.v4.contact",
    "slug": "created",
    "entityId": "e1",
}


class TestWix:
    """https://dev.wix.com/docs/rest/articles/get-started/webhook-structure"""

    def test_type_and_id_are_read_from_nested_text(
        self,
    ) -> None:
        event = of_wix(
            {
                "eventType": "wix.contacts.v4.contact_created",
                "instanceId": "i",
                "data": json.dumps(INNER),
            }
        )
        assert (event.type, event.provider_id, event.problem) == (
            "wix.contacts.v4.contact_created",
            "11-22",
            None,
        )
        assert (
            event.body
            == wix(
                {
                    "eventType": "wix.contacts.v4.contact_created",
                    "instanceId": "i",
                    "data": json.dumps(INNER),
                }
            ).body
        )

    def test_what_routes_see_is_the_event_and_not_the_token(self) -> None:
        body = decode_token(
            token(json.dumps({"data": json.dumps(INNER), "identity": "{}"})),
            "data",
            ("data", "identity"),
            max_depth=9,
        )
        assert body == Body(value={"data": INNER, "identity": {}})

    @pytest.mark.parametrize("inner", ["deleted", "", "17", "[1]", "null", "{", '{"a":'])
    def test_text_that_is_no_object_stays_text(self, inner: str) -> None:
        event = of_wix({"eventType": "OrderCanceled", "data": inner})
        assert (event.type, event.problem) == ("OrderCanceled", None) and str(
            event.provider_id
        ).startswith("sha256:")
        assert decode_token(token({"data": inner}), "data", ("data",), max_depth=9).value == {
            "data": inner
        }

    @pytest.mark.parametrize("event", ["", "{", "plain text"])
    def test_a_token_without_json_is_stored_with_a_problem(self, event: str) -> None:
        found = of_wix(event)
        assert found.problem is not None and "JSON" in found.problem and found.type is None

    def test_depth_is_limited_within_the_texts_too(self) -> None:
        deep = "[" * 50 + "]" * 50
        assert "deeper" in (decode_token(token(deep), "data", max_depth=40).problem or "")
        kept = decode_token(token({"data": f'{{"a":{deep}}}'}), "data", ("data",), max_depth=40)
        assert kept.problem is None and isinstance(kept.value["data"], str)

    def test_a_replay_reads_the_event_from_the_stored_token(self) -> None:
        event = of_wix({"eventType": "t", "data": json.dumps(INNER)})
        again = read_body(sender("wix").source(), event.headers["content-type"], event.body)
        assert again == Body(value={"eventType": "t", "data": INNER})

    def test_event_beside_the_token_is_refused(self) -> None:
        for body in (
            b'{"eventType":"t"}',
            wix({}).body + b"\n",
            wix({}).body + b".e30",
            b'"' + wix({}).body + b'"',
        ):
            with pytest.raises(BadSignature):
                sender("wix").verify(post(body, TEXT))

    @given(
        st.binary(max_size=200)
        | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(token)
    )
    def test_no_bytes_make_reading_fail(self, raw: bytes) -> None:
        body = decode_token(raw, "data", ("data", "identity"), max_depth=10)
        assert body.form is None and (body.problem is None or body.value is None)


class TestRecurly:
    """https://docs.recurly.com/recurly-subscriptions/docs/signature-verification"""

    def headers(self, when: str, *signatures: str) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "recurly-signature": ",".join((when, *signatures)),
        }

    def test_any_of_several_signatures_is_enough_and_the_time_is_in_milliseconds(self) -> None:
        one = sender("recurly")
        body = b'{"id":"a"}'
        when = f"{int(NOW)}123"
        good = hmac.new(one.secret.encode(), when.encode() + b"." + body, "sha256").hexdigest()
        one.verify(post(body, self.headers(when, "de1ec7ab1e", good)))
        for headers in (
            self.headers(when, "de1ec7ab1e"),
            self.headers(when),
            self.headers(when, ""),
            self.headers(good, when),
            self.headers("abc", good),
            self.headers(str(int(NOW)), good),
            {"content-type": "application/xml"},
        ):
            with pytest.raises(BadSignature):
                one.verify(post(body, headers))

    def test_events_of_other_types_and_times_are_different(self) -> None:
        one = sender("recurly")
        base = {
            "id": "a",
            "object_type": "invoice",
            "event_type": "paid",
            "event_time": "2026-11-24T17:03:05Z",
        }
        seen = set()
        for change in (
            {},
            {"event_type": "failed"},
            {"event_time": "2026-11-24T17:03:06Z"},
            {"id": "b"},
            {},
        ):
            (event,) = one.receive(one.sign(post(json.dumps(base | change).encode())))[1]
            seen.add(event.provider_id)
        assert len(seen) == 4


def test_courier_s_time_is_in_milliseconds() -> None:
    """https://www.courier.com/docs/platform/workspace/outbound-webhooks"""
    one = sender("courier")
    body = b'{"type":"message:updated"}'
    when = "1631816343012"
    value = hmac.new(one.secret.encode(), when.encode() + b"." + body, "sha256").hexdigest()
    request = post(body, {"courier-signature": f"t={when},signature={value}"})
    one.verify(request, 1631816343 + 299)
    with pytest.raises(BadSignature, match="stale"):
        one.verify(request, 1631816343 + 301)
