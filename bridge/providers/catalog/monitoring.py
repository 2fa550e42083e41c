"""Rows: monitoring and alerts. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import NOTHING_SIGNED, REPLAY_KNOWN_BY_ID
from bridge.providers.model import EventBatch, Provider, Sample
from bridge.providers.signatures.alternatives import HeaderSets
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

GRAFANA = "header:X-Grafana-Alerting-Signature"

ROWS = (
    Provider(
        name="sentry",
        title="Sentry",
        scheme=Hmac(at="header:Sentry-Hook-Signature"),
        event_type=(
            JoinedLocators(("header:Sentry-Hook-Resource", "body:action"), by="."),
            "header:Sentry-Hook-Resource",
        ),
        event_id=("header:Request-ID",),
        secret_hint="the integration's Client Secret, from Sentry",
        generates_secret=False,
        setup=(
            "In Sentry open Settings → Developer Settings → Custom Integrations, create an"
            " internal integration, and paste the URL as Webhook URL. Choose the resources under"
            " Webhooks, save, and copy the Client Secret to .env."
        ),
        docs="https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
        evidence="docs",
        retries=(
            "Not documented; an integration that times out 1000 times in 24 hours loses its"
            " webhooks."
        ),
        answer_within="1 s",
        signs="The body, without the time in Sentry-Hook-Timestamp.",
        limits=REPLAY_KNOWN_BY_ID,
        api_key_starts=("sntrys_", "sntryu_"),
        samples=(
            Sample(
                "issue.created",
                "issue.created.json",
                {
                    "sentry-hook-resource": "issue",
                    "sentry-hook-timestamp": "{now}",
                    "request-id": "{id}",
                },
            ),
        ),
    ),
    Provider(
        name="pagerduty",
        title="PagerDuty",
        scheme=Hmac(at="header:X-PagerDuty-Signature", parse=Pairs("v1")),
        event_type=("body:event.event_type",),
        event_id=("body:event.id",),
        test_types=("pagey.ping",),
        secret_hint="the subscription's secret, shown once at creation",
        generates_secret=False,
        setup=(
            "In PagerDuty open Integrations → Generic Webhooks (v3) → New Webhook, paste the URL,"
            " choose the scope and the events. The secret is shown once: put it into .env. Send"
            " Test Event sends pagey.ping."
        ),
        docs="https://developer.pagerduty.com/docs/verifying-webhook-signatures",
        evidence="sdk",
        retries=("Retried with increasing delays after a 5xx or no answer; other errors end it."),
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(
            Sample(
                "incident.triggered",
                "incident.triggered.json",
                {
                    "x-webhook-id": "4c2a8b54-7ac5-4f19-8f7a-5b9d1f3f7a10",
                    "user-agent": "PagerDuty-Webhook/V3.0",
                },
            ),
        ),
    ),
    Provider(
        name="grafana",
        title="Grafana Alerting",
        # The time is signed where the contact point names a header for it; without that header the
        # body alone is.
        scheme=HeaderSets(
            sets=(
                (
                    "x-grafana-alerting-timestamp",
                    Hmac(
                        at=GRAFANA,
                        signed="{timestamp}:{body}",
                        timestamp=Timestamp("header:X-Grafana-Alerting-Timestamp"),
                    ),
                ),
                (
                    "x-grafana-alerting-signature",
                    # a body that begins with a time was signed by the scheme above
                    Hmac(at=GRAFANA, given_away="(?s)[0-9]{10}:.*"),
                ),
            )
        ),
        event_type=("body:status",),
        secret_hint="any long random text; flowbridge generates one, enter it at Grafana",
        generates_secret=True,
        setup=(
            "In Grafana (12 or later) open Alerting → Contact points, add one of type Webhook with"
            " the URL, and under HMAC signature enter the secret, leave the header"
            " X-Grafana-Alerting-Signature, and name X-Grafana-Alerting-Timestamp as timestamp"
            " header."
        ),
        docs="https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/",
        evidence="docs",
        retries=(
            "Retried until it is accepted; an accepted notification is repeated at the policy's"
            " repeat interval."
        ),
        signs=(
            "The time and the body, joined by a colon; the body alone without a timestamp header."
        ),
        limits=("There is no id: a repeated alert is a new notification and a new event."),
        samples=(Sample("firing", "firing.json"),),
    ),
    Provider(
        name="alertmanager",
        title="Prometheus Alertmanager",
        scheme=SharedToken(at="header:Authorization", prefix="Bearer "),
        event_type=("body:status",),
        secret_hint="any long random text; flowbridge generates one, it goes into alertmanager.yml",
        generates_secret=True,
        setup=(
            "In alertmanager.yml give a receiver `webhook_configs: [{url: URL, http_config:"
            " {authorization: {credentials: SECRET}}}]` and route alerts to it. credentials_file"
            " reads the secret from a file."
        ),
        docs="https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
        evidence="docs",
        retries=(
            "Retried while the answer is a 5xx; an accepted alert is repeated at repeat_interval."
        ),
        signs="Nothing: requests carry the token.",
        limits=NOTHING_SIGNED + " There is no id: a repeated alert is a new notification.",
        samples=(Sample("firing", "firing.json", {"user-agent": "Alertmanager/0.28.1"}),),
    ),
    Provider(
        name="datadog",
        title="Datadog",
        scheme=SharedToken(at="header:Authorization", prefix="Bearer "),
        event_type=("body:event_type",),
        secret_hint="any long random text; flowbridge generates one, it goes into a custom header",
        generates_secret=True,
        setup=(
            "In Datadog open Integrations → Webhooks → New, paste the URL, and under Custom"
            ' Headers write {"Authorization": "Bearer SECRET"}. Mention @webhook-NAME in the'
            " monitors that should call it. Leave the payload unchanged, or keep event_type in"
            " it."
        ),
        docs="https://docs.datadoghq.com/integrations/webhooks/",
        evidence="docs",
        retries="Not documented in detail; failed calls are retried a few times.",
        signs="Nothing: requests carry the token.",
        limits=NOTHING_SIGNED + " No id is used: a monitor may send an event again on purpose.",
        samples=(Sample("query_alert_monitor", "query_alert_monitor.json"),),
    ),
    Provider(
        name="tailscale",
        title="Tailscale",
        scheme=Hmac(
            at="header:Tailscale-Webhook-Signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t"),
        ),
        event_type=("body:type",),
        dedup_body=True,
        batch=EventBatch(),
        secret_hint="tskey-webhook-…, shown once at creation",
        generates_secret=False,
        setup=(
            "In the admin console open Settings → Webhooks → Add endpoint, paste the URL, and"
            " choose the events. Copy the secret to .env; Test endpoint sends an event of type"
            " test."
        ),
        docs="https://tailscale.com/kb/1213/webhooks",
        evidence="docs",
        retries="Retried until the answer is 2xx; later events wait.",
        signs="The time and the body, joined by a dot.",
        limits=(
            "Events have no id; duplicates are detected by content, including the time of"
            " what happened."
        ),
        api_key_starts=("tskey-api-", "tskey-auth-", "tskey-client-"),
        samples=(Sample("nodeCreated", "nodeCreated.json"),),
    ),
    Provider(
        name="langfuse",
        title="Langfuse",
        scheme=Hmac(
            at="header:x-langfuse-signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t"),
        ),
        event_type=(JoinedLocators(("body:type", "body:action"), by="."),),
        event_id=("body:id",),
        secret_hint="the automation's secret, shown at creation",
        generates_secret=False,
        setup=(
            "In Langfuse open Prompts → Automations → Create Automation, choose Webhook, paste"
            " the URL, and choose the actions. Copy the secret to .env."
        ),
        docs="https://langfuse.com/docs/prompt-management/features/webhooks-slack-integrations",
        evidence="docs",
        retries=(
            "Retried with increasing delays; after some failures in a row the automation is"
            " disabled."
        ),
        signs="The time and the body, joined by a dot.",
        samples=(Sample("prompt-version.created", "prompt-version.created.json"),),
    ),
)
