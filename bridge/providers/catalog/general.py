"""Rows: standards, forms, and any sender that has no row of its own. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.providers.catalog._shared import SVIX_ID, standard, svix
from bridge.providers.model import FORM, Provider, Sample
from bridge.providers.signatures.shared_token import Basic, Token, Unsigned

ROWS = (
    Provider(
        name="standard_webhooks",
        title="Standard Webhooks",
        scheme=standard("webhook-"),
        event_type=("body:type",),
        event_id=("header:webhook-id",),
        secret_hint="whsec_… (shared) or whpk_… (the sender's public key), from the sender",
        generates_secret=False,
        setup=(
            "In the sender's webhook settings add an endpoint with the URL and choose its events."
            " Copy the signing secret that it shows (whsec_…, or whpk_… where it signs with a key"
            " pair) and put it where routes.yaml names it."
        ),
        docs="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
        evidence="vector",
        retries=(
            "The specification suggests 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h; an"
            " answer 410 switches the endpoint off."
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
            "In the sender's Svix portal (App Portal → Endpoints) press Add Endpoint, paste the URL"
            " and choose its events. Open the endpoint, copy its Signing Secret (whsec_…) and put"
            " it where routes.yaml names it."
        ),
        docs="https://docs.svix.com/receiving/verifying-payloads/how-manual",
        evidence="vector",
        retries=(
            "The suggested waits are 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h; an"
            " answer 410 switches the endpoint off."
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
        secret_hint="none: forms are public by nature",
        generates_secret=False,
        setup=(
            "`flowbridge form NAME` prints the form to paste, made from the source's schema;"
            " /forms/NAME serves it. By hand: write the URL as the form's action, with method post"
            " and a name on every field; flowbridge keeps what is sent. allowed_origins, rate and"
            " schema in routes.yaml keep strangers and nonsense out."
        ),
        docs="https://developer.mozilla.org/en-US/docs/Learn_web_development/Extensions/Forms/Sending_and_retrieving_form_data",
        evidence="docs",
        retries="A browser sends once; the person sees the answer.",
        answer_within="as long as the browser waits",
        signs="Nothing: anyone may send.",
        custom_payload=True,
        samples=(Sample("submission", "submission.json", {"accept": "application/json"}, FORM),),
    ),
    Provider(
        name="hmac",
        title="Any sender that signs with an HMAC",
        scheme=None,
        secret_hint="any long random text; flowbridge makes one, the sender is told it",
        generates_secret=True,
        setup=(
            "Give the sender the URL and the secret. In routes.yaml say under verify: where the"
            " signature stands, how it is written and what is signed, and with event_type: and"
            " event_id: where those two stand."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc2104",
        evidence="vector",
        retries="Whatever the sender does.",
        answer_within="whatever the sender waits",
        signs="What verify: says under signed, the body if it says nothing.",
        custom_payload=True,
        samples=(Sample("order.created", "order.created.json"),),
    ),
    Provider(
        name="token",
        title="Any sender that shows a token",
        scheme=Token(at="header:Authorization", prefix="Bearer "),
        secret_hint="any long random text; flowbridge makes one, the sender is told it",
        generates_secret=True,
        setup=(
            "Let the sender add the header “Authorization: Bearer SECRET” to its calls of the URL,"
            " or say under verify: in routes.yaml which header or query parameter carries the"
            " token. Use HTTPS."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc6750",
        evidence="docs",
        retries="Whatever the sender does.",
        answer_within="whatever the sender waits",
        signs="Nothing: the token is shown, not used to sign.",
        limits="A token does not prove that the body is the sender's, nor that the request is new.",
        custom_payload=True,
        samples=(Sample("order.created", "order.created.json"),),
    ),
    Provider(
        name="basic",
        title="Any sender that logs in with user and password",
        scheme=Basic(),
        secret_hint="user:password, both of your choice; flowbridge makes the password",
        generates_secret=True,
        setup=(
            "Enter user and password in the sender's webhook settings, or write them into the URL:"
            " https://user:password@HOST/hooks/NAME. The secret in routes.yaml is the two joined by"
            " a colon. Use HTTPS."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc7617",
        evidence="docs",
        retries="Whatever the sender does.",
        answer_within="whatever the sender waits",
        signs="Nothing: user and password are shown, not used to sign.",
        limits=(
            "A password does not prove that the body is the sender's, nor that the request is new."
        ),
        custom_payload=True,
        samples=(Sample("order.created", "order.created.json"),),
    ),
)
