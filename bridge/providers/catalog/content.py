"""Rows: CMS, analytics, media and others. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers import form_fields
from bridge.providers.catalog._shared import CREDENTIAL_IN_URL, PLAIN_200, REPLAY_KNOWN_BY_ID
from bridge.providers.handshakes.work import strava_challenge
from bridge.providers.model import Handshake, Provider, Sample
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

ROWS = (
    Provider(
        name="webflow",
        title="Webflow",
        scheme=Hmac(
            at="header:x-webflow-signature",
            signed="{timestamp}:{body}",
            timestamp=Timestamp("header:x-webflow-timestamp", "ms"),
        ),
        event_type=("body:triggerType",),
        dedup_body=True,
        ack=PLAIN_200,
        fields=form_fields.IN_DATA,
        secret_hint="the app's client secret, or the webhook's secretKey, from Webflow",
        generates_secret=False,
        setup=(
            "Create the webhook with Webflow's API (POST /v2/sites/SITE/webhooks) with the URL and"
            " a triggerType: with a site token the answer holds a secretKey, with an app's token"
            " its client secret signs. Webhooks made on the dashboard are not signed."
        ),
        docs="https://developers.webflow.com/data/docs/working-with-webhooks",
        evidence="docs",
        signs="The time and the body, joined by a colon.",
        answer_within="30 s, with a 200",
        limits="There is no id for an event: an identical body is a duplicate.",
        retries="Webflow retries up to three times, 10 minutes apart.",
        custom_payload=True,
        samples=(Sample("form_submission", "form_submission.json"),),
    ),
    Provider(
        name="wix",
        title="Wix",
        scheme=Jwt(algorithm="RS256", wraps="data", expires=True),
        body="jwt:data,data,identity",
        event_type=("body:eventType",),
        event_id=("body:data.id",),
        ack=PLAIN_200,
        secret_hint="the app's public key (PEM), from Wix",
        generates_secret=False,
        setup=(
            "At Wix open Custom Apps, your app → Webhooks, press Get Public Key, and create a"
            " webhook for an event with the URL as callback URL. JSON texts inside the event"
            " (data and identity) are parsed: body.data.entityId is the entity."
        ),
        docs="https://dev.wix.com/docs/rest/articles/get-started/webhook-structure",
        evidence="docs",
        signs="The whole body, which is a token with an expiry.",
        answer_within="1.25 s, with a 200",
        limits=(
            "Older webhooks of Wix have no id: an event in the same words counts once. Until its"
            " token ends a request can be replayed; duplicates are detected by id."
        ),
        retries=(
            "Wix retries up to 12 times, after 1 and 10 minutes, 1, 2, 2, 2, 4, 4, 4, 8, 8 and 12"
            " hours."
        ),
        samples=(
            Sample("wix.contacts.v4.contact_created", "contact_created.json", {}, "text/plain"),
        ),
    ),
    Provider(
        name="contentful",
        title="Contentful",
        scheme=Hmac(
            at="header:X-Contentful-Signature",
            signed="{method}\n{canonical_uri}\n{headers:X-Contentful-Signed-Headers,X-Contentful-Timestamp}\n{body}",
            timestamp=Timestamp("header:X-Contentful-Timestamp", "ms", 30),
        ),
        event_type=("header:X-Contentful-Topic",),
        event_id=("header:X-Contentful-Idempotency-Key",),
        secret_hint=(
            "64 characters, the space's signing secret; Contentful generates it, or you enter one"
        ),
        generates_secret=False,
        setup=(
            "In Contentful open Settings → Webhooks, enable request verification under Settings"
            " there and copy the secret, then add a webhook with the URL and its triggers."
        ),
        docs="https://www.contentful.com/developers/docs/webhooks/request-verification/",
        evidence="sdk",
        signs="The method, the path with its query, the headers that are listed, and the body.",
        answer_within="30 s",
        limits=(
            "A request may be 30 seconds old: keep this machine's clock set. The id may be in a"
            " header that is not signed."
        ),
        retries=("Contentful retries twice, 30 seconds apart, unless you set your own policy."),
        samples=(
            Sample(
                "ContentManagement.Entry.publish",
                "Entry.publish.json",
                {
                    "x-contentful-topic": "ContentManagement.Entry.publish",
                    "x-contentful-idempotency-key": "{id}",
                },
            ),
        ),
    ),
    Provider(
        name="sanity",
        title="Sanity",
        scheme=Hmac(
            at="header:sanity-webhook-signature",
            parse=Pairs("v1"),
            encoding="base64url",
            signed="{t}.{body}",
            timestamp=Timestamp("label:t", "ms", enforced=False),
        ),
        event_type=(
            JoinedLocators(("body:_type", "header:sanity-operation?"), by="."),
            "header:sanity-operation",
        ),
        event_id=("header:idempotency-key",),
        secret_hint="any long random text; flowbridge generates one, enter it at Sanity",
        generates_secret=True,
        setup=(
            "At sanity.io/manage open the project → API → Webhooks, create one with the URL, a"
            " filter, a projection that keeps _type, and the secret."
        ),
        docs="https://www.sanity.io/docs/content-lake/webhooks",
        evidence="vector",
        signs="The time and the body, joined by a dot.",
        answer_within="30 s",
        limits=(
            "Sanity's own library sets no limit for the age of a request, so none is set. The id"
            " is in a header that is not signed."
        ),
        retries="Sanity retries twice, 30 seconds apart, after a 429 or 5xx.",
        custom_payload=True,
        samples=(
            Sample(
                "post.update",
                "post.update.json",
                {
                    "idempotency-key": "{id}",
                    "sanity-operation": "update",
                    "sanity-dataset": "production",
                    "sanity-project-id": "gardenx7",
                },
            ),
        ),
    ),
    Provider(
        name="segment",
        title="Segment (webhook destination)",
        scheme=Hmac(at="header:X-Signature", algorithm="sha1"),
        event_type=("body:event", "body:type"),
        event_id=("body:messageId",),
        secret_hint="any long random text; flowbridge generates one, enter it at Segment",
        generates_secret=True,
        setup=(
            "In Segment open Connections → Catalog → Webhooks, add the destination with the URL,"
            " and enter the secret as shared secret: without one Segment does not sign, and"
            " requests are refused."
        ),
        docs="https://segment.com/docs/connections/destinations/catalog/webhooks/",
        evidence="docs",
        signs="The body.",
        answer_within="5 s",
        limits=(
            "With batching on, Segment signs only the first event of a batch, and requests are"
            " refused: leave it off. "
        )
        + REPLAY_KNOWN_BY_ID,
        retries="Segment retries for 4 hours.",
        custom_payload=True,
        samples=(Sample("Order Completed", "order_completed.json"),),
    ),
    Provider(
        name="revenuecat",
        title="RevenueCat (signed)",
        scheme=Hmac(
            at="header:X-RevenueCat-Webhook-Signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t"),
        ),
        event_type=("body:event.type",),
        event_id=("body:event.id",),
        ack=PLAIN_200,
        secret_hint="the integration's signing secret, from RevenueCat",
        generates_secret=False,
        setup=(
            "In RevenueCat open the project → Integrations → Webhooks, add one with the URL, and"
            " enable its signature. If that is not possible, use the provider revenuecat_static."
        ),
        docs="https://www.revenuecat.com/docs/integrations/webhooks",
        evidence="docs",
        signs="The time and the body, joined by a dot.",
        answer_within="60 s, with a 200",
        retries="RevenueCat retries after 5, 10, 20, 40 and 80 minutes.",
        samples=(Sample("INITIAL_PURCHASE", "INITIAL_PURCHASE.json"),),
    ),
    Provider(
        name="revenuecat_static",
        title="RevenueCat (Authorization header)",
        scheme=SharedToken(prefix="Bearer "),
        event_type=("body:event.type",),
        event_id=("body:event.id",),
        ack=PLAIN_200,
        secret_hint="any long random text; flowbridge generates one, enter it at RevenueCat",
        generates_secret=True,
        setup=(
            "In RevenueCat open the project → Integrations → Webhooks, add one with the URL, and"
            " enter “Bearer SECRET” as authorization header value."
        ),
        docs="https://www.revenuecat.com/docs/integrations/webhooks",
        evidence="docs",
        signs="Nothing: requests carry the token.",
        answer_within="60 s, with a 200",
        limits=(
            "A token does not prove that the body is RevenueCat's: fetch the customer in the flow."
        ),
        retries="RevenueCat retries after 5, 10, 20, 40 and 80 minutes.",
        samples=(Sample("RENEWAL", "RENEWAL.json"),),
    ),
    Provider(
        name="cloudinary",
        title="Cloudinary",
        scheme=Hmac(
            at="header:X-Cld-Signature",
            plain=True,
            algorithm="sha1",
            signed="{body}{timestamp}{secret}",
            timestamp=Timestamp("header:X-Cld-Timestamp", tolerance=7200),
        ),
        event_type=("body:notification_type",),
        dedup_body=True,  # each holds its time, and mostly an id of the request
        secret_hint="the account's API secret, from Cloudinary",
        generates_secret=False,
        setup=(
            "In the Cloudinary Console open Settings → Webhook Notifications and add the URL for"
            " the notifications you want. The secret is the API secret, under Settings → API"
            " Keys; the account must sign with SHA-1, the default."
        ),
        docs="https://cloudinary.com/documentation/notification_signatures",
        evidence="docs",
        signs="The body, the time and the secret, by a plain digest.",
        limits=(
            "There is no id: an identical body is a duplicate. A request may be two hours old, as"
            " in Cloudinary's own libraries."
        ),
        retries="Retried; the schedule is in Cloudinary's documentation.",
        samples=(Sample("upload", "upload.json"),),
    ),
    Provider(
        name="mux",
        title="Mux",
        scheme=Hmac(
            at="header:Mux-Signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t"),
        ),
        event_type=("body:type",),
        event_id=("body:id",),
        secret_hint="the webhook's signing secret, from Mux",
        generates_secret=False,
        setup=(
            "In the Mux dashboard open Settings → Webhooks, create one with the URL for an"
            " environment, and copy its signing secret."
        ),
        docs="https://www.mux.com/docs/core/verify-webhook-signatures",
        evidence="docs",
        signs="The time and the body, joined by a dot.",
        retries="Mux retries for 24 hours with increasing delays unless the answer is 2xx.",
        samples=(Sample("video.asset.ready", "video.asset.ready.json"),),
    ),
    Provider(
        name="dub",
        title="Dub",
        scheme=Hmac(at="header:Dub-Signature"),
        event_type=("body:event",),
        event_id=("body:id",),
        secret_hint="whsec_…, the webhook's secret (the whole text is the key), from Dub",
        generates_secret=False,
        setup=(
            "In Dub open Settings → Webhooks, create one with the URL and its events, and copy its"
            " signing secret."
        ),
        docs="https://dub.co/docs/concepts/webhooks/verify-webhook-requests",
        evidence="docs",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Dub retries with increasing delays, and disables a webhook that keeps failing.",
        samples=(Sample("lead.created", "lead.created.json"),),
    ),
    Provider(
        name="strava",
        title="Strava",
        scheme=SharedToken(at="query:token"),
        event_type=(JoinedLocators(("body:object_type", "body:aspect_type"), by="."),),
        event_id=(
            JoinedLocators(
                (
                    "body:subscription_id",
                    "body:object_type",
                    "body:object_id",
                    "body:aspect_type",
                    "body:event_time",
                )
            ),
        ),
        handshakes=(Handshake(strava_challenge, signed=False, methods=("GET",)),),
        ack=PLAIN_200,
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "Start flowbridge and create the subscription with Strava's API (POST"
            " /api/v3/push_subscriptions) with the URL and ?token=SECRET as callback_url, and any"
            " verify_token: Strava tests the URL at once. An application has one subscription."
        ),
        docs="https://developers.strava.com/docs/webhooks/",
        evidence="docs",
        signs="Nothing: the URL carries the token.",
        answer_within="2 s, with a 200",
        limits=CREDENTIAL_IN_URL + " An event has ids only: fetch the rest in the flow.",
        retries="Strava tries up to three times in all.",
        samples=(Sample("activity.create", "activity.create.json"),),
    ),
)
