"""Rows: cloud platforms. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.core.units import MIB
from bridge.providers.catalog._shared import CREDENTIAL_IN_URL, NOTHING_SIGNED
from bridge.providers.confirmation import Confirmation
from bridge.providers.handshakes.general import (
    cloudevents_options,
    event_grid_validation,
    graph_validation,
)
from bridge.providers.model import EventBatch, Handshake, Provider, Sample
from bridge.providers.signatures.certificates import SigningCertificate
from bridge.providers.signatures.jwks import KeySet
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.pins import Pin
from bridge.providers.signatures.rsa import Rsa
from bridge.providers.signatures.shared_token import SharedToken

SNS = r"https://sns\.[a-z]{2}(-[a-z]{2,12}){1,3}-\d{1,2}\.amazonaws\.com(\.cn)?/"
SNS_CERTIFICATE = SNS + r"SimpleNotificationService-[\w-]{1,64}\.pem"
SNS_CONFIRMATION = Confirmation(
    kind=("body:Type", "SubscriptionConfirmation"),
    of="body:TopicArn",
    at="body:SubscribeURL",
    url=SNS,
    query=(
        ("Action", "ConfirmSubscription"),
        ("TopicArn", "body:TopicArn"),
        ("Token", "body:Token"),
    ),
    answer=b"ConfirmSubscriptionResponse",
)
CLOUDEVENT = "application/cloudevents+json"

ROWS = (
    Provider(
        name="aws_sns",
        title="Amazon SNS",
        scheme=Rsa(
            at="body:Signature",
            signed=(
                "{lines:Message,MessageId,Subject?,SubscribeURL?,Timestamp,Token?,TopicArn,Type}"
            ),
            version_at="body:SignatureVersion",
            versions=(("1", "sha1"), ("2", "sha256")),
            certificate=SigningCertificate(at="body:SigningCertURL", url=SNS_CERTIFICATE),
            pins=(Pin("topic_arn", "the ARN of the topic, or of several", at="body:TopicArn"),),
        ),
        event_type=("body:Type",),
        event_id=("body:MessageId",),
        confirmation=SNS_CONFIRMATION,
        secret_hint="none; Amazon's certificate is fetched, unless you set one here",
        generates_secret=False,
        setup=(
            "Set the topic's ARN as topic_arn under pins: in routes.yaml, and start flowbridge."
            " In the SNS console create a subscription with the protocol HTTPS and the URL as"
            " endpoint, raw message delivery off. It is confirmed at once; if not, `flowbridge"
            " events` shows the SubscriptionConfirmation with the reason."
        ),
        docs="https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
        evidence="docs",
        retries="Retried for an hour or so, as the topic's delivery policy says.",
        answer_within="15 s",
        signs=(
            "The message, its id, subject, time, topic and type; in a confirmation the token and"
            " the URL too."
        ),
        limits=(
            "Anyone can get Amazon's signature for their own topic, so only pinned topics are"
            " accepted. Fields that are not signed are not verified. Raw message delivery is"
            " unsigned and refused."
        ),
        samples=(
            Sample(
                "Notification",
                "notification.json",
                {"x-amz-sns-message-type": "Notification"},
                "text/plain; charset=UTF-8",
            ),
            Sample(
                "SubscriptionConfirmation",
                "subscription_confirmation.json",
                {"x-amz-sns-message-type": "SubscriptionConfirmation"},
                "text/plain; charset=UTF-8",
            ),
        ),
    ),
    Provider(
        name="google_pubsub",
        title="Google Cloud Pub/Sub push",
        scheme=Jwt(
            prefix="Bearer ",
            algorithm="RS256",
            expires=True,
            issuer=("https://accounts.google.com", "accounts.google.com"),
            claims=(("email_verified", True),),
            keys=KeySet("https://www.googleapis.com/oauth2/v3/certs"),
            pins=(
                Pin("audience", "the audience of the push subscription", at="aud"),
                Pin("email", "the service account of the push subscription", at="email"),
            ),
        ),
        event_type=("body:message.attributes.eventType", "body:message.attributes.type"),
        event_id=("body:message.messageId",),
        retry=("body:deliveryAttempt",),
        max_body=15 * MIB,
        secret_hint="none; Google's keys are fetched, unless you set one here",
        generates_secret=False,
        setup=(
            "Create a push subscription: `gcloud pubsub subscriptions create NAME --topic TOPIC"
            " --push-endpoint URL --push-auth-service-account ACCOUNT --push-auth-token-audience"
            " URL`. Set the audience and the account's email under pins: in routes.yaml."
        ),
        docs="https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
        evidence="docs",
        retries=(
            "Retried until the message is acknowledged or older than the subscription's retention."
        ),
        answer_within="10 s, unless the subscription sets another",
        signs="Nothing of the body: the token names the caller, the audience and the expiry.",
        limits=(
            "The token does not prove that the body is Google's: use HTTPS. The message is"
            " base64: `${unb64(body.message.data)}`."
        ),
        custom_payload=True,
        samples=(Sample("OBJECT_FINALIZE", "object_finalize.json", {"user-agent": "APIs-Google"}),),
    ),
    Provider(
        name="cloudevents",
        title="CloudEvents over HTTP",
        scheme=SharedToken(at=("header:Authorization", "query:access_token"), prefix="Bearer "),
        event_type=("header:ce-type", "body:type"),
        event_id=(
            JoinedLocators(("header:ce-source", "header:ce-id")),
            JoinedLocators(("body:source", "body:id")),
        ),
        handshakes=(Handshake(cloudevents_options, signed=False, methods=("OPTIONS",)),),
        secret_hint="any long random text; flowbridge generates one, give it to the sender",
        generates_secret=True,
        setup=(
            "Give the sender the URL, and configure the header “Authorization: Bearer SECRET”, or"
            " add ?access_token=SECRET to the URL. flowbridge accepts its OPTIONS request for"
            " permission."
        ),
        docs="https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md",
        evidence="docs",
        retries="Depends on the sender; 410 ends it, 429 slows it down.",
        signs="Nothing: requests carry the token.",
        limits=NOTHING_SIGNED + " Binary and structured mode are accepted. A batch is one event.",
        custom_payload=True,
        samples=(
            Sample("com.example.order.created", "order.created.json", {}, CLOUDEVENT),
            Sample(
                "com.example.bed.dry",
                "bed.dry.json",
                {
                    "ce-specversion": "1.0",
                    "ce-type": "com.example.bed.dry",
                    "ce-id": "{id}",
                    "ce-source": "/garden/beds",
                    "ce-time": "{now_iso}",
                },
            ),
        ),
    ),
    Provider(
        name="azure_event_grid",
        title="Azure Event Grid",
        scheme=SharedToken(at="query:token"),
        event_type=("body:eventType",),
        event_id=("body:id",),
        batch=EventBatch(),
        handshakes=(Handshake(event_grid_validation),),
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "Start flowbridge, then in the Azure portal open your topic → Event Subscription,"
            " choose the Event Grid schema and the endpoint type Web Hook, and paste the URL with"
            " ?token=SECRET added to it: Azure tests it at once. For the CloudEvents schema use the"
            " provider cloudevents."
        ),
        docs="https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema",
        evidence="docs",
        retries="Retried with increasing delays for up to 24 hours.",
        answer_within="30 s",
        signs="Nothing: the URL carries the token.",
        limits=CREDENTIAL_IN_URL,
        samples=(
            Sample(
                "Microsoft.Storage.BlobCreated",
                "blob_created.json",
                {"aeg-event-type": "Notification"},
            ),
            Sample(
                "Microsoft.EventGrid.SubscriptionValidationEvent",
                "validation.json",
                {"aeg-event-type": "SubscriptionValidation"},
            ),
        ),
    ),
    Provider(
        name="msgraph",
        title="Microsoft Graph and SharePoint",
        scheme=SharedToken(at="body:value.0.clientState"),
        event_type=("body:changeType", "body:lifecycleEvent"),
        event_id=("body:id",),
        batch=EventBatch("value"),
        handshakes=(Handshake(graph_validation, signed=False),),
        secret_hint=(
            "at most 128 characters; flowbridge generates one, pass it to Graph as clientState"
        ),
        generates_secret=True,
        setup=(
            "Start flowbridge, then POST /v1.0/subscriptions with changeType, notificationUrl"
            " (the URL), resource, expirationDateTime, and the secret as clientState: Graph tests"
            " the URL at once. Subscriptions expire after hours or days and must be renewed."
        ),
        docs="https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
        evidence="docs",
        retries="Retried for up to 4 hours unless there is a 2xx in time.",
        answer_within="3 s (the test: 10 s)",
        signs="Nothing: the body carries the clientState.",
        limits=(
            NOTHING_SIGNED.replace("token", "clientState")
            + " It is masked in the stored body. Notifications with encrypted resource data are"
            " stored encrypted; few have an id, so a repeated one is mostly a new event."
        ),
        samples=(Sample("created", "created.json"),),
    ),
)
