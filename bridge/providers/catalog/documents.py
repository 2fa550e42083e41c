"""Rows: file storage and e-signatures. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import PLAIN_200, REPLAY_KNOWN_BY_ID
from bridge.providers.handshakes.work import dropbox_challenge
from bridge.providers.model import EventBatch, Handshake, Provider, Sample
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.timestamps import Timestamp

ROWS = (
    Provider(
        name="dropbox",
        title="Dropbox",
        scheme=Hmac(at="header:X-Dropbox-Signature"),
        handshakes=(Handshake(dropbox_challenge, signed=False, methods=("GET",)),),
        secret_hint="the app secret, from Dropbox",
        generates_secret=False,
        setup=(
            "At dropbox.com/developers/apps open your app and copy the app secret. Start"
            " flowbridge, and add the URL under Webhooks: Dropbox tests it at once."
        ),
        docs="https://www.dropbox.com/developers/reference/webhooks",
        evidence="sdk",
        signs="The body.",
        answer_within="10 s",
        limits=(
            "A call only names the changed accounts, without type or id: each is an event. Ask"
            " Dropbox what changed in the flow."
        ),
        retries=(
            "Dropbox retries with increasing delays, and disables a URL that fails too often."
        ),
        samples=(Sample("list_folder", "list_folder.json", {"user-agent": "DropboxWebhooks/1.0"}),),
    ),
    Provider(
        name="box",
        title="Box",
        scheme=Hmac(
            at=("header:Box-Signature-Primary", "header:Box-Signature-Secondary"),
            encoding="base64",
            signed="{body}{timestamp}",
            timestamp=Timestamp("header:Box-Delivery-Timestamp", "iso8601", 600),
            requires=(
                ("header:Box-Signature-Version", "1"),
                ("header:Box-Signature-Algorithm", "HmacSHA256"),
            ),
        ),
        event_type=("body:trigger",),
        event_id=("body:id",),  # the header's delivery id is another at each try
        secret_hint="the app's primary or secondary signature key, from Box",
        generates_secret=False,
        setup=(
            "In the Box Developer Console open your app → Webhooks, press Manage signature keys and"
            " generate the primary key. Then create a V2 webhook with the URL for a file or folder,"
            " and choose its triggers."
        ),
        docs="https://developer.box.com/guides/webhooks/v2/signatures-v2/",
        evidence="vector",
        signs="The body and the time, concatenated.",
        answer_within="30 s",
        retries="Box tries up to 12 times in 2 hours.",
        samples=(
            Sample(
                "FILE.UPLOADED",
                "FILE.UPLOADED.json",
                {"user-agent": "Box-WH-Client/0.1", "box-delivery-id": "delivery-{id}"},
            ),
        ),
    ),
    Provider(
        name="docusign",
        title="DocuSign Connect",
        scheme=Hmac(at="header:X-DocuSign-Signature-*", encoding="base64"),
        event_type=("body:event",),
        event_id=(
            JoinedLocators(
                (
                    "body:data.envelopeId",
                    "body:data.recipientId?",
                    "body:event",
                    "body:generatedDateTime",
                )
            ),
        ),
        retry=("body:retryCount",),
        ack=PLAIN_200,
        secret_hint="one of the account's HMAC keys for Connect, from DocuSign",
        generates_secret=False,
        setup=(
            "In eSignature Admin open Integrations → Connect: add a key under Connect Keys, and a"
            " custom configuration with the URL, data format REST v2.1 and JSON (SIM), the events,"
            " and “Include HMAC signature”."
        ),
        docs="https://developers.docusign.com/platform/webhooks/connect/validate/",
        evidence="docs",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries=(
            "DocuSign retries after 5 minutes and then with doubled delays, for up to 15 days."
        ),
        samples=(Sample("envelope-completed", "envelope-completed.json"),),
    ),
    Provider(
        name="pandadoc",
        title="PandaDoc",
        scheme=Hmac(at="query:signature"),
        event_type=("body:event",),
        event_id=(
            JoinedLocators(("header:X-PandaDoc-Webhook-Event-Id", "body:event", "body:data.id")),
            JoinedLocators(
                ("body:event", "body:data.id", "body:data.status?", "body:data.date_modified?")
            ),
        ),
        batch=EventBatch(),
        ack=PLAIN_200,
        secret_hint="the webhook's shared key, from PandaDoc",
        generates_secret=False,
        setup=(
            "In PandaDoc open Settings → API → Configuration (Developer Dashboard), create a"
            " webhook with the URL and its events, and copy its shared key. PandaDoc adds"
            " ?signature=… to the URL."
        ),
        docs="https://developers.pandadoc.com/docs/webhook-verification",
        evidence="docs",
        signs="The body.",
        answer_within="20 s, with a 200",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Retried; the schedule is in PandaDoc's documentation.",
        samples=(Sample("document_state_changed", "document_state_changed.json"),),
    ),
)
