"""Rows: CRM, support and marketing. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers import form_fields
from bridge.providers.catalog._shared import CREDENTIAL_IN_URL
from bridge.providers.handshakes.work import front_challenge
from bridge.providers.model import XML_MEDIA_TYPE, EventBatch, Handshake, Provider, Reply, Sample
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken
from bridge.providers.signatures.timestamps import Timestamp

SOAP_ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
    b' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b"<notificationsResponse"
    b' xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>"
)

ROWS = (
    Provider(
        name="hubspot",
        title="HubSpot",
        # X-HubSpot-Signature (v1 and v2) comes along and is not looked at: a plain digest of secret
        # and body, without a time. Whoever has seen one request could send it again for ever, and
        # lengthen it (a SHA-256 can be continued without the secret).
        scheme=Hmac(
            at="header:X-HubSpot-Signature-v3",
            encoding="base64",
            signed="{method}{url_unescaped}{body}{timestamp}",
            timestamp=Timestamp("header:X-HubSpot-Request-Timestamp", "ms"),
        ),
        event_type=("body:subscriptionType",),
        event_id=(
            JoinedLocators(
                ("body:eventId", "body:subscriptionId", "body:objectId?", "body:occurredAt")
            ),
        ),
        batch=EventBatch(),
        retry=("body:attemptNumber",),
        fields=form_fields.hubspot,
        secret_hint="the app's client secret, from HubSpot",
        generates_secret=False,
        setup=(
            "In HubSpot open your app's settings (for a private app Settings → Integrations →"
            " Private Apps) → Webhooks, enter the URL as target and subscribe to events. The"
            " secret is on the page Auth. The URL is signed: set FLOWBRIDGE_PUBLIC_URL."
        ),
        docs="https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation",
        evidence="vector",
        signs="The method, the URL, the body and the time.",
        answer_within="5 s (a workflow's webhook: 30 s)",
        limits=(
            "Only the signature of version 3 counts; a request with older ones alone (documented"
            " for custom workflow actions) is refused. For such a workflow let “Send a webhook”"
            " send an API key in a header, and use the provider token."
        ),
        retries=(
            "HubSpot tries up to 10 times in 24 hours, counted in attemptNumber; a workflow's"
            " webhook for up to three days, except after a 4xx."
        ),
        samples=tuple(
            Sample(type_, f"{type_}.json", {"user-agent": "HubSpot Connect 2.0"})
            for type_ in ("contact.creation", "contact.propertyChange", "deal.propertyChange")
        ),
    ),
    Provider(
        name="salesforce",
        title="Salesforce (outbound messages)",
        scheme=SharedToken(at="query:token"),
        dedup_body=True,  # each notification in it has an id of its own
        ack=Reply(200, "text/xml", SOAP_ACK),
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "In Setup open Workflow Actions → Outbound Messages (or add one to a flow), create one"
            " for the object, and enter the URL with ?token=SECRET as endpoint. Leave Send Session"
            " ID off: a retry would then differ."
        ),
        docs="https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm",
        evidence="docs",
        signs="Nothing: the URL carries the token.",
        limits=CREDENTIAL_IN_URL
        + " The body is XML, without type or id: compare OrganizationId in the flow.",
        answer_within="60 s",
        retries=(
            "Salesforce retries for 24 hours, with increasing delays of 2 hours at most, until"
            " the answer is <Ack>true</Ack>."
        ),
        custom_payload=True,
        samples=(
            Sample("notifications", "notifications.json", {"soapaction": '""'}, XML_MEDIA_TYPE),
        ),
    ),
    Provider(
        name="zendesk",
        title="Zendesk",
        scheme=Hmac(
            at="header:X-Zendesk-Webhook-Signature",
            encoding="base64",
            signed="{timestamp}{body}",
            timestamp=Timestamp(
                "header:X-Zendesk-Webhook-Signature-Timestamp", "iso8601", enforced=False
            ),
        ),
        event_type=("body:type",),
        event_id=("header:X-Zendesk-Webhook-Invocation-Id",),
        secret_hint="the webhook's signing secret (Reveal secret), from Zendesk",
        generates_secret=False,
        setup=(
            "In Zendesk's Admin Center open Apps and integrations → Webhooks, create one with the"
            " URL (for events, or for a trigger to use), and press Reveal secret on its page. You"
            " write a trigger's payload: put a type into it."
        ),
        docs="https://developer.zendesk.com/documentation/webhooks/verifying/",
        evidence="docs",
        signs="The time and the body, concatenated.",
        answer_within="12 s",
        limits=(
            "Zendesk gives no limit for the age of a request, so none is set. Its id is in a"
            " header that is not signed."
        ),
        retries=(
            "Zendesk tries up to 5 times after a timeout, up to 3 after a 409, and pauses if too"
            " many fail."
        ),
        samples=(
            Sample(
                "zen:event-type:ticket.created",
                "ticket.created.json",
                {
                    "user-agent": "Zendesk Webhook",
                    "x-zendesk-webhook-invocation-id": "{id}",
                },
            ),
        ),
    ),
    Provider(
        name="freshdesk",
        title="Freshdesk",
        scheme=BasicAuth(),
        event_type=("body:type",),
        secret_hint="user:password of your choice; flowbridge generates the password",
        generates_secret=True,
        setup=(
            "In Freshdesk open Admin → Workflows → Automations, add the action Trigger webhook"
            " with method POST, the URL, encoding JSON and “Requires authentication”, and enter"
            " user and password: the secret is user:password. Put a type into the advanced"
            " content."
        ),
        docs="https://support.freshdesk.com/support/solutions/articles/132589-using-webhooks-in-automation-rules",
        evidence="unconfirmed",
        signs="Nothing: requests carry user and password.",
        limits=(
            "A password does not prove that the body is Freshdesk's. There is no id: no event is"
            " treated as a duplicate."
        ),
        retries="Not documented.",
        samples=(Sample("ticket.updated", "ticket.updated.json"),),
    ),
    Provider(
        name="pipedrive",
        title="Pipedrive",
        scheme=BasicAuth(),
        event_type=(
            JoinedLocators(("body:meta.action", "body:meta.entity"), by="."),
            JoinedLocators(("body:meta.action", "body:meta.object"), by="."),
        ),
        event_id=(
            JoinedLocators(
                (
                    "body:meta.id",
                    "body:meta.webhook_id?",
                    "body:meta.action",
                    "body:meta.entity_id?",
                    "body:meta.timestamp",
                )
            ),
        ),
        retry=("body:meta.attempt",),
        secret_hint="user:password of your choice; flowbridge generates the password",
        generates_secret=True,
        setup=(
            "In Pipedrive open Tools and apps → Webhooks, create one with the URL, an action and"
            " an object, and enter HTTP auth user and password: the secret is user:password."
        ),
        docs="https://pipedrive.readme.io/docs/guide-for-webhooks-v2",
        evidence="docs",
        signs="Nothing: requests carry user and password.",
        limits=(
            "A password does not prove that the body is Pipedrive's: fetch what matters in the"
            " flow."
        ),
        answer_within="10 s",
        retries=(
            "Pipedrive retries after 3, 30 and 150 seconds, and deletes a webhook that fails for"
            " three days."
        ),
        fixed_objects=frozenset({"meta"}),
        samples=(Sample("create.deal", "create.deal.json", {"user-agent": "Pipedrive Webhooks"}),),
    ),
    Provider(
        name="front",
        title="Front (application webhooks)",
        scheme=Hmac(
            at="header:X-Front-Signature",
            encoding="base64",
            signed="{timestamp}:{body}",
            timestamp=Timestamp("header:X-Front-Request-Timestamp", "ms"),
        ),
        event_type=("body:type",),
        event_id=("body:payload.id", "body:id"),
        handshakes=(Handshake(front_challenge, signed=False),),
        secret_hint="the app's signing key, from Front",
        generates_secret=False,
        setup=(
            "In Front open Settings → Developers, your app → Features → Webhooks. Start flowbridge,"
            " enter the URL, which Front tests at once, and copy the signing key from the app's"
            " page. Webhooks of rules are signed in another way."
        ),
        docs="https://dev.frontapp.com/docs/application-webhooks",
        evidence="docs",
        signs="The time and the body, joined by a colon.",
        answer_within="10 s",
        retries=(
            "Front tries up to 3 times after a 408, 429, 500 or a timeout, and then disables the"
            " webhook."
        ),
        samples=(Sample("inbound", "inbound.json"),),
    ),
    Provider(
        name="help_scout",
        title="Help Scout",
        scheme=Hmac(at="header:X-HelpScout-Signature", algorithm="sha1", encoding="base64"),
        event_type=("header:X-HelpScout-Event",),
        secret_hint=(
            "any text of at most 40 characters; flowbridge generates one, enter it at Help Scout"
        ),
        generates_secret=True,
        setup=(
            "In Help Scout open Manage → Apps → Webhooks, install it, and enter the URL as"
            " callback, the secret and the events; or use the Mailbox API (POST /v2/webhooks)."
        ),
        docs="https://developer.helpscout.com/webhooks/",
        evidence="docs",
        signs="The body.",
        limits=(
            "There is no id, and two events of one conversation may look alike: no event is"
            " treated as a duplicate. No time is signed."
        ),
        retries="Retried with increasing delays; the schedule is in Help Scout's documentation.",
        samples=(
            Sample("convo.created", "convo.created.json", {"x-helpscout-event": "convo.created"}),
        ),
    ),
    Provider(
        name="mautic",
        title="Mautic",
        scheme=Hmac(at="header:Webhook-Signature", encoding="base64"),
        dedup_body=True,  # each holds its time
        secret_hint="any text; flowbridge generates one, enter it at Mautic",
        generates_secret=True,
        setup=(
            "In Mautic open Settings → Webhooks, create one with the URL, the secret and its"
            " events."
        ),
        docs="https://developer.mautic.org/#webhooks",
        evidence="docs",
        signs="The body.",
        limits=(
            "A body may hold events of several types by name, and has neither type nor id: an"
            " identical body is a duplicate."
        ),
        retries="Mautic retries from its queue, and disables a webhook that keeps failing.",
        samples=(Sample("mautic.lead_post_save_new", "mautic.lead_post_save_new.json"),),
    ),
)
