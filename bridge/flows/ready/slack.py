"""slack_message."""

from __future__ import annotations

import re
import time
from typing import Final
from urllib.parse import SplitResult, urlunsplit

from bridge.core.http_messages import Answer, Call
from bridge.core.model import JSON
from bridge.delivery.platforms.responses import USER_AGENT, dump, error_text, printable, retry_after
from bridge.flows.context import log
from bridge.flows.function import FlowError, flow
from bridge.flows.ready.environment import variable, words
from bridge.flows.ready.http_client import Reach, exchange, parse_url
from bridge.flows.ready.inputs import one_line
from bridge.flows.ready.inputs import text as text_of

WEBHOOK: Final = "FLOWBRIDGE_SLACK_WEBHOOK_URL"
HOSTS: Final = "FLOWBRIDGE_SLACK_HOSTS"
SLACK: Final = "hooks.slack.com"
LENGTH: Final = 40_000  # characters: what Slack shows of a message
# while Slack says that it is too much at once; it takes about one message a second
TRIES: Final = 4
PATIENCE: Final = 60.0  # seconds that one wait may take
TIMEOUT: Final = 30.0

#: What Slack answers, as plain text -> what to do.
MEANINGS: Final = {
    "no_service": "the webhook is off or was removed: make a new one in Slack's app settings",
    "no_service_id": "the webhook URL is not complete",
    "no_team": "the webhook URL belongs to no workspace: copy it again",
    "team_disabled": "the workspace is disabled",
    "invalid_token": "the webhook URL is wrong or was revoked: copy it again",
    "no_active_hooks": "the webhook is off: switch it on in Slack's app settings",
    "channel_not_found": "there is no such channel, or the webhook may not see it",
    "channel_is_archived": "the channel is archived",
    "user_not_found": "there is no such user",
    "posting_to_general_channel_denied": "only some may write to that channel",
    "action_prohibited": "an administrator forbids it",
    "no_text": "the message has no text",
    "invalid_payload": "Slack cannot read the message",
}


@flow(time_limit=600)
def slack_message(text: str, channel: str = "", webhook_url: str = "") -> dict[str, JSON]:
    """Posts a message to Slack through an incoming webhook.

    Its URL is `webhook_url`, or FLOWBRIDGE_SLACK_WEBHOOK_URL. The webhook decides the
    channel; `channel` names another where the webhook allows it. `*bold*`,
    `_italic_` and line ends work; `<`, `>` and `&` are shown as they are, so that what a sender
    wrote can neither call everyone nor hide a link.
    """
    message = {"text": _escaped(text_of("text", text, 10**6))}
    if not message["text"].strip():
        raise FlowError("text: it is empty")
    if name := one_line("channel", channel, 100).strip():
        message["channel"] = name
    url, reach = _webhook(one_line("webhook_url", webhook_url, 2000).strip())
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
    call = Call(method="POST", url=urlunsplit(url), headers=headers, body=dump(message))
    answer = _post(call, reach)
    if answer.status // 100 != 2:
        raise FlowError(_refusal(answer))
    log(f"posted {len(message['text'])} characters")
    return {"ok": True}


def _escaped(text: str) -> str:
    """Return the text with the three characters escaped that begin Slack's mentions and links, cut
    at what it shows.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(escaped) <= LENGTH:
        return escaped
    log(f"the text is {len(escaped)} characters long; Slack shows {LENGTH}: cut")
    return re.sub(r"&[a-z]*$", "", escaped[: LENGTH - 1]) + "…"


def _webhook(given: str) -> tuple[SplitResult, Reach]:
    """Return the URL and what it may reach: the operator's own is trusted, an input leads to Slack
    only. No error quotes either.
    """
    if not given:
        if not (own := variable(WEBHOOK)):
            raise FlowError(
                f"no webhook: set {WEBHOOK}, which Slack shows under Incoming Webhooks, or give"
                " `webhook_url`"
            )
        parts = parse_url(WEBHOOK, own)
        return parts, Reach(parts.hostname or "", private=True)
    parts = parse_url("webhook_url", given)
    host = parts.hostname or ""
    allowed = [SLACK, *map(str.lower, words(HOSTS))]
    if parts.scheme != "https" or host not in allowed:
        raise FlowError(
            f"webhook_url: it leads to {parts.scheme}://{host}; allowed is https:// at"
            f" {', '.join(allowed)} (more: {HOSTS})"
        )
    return parts, Reach(host, private=host != SLACK)


def _post(call: Call, reach: Reach) -> Answer:
    """Post it, and again after a while where Slack says that it is too much at once, which keeps
    nothing.
    """
    answer = exchange("slack", call, reach, TIMEOUT)
    for _ in range(TRIES - 1):
        if answer.status != 429:
            break
        wait = retry_after(answer, time.time())
        wait = 1.0 if wait is None else wait
        if wait > PATIENCE:
            break
        log(f"Slack takes no more for {wait:g} s")
        time.sleep(wait)
        answer = exchange("slack", call, reach, TIMEOUT)
    return answer


def _refusal(answer: Answer) -> str:
    said = printable(answer.body[:100].decode("utf-8", "replace").strip())
    if said in MEANINGS:
        return f"Slack refused it: {said}: {MEANINGS[said]}"
    if answer.status == 429:
        return "Slack takes no more messages for now (HTTP 429)"
    return f"Slack refused it: {error_text(answer)}"
