"""Who sends: one row per provider. Pure.

Adding a provider is a row here, a sample payload under `samples/` and its vectors under `tests/`. The sources of each row are the
page in `docs` and, where `evidence` is `vector`, published values that `tests/vectors.py` checks.
"""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from bridge.locate import FORMS
from bridge.model import JSON, Request
from bridge.signatures import AnyOf, Basic, Ed25519, HeaderSets, Hmac, Pairs, Scheme, Timestamp, Token, Unsigned

MIB = 1024 * 1024
CREDENTIALS = ("header:authorization", "header:cookie", "header:proxy-authorization")
EVIDENCE = ("vector", "sdk", "docs", "unconfirmed")  # what shows that a row is right, best first


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered instead of the usual 202."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a sender tests a URL. `answer` returns None for what is no test; `signed`: it is answered only after verification."""

    answer: Callable[[Request, JSON], Reply | None]
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """A realistic event: `payload` names a JSON file in `samples/<provider>/`, sent as `content_type`.

    `{id}`, `{now}` and `{now_iso}` in headers and payload stand for what is fresh in each copy.
    """

    type: str
    payload: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One sender. `event_type` and `event_id` are locators in order of preference, `credentials` what is masked when stored.

    `scheme` is null where only a source's `verify:` can tell. `body`: `json`, or `form_payload:FIELD`: a form may carry the JSON
    in that field. `ack` replaces the 202. `generates_secret`: we make the secret and the sender is told it, not the reverse.
    """

    name: str
    title: str
    scheme: Scheme | None
    event_type: tuple[str, ...] = ()
    event_id: tuple[str, ...] = ()
    body: str = "json"
    handshake: Handshake | None = None
    credentials: tuple[str, ...] = CREDENTIALS
    max_body: int = 5 * MIB
    ack: Reply | None = None
    secret_hint: str
    generates_secret: bool
    setup: str
    docs: str
    evidence: str
    retries: str
    samples: tuple[Sample, ...]


def masked(provider: Provider, scheme: Scheme) -> frozenset[str]:
    """Return the locators (`header:…`, `query:…`, lower-case header names) of the static credentials of a source's requests."""
    return frozenset(provider.credentials) | frozenset(scheme.credentials)


def _slack_challenge(request: Request, body: JSON) -> Reply | None:
    """Spec: https://docs.slack.dev/reference/events/url_verification"""
    if request.content_type in FORMS or not isinstance(body, dict) or body.get("type") != "url_verification":
        return None
    challenge = body.get("challenge")
    return Reply(body=orjson.dumps({"challenge": challenge})) if isinstance(challenge, str) else None


def _standard(start: str) -> Scheme:
    """Standard Webhooks, whose header names begin with `start`. The secret says which of the two kinds of entry counts."""
    at, signed = f"header:{start}signature", f"{{h:{start}id}}.{{timestamp}}.{{body}}"
    time = Timestamp(f"header:{start}timestamp")
    entries = {label: Pairs(label, separator=" ", assign=",") for label in ("v1", "v1a")}
    public = Ed25519(at=at, parse=entries["v1a"], encoding="base64", signed=signed, timestamp=time)
    shared = Hmac(at=at, parse=entries["v1"], encoding="base64", key="whsec", signed=signed, timestamp=time)
    return AnyOf(by_secret=(("whpk_", public), ("whsk_", public), ("", shared)))


