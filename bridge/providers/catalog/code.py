"""Rows: code hosting. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.core.units import MIB
from bridge.providers.catalog._shared import (
    CREDENTIAL_IN_URL,
    NOTHING_SIGNED,
    REPLAY_KNOWN_BY_ID,
    REPLAY_UNKNOWN,
    standard_webhooks_hmac,
)
from bridge.providers.model import EventTypes, Provider, Sample
from bridge.providers.signatures.alternatives import SchemeBySecret
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import SharedToken

GITHUB = {"x-github-delivery": "{id}", "user-agent": "GitHub-Hookshot/044aadd"}

ROWS = (
    Provider(
        name="github",
        title="GitHub",
        # X-Hub-Signature (sha1) comes along and is not looked at
        scheme=Hmac(at="header:X-Hub-Signature-256", prefix="sha256="),
        event_type=("header:X-GitHub-Event",),
        event_id=("header:X-GitHub-Delivery",),
        test_types=("ping",),
        body="form_payload:payload",
        max_body=25 * MIB,
        secret_hint="any long random text; flowbridge generates one, enter it at GitHub",
        generates_secret=True,
        setup=(
            "In the repository (or organization) open Settings → Webhooks → Add webhook. Paste the"
            " URL as Payload URL and the secret as Secret, choose content type application/json,"
            " and pick the events under “Let me select individual events”. GitHub sends a ping at"
            " once, which shows up as an event of type ping."
        ),
        docs="https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
        evidence="vector",
        retries="Never retried automatically; for three days a person can press Redeliver.",
        answer_within="10 s (Enterprise Server: 30 s)",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        api_key_starts=("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        event_types=EventTypes(
            docs="https://docs.github.com/en/webhooks/webhook-events-and-payloads",
            detail="body.action",
        ),
        samples=(
            Sample("issues", "issues.json", {"x-github-event": "issues", **GITHUB}),
            Sample("ping", "ping.json", {"x-github-event": "ping", **GITHUB}),
            Sample("push", "push.json", {"x-github-event": "push", **GITHUB}),
            Sample(
                "pull_request", "pull_request.json", {"x-github-event": "pull_request", **GITHUB}
            ),
            Sample("release", "release.json", {"x-github-event": "release", **GITHUB}),
        ),
    ),
    Provider(
        name="gitlab",
        title="GitLab",
        # The secret says which: GitLab's signing token is Standard Webhooks, the older secret token
        # is shown as it is.
        scheme=SchemeBySecret(
            by_secret=(
                ("whsec_", standard_webhooks_hmac("webhook-")),
                ("", SharedToken(at="header:X-Gitlab-Token")),
            )
        ),
        event_type=("body:object_kind", "body:event_name", "header:X-Gitlab-Event"),
        event_id=("header:webhook-id", "header:Idempotency-Key"),
        max_body=25 * MIB,
        secret_hint=(
            "any long random text as Secret token (flowbridge generates one); or a signing token,"
            " whsec_… and 32 bytes in base64"
        ),
        generates_secret=True,
        setup=(
            "In the project (or group) open Settings → Webhooks → Add new webhook, paste the URL,"
            " and enter the secret as Secret token. If your GitLab offers a signing token, use"
            " that instead, because it signs the body: it begins with whsec_ and goes into .env,"
            " too. Choose the triggers, save, and press Test."
        ),
        docs="https://docs.gitlab.com/user/project/integrations/webhooks/",
        evidence="docs",
        retries=(
            "A webhook that fails several times in a row is disabled for a while, then for good;"
            " a person can resend a request."
        ),
        answer_within="10 s",
        signs=(
            "With a signing token the id, the time and the body, joined by dots; with a secret"
            " token nothing."
        ),
        limits=(
            "A secret token does not prove that the body is GitLab's: use HTTPS, or the signing"
            " token of newer versions."
        ),
        api_key_starts=("glpat-", "gldt-", "glrt-", "glptt-"),
        samples=tuple(
            Sample(
                kind,
                f"{kind}.json",
                {
                    "x-gitlab-event": name,
                    "idempotency-key": "{id}",
                    "user-agent": "GitLab/18.5.1",
                },
            )
            for kind, name in (
                ("push", "Push Hook"),
                ("merge_request", "Merge Request Hook"),
                ("issue", "Issue Hook"),
            )
        ),
    ),
    Provider(
        name="bitbucket",
        title="Bitbucket Cloud",
        scheme=Hmac(at="header:X-Hub-Signature", prefix="sha256="),
        event_type=("header:X-Event-Key",),
        event_id=("header:X-Request-UUID",),
        retry=("header:X-Attempt-Number",),
        secret_hint="any long random text; flowbridge generates one, enter it at Bitbucket",
        generates_secret=True,
        setup=(
            "In the repository open Repository settings → Webhooks → Add webhook, paste the URL,"
            " and enter the secret. Choose the triggers and save; without a secret Bitbucket"
            " signs nothing, and requests are refused."
        ),
        docs="https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
        evidence="vector",
        retries="Retried a few times, counted in X-Attempt-Number.",
        signs="The body.",
        limits="Bitbucket sends no payload above 256 KB. " + REPLAY_KNOWN_BY_ID,
        samples=(
            Sample(
                "repo:push",
                "push.json",
                {
                    "x-event-key": "repo:push",
                    "x-request-uuid": "{id}",
                    "x-attempt-number": "1",
                    "user-agent": "Bitbucket-Webhooks/2.0",
                },
            ),
        ),
    ),
    Provider(
        name="bitbucket_server",
        title="Bitbucket Data Center",
        scheme=Hmac(at="header:X-Hub-Signature", prefix="sha256="),
        event_type=("header:X-Event-Key",),
        event_id=("header:X-Request-Id",),
        test_types=("diagnostics:ping",),
        secret_hint="any long random text; flowbridge generates one, enter it at Bitbucket",
        generates_secret=True,
        setup=(
            "In the repository (or project) open Settings → Webhooks → Create webhook, paste the"
            " URL, enter the secret, and choose the events. Test connection sends an event of"
            " type diagnostics:ping, which may be unsigned and is then refused."
        ),
        docs="https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html",
        evidence="docs",
        retries="Not documented; a webhook that fails often is skipped for a while.",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(
            Sample(
                "repo:refs_changed",
                "refs_changed.json",
                {"x-event-key": "repo:refs_changed", "x-request-id": "{id}"},
            ),
        ),
    ),
    Provider(
        name="gitea",
        title="Gitea, Forgejo and Codeberg",
        # GitHub's and Gogs's headers come along, sha1 among them; only this one is looked at.
        scheme=Hmac(at="header:X-Gitea-Signature"),
        event_type=("header:X-Gitea-Event",),
        event_id=("header:X-Gitea-Delivery",),
        max_body=25 * MIB,
        secret_hint="any long random text; flowbridge generates one, enter it at Gitea",
        generates_secret=True,
        setup=(
            "In the repository open Settings → Webhooks → Add Webhook → Gitea (or Forgejo), paste"
            " the URL as Target URL, leave POST and the content type application/json, and enter"
            " the secret. Without a secret Gitea sends an empty signature, which is refused."
        ),
        docs="https://docs.gitea.com/usage/repository/webhooks",
        evidence="sdk",
        retries="Gitea tries once; a delivery can be resent from the webhook's page.",
        answer_within="5 s, unless the server sets another (DELIVER_TIMEOUT)",
        signs="The body.",
        limits=(
            "The content type must be application/json: of a form only a part is signed, and it"
            " is refused. "
        )
        + REPLAY_KNOWN_BY_ID,
        samples=(
            Sample(
                "push",
                "push.json",
                {
                    "x-gitea-event": "push",
                    "x-gitea-event-type": "push",
                    "x-gitea-delivery": "{id}",
                    "x-github-event": "push",
                    "x-github-delivery": "{id}",
                },
            ),
        ),
    ),
    Provider(
        name="docker_hub",
        title="Docker Hub",
        scheme=SharedToken(at="query:token"),
        event_id=(
            JoinedLocators(
                ("body:repository.repo_name", "body:push_data.tag", "body:push_data.pushed_at")
            ),
        ),
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "In the repository on Docker Hub open Webhooks, name the webhook, and paste the URL"
            " with ?token=SECRET added to it."
        ),
        docs="https://docs.docker.com/docker-hub/repos/manage/webhooks/",
        evidence="docs",
        retries="Not documented. The webhook's page shows the history of requests.",
        signs="Nothing: the URL carries the token.",
        limits=CREDENTIAL_IN_URL,
        samples=(Sample("push", "push.json", {"user-agent": "Docker Hub"}),),
    ),
    Provider(
        name="hugging_face",
        title="Hugging Face Hub",
        scheme=SharedToken(at="header:X-Webhook-Secret"),
        event_type=(JoinedLocators(("body:event.scope", "body:event.action"), by="."),),
        secret_hint=(
            "any long random text of printable ASCII; flowbridge generates one, enter it at"
            " Hugging Face"
        ),
        generates_secret=True,
        setup=(
            "In your settings on Hugging Face open Webhooks → Add a new webhook, choose the"
            " repositories or users to watch, paste the URL, and enter the secret. Requests carry"
            " it in the header X-Webhook-Secret."
        ),
        docs="https://huggingface.co/docs/hub/webhooks",
        evidence="docs",
        retries="Not documented; a delivery can be resent from the webhook's activity page.",
        signs="Nothing: requests carry the secret.",
        limits=NOTHING_SIGNED + " There is no id: a repeated request is a new event.",
        api_key_starts=("hf_",),
        samples=(Sample("repo.content.update", "repo.content.update.json"),),
    ),
    Provider(
        name="npm",
        title="npm hooks (of registries that still have them)",
        scheme=Hmac(at="header:x-npm-signature", prefix="sha256="),
        event_type=("body:event",),
        secret_hint="any long random text; flowbridge generates one, give it to the registry",
        generates_secret=True,
        setup=(
            "Register with `npm hook add PACKAGE URL SECRET` of npm 10 or older, with --registry,"
            " or through the hooks API of your own registry."
        ),
        docs="https://github.com/npm/registry/blob/main/docs/hooks/endpoints.md",
        evidence="docs",
        retries="Not documented.",
        signs="The body.",
        limits="npm's own registry removed its hooks in 2024, and npm 11 has no `npm hook`. "
        + REPLAY_UNKNOWN,
        api_key_starts=("npm_",),
        samples=(Sample("package:publish", "publish.json"),),
    ),
)
