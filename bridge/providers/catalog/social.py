"""Rows: social networks. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import FirstOtherKey, JoinedLocators
from bridge.providers.catalog._shared import PLAIN_200, REPLAY_KNOWN_BY_BODY, REPLAY_KNOWN_BY_ID
from bridge.providers.handshakes.general import (
    CRC_TOKEN,
    hub_challenge,
    linkedin_challenge,
    twitch_challenge,
    x_crc,
)
from bridge.providers.model import EventBatch, Handshake, Provider, Sample
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.timestamps import Timestamp

TWITCH = "Twitch-Eventsub-Message"

ROWS = (
    Provider(
        name="meta",
        title="Meta: Facebook, Instagram, WhatsApp, Messenger",
        # X-Hub-Signature (sha1) comes along and is not looked at
        scheme=Hmac(at="header:X-Hub-Signature-256", prefix="sha256="),
        event_type=(JoinedLocators(("body:object", "body:changes.0.field"), by="."), "body:object"),
        dedup_body=True,  # of an entry: its ids are those of pages and accounts
        batch=EventBatch("entry", keep=("object",)),
        handshakes=(Handshake(hub_challenge, signed=False, methods=("GET",)),),
        ack=PLAIN_200,
        secret_hint="32 hexadecimal characters, the App Secret, from Meta",
        generates_secret=False,
        setup=(
            "At developers.facebook.com open your app, and copy App Secret from App settings →"
            " Basic to .env. Start flowbridge, and under Webhooks paste the URL as Callback URL;"
            " the Verify token is the SHA-256 of the App Secret in hexadecimal (`printf %s SECRET"
            " | sha256sum`). Then subscribe to the fields."
        ),
        docs="https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
        evidence="docs",
        retries="Retried at once, then less often, for up to 36 hours (WhatsApp: up to 7 days).",
        signs="The body, as sent.",
        limits=REPLAY_KNOWN_BY_BODY,
        samples=(
            Sample("whatsapp_business_account.messages", "whatsapp_message.json"),
            Sample("page.leadgen", "leadgen.json"),
        ),
    ),
    Provider(
        name="x",
        title="X (Twitter)",
        scheme=Hmac(
            at="header:x-twitter-webhooks-signature",
            prefix="sha256=",
            encoding="base64",
            given_away=CRC_TOKEN.pattern,
        ),
        event_type=(
            "body:data.event_type",
            FirstOtherKey(("for_user_id", "user_has_blocked", "apps", "users")),
        ),
        dedup_body=True,
        handshakes=(Handshake(x_crc, signed=False, methods=("GET",)),),
        ack=PLAIN_200,
        secret_hint="the app's API Key Secret (consumer secret), from X",
        generates_secret=False,
        setup=(
            "In the X developer portal copy the app's API Key Secret to .env, and start"
            " flowbridge. Register the URL with POST /2/webhooks: X tests it at once and every"
            " hour, and flowbridge answers. Then subscribe to events."
        ),
        docs="https://docs.x.com/x-api/webhooks/quickstart",
        evidence="docs",
        retries=(
            "Not documented; a URL that fails its hourly test gets no requests until it passes."
        ),
        answer_within="10 s (the test: 3 s)",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_BODY,
        samples=(Sample("tweet_create_events", "tweet_create_events.json"),),
    ),
    Provider(
        name="linkedin",
        title="LinkedIn",
        scheme=Hmac(at="header:X-LI-Signature", signed="hmacsha256={body}"),
        event_type=("body:type",),
        event_id=("body:notificationId",),
        batch=EventBatch("notifications", keep=("type",)),
        handshakes=(Handshake(linkedin_challenge, signed=False, methods=("GET",)),),
        ack=PLAIN_200,
        secret_hint="the application's Client Secret, from LinkedIn",
        generates_secret=False,
        setup=(
            "In the LinkedIn developer portal copy your application's Client Secret from Auth to"
            " .env. Start flowbridge, and register the URL under Webhooks, or for leads through"
            " the API: LinkedIn tests it at once and every two hours."
        ),
        docs="https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation",
        evidence="docs",
        retries=(
            "Retried every 5 minutes for up to 8 hours; a URL that fails three tests is blocked."
        ),
        answer_within="3 s",
        signs="The word hmacsha256= and the body.",
        limits="Only applications that LinkedIn approved get webhooks. " + REPLAY_KNOWN_BY_ID,
        samples=(Sample("ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "social_action.json"),),
    ),
    Provider(
        name="twitch",
        title="Twitch EventSub",
        scheme=Hmac(
            at=f"header:{TWITCH}-Signature",
            prefix="sha256=",
            signed=f"{{h:{TWITCH}-Id}}{{timestamp}}{{body}}",
            timestamp=Timestamp(f"header:{TWITCH}-Timestamp", "rfc3339", 600),
        ),
        event_type=(JoinedLocators((f"header:{TWITCH}-Type", "body:subscription.type"), by="."),),
        event_id=(f"header:{TWITCH}-Id",),
        retry=(f"header:{TWITCH}-Retry",),
        handshakes=(Handshake(twitch_challenge),),
        secret_hint=(
            "10 to 100 ASCII characters; flowbridge generates one, give it to Twitch with the"
            " subscription"
        ),
        generates_secret=True,
        setup=(
            "Start flowbridge, then POST /helix/eventsub/subscriptions with type, version,"
            ' condition and `"transport": {"method": "webhook", "callback": URL, "secret":'
            " SECRET}`: Twitch tests the URL at once. The URL must be HTTPS on port 443."
        ),
        docs="https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
        evidence="docs",
        retries=(
            "Retried a few times; a subscription that keeps failing is revoked, with the event"
            " revocation.TYPE."
        ),
        answer_within="a few seconds",
        signs="The id, the time and the body.",
        samples=(
            Sample(
                "notification.channel.follow",
                "follow.json",
                {
                    "twitch-eventsub-message-type": "notification",
                    "twitch-eventsub-subscription-type": "channel.follow",
                    "twitch-eventsub-message-id": "{id}",
                    "twitch-eventsub-message-retry": "0",
                },
            ),
            Sample(
                "webhook_callback_verification.channel.follow",
                "verification.json",
                {
                    "twitch-eventsub-message-type": "webhook_callback_verification",
                    "twitch-eventsub-subscription-type": "channel.follow",
                    "twitch-eventsub-message-id": "{id}",
                },
            ),
            Sample(
                "revocation.channel.follow",
                "revocation.json",
                {
                    "twitch-eventsub-message-type": "revocation",
                    "twitch-eventsub-subscription-type": "channel.follow",
                    "twitch-eventsub-message-id": "{id}",
                },
            ),
        ),
    ),
)
