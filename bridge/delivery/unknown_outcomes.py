"""Decide when the outcome of a start is unknown: the flow may have started or not. Pure.

Each cause stands here: an answer whose status or content does not say it, a call without an answer,
and a call that the bridge itself ended. `reconcile.py` then judges the search for the run.
"""

from __future__ import annotations

from typing import Final

from bridge.core.http_messages import Answer, NoAnswer
from bridge.core.model import Delivery
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.platforms.responses import error_text, printable, retry_after

#: Statuses that do not follow their class. 408: some gateways return it for a slow backend, which
#: may have started the run. 425 (RFC 8470): the request was not processed. 401 concerns the
#: credentials, which all starts of a platform share; 403 may concern one flow.
KIND_BY_STATUS: Final = {
    401: OutcomeKind.UNAUTHORIZED,
    408: OutcomeKind.UNKNOWN,
    425: OutcomeKind.REFUSED,
    429: OutcomeKind.THROTTLED,
}
#: A redirect comes from a proxy in front of the API (a moved host, a login page) and is never
#: followed; REJECTED is not retried. After any other status (1xx, 5xx) the run may have started.
KIND_BY_STATUS_CLASS: Final = {3: OutcomeKind.REJECTED, 4: OutcomeKind.REJECTED}

# Calls that the bridge itself ended.
STOPPED: Final = Outcome(
    kind=OutcomeKind.UNKNOWN,
    detail="flowbridge was stopped while the call was under way",
    ours=True,
)
WORKER_DIED: Final = Outcome(
    kind=OutcomeKind.UNKNOWN, detail="the worker died while the call was under way", ours=True
)
FAULT: Final = Outcome(
    kind=OutcomeKind.UNKNOWN, detail="the call failed because of a bug in flowbridge", ours=True
)


def read_failure(answer: Answer, now: float) -> Outcome:
    """Return the outcome of an answer that is not 2xx, from its status and error text."""
    kind = KIND_BY_STATUS.get(answer.status) or KIND_BY_STATUS_CLASS.get(
        answer.status // 100, OutcomeKind.UNKNOWN
    )
    detail = error_text(answer)
    if answer.status // 100 == 3:
        detail = (
            f"HTTP {answer.status}: a redirect, which flowbridge does not follow: check the"
            " platform's base_url (or url)"
        )
    return Outcome(
        kind=kind, detail=detail, retry_after=retry_after(answer, now), status_code=answer.status
    )


def classify_no_answer(answer: NoAnswer) -> Outcome:
    """Return the outcome of a call without an answer: unknown once its request was sent."""
    kind = OutcomeKind.UNKNOWN if answer.sent else OutcomeKind.REFUSED
    return Outcome(kind=kind, detail=answer.reason)


def classify_unreadable_answer(answer: Answer, fault: str) -> Outcome:
    """Return the outcome of a 2xx answer that names no run; `fault` says what is wrong with it."""
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        detail=f"HTTP {answer.status}: the answer is {fault}",
        status_code=answer.status,
    )


def classify_run_of_another_flow(delivery: Delivery, outcome: Outcome) -> Outcome:
    """Return the outcome of a start that the platform answers with a run of another flow.

    That run is not the delivery's. The delivery's flow may have started or not. The idempotency key
    may belong to the other run, so a retry would get the same answer.
    """
    answered = printable(
        f"HTTP {outcome.status_code}: the platform returned the run {outcome.run_id} of the flow"
        f" {outcome.saved_item_id!r}"
    )
    detail = (
        f"{answered}, not of {delivery.saved_item_id!r}. It is not known whether that flow started"
    )
    return Outcome(
        kind=OutcomeKind.UNKNOWN, detail=detail, status_code=outcome.status_code, held=True
    )


def stays_unknown(delivery: Delivery, outcome: Outcome) -> bool:
    """Return whether a delivery stays unknown after an unknown outcome, instead of a retry."""
    return outcome.held or delivery.on_unknown != "retry"
