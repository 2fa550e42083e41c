"""Rows: standards, HTML forms, and any other sender. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import URLENCODED
from bridge.providers.catalog._shared import SVIX_ID, standard_webhooks, svix
from bridge.providers.model import Provider, Sample
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken, Unsigned

ROWS = (
    Provider(
        name="standard_webhooks",
        title="Standard Webhooks",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:type",),
        event_id=("header:webhook-id",),
        secret_hint="whsec_… (shared) or whpk_… (the sender's public key), from the sender",
        generates_secret=False,
        setup=(
            "In the sender's webhook settings add an endpoint with the URL and choose its events."
            " Copy its signing secret (whsec_…, or whpk_… for a key pair) to .env."
        ),
        docs="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
        evidence="vector",
        retries=(
            "The specification suggests 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h;"
            " an answer 410 disables the endpoint."
        ),
        signs="The id, the time and the body, joined by dots.",
        answer_within="15 to 30 s, the specification advises",
        custom_payload=True,
        samples=(Sample("invoice.paid", "invoice.paid.json", {"webhook-id": "msg_{id}"}),),
    ),
    Provider(
        name="svix",
        title="Svix",
        scheme=svix(),
        event_type=("body:type",),
        event_id=SVIX_ID,
        secret_hint="whsec_… and base64, from the sender's portal",
        generates_secret=False,
        setup=(
            "In the sender's Svix portal (App Portal → Endpoints) press Add Endpoint, paste the"
            " URL and choose its events. Open the endpoint, copy its Signing Secret (whsec_…) and"
            " put it into .env."
        ),
        docs="https://docs.svix.com/receiving/verifying-payloads/how-manual",
        evidence="vector",
        retries=(
            "The suggested delays are 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h; an"
            " answer 410 disables the endpoint."
        ),
        signs="The id, the time and the body, joined by dots.",
        answer_within="15 s",
        custom_payload=True,
        samples=(
            Sample(
                "user.created",
                "user.created.json",
                {"svix-id": "msg_{id}", "user-agent": "Svix-Webhooks/1.0"},
            ),
        ),
    ),
    Provider(
        name="form",
        title="HTML form",
        scheme=Unsigned(),
        secret_hint="none: forms are public",
        generates_secret=False,
        setup=(
            "`flowbridge form SOURCE` prints the form to paste, made from the source's schema;"
            " /forms/SOURCE serves it. By hand: set the form's action to the URL, its method to"
            " post, and a name on every field. allowed_origins, rate and schema in routes.yaml"
            " limit what is accepted."
        ),
        docs="https://developer.mozilla.org/en-US/docs/Learn_web_development/Extensions/Forms/Sending_and_retrieving_form_data",
        evidence="docs",
        retries="A browser sends once, and shows the answer.",
        answer_within="as long as the browser waits",
        signs="Nothing: anyone may send.",
        custom_payload=True,
        samples=(
            Sample("submission", "submission.json", {"accept": "application/json"}, URLENCODED),
        ),
    ),
    Provider(
        name="hmac",
        title="Any sender that signs with an HMAC",
        scheme=None,
        secret_hint="any long random text; flowbridge generates one, give it to the sender",
        generates_secret=True,
        setup=(
            "Give the sender the URL and the secret. In routes.yaml set under verify: the place"
            " and format of the signature and what it signs, and the places of event_type: and"
            " event_id:."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc2104",
        evidence="vector",
        retries="Depends on the sender.",
        answer_within="depends on the sender",
        signs="What verify: sets as signed, by default the body.",
        custom_payload=True,
        samples=(Sample("order.created", "order.created.json"),),
    ),
    Provider(
        name="token",
        title="Any sender that sends a token",
        scheme=SharedToken(at="header:Authorization", prefix="Bearer "),
        secret_hint="any long random text; flowbridge generates one, give it to the sender",
        generates_secret=True,
        setup=(
            "Configure the sender to add the header “Authorization: Bearer SECRET”, or set under"
            " verify: in routes.yaml which header or query parameter carries the token. Use"
            " HTTPS."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc6750",
        evidence="docs",
        retries="Depends on the sender.",
        answer_within="depends on the sender",
        signs="Nothing: requests carry the token.",
        limits="A token does not prove that the body is the sender's, nor that the request is new.",
        custom_payload=True,
        samples=(Sample("order.created", "order.created.json"),),
    ),
    Provider(
        name="basic",
        title="Any sender that logs in with user and password",
        scheme=BasicAuth(),
        secret_hint="user:password of your choice; flowbridge generates the password",
        generates_secret=True,
        setup=(
            "Enter user and password in the sender's webhook settings, or write them into the URL:"
            " https://user:password@HOST/hooks/NAME. The secret in routes.yaml is the two joined by"
            " a colon. Use HTTPS."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc7617",
        evidence="docs",
        retries="Depends on the sender.",
        answer_within="depends on the sender",
        signs="Nothing: requests carry user and password.",
        limits=(
            "A password does not prove that the body is the sender's, nor that the request is new."
        ),
        custom_payload=True,
        samples=(Sample("order.created", "order.created.json"),),
    ),
)
