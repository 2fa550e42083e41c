"""Rows: project management and collaboration. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import PLAIN_200, REPLAY_KNOWN_BY_ID
from bridge.providers.handshakes.work import (
    asana_heartbeat,
    asana_secret,
    monday_challenge,
    notion_token,
    only_head,
)
from bridge.providers.model import EventBatch, Handshake, Provider, Sample, SecretDelivery
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.pins import Pin
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

ROWS = (
    Provider(
        name="linear",
        title="Linear",
        scheme=Hmac(
            at="header:Linear-Signature", timestamp=Timestamp("body:webhookTimestamp", "ms", 60)
        ),
        event_type=(JoinedLocators(("body:type", "body:action"), by="."),),
        event_id=("header:Linear-Delivery",),
        ack=PLAIN_200,
        secret_hint="lin_wh_…, the webhook's signing secret, from Linear",
        generates_secret=False,
        setup=(
            "In Linear open Settings → Administration → API → Webhooks, create one with the URL"
            " and choose its events. Open it and copy its signing secret."
        ),
        docs="https://linear.app/developers/webhooks",
        evidence="sdk",
        signs="The body, which includes the time.",
        answer_within="5 s, with a 200",
        limits=(
            "The delivery id is in a header that is not signed: the same body with another id is"
            " marked."
        ),
        retries=(
            "Linear retries three times, after 1 minute, 1 hour and 6 hours, and may then disable"
            " the webhook."
        ),
        api_key_starts=("lin_api_", "lin_oauth_"),
        samples=tuple(
            Sample(
                f"{kind}.{action}",
                f"{kind}.{action}.json",
                {
                    "user-agent": "Linear-Webhook",
                    "linear-event": kind,
                    "linear-delivery": "{id}",
                },
            )
            for kind, action in (("Issue", "create"), ("Issue", "update"), ("Comment", "create"))
        ),
    ),
    Provider(
        name="notion",
        title="Notion",
        scheme=Hmac(at="header:X-Notion-Signature", prefix="sha256="),
        event_type=("body:type",),
        event_id=("body:id",),
        retry=("body:attempt_number",),
        learn=SecretDelivery(
            notion_token,
            "In the integration's settings at Notion open Webhooks and create a subscription with"
            " the URL; then press Verify there and paste the received token.",
            shown=True,
        ),
        secret_hint="secret_…, the verification token that Notion sends once",
        generates_secret=False,
        setup=(
            "Run `flowbridge learn SOURCE`, and meanwhile create a webhook subscription with the"
            " URL in the integration's settings at Notion, and choose its events. Notion sends a"
            " token, which becomes the secret; paste it at Notion to verify the subscription."
        ),
        docs="https://developers.notion.com/reference/webhooks",
        evidence="docs",
        signs="The body.",
        limits="An event only names what changed: fetch the page in the flow. "
        + REPLAY_KNOWN_BY_ID,
        retries=(
            "Notion retries up to 8 times with increasing delays, the last about 24 hours after"
            " the event."
        ),
        samples=(Sample("page.content_updated", "page.content_updated.json"),),
    ),
    Provider(
        name="asana",
        title="Asana",
        scheme=Hmac(at="header:X-Hook-Signature"),
        event_type=(JoinedLocators(("body:resource.resource_type", "body:action"), by="."),),
        batch=EventBatch("events"),
        dedup_body=True,  # each holds its time to the millisecond
        handshakes=(Handshake(asana_heartbeat),),
        learn=SecretDelivery(
            asana_secret,
            "Create the webhook with Asana's API (POST /webhooks) with the URL as target: Asana"
            " sends the secret while that call runs.",
        ),
        ack=PLAIN_200,
        secret_hint="32 or 64 hexadecimal digits, the X-Hook-Secret that Asana sends once",
        generates_secret=False,
        setup=(
            "Run `flowbridge learn SOURCE`, and meanwhile create the webhook with Asana's API"
            " (POST /webhooks with resource and target, the URL). Each webhook has its own"
            " secret, so it needs its own source."
        ),
        docs="https://developers.asana.com/docs/webhooks-guide",
        evidence="docs",
        signs="The body.",
        answer_within="10 s",
        limits=("Events have no id: identical events count once. Fetch what changed in the flow."),
        retries=(
            "Asana retries for 24 hours with increasing delays, and then deletes the webhook,"
            " also after 24 hours without an answer."
        ),
        samples=(Sample("task.changed", "task.changed.json"),),
    ),
    Provider(
        name="trello",
        title="Trello",
        scheme=Hmac(
            at="header:X-Trello-Webhook", algorithm="sha1", encoding="base64", signed="{body}{url}"
        ),
        event_type=("body:action.type",),
        event_id=("body:action.id",),
        handshakes=(Handshake(only_head, signed=False, methods=("HEAD",)),),
        ack=PLAIN_200,
        secret_hint="the OAuth1 secret of the Power-Up, from Trello",
        generates_secret=False,
        setup=(
            "At trello.com/power-ups/admin open your Power-Up → API key and copy the OAuth1"
            " secret. Start flowbridge and create the webhook with Trello's API (POST"
            " /1/tokens/TOKEN/webhooks) with the URL as callbackURL: Trello tests it at once. The"
            " URL is signed: set FLOWBRIDGE_PUBLIC_URL."
        ),
        docs="https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
        evidence="docs",
        signs="The body and the URL.",
        limits=REPLAY_KNOWN_BY_ID,
        retries=(
            "Trello retries three times, after 30, 60 and 120 seconds, and removes the webhook"
            " after about 30 days of failures."
        ),
        samples=(Sample("createCard", "createCard.json"),),
    ),
    Provider(
        name="jira",
        title="Jira Cloud",
        scheme=Hmac(at="header:X-Hub-Signature", prefix="sha256="),
        event_type=("body:webhookEvent",),
        event_id=("header:X-Atlassian-Webhook-Identifier",),
        retry=("header:X-Atlassian-Webhook-Retry",),
        secret_hint="any long random text; flowbridge generates one, enter it at Jira",
        generates_secret=True,
        setup=(
            "As an administrator open Settings → System → WebHooks, create one with the URL, the"
            " secret and its events. Webhooks of Connect and OAuth apps are not signed this way."
        ),
        docs="https://developer.atlassian.com/cloud/jira/platform/webhooks/",
        evidence="docs",
        signs="The body.",
        limits=(
            "The id is in a header that is not signed: the same body with another id is marked."
            " No time is signed."
        ),
        retries=(
            "Jira retries up to five times, 5 to 15 minutes apart, after a 408, 409, 425, 429,"
            " 5xx or no answer, counted in X-Atlassian-Webhook-Retry."
        ),
        fixed_objects=frozenset({"fields"}),
        samples=(
            Sample(
                "jira:issue_created",
                "issue_created.json",
                {
                    "user-agent": "Atlassian Webhook HTTP Client",
                    "x-atlassian-webhook-identifier": "{id}",
                    "x-atlassian-webhook-flow": "Primary",
                },
            ),
        ),
    ),
    Provider(
        name="monday",
        title="monday.com",
        scheme=Jwt(
            algorithm="HS256",
            expires=True,
            pins=(Pin("audience", "the URL of this source", at="aud", required=False),),
        ),
        event_type=("body:event.type",),
        event_id=("body:event.triggerUuid",),
        handshakes=(Handshake(monday_challenge, signed=False),),
        ack=PLAIN_200,
        secret_hint="the app's signing secret, from monday.com",
        generates_secret=False,
        setup=(
            "At monday.com open Developers, your app → Basic information, and copy the signing"
            " secret. Start flowbridge and create the webhook with the app's token"
            " (create_webhook): monday.com tests the URL at once."
        ),
        docs="https://developer.monday.com/apps/docs/integration-authorization",
        evidence="docs",
        signs="A token with an expiry, but not the body.",
        limits=(
            "The body is not signed. Webhooks made with a personal token, or on the board, may"
            " have no token and are refused."
        ),
        retries="monday.com retries once a minute for 30 minutes.",
        samples=(Sample("create_pulse", "create_pulse.json"),),
    ),
    Provider(
        name="clickup",
        title="ClickUp",
        scheme=Hmac(at="header:X-Signature"),
        event_type=("body:event",),
        event_id=(JoinedLocators(("body:webhook_id", "body:history_items.0.id")),),
        dedup_body=True,
        ack=PLAIN_200,
        secret_hint="the webhook's secret, from ClickUp",
        generates_secret=False,
        setup=(
            "Create the webhook with ClickUp's API (POST /api/v2/team/TEAM/webhook) with the URL as"
            " endpoint and its events. The answer holds its secret."
        ),
        docs="https://developer.clickup.com/docs/webhooksignature",
        evidence="docs",
        signs="The body.",
        answer_within="7 s",
        limits=(
            "Events without history, such as taskDeleted, have no id: an identical body is a"
            " duplicate. No time is signed."
        ),
        retries="ClickUp tries an event 5 times, and suspends the webhook after 100 failed events.",
        samples=(Sample("taskStatusUpdated", "taskStatusUpdated.json"),),
    ),
    Provider(
        name="airtable",
        title="Airtable",
        scheme=Hmac(at="header:X-Airtable-Content-MAC", prefix="hmac-sha256=", key="base64"),
        ack=PLAIN_200,
        secret_hint="macSecretBase64, which Airtable shows once, when the webhook is made",
        generates_secret=False,
        setup=(
            "Create the webhook with Airtable's API (POST /v0/bases/BASE/webhooks) with the URL as"
            " notificationUrl, and keep the macSecretBase64 of the answer."
        ),
        docs="https://airtable.com/developers/web/api/webhooks-overview",
        evidence="sdk",
        signs="The body.",
        answer_within="25 s, with no body",
        limits=(
            "A call only says that something changed, without type or id: fetch the payloads"
            " in the flow. A webhook expires after 7 days unless its payloads are fetched."
        ),
        retries=(
            "Airtable tries up to 13 times in about a day, and then stops until you enable"
            " notifications again."
        ),
        custom_payload=True,
        samples=(Sample("ping", "ping.json"),),
    ),
    Provider(
        name="figma",
        title="Figma",
        scheme=SharedToken(at="body:passcode"),
        event_type=("body:event_type",),
        event_id=(JoinedLocators(("body:webhook_id", "body:event_type", "body:timestamp")),),
        ack=PLAIN_200,
        secret_hint=(
            "any random text of at most 100 characters; flowbridge generates one, enter it at Figma"
        ),
        generates_secret=True,
        setup=(
            "Create the webhook with Figma's API (POST /v2/webhooks) with the URL as endpoint, the"
            " secret as passcode and an event_type. Figma sends a PING at once."
        ),
        docs="https://developers.figma.com/docs/rest-api/webhooks-security/",
        evidence="docs",
        signs="Nothing: the body carries the passcode.",
        answer_within="not documented, with a 200",
        limits=(
            "A passcode does not prove that the rest of the body is Figma's. It is masked in the"
            " stored body."
        ),
        retries=(
            "Figma retries three times, after 5 minutes, 30 minutes and 3 hours, and never"
            " switches a webhook off."
        ),
        api_key_starts=("figd_",),
        samples=(Sample("FILE_UPDATE", "FILE_UPDATE.json"),),
    ),
    Provider(
        name="taiga",
        title="Taiga",
        scheme=Hmac(at="header:X-TAIGA-WEBHOOK-SIGNATURE", algorithm="sha1"),
        event_type=(JoinedLocators(("body:type", "body:action"), by="."),),
        event_id=(JoinedLocators(("body:type", "body:action", "body:data.id", "body:date")),),
        secret_hint="any text; flowbridge generates one, enter it at Taiga",
        generates_secret=True,
        setup=(
            "In the project open Settings → Integrations → Webhooks, add one with a name, the URL"
            " and the secret as key."
        ),
        docs="https://docs.taiga.io/webhooks.html",
        evidence="docs",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Never retried automatically; a person can resend a request.",
        samples=(Sample("userstory.create", "userstory.create.json"),),
    ),
)
