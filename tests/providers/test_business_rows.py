"""Batches, ids, types and answers of payments, shops, forms, customers, work tools and content."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from senders import KEY, OTHER, sender, stranger
from signing import NOW, post, secrets

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED
from bridge.core.model import Event
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.timestamps import Timestamp


def told(name: str, document: Any, **headers: str) -> list[Event]:
    """The events of a signed request with this JSON."""
    one = sender(name)
    return one.receive(
        one.sign(
            post(json.dumps(document).encode(), {"content-type": "application/json", **headers})
        )
    )[1]


def ids(events: list[Event]) -> list[str | None]:
    return [event.provider_id for event in events]


class TestAdyen:
    def items(self, *references: str) -> dict[str, Any]:
        item = {
            "merchantAccountCode": "A",
            "merchantReference": "r",
            "amount": {"value": 1, "currency": "EUR"},
            "eventCode": "CAPTURE",
            "success": "true",
        }
        return {
            "live": "true",
            "notificationItems": [
                {"NotificationRequestItem": item | {"pspReference": ref}} for ref in references
            ],
        }

    def signed(self, *references: str) -> Any:
        return json.loads(
            sender("adyen").sign(post(json.dumps(self.items(*references)).encode())).body
        )

    def test_each_item_is_an_event_with_its_own_id(self) -> None:
        one = sender("adyen")
        received, events = one.receive(post(json.dumps(self.signed("p1", "p2")).encode()))
        assert (received.reply.status, received.reply.body) == (200, b"[accepted]")
        assert ids(events) == ["p1:CAPTURE:true", "p2:CAPTURE:true"] and {
            event.type for event in events
        } == {"CAPTURE"}
        assert json.loads(events[1].body)["live"] == "true"

    @pytest.mark.parametrize("bad", [0, 1, 2])
    def test_one_bad_item_refuses_them_all(self, bad: int) -> None:
        document = self.signed("p1", "p2", "p3")
        document["notificationItems"][bad]["NotificationRequestItem"]["amount"]["value"] = 2
        with pytest.raises(BadSignature):
            sender("adyen").verify(post(json.dumps(document).encode()))

    def test_an_item_without_a_signature_or_with_another_s_refuses_them_all(self) -> None:
        for spoil in (
            lambda items: items[1]["NotificationRequestItem"].pop("additionalData"),
            lambda items: items[1]["NotificationRequestItem"].update(
                additionalData=items[0]["NotificationRequestItem"]["additionalData"]
            ),
            lambda items: items.append({}),
            lambda items: items.append(None),
        ):
            document = self.signed("p1", "p2")
            spoil(document["notificationItems"])
            with pytest.raises(BadSignature):
                sender("adyen").verify(post(json.dumps(document).encode()))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"{}",
            b"null",
            b'{"notificationItems":[]}',
            b'{"notificationItems":{}}',
            b'{"notificationItems":null}',
            b'{"notificationItems":[' + b"[" * 400 + b"]" * 400 + b"]}",
            b'{"notificationItems":[' + b"{}," * 1000 + b"{}]}",
            b"[" * 2000,
        ],
    )
    def test_other_requests_are_refused(self, body: bytes) -> None:
        with pytest.raises(BadSignature):
            sender("adyen").verify(post(body))

    def test_several_secrets_live_at_once(self) -> None:
        request = post(json.dumps(self.signed("p1", "p2")).encode())
        sender("adyen").verify(request, NOW, OTHER)
        with pytest.raises(BadSignature):
            sender("adyen").scheme.verify(request, secrets(OTHER), NOW)


def test_gocardless_names_each_event_by_resource_and_action() -> None:
    one = sender("gocardless")
    events = one.receive(one.signed())[1]
    assert [event.type for event in events] == ["payments.confirmed", "payments.failed"]
    assert ids(events) == ["EV_fresh-id", "EV_fresh-id-2"]


def test_quickbooks_comes_in_two_forms() -> None:
    one = sender("quickbooks")
    assert ids(one.receive(one.signed())[1]) == ["fresh-id", "fresh-id-2"]
    entity = {
        "name": "Invoice",
        "id": "145",
        "operation": "Create",
        "lastUpdated": "2026-11-24T17:03:05.000Z",
    }
    legacy = {
        "eventNotifications": [{"realmId": "310687", "dataChangeEvent": {"entities": [entity]}}]
    }
    (event,) = told("quickbooks", legacy)
    assert event.type is None and str(event.provider_id).startswith("sha256:")
    assert told("quickbooks", legacy)[0].provider_id == event.provider_id


class TestHubSpot:
    def test_each_change_is_an_event(self) -> None:
        one = sender("hubspot")
        assert [event.type for event in one.receive(one.signed())[1]] == [
            "contact.creation",
            "contact.propertyChange",
        ]

    def test_a_call_of_a_workflow_is_one_event(self) -> None:
        (event,) = told("hubspot", {"portalId": 33, "objectId": 1, "objectType": "COMPANY"})
        assert event.type is None and event.provider_id == f"sha256:{event.body_sha256}"

    def test_escapes_in_the_url_are_signed_as_its_documentation_says(self) -> None:
        """https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation"""
        one = sender("hubspot")
        called = "https://example.com/hooks/hubspot?src=hs%3Aapp%2Fv3&x=%28a%29&y=a%20b"
        plain = replace(one.request(), url=called, query_string=called.partition("?")[2])
        text = (
            b"POSThttps://example.com/hooks/hubspot?src=hs:app/v3&x=(a)&y=a%20b"
            + plain.body
            + b"1700000000000"
        )
        value = b64encode(hmac.new(one.secret.encode(), text, "sha256").digest()).decode()
        headers = {
            **plain.headers,
            "x-hubspot-request-timestamp": "1700000000000",
            "x-hubspot-signature-v3": value,
        }
        one.verify(replace(plain, headers=headers))
        with pytest.raises(BadSignature):
            one.verify(replace(plain, headers=headers, url=called.replace("%20", "%21")))

    @pytest.mark.parametrize("signed", ["{secret}{body}", "{secret}{method}{url}{body}"])
    def test_the_older_signatures_beside_or_alone_are_not_looked_at(self, signed: str) -> None:
        one = sender("hubspot")
        older = Hmac(at="header:X-HubSpot-Signature", plain=True, signed=signed)
        with pytest.raises(BadSignature):
            one.verify(older.sign(one.request(), KEY, NOW))
        with pytest.raises(BadSignature):
            one.verify(older.sign(stranger(one).signed(), KEY, NOW))


class TestWooCommerce:
    def order(self, number: int) -> Event:
        headers = {
            "x-wc-webhook-topic": "order.created",
            "x-wc-webhook-delivery-id": "1e39b411c16382875440af2d87b25755",
        }
        return told("woocommerce", {"id": number}, **headers)[0]

    def test_two_orders_of_one_second_share_a_delivery_id_and_are_two_events(self) -> None:
        assert self.order(1).provider_id == self.order(1).provider_id != self.order(2).provider_id


def test_qonto_s_onboarding_signature_is_only_looked_at_without_the_other() -> None:
    one = sender("qonto")
    onboarding = Hmac(at="header:Qonto-SHA256-Signature")
    plain = one.request()
    one.verify(onboarding.sign(plain, one.secret, NOW))
    with pytest.raises(BadSignature):
        one.verify(onboarding.sign(stranger(one).signed(), one.secret, NOW))


def test_pandadoc_s_retries_keep_their_id_and_its_events_differ() -> None:
    document = [
        {"event": "document_state_changed", "data": {"id": "d1", "status": "document.sent"}},
        {"event": "recipient_completed", "data": {"id": "d1", "status": "document.sent"}},
    ]
    with_header = told("pandadoc", document, **{"x-pandadoc-webhook-event-id": "e1"})
    assert ids(with_header) == ["e1:document_state_changed:d1", "e1:recipient_completed:d1"]
    assert ids(told("pandadoc", document)) == [
        "document_state_changed:d1:document.sent",
        "recipient_completed:d1:document.sent",
    ]


def test_docusign_takes_the_signature_of_any_of_its_keys() -> None:
    one = sender("docusign")
    second = Hmac(at="header:X-DocuSign-Signature-2", encoding="base64")
    one.verify(second.sign(stranger(one).signed(), one.secret, NOW))


def test_box_takes_either_key_and_its_id_outlasts_the_delivery() -> None:
    one = sender("box")
    secondary = replace(
        one, scheme=replace(PROVIDERS["box"].scheme, at="header:Box-Signature-Secondary")
    )  # type: ignore[type-var]
    one.verify(secondary.signed())
    first, again = (
        one.receive(
            one.sign(
                replace(one.request(), headers={**one.request().headers, "box-delivery-id": n})
            )
        )[1]
        for n in "ab"
    )
    assert ids(first) == ids(again) == ["fresh-id"]


def test_pipedrive_of_both_versions_is_named_alike() -> None:
    old = {
        "v": 1,
        "meta": {
            "action": "added",
            "object": "deal",
            "id": 2,
            "timestamp": 1680841422,
            "webhook_id": "1",
        },
    }
    assert told("pipedrive", old)[0].type == "added.deal"
    assert ids(told("pipedrive", old)) == ["2:1:added:1680841422"]


def test_linear_looks_at_the_time_that_is_signed() -> None:
    one = sender("linear")
    request = one.signed()
    stale = replace(
        request, headers={**request.headers, "linear-timestamp": str(int((NOW + 61) * 1000))}
    )
    with pytest.raises(BadSignature, match="stale"):
        one.verify(stale, NOW + 61)


def test_polar_s_secret_is_no_base64() -> None:
    polar = sender("polar")
    standard = PROVIDERS["standard_webhooks"].scheme
    assert standard is not None
    with pytest.raises(BadSignature):
        standard.verify(polar.signed(), secrets(polar.secret), NOW)


def test_asana_s_events_differ_by_their_content() -> None:
    event = {
        "action": "changed",
        "created_at": "2026-11-24T17:03:05.776Z",
        "resource": {"gid": "1", "resource_type": "task"},
    }
    other = event | {"created_at": "2026-11-24T17:03:05.777Z"}
    events = told("asana", {"events": [event, other]})
    assert [each.type for each in events] == ["task.changed", "task.changed"]
    assert len(set(ids(events))) == 2 and ids(told("asana", {"events": [other]})) == ids(events)[1:]


@pytest.mark.parametrize("name", ["dropbox", "airtable", "plaid", "acuity", "help_scout"])
def test_what_has_no_id_and_may_look_alike_is_never_a_duplicate(name: str) -> None:
    one = sender(name)
    assert ids(one.receive(one.signed())[1]) == [None]


def test_salesforce_gets_its_acknowledgement() -> None:
    one = sender("salesforce")
    received, (event,) = one.receive(one.signed())
    assert received.reply.content_type == "text/xml" and b"<Ack>true</Ack>" in received.reply.body
    assert event.body.startswith(b"<?xml") and event.problem is None
    assert str(event.provider_id).startswith("sha256:")


def test_jotform_s_answers_are_in_a_form_of_many_parts() -> None:
    one = sender("jotform")
    request = one.signed()
    assert request.content_type == "multipart/form-data"
    (event,) = one.receive(request)[1]
    assert (event.provider_id, event.problem) == ("fresh-id", None)


def test_acuity_names_the_event_in_its_form() -> None:
    one = sender("acuity")
    body = urlencode({"action": "rescheduled", "id": "1"}).encode()
    assert (
        one.receive(one.sign(post(body, {"content-type": URLENCODED})))[1][0].type == "rescheduled"
    )


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("adyen", 200, b"[accepted]"),
        ("adyen_platform", 200, b"[accepted]"),
        ("paddle", 200, b""),
        ("lemon_squeezy", 200, b""),
        ("xero", 200, b""),
        ("airtable", 200, b""),
        ("asana", 200, b""),
        ("quickbooks", 200, b""),
        ("pandadoc", 200, b""),
        ("webflow", 200, b""),
        ("linear", 200, b""),
    ],
)
def test_senders_that_refuse_202_get_their_status(name: str, status: int, body: bytes) -> None:
    one = sender(name)
    reply = one.receive(one.signed())[0].reply
    assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize(
    ("name", "path", "tries"),
    [
        ("square", {"square-retry-number": "3"}, "3"),
        ("jira", {"x-atlassian-webhook-retry": "2"}, "2"),
    ],
)
def test_senders_that_count_their_tries_are_listened_to(
    name: str, path: dict[str, str], tries: str
) -> None:
    from bridge.core.locators import locate

    assert locate(PROVIDERS[name].retry, post(headers=path), {}) == tries


@pytest.mark.parametrize("name", ["zendesk", "sanity"])
def test_an_old_request_is_let_in_where_the_sender_sets_no_limit_and_the_row_says_so(
    name: str,
) -> None:
    one = sender(name)
    one.verify(one.signed(now=NOW - 30 * 86400))
    assert "no limit" in PROVIDERS[name].limits or "sets no limit" in PROVIDERS[name].limits
    request = one.signed()
    time = getattr(one.scheme, "timestamp", None)
    assert isinstance(time, Timestamp) and not time.enforced
    moved = {
        key: value.replace("1700000000", "1700000001") for key, value in request.headers.items()
    }
    moved = {key: value.replace("22:13:20", "22:13:21") for key, value in moved.items()}
    with pytest.raises(BadSignature):
        one.verify(replace(request, headers=moved))


def test_every_row_that_needs_the_url_says_so() -> None:
    needs = [
        row
        for row in PROVIDERS.values()
        if isinstance(row.scheme, Hmac) and "{url" in "".join(row.scheme.signed)
    ]
    assert {"square", "trello", "hubspot"} <= {row.name for row in needs}
    for name in ("square", "trello", "hubspot"):
        one = sender(name)
        signed: Request = one.signed()
        assert "FLOWBRIDGE_PUBLIC_URL" in PROVIDERS[name].setup
        with pytest.raises(BadSignature):
            one.verify(replace(signed, url="http://127.0.0.1:8080/hooks/x"))