FORM = "application/x-www-form-urlencoded"
GITHUB = {"x-github-delivery": "{id}", "user-agent": "GitHub-Hookshot/044aadd"}
STRIPE = {"user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
SLACK = {"user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
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
        retries="GitHub waits 10 seconds for the answer and never redelivers by itself; a person can press Redeliver.",
        samples=(
            Sample("issues", "issues.json", {"x-github-event": "issues", **GITHUB}),
            Sample("ping", "ping.json", {"x-github-event": "ping", **GITHUB}),
        ),
    ),
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
        retries="In live mode Stripe tries for up to three days, with growing waits.",
        samples=(
            Sample("invoice.paid", "invoice.paid.json", STRIPE),
            Sample("checkout.session.completed", "checkout.session.completed.json", STRIPE),
        ),
    ),
    Provider(
        name="slack",
        title="Slack",
        scheme=Hmac(at="header:X-Slack-Signature", prefix="v0=", signed="v0:{timestamp}:{body}",
                    timestamp=Timestamp("header:X-Slack-Request-Timestamp")),
        event_type=("body:event.type", "body:type", "form:command"),
        event_id=("body:event_id", "body:trigger_id", "form:trigger_id"),
        body="form_payload:payload",
        handshake=Handshake(_slack_challenge, signed=True),
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
        retries="Slack waits 3 seconds and retries an event about at once, after 1 minute and after 5 minutes.",
        samples=(
            Sample("message", "message.json", SLACK),
            Sample("url_verification", "url_verification.json", SLACK),
        ),
    ),
    Provider(
        name="standard_webhooks",
        title="Standard Webhooks",
        scheme=_standard("webhook-"),
        event_type=("body:type",),
        event_id=("header:webhook-id",),
        secret_hint="whsec_… (shared) or whpk_… (the sender's public key), from the sender",
        generates_secret=False,
        setup=(
            "In the sender's webhook settings add an endpoint with the URL and choose its events. Copy the signing secret "
            "that it shows (whsec_…, or whpk_… where it signs with a key pair) and put it where routes.yaml names it."
        ),
        docs="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
        evidence="vector",
        retries=(
            "The specification suggests 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h; an answer 410 switches the "
            "endpoint off."
        ),
        samples=(Sample("invoice.paid", "invoice.paid.json", {"webhook-id": "msg_{id}"}),),
    ),
    Provider(
        name="svix",
        title="Svix",
        # Both sets of names are sent by some; the first one present is verified, and the id below is taken from the same one.
        scheme=HeaderSets(sets=(("svix-", _standard("svix-")), ("webhook-", _standard("webhook-")))),
        event_type=("body:type",),
        event_id=("header:svix-id", "header:webhook-id"),
        secret_hint="whsec_… and base64, from the sender's portal",
        generates_secret=False,
        setup=(
            "In the sender's Svix portal (App Portal → Endpoints) press Add Endpoint, paste the URL and choose its events. "
            "Open the endpoint, copy its Signing Secret (whsec_…) and put it where routes.yaml names it."
        ),
        docs="https://docs.svix.com/receiving/verifying-payloads/how-manual",
        evidence="vector",
        retries=(
            "The suggested waits are 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h; an answer 410 switches the "
            "endpoint off."
        ),
        samples=(Sample("user.created", "user.created.json", {"svix-id": "msg_{id}", "user-agent": "Svix-Webhooks/1.0"}),),
    ),
    Provider(
        name="form",
        title="HTML form",
        scheme=Unsigned(),
        secret_hint="none: forms are public by nature",
        generates_secret=False,
        setup=(
            "Write the URL as the form's action, with method post and a name on every field; flowbridge keeps what is sent. "
            "allowed_origins, rate and schema in routes.yaml keep strangers and nonsense out."
        ),
        docs="https://developer.mozilla.org/en-US/docs/Learn_web_development/Extensions/Forms/Sending_and_retrieving_form_data",
        evidence="docs",
        retries="A browser sends once; the person sees the answer.",
        samples=(Sample("submission", "submission.json", {"accept": "application/json"}, FORM),),
    ),
    Provider(
        name="hmac",
        title="Any sender that signs with an HMAC",
        scheme=None,
        secret_hint="any long random text; flowbridge makes one, the sender is told it",
        generates_secret=True,
        setup=(
            "Give the sender the URL and the secret. In routes.yaml say under verify: where the signature stands, how it is "
            "written and what is signed, and with event_type: and event_id: where those two stand."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc2104",
        evidence="vector",
        retries="Whatever the sender does.",
        samples=(Sample("order.created", "order.created.json"),),
    ),
    Provider(
        name="token",
        title="Any sender that shows a token",
        scheme=Token(at="header:Authorization", prefix="Bearer "),
        secret_hint="any long random text; flowbridge makes one, the sender is told it",
        generates_secret=True,
        setup=(
            "Let the sender add the header “Authorization: Bearer SECRET” to its calls of the URL, or say under verify: in "
            "routes.yaml which header or query parameter carries the token. A token does not prove that the body is the "
            "sender's: use HTTPS."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc6750",
        evidence="docs",
        retries="Whatever the sender does.",
        samples=(Sample("order.created", "order.created.json"),),
    ),
    Provider(
        name="basic",
        title="Any sender that logs in with user and password",
        scheme=Basic(),
        secret_hint="user:password, both of your choice; flowbridge makes the password",
        generates_secret=True,
        setup=(
            "Enter user and password in the sender's webhook settings, or write them into the URL: "
            "https://user:password@HOST/hooks/NAME. The secret in routes.yaml is the two joined by a colon. They do not prove "
            "that the body is the sender's: use HTTPS."
        ),
        docs="https://www.rfc-editor.org/rfc/rfc7617",
        evidence="docs",
        retries="Whatever the sender does.",
        samples=(Sample("order.created", "order.created.json"),),
    ),
)

PROVIDERS: dict[str, Provider] = {row.name: row for row in ROWS}
