"""How senders test a URL before they use it. Pure."""

from __future__ import annotations

import orjson

from bridge.locate import FORMS
from bridge.providers.record import Probe, Reply


def slack_challenge(probe: Probe) -> Reply | None:
    """Spec: https://docs.slack.dev/reference/events/url_verification"""
    if probe.request.content_type in FORMS or not isinstance(probe.body, dict) or probe.body.get("type") != "url_verification":
        return None
    challenge = probe.body.get("challenge")
    return Reply(body=orjson.dumps({"challenge": challenge})) if isinstance(challenge, str) else None
