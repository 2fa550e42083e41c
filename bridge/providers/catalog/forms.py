"""Rows: form and scheduling services. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import URLENCODED, JoinedLocators
from bridge.providers import form_fields
from bridge.providers.catalog._shared import CREDENTIAL_IN_URL, REPLAY_KNOWN_BY_ID
from bridge.providers.handshakes.work import only_head
from bridge.providers.model import MULTIPART_MEDIA_TYPE, Handshake, Provider, Sample
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

URL_TOKEN = SharedToken(at="query:token")

ROWS = (
    Provider(
        name="typeform",
        title="Typeform",
        scheme=Hmac(at="header:Typeform-Signature", prefix="sha256=", encoding="base64"),
        event_type=("body:event_type",),
        event_id=("body:event_id",),
        fields=form_fields.typeform,
        secret_hint="any long random text; flowbridge generates one, enter it at Typeform",
        generates_secret=True,
        setup=(
            "In Typeform open the form → Connect → Webhooks, add one with the URL, then edit it,"
            " enter the secret and enable it. Send test request sends an event."
        ),
        docs="https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
        evidence="docs",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries=(
            "Typeform retries every 2 to 3 minutes for 10 hours after a 408, 423, 429 or 503,"
            " else about 5 times; a 404 or 410 disables the webhook."
        ),
        api_key_starts=("tfp_",),
        samples=(
            Sample("form_response", "form_response.json", {"user-agent": "Typeform Webhooks"}),
        ),
    ),
    Provider(
        name="tally",
        title="Tally",
        scheme=Hmac(at="header:Tally-Signature", encoding="base64"),
        event_type=("body:eventType",),
        event_id=("body:eventId",),
        fields=form_fields.tally,
        secret_hint="any long random text; flowbridge generates one, enter it at Tally",
        generates_secret=True,
        setup=(
            "In Tally open the form → Integrations → Webhooks, connect one with the URL, and add"
            " the secret as signing secret: without one Tally does not sign, and requests are"
            " refused."
        ),
        docs="https://tally.so/help/webhooks",
        evidence="docs",
        signs="The body.",
        answer_within="10 s",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Tally retries after 5 minutes, 30 minutes, 1 hour, 6 hours and 1 day.",
        samples=(Sample("FORM_RESPONSE", "FORM_RESPONSE.json"),),
    ),
    Provider(
        name="jotform",
        title="Jotform",
        scheme=URL_TOKEN,
        event_id=("form:submissionID",),
        fields=form_fields.jotform,
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "In Jotform open the form → Settings → Integrations → Webhooks and add the URL with"
            " ?token=SECRET. The answers are JSON in the field rawRequest."
        ),
        docs="https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/",
        evidence="docs",
        signs="Nothing: the URL carries the token.",
        limits=CREDENTIAL_IN_URL + " An edited submission keeps its id, and counts as a duplicate.",
        retries="Not documented.",
        samples=(Sample("submission", "submission.json", {}, MULTIPART_MEDIA_TYPE),),
    ),
    Provider(
        name="fillout",
        title="Fillout",
        scheme=URL_TOKEN,
        event_id=(
            JoinedLocators(("body:submission.submissionId", "body:submission.lastUpdatedAt?")),
            "body:submissionId",
        ),
        fields=form_fields.IN_QUESTIONS,
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "In Fillout open the form → Integrate → Webhook and enter the URL with ?token=SECRET."
        ),
        docs="https://www.fillout.com/help/webhook",
        evidence="unconfirmed",
        signs="Nothing: the URL carries the token.",
        limits=CREDENTIAL_IN_URL,
        retries="Not documented.",
        samples=(Sample("submission", "submission.json"),),
    ),
    Provider(
        name="google_forms",
        title="Google Forms, by a script",
        scheme=Hmac(at="header:X-Signature", prefix="sha256="),
        event_type=("body:event",),
        event_id=("body:responseId",),
        fields=form_fields.IN_ANSWERS,
        secret_hint="any long random text; flowbridge generates one, it goes into the script",
        generates_secret=True,
        setup=(
            "In the form open ⋮ → Apps Script, paste the script from “Connect a sender” in the"
            " documentation, put"
            " the secret into its script properties, and add a trigger “on form submit” for its"
            " function. It posts JSON with event, responseId and answers, and signs it in"
            " X-Signature: sha256= and the hexadecimal digits of the HMAC."
        ),
        docs="https://developers.google.com/apps-script/reference/utilities/utilities",
        evidence="docs",
        signs="The body.",
        limits="The script decides what is sent; Google Forms has no webhooks of its own.",
        retries=(
            "The script sends up to four times within some seconds, then fails, as shown under"
            " Executions."
        ),
        custom_payload=True,
        samples=(
            Sample(
                "form_response",
                "form_response.json",
                {"user-agent": "Mozilla/5.0 (compatible; Google-Apps-Script)"},
            ),
        ),
    ),
    Provider(
        name="formstack",
        title="Formstack",
        scheme=Hmac(at="header:X-FS-Signature", prefix="sha256="),
        event_id=(JoinedLocators(("body:FormID", "body:UniqueID")),),
        fields=form_fields.formstack,
        secret_hint="any long random text; flowbridge generates one, enter it at Formstack",
        generates_secret=True,
        setup=(
            "In Formstack open the form → Settings → Emails & Actions → WebHook, enter the URL,"
            " choose JSON, and enter the secret as HMAC key; leave the header's name empty."
            " Without a key Formstack does not sign, and requests are refused."
        ),
        docs="https://help.formstack.com/hc/en-us/articles/4402808103315-WebHook",
        evidence="vector",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Not documented.",
        custom_payload=True,
        samples=(Sample("submission", "submission.json"),),
    ),
    Provider(
        name="surveymonkey",
        title="SurveyMonkey",
        scheme=Hmac(at="header:Sm-Signature", algorithm="sha1", encoding="base64"),
        event_type=("body:event_type",),
        event_id=("body:event_id",),
        handshakes=(Handshake(only_head, signed=False, methods=("HEAD",)),),
        secret_hint=(
            "the app's client id, an ampersand and its client secret: ID&SECRET, from SurveyMonkey"
        ),
        generates_secret=False,
        setup=(
            "Start flowbridge and create the webhook with SurveyMonkey's API (POST /v3/webhooks)"
            " with the URL as subscription_url: it is tested at once. The secret is ID&SECRET of"
            " the app."
        ),
        docs="https://api.surveymonkey.com/v3/docs#webhooks",
        evidence="docs",
        signs="The body.",
        limits="An event only names what happened: fetch the response in the flow. "
        + REPLAY_KNOWN_BY_ID,
        retries="Not documented.",
        samples=(
            Sample(
                "response_completed",
                "response_completed.json",
                {},
                "application/vnd.surveymonkey.response.v1+json",
            ),
        ),
    ),
    Provider(
        name="cal_com",
        title="Cal.com",
        scheme=Hmac(at="header:X-Cal-Signature-256"),
        event_type=("body:triggerEvent",),
        event_id=(JoinedLocators(("body:triggerEvent", "body:payload.uid", "body:createdAt")),),
        fields=form_fields.cal_com,
        secret_hint="any long random text; flowbridge generates one, enter it at Cal.com",
        generates_secret=True,
        setup=(
            "In Cal.com open Settings → Developer → Webhooks, create one with the URL, the secret"
            " and its triggers. Your own payload template should keep triggerEvent, createdAt and"
            " payload.uid."
        ),
        docs="https://cal.com/docs/developing/guides/automation/webhooks",
        evidence="docs",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Not documented.",
        samples=(Sample("BOOKING_CREATED", "BOOKING_CREATED.json"),),
    ),
    Provider(
        name="calendly",
        title="Calendly",
        scheme=Hmac(
            at="header:Calendly-Webhook-Signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t"),
        ),
        event_type=("body:event",),
        event_id=(JoinedLocators(("body:event", "body:payload.uri", "body:created_at?")),),
        fields=form_fields.calendly,
        secret_hint="any long random text; flowbridge generates one, enter it at Calendly",
        generates_secret=True,
        setup=(
            "Create the subscription with Calendly's API (POST /webhook_subscriptions) with the"
            " URL, its events and the secret as signing_key; without a signing_key Calendly does"
            " not sign, and requests are refused."
        ),
        docs="https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures",
        evidence="docs",
        signs="The time and the body, joined by a dot.",
        retries=(
            "Calendly retries for 24 hours with increasing delays, and then disables the"
            " subscription."
        ),
        samples=tuple(
            Sample(type_, f"{type_}.json")
            for type_ in ("invitee.created", "invitee.canceled", "invitee_no_show.created")
        ),
    ),
    Provider(
        name="acuity",
        title="Acuity Scheduling",
        scheme=Hmac(at="header:X-Acuity-Signature", encoding="base64"),
        event_type=("form:action",),
        secret_hint="the account's API key, from Acuity",
        generates_secret=False,
        setup=(
            "In Acuity open Integrations → API → View credentials and copy the API key; then enter"
            " the URL under Webhooks there, or with Acuity's API (POST /webhooks)."
        ),
        docs="https://developers.acuityscheduling.com/docs/webhooks",
        evidence="docs",
        signs="The body.",
        limits=(
            "There is no id, and two changes of one appointment are identical: no event is"
            " treated as a duplicate. Fetch it in the flow."
        ),
        retries=(
            "Acuity retries for 24 hours after a 5xx, with increasing delays, and disables the"
            " webhook after 5 days of failures."
        ),
        samples=(Sample("scheduled", "scheduled.json", {}, URLENCODED),),
    ),
)
