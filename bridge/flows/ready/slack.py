"""The flow slack_message."""

from __future__ import annotations

import re
import time
from typing import Final
from urllib.parse import SplitResult, urlunsplit

from bridge.core.http_messages import Answer, Call
from bridge.core.model import JSON
from bridge.delivery.platforms.responses import USER_AGENT, dump, error_text, printable, retry_after
from bridge.flows.context import log
from bridge.flows.errors import FlowError
from bridge.flows.function import flow
from bridge.flows.ready.environment import read_list, read_variable
from bridge.flows.ready.http_client import AddressPolicy, make_call, parse_url
from bridge.flows.ready.inputs import one_line
from bridge.flows.ready.inputs import text as text_of

WEBHOOK_SETTING: Final = "FLOWBRIDGE_SLACK_WEBHOOK_URL"
HOSTS_SETTING: Final = "FLOWBRIDGE_SLACK_HOSTS"
SLACK_HOST: Final = "hooks.slack.com"
MAX_SLACK_CHARACTERS: Final = 40_000  # characters that Slack shows of a message
# while Slack limits the rate; it accepts about one message a second
MAX_TRIES: Final = 4
MAX_WAIT_SECONDS: Final = 60.0  # seconds of one wait, at most
SLACK_TIMEOUT_SECONDS: Final = 30.0

#: Slack's plain-text answer -> its meaning.
SLACK_ERRORS: Final = {
    "no_service": "the webhook is disabled or was removed: create one in Slack's app settings",
    "no_service_id": "the webhook URL is incomplete",
    "no_team": "the webhook URL belongs to no workspace: copy it again",
    "team_disabled": "the workspace is disabled",
    "invalid_token": "the webhook URL is wrong or was revoked: copy it again",
    "no_active_hooks": "the webhook is disabled: enable it in Slack's app settings",
    "channel_not_found": "the channel does not exist, or the webhook cannot access it",
    "channel_is_archived": "the channel is archived",
    "user_not_found": "the user does not exist",
    "posting_to_general_channel_denied": "posting to that channel is restricted",
    "action_prohibited": "an administrator has disabled it",
    "no_text": "the message has no text",
    "invalid_payload": "Slack cannot parse the message",
}


@flow(time_limit=600)
def slack_message(text: str, channel: str = "", webhook_url: str = "") -> dict[str, JSON]:
    """Posts a message to Slack through an incoming webhook.

    Its URL is `webhook_url`, or FLOWBRIDGE_SLACK_WEBHOOK_URL. The webhook decides the channel;
    `channel` selects another one if the webhook allows it. `*bold*`, `_italic_` and line ends work;
    `<`, `>` and `&` are shown literally, so that a sender's text can neither mention everyone nor
    hide a link.
    """
    message = {"text": _escaped(text_of("text", text, 10**6))}
    if not message["text"].strip():
        raise FlowError("text: empty")
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
    """Escape the characters that begin Slack's mentions and links, and cut at the shown length."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(escaped) <= MAX_SLACK_CHARACTERS:
        return escaped
    log(f"the text of {len(escaped)} characters was cut: Slack shows {MAX_SLACK_CHARACTERS}")
    return re.sub(r"&[a-z]*$", "", escaped[: MAX_SLACK_CHARACTERS - 1]) + "…"


def _webhook(webhook_url: str) -> tuple[SplitResult, AddressPolicy]:
    """Return the URL and its allowed addresses. Errors quote neither.

    The operator's own URL is trusted; a URL from an input may lead to Slack only.
    """
    if not webhook_url:
        if not (own := read_variable(WEBHOOK_SETTING)):
            raise FlowError(
                f"no webhook: set {WEBHOOK_SETTING} to the URL that Slack shows under Incoming"
                " Webhooks, or pass `webhook_url`"
            )
        parts = parse_url(WEBHOOK_SETTING, own)
        return parts, AddressPolicy(parts.hostname or "", private=True)
    parts = parse_url("webhook_url", webhook_url)
    host = parts.hostname or ""
    allowed = [SLACK_HOST, *map(str.lower, read_list(HOSTS_SETTING))]
    if parts.scheme != "https" or host not in allowed:
        raise FlowError(
            f"webhook_url: {parts.scheme}://{host} is not allowed; use https:// at"
            f" {', '.join(allowed)} (allow more in {HOSTS_SETTING})"
        )
    return parts, AddressPolicy(host, private=host != SLACK_HOST)


def _post(call: Call, reach: AddressPolicy) -> Answer:
    """Post the message, and retry when Slack limits the rate, since it then stores nothing."""
    answer = make_call("slack", call, reach, SLACK_TIMEOUT_SECONDS)
    for _ in range(MAX_TRIES - 1):
        if answer.status != 429:
            break
        wait = retry_after(answer, time.time())
        wait = 1.0 if wait is None else wait
        if wait > MAX_WAIT_SECONDS:
            break
        log(f"Slack limits the rate: retry in {wait:g} s")
        time.sleep(wait)
        answer = make_call("slack", call, reach, SLACK_TIMEOUT_SECONDS)
    return answer


def _refusal(answer: Answer) -> str:
    said = printable(answer.body[:100].decode("utf-8", "replace").strip())
    if said in SLACK_ERRORS:
        return f"Slack refused the message: {said}: {SLACK_ERRORS[said]}"
    if answer.status == 429:
        return "Slack limits the rate (HTTP 429)"
    return f"Slack refused the message: {error_text(answer)}"
