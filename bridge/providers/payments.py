"""Rows: payments and billing. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.providers.record import Provider, Sample
from bridge.signatures import Hmac, Pairs, Timestamp

STRIPE = {"user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}

ROWS = (
    Provider(
        name="stripe",
        title="Stripe",
        # Only v1 counts (v0 is for test mode), and the whole of whsec_… is the key, unlike Svix's.
        scheme=Hmac(at="header:Stripe-Signature", parse=Pairs("v1"), signed="{t}.{body}", timestamp=Timestamp("label:t")),
        event_type=("body:type",),
        event_id=("body:id",),
        secret_hint="whsec_…, the endpoint's signing secret, from Stripe",
        generates_secret=False,
        setup=(
            "In the Stripe Dashboard open Developers → Webhooks, add an endpoint (destination) with the URL and choose the "
            "events, such as invoice.paid. Then reveal the endpoint's signing secret (whsec_…) and put it where routes.yaml "
            "names it. Each endpoint, and `stripe listen`, has a secret of its own."
        ),
        docs="https://docs.stripe.com/webhooks/signature",
        evidence="sdk",
        signs="The time and the body, joined by a dot.",
        retries="In live mode Stripe tries for up to three days, with growing waits.",
        samples=(
            Sample("invoice.paid", "invoice.paid.json", STRIPE),
            Sample("checkout.session.completed", "checkout.session.completed.json", STRIPE),
        ),
    ),
)
