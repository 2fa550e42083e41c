"""Rows: chat and meetings. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import FirstOtherKey, JoinedLocators
from bridge.providers.catalog._shared import (
    NOTHING_SIGNED,
    PLAIN_200,
    REPLAY_KNOWN_BY_ID,
    REPLAY_UNKNOWN,
)
from bridge.providers.handshakes.general import (
    confirm_empty_batch,
    confirm_url,
    discord_event_ping,
    discord_ping,
    slack_challenge,
    zoom_validation,
)
from bridge.providers.model import (
    CREDENTIAL_HEADERS,
    EventBatch,
    Handshake,
    Provider,
    Reply,
    Sample,
)
from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

SLACK = {"user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
PUBLIC_KEY = "64 hexadecimal characters, the application's Public Key, from Discord"
#: Discord documents no limit of age; it tries an event again for ten minutes.
DISCORD = Ed25519(
    at="header:X-Signature-Ed25519",
    signed="{timestamp}{body}",
    timestamp=Timestamp("header:X-Signature-Timestamp", "s", 900),
)

ROWS = (
    Provider(
        name="slack",
        title="Slack",
        scheme=Hmac(
            at="header:X-Slack-Signature",
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp=Timestamp("header:X-Slack-Request-Timestamp"),
        ),
        event_type=("body:event.type", "body:type", "form:command"),
        event_id=("body:event_id", "body:trigger_id", "form:trigger_id"),
        retry=("header:X-Slack-Retry-Num",),
        body="form_payload:payload",
        # deprecated, but some of the app's receivers may still believe it
        credentials=(*CREDENTIAL_HEADERS, "body:token"),
        handshakes=(Handshake(slack_challenge),),
        # a command or a click shows what is answered, and takes nothing but 200
        ack=Reply(content_type="text/plain"),
        secret_hint="32 hexadecimal characters, the app's Signing Secret, from Slack",
        generates_secret=False,
        setup=(
            "At api.slack.com/apps open your app and copy Signing Secret from Basic Information →"
            " App Credentials. Start flowbridge, then under Event Subscriptions enable events and"
            " paste the URL as Request URL: Slack tests it at once. Subscribe to bot events such"
            " as message.channels, save, and reinstall the app; interactivity and slash commands"
            " have their own URL fields."
        ),
        docs="https://docs.slack.dev/authentication/verifying-requests-from-slack",
        evidence="vector",
        retries=(
            "Slack retries an event about at once, after 1 minute and after 5 minutes; slash"
            " commands and clicks are not retried."
        ),
        answer_within="3 s",
        signs="The version v0, the time and the body, joined by colons.",
        limits=(
            "The deprecated verification token, which is in each body, is masked in the stored"
            " body and proves nothing here."
        ),
        api_key_starts=("xoxb-", "xoxp-", "xoxe-", "xoxe.", "xapp-"),
        samples=(
            Sample("message", "message.json", SLACK),
            Sample("app_mention", "app_mention.json", SLACK),
            Sample("reaction_added", "reaction_added.json", SLACK),
            Sample("url_verification", "url_verification.json", SLACK),
        ),
    ),
    Provider(
        name="discord",
        title="Discord interactions",
        scheme=DISCORD,
        event_type=("body:data.name", "body:data.custom_id", "body:type"),
        event_id=("body:id",),
        handshakes=(Handshake(discord_ping),),
        # "thinking…": the flow says the rest by the interaction's token
        ack=Reply(body=b'{"type":5}'),
        secret_hint=PUBLIC_KEY,
        generates_secret=False,
        setup=(
            "At discord.com/developers open your application and copy its Public Key from General"
            " Information to .env. Start flowbridge, paste the URL as Interactions Endpoint URL"
            " and save: Discord sends good and bad requests at once."
        ),
        docs="https://docs.discord.com/developers/interactions/overview",
        evidence="sdk",
        retries="Not retried: the user sees that the application did not respond.",
        answer_within="3 s",
        signs="The time and the body.",
        limits=(
            "Every command gets a deferred answer; the flow answers with the interaction's token"
            " within 15 minutes. Autocompletion, which needs choices at once, is not possible."
        ),
        samples=(Sample("water", "water.json"), Sample("1", "ping.json")),
    ),
    Provider(
        name="discord_events",
        title="Discord webhook events",
        scheme=DISCORD,
        event_type=("body:event.type",),
        dedup_body=True,
        handshakes=(Handshake(discord_event_ping),),
        ack=Reply(204),
        secret_hint=PUBLIC_KEY,
        generates_secret=False,
        setup=(
            "At discord.com/developers open your application and copy its Public Key to .env."
            " Start flowbridge, paste the URL under Webhooks as Endpoint, enable Events, and"
            " choose them: Discord tests the URL at once."
        ),
        docs="https://docs.discord.com/developers/events/webhook-events",
        evidence="sdk",
        retries=(
            "Retried with increasing delays for up to 10 minutes; an endpoint that fails often is"
            " disabled."
        ),
        answer_within="3 s",
        signs="The time and the body.",
        limits=(
            "Events have no id; duplicates are detected by content, including the time of"
            " what happened."
        ),
        samples=(Sample("APPLICATION_AUTHORIZED", "application_authorized.json"),),
    ),
    Provider(
        name="msteams_outgoing",
        title="Microsoft Teams outgoing webhooks",
        scheme=Hmac(at="header:Authorization", prefix="HMAC ", encoding="base64", key="base64"),
        event_type=("body:type",),
        event_id=("body:id",),
        # Teams shows it in the conversation, and an error without it
        ack=Reply(body=b'{"type":"message","text":"Received."}'),
        secret_hint="base64, the security token that Teams shows once",
        generates_secret=False,
        setup=(
            "In Teams open Manage team → Apps → Create an outgoing webhook, name it, and paste"
            " the URL as Callback URL. Teams shows the security token once: put it into .env."
            " Then mention the webhook by name."
        ),
        docs="https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook",
        evidence="docs",
        retries="Not retried.",
        answer_within="5 s",
        signs="The body.",
        limits="The answer is always “Received.”. " + REPLAY_KNOWN_BY_ID,
        samples=(Sample("message", "message.json"),),
    ),
    Provider(
        name="zoom",
        title="Zoom",
        scheme=Hmac(
            at="header:x-zm-signature",
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp=Timestamp("header:x-zm-request-timestamp"),
        ),
        event_type=("body:event",),
        dedup_body=True,
        handshakes=(Handshake(zoom_validation),),
        ack=PLAIN_200,
        secret_hint="the app's Secret Token, from Zoom",
        generates_secret=False,
        setup=(
            "In the Zoom App Marketplace open your app → Features → Access → Event Subscription,"
            " and copy the Secret Token to .env. Start flowbridge, paste the URL as Event"
            " notification endpoint URL, press Validate, and choose the events."
        ),
        docs="https://developers.zoom.us/docs/api/webhooks/",
        evidence="docs",
        retries=(
            "Retried three times, after 5, 20 and 60 minutes, if the answer is a 5xx or late."
        ),
        answer_within="3 s",
        signs="The version v0, the time and the body, joined by colons.",
        limits=(
            "Events have no id; duplicates are detected by content, including event_ts. Zoom"
            " tests the URL again every 72 hours."
        ),
        samples=(
            Sample("meeting.ended", "meeting.ended.json"),
            Sample("endpoint.url_validation", "endpoint.url_validation.json"),
        ),
    ),
    Provider(
        name="webex",
        title="Webex",
        scheme=Hmac(at="header:X-Spark-Signature", algorithm="sha1"),
        event_type=(JoinedLocators(("body:resource", "body:event"), by="."),),
        ack=PLAIN_200,
        secret_hint=(
            "any long random text; flowbridge generates one, give it to Webex with the webhook"
        ),
        generates_secret=True,
        setup=(
            "Create a webhook through the API: POST /v1/webhooks with name, targetUrl (the URL),"
            " resource and event, such as messages and created, and the secret."
        ),
        docs="https://developer.webex.com/docs/api/guides/webhooks",
        evidence="docs",
        retries="A webhook whose URL keeps failing is disabled.",
        signs="The body.",
        limits=REPLAY_UNKNOWN,
        samples=(Sample("messages.created", "messages.created.json"),),
    ),
    Provider(
        name="telegram",
        title="Telegram bots",
        scheme=SharedToken(at="header:X-Telegram-Bot-Api-Secret-Token"),
        event_type=(FirstOtherKey(("update_id",)),),
        event_id=("body:update_id",),
        secret_hint=(
            "1 to 256 characters of A-Z a-z 0-9 _ -; flowbridge generates one, pass it to Telegram"
        ),
        generates_secret=True,
        setup=(
            "Call https://api.telegram.org/botTOKEN/setWebhook with url (the URL), secret_token"
            " (the secret) and allowed_updates (the updates you want). getWebhookInfo shows the"
            " last error."
        ),
        docs="https://core.telegram.org/bots/api#setwebhook",
        evidence="docs",
        retries="Retried for a while unless the answer is 2xx.",
        signs="Nothing: requests carry the secret token.",
        limits=NOTHING_SIGNED,
        samples=(Sample("message", "message.json"),),
    ),
    Provider(
        name="line",
        title="LINE",
        scheme=Hmac(at="header:X-Line-Signature", encoding="base64"),
        event_type=("body:type",),
        event_id=("body:webhookEventId",),
        batch=EventBatch("events", keep=("destination",)),
        handshakes=(Handshake(confirm_empty_batch("events")),),
        ack=PLAIN_200,
        secret_hint="the channel's Channel secret, from LINE",
        generates_secret=False,
        setup=(
            "In the LINE Developers Console open your channel and copy Channel secret from Basic"
            " settings to .env. Under Messaging API paste the URL as Webhook URL, press Verify,"
            " and enable Use webhook."
        ),
        docs="https://developers.line.biz/en/docs/messaging-api/receiving-messages/",
        evidence="vector",
        retries=(
            "Only if Webhook redelivery is enabled; such events have deliveryContext.isRedelivery."
        ),
        answer_within="a few seconds",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(Sample("message", "message.json", {"user-agent": "LineBotWebhook/2.0"}),),
    ),
    Provider(
        name="intercom",
        title="Intercom",
        scheme=Hmac(at="header:X-Hub-Signature", prefix="sha1=", algorithm="sha1"),
        event_type=("body:topic",),
        event_id=("body:id",),
        handshakes=(Handshake(confirm_url, signed=False, methods=("HEAD",)),),
        ack=PLAIN_200,
        secret_hint="the app's Client secret, from Intercom",
        generates_secret=False,
        setup=(
            "In Intercom's Developer Hub open your app, and copy Client secret from Basic"
            " information to .env. Start flowbridge, paste the URL under Configure → Webhooks,"
            " which Intercom tests with a HEAD request, and choose the topics."
        ),
        docs="https://developers.intercom.com/docs/webhooks/setting-up-webhooks",
        evidence="docs",
        retries="Retried once after a minute; a URL that keeps failing is paused.",
        answer_within="5 s",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(
            Sample("conversation.user.created", "conversation.user.created.json"),
            Sample("ping", "ping.json"),
        ),
    ),
)
