"""Rows: code hosting, builds and deployments. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.providers.record import MIB, Provider, Sample
from bridge.signatures import Hmac

GITHUB = {"x-github-delivery": "{id}", "user-agent": "GitHub-Hookshot/044aadd"}

ROWS = (
    Provider(
        name="github",
        title="GitHub",
        scheme=Hmac(at="header:X-Hub-Signature-256", prefix="sha256="),  # X-Hub-Signature (sha1) comes along and is not looked at
        event_type=("header:X-GitHub-Event",),
        event_id=("header:X-GitHub-Delivery",),
        body="form_payload:payload",
        max_body=25 * MIB,
        secret_hint="any long random text; flowbridge makes one, GitHub is told it",
        generates_secret=True,
        setup=(
            "In the repository (or organization) open Settings → Webhooks → Add webhook. Paste the URL as Payload URL and the "
            "secret as Secret, choose content type application/json, and pick the events under “Let me select individual "
            "events”. GitHub sends a ping at once, which shows up as an event of type ping."
        ),
        docs="https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
        evidence="vector",
        answer_within="10 s (Enterprise Server: 30 s)",
        signs="The body.",
        limits="No time is signed: a copy of a request can be sent again, and is told by its delivery id.",
        retries="GitHub never redelivers by itself; a person can press Redeliver, for three days.",
        samples=(
            Sample("issues", "issues.json", {"x-github-event": "issues", **GITHUB}),
            Sample("ping", "ping.json", {"x-github-event": "ping", **GITHUB}),
        ),
    ),
)
