"""Platform `http`: any URL that takes JSON; a 2xx is a start, and there are no runs. Pure."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.http_messages import Answer, Call
from bridge.core.model import Delivery
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.platforms.responses import USER_AGENT, dump, idempotency_key
from bridge.delivery.unknown_outcomes import read_failure
from bridge.routing.model import Platform


def build_start(platform: Platform, delivery: Delivery) -> Call:
    """Return the call to the platform's URL.

    Configured headers replace ours, except the Idempotency-Key.
    """
    configured = {name.lower() for name in platform.headers} - {"idempotency-key"}
    headers = {
        name: value for name, value in platform.headers.items() if name.lower() in configured
    }
    for name, value in (("Content-Type", "application/json"), ("User-Agent", USER_AGENT)):
        if name.lower() not in configured:
            headers[name] = value
    headers["Idempotency-Key"] = idempotency_key(delivery)
    return Call(
        method=platform.method, url=platform.base_url, headers=headers, body=dump(delivery.inputs)
    )


def read_start(answer: Answer, now: float) -> Outcome:
    """Return the outcome: 2xx is a start; 429, and 503 with Retry-After, are throttling."""
    if answer.status // 100 == 2:
        return Outcome(kind=OutcomeKind.STARTED, status_code=answer.status)
    outcome = read_failure(answer, now)
    if answer.status == 503 and outcome.retry_after is not None:
        return replace(outcome, kind=OutcomeKind.THROTTLED)
    return outcome
