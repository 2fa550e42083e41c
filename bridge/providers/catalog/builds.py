"""Rows: builds and deployments. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import (
    REPLAY_KNOWN_BY_ID,
    SIGNS_ID_TIME_BODY,
    WHSEC_HINT,
    standard_webhooks,
)
from bridge.providers.model import Provider, Sample
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.timestamps import Timestamp

ROWS = (
    Provider(
        name="circleci",
        title="CircleCI",
        # v2 and later are to come, and are not looked at
        scheme=Hmac(at="header:circleci-signature", parse=Pairs("v1")),
        event_type=("body:type",),
        event_id=("body:id",),
        test_types=("ping",),
        secret_hint="any long random text; flowbridge generates one, enter it at CircleCI",
        generates_secret=True,
        setup=(
            "In the project open Project Settings → Webhooks → Add Webhook, paste the URL, and"
            " enter the secret as Secret token. Choose Workflow Completed, Job Completed or both;"
            " Test Ping Event sends an event of type ping."
        ),
        docs="https://circleci.com/docs/guides/integration/outbound-webhooks/",
        evidence="vector",
        retries="Retried unless there is a 2xx in time.",
        answer_within="10 s",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(
            Sample(
                "workflow-completed",
                "workflow-completed.json",
                {"circleci-event-type": "workflow-completed"},
            ),
            Sample("ping", "ping.json", {"circleci-event-type": "ping"}),
        ),
    ),
    Provider(
        name="buildkite",
        title="Buildkite",
        scheme=Hmac(
            at="header:X-Buildkite-Signature",
            parse=Pairs("signature"),
            signed="{label:timestamp}.{body}",
            timestamp=Timestamp("label:timestamp"),
        ),
        event_type=("body:event", "header:X-Buildkite-Event"),
        secret_hint="the notification service's token, from Buildkite",
        generates_secret=False,
        setup=(
            "In the organization open Settings → Notification Services → Webhook, paste the URL,"
            " and choose “Send an HMAC signature in the X-Buildkite-Signature header”. Copy the"
            " token and put it into .env."
        ),
        docs="https://buildkite.com/docs/apis/webhooks/pipelines",
        evidence="docs",
        retries="Not documented.",
        signs="The time and the body, joined by a dot.",
        limits="There is no id: an event repeated within five minutes is a new event.",
        samples=(
            Sample(
                "build.finished", "build.finished.json", {"x-buildkite-event": "build.finished"}
            ),
        ),
    ),
    Provider(
        name="vercel",
        title="Vercel",
        scheme=Hmac(at="header:x-vercel-signature", algorithm="sha1"),
        event_type=("body:type",),
        event_id=("body:id",),
        secret_hint="the webhook's secret, shown once; for an integration its Client Secret",
        generates_secret=False,
        setup=(
            "In the team's Settings → Webhooks choose the events and projects, paste the URL, and"
            " create the webhook. Vercel shows its secret once: put it into .env. Webhooks of an"
            " integration are signed with the integration's Client Secret."
        ),
        docs="https://vercel.com/docs/webhooks/webhooks-api",
        evidence="docs",
        retries="Retried with increasing delays for up to 24 hours.",
        answer_within="30 s",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(Sample("deployment.succeeded", "deployment.succeeded.json"),),
    ),
    Provider(
        name="netlify",
        title="Netlify",
        scheme=Jwt(
            at="header:X-Webhook-Signature",
            algorithm="HS256",
            issuer=("netlify",),
            body_hash="sha256",
        ),
        event_type=("header:X-Netlify-Event", "body:state"),
        dedup_body=True,
        secret_hint=(
            "any long random text; flowbridge generates one, enter it at Netlify as JWS"
            " secret token"
        ),
        generates_secret=True,
        setup=(
            "In the site's configuration open Notifications → Emails and webhooks → Add"
            " notification → HTTP POST request. Choose the event, paste the URL, and enter the"
            " secret as JWS secret token."
        ),
        docs="https://docs.netlify.com/deploy/deploy-notifications/",
        evidence="docs",
        retries="Not documented; a notification that keeps failing is disabled.",
        signs="The body, by its SHA-256 in a token.",
        limits="Neither time nor id is signed: duplicates are detected by body.",
        samples=(
            Sample("deploy_created", "deploy_created.json", {"x-netlify-event": "deploy_created"}),
        ),
    ),
    Provider(
        name="heroku",
        title="Heroku",
        scheme=Hmac(at="header:Heroku-Webhook-Hmac-SHA256", encoding="base64"),
        event_type=(JoinedLocators(("body:resource", "body:action"), by="."),),
        event_id=("body:id",),
        secret_hint="any long random text; flowbridge generates one, enter it at Heroku",
        generates_secret=True,
        setup=(
            "Run `heroku webhooks:add --include api:release --level notify --secret SECRET --url"
            " URL -a APP`, with the entities you want after --include. With --level sync Heroku"
            " retries unless the answer is 2xx; with notify it does not."
        ),
        docs="https://devcenter.heroku.com/articles/app-webhooks",
        evidence="docs",
        retries="At level sync retried for a while; at level notify sent once.",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(
            Sample(
                "release.create",
                "release.create.json",
                {"heroku-webhook-id": "01234567-89ab-cdef-0123-456789abcdef"},
            ),
        ),
    ),
    Provider(
        name="render",
        title="Render",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:type",),
        event_id=("header:webhook-id",),
        secret_hint=WHSEC_HINT,
        generates_secret=False,
        setup=(
            "In the Render Dashboard open Integrations → Webhooks → Create Webhook, paste the"
            " URL, and choose the events. Copy the Signing Secret (whsec_…) and put it into .env."
        ),
        docs="https://render.com/docs/webhooks",
        evidence="docs",
        retries="Retried with increasing delays unless the answer is 2xx.",
        signs=SIGNS_ID_TIME_BODY,
        samples=(Sample("deploy_ended", "deploy_ended.json", {"webhook-id": "evt-{id}"}),),
    ),
    Provider(
        name="terraform_cloud",
        title="HCP Terraform and Terraform Enterprise",
        scheme=Hmac(at="header:X-TFE-Notification-Signature", algorithm="sha512"),
        event_type=("body:notifications.0.trigger",),
        event_id=(
            JoinedLocators(
                (
                    "body:run_id",
                    "body:notifications.0.trigger",
                    "body:notifications.0.run_updated_at?",
                )
            ),
        ),
        secret_hint=(
            "any long random text; flowbridge generates one, enter it at Terraform as Token"
        ),
        generates_secret=True,
        setup=(
            "In the workspace open Settings → Notifications → Create a notification, choose"
            " Webhook, paste the URL, and enter the secret as Token. Choose the triggers and enable"
            " it: Terraform sends an event of type verification at once, which needs a 2xx."
        ),
        docs="https://developer.hashicorp.com/terraform/cloud-docs/api-docs/notification-configurations",
        evidence="docs",
        retries="Not documented; the answers are shown in the notification's settings.",
        signs="The body, with SHA-512.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(Sample("run:completed", "run_completed.json"),),
    ),
    Provider(
        name="hookdeck",
        title="Hookdeck",
        scheme=Hmac(
            at=("header:X-Hookdeck-Signature", "header:X-Hookdeck-Signature-2"), encoding="base64"
        ),
        event_type=("body:type",),
        event_id=("header:X-Hookdeck-EventID",),
        retry=("header:X-Hookdeck-Attempt-Count",),
        secret_hint="the project's Signing Secret, from Hookdeck",
        generates_secret=False,
        setup=(
            "In Hookdeck create a destination of type HTTP with the URL, and leave its"
            " authentication at Hookdeck Signature. Copy the Signing Secret from Settings →"
            " Project → Secrets; during rotation both signatures are sent, and either is enough."
        ),
        docs="https://hookdeck.com/docs/authentication",
        evidence="docs",
        retries=(
            "By the connection's retry rule; each attempt is counted in X-Hookdeck-Attempt-Count."
        ),
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID
        + " The type is read from body:type; if the original sender puts it elsewhere, set"
        " event_type: in routes.yaml.",
        custom_payload=True,
        samples=(
            Sample(
                "order.created",
                "order.created.json",
                {"x-hookdeck-eventid": "evt_{id}", "x-hookdeck-attempt-count": "1"},
            ),
        ),
    ),
)
