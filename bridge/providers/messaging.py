"""Rows: chat, mail and telephone. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.providers.handshakes import slack_challenge
from bridge.providers.record import Handshake, Provider, Sample
from bridge.signatures import Hmac, Timestamp

SLACK = {"user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}

ROWS = (
    Provider(
        name="slack",
        title="Slack",
        scheme=Hmac(at="header:X-Slack-Signature", prefix="v0=", signed="v0:{timestamp}:{body}",
                    timestamp=Timestamp("header:X-Slack-Request-Timestamp")),
        event_type=("body:event.type", "body:type", "form:command"),
        event_id=("body:event_id", "body:trigger_id", "form:trigger_id"),
        body="form_payload:payload",
        handshakes=(Handshake(slack_challenge),),
        secret_hint="32 hexadecimal characters, the app's Signing Secret, from Slack",
        generates_secret=False,
        setup=(
            "At api.slack.com/apps open your app and copy Signing Secret from Basic Information → App Credentials. Start "
            "flowbridge, then under Event Subscriptions switch events on and paste the URL as Request URL: Slack tests it at "
            "once. Subscribe to bot events such as message.channels, save, and reinstall the app; interactivity and slash "
            "commands have URL fields of their own."
        ),
        docs="https://docs.slack.dev/authentication/verifying-requests-from-slack",
        evidence="vector",
        retry=("header:X-Slack-Retry-Num",),
        retries="Slack retries an event about at once, after 1 minute and after 5 minutes; slash commands and clicks are not retried.",
        answer_within="3 s",
        signs="The version v0, the time and the body, joined by colons.",
        samples=(
            Sample("message", "message.json", SLACK),
            Sample("url_verification", "url_verification.json", SLACK),
        ),
    ),
)
