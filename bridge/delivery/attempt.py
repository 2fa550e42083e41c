"""Make one attempt, or poll runs: build the call, send it, read the answer. Pure."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.http_messages import NoAnswer
from bridge.core.model import Delivery
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.file_transfer import FileTransfer, Send, transfer_files
from bridge.delivery.platforms.model import NO_RUNS, ListedRun, Listing
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.unknown_outcomes import classify_no_answer, classify_run_of_another_flow
from bridge.routing.model import Platform

__all__ = ["Send", "deliver", "list_newest_runs", "poll_run"]


def deliver(
    delivery: Delivery,
    platform: Platform,
    send: Send,
    now: float,
    hands: FileTransfer | None = None,
) -> Outcome:
    """Start the delivery's flow and return the outcome.

    A call without an answer is `unknown` unless it certainly was not sent. `hands`: the files that
    the inputs refer to, None if there are none.
    """
    if delivery.unsealable is not None:
        return Outcome(kind=OutcomeKind.REJECTED, detail=delivery.unsealable, ours=True)
    kind = PLATFORMS[platform.type]
    if hands is not None:
        handed = transfer_files(delivery, platform, send, now, hands)
        if isinstance(handed, Outcome):
            return handed
        delivery = handed
    answer = send(kind.build_start(platform, delivery))
    if isinstance(answer, NoAnswer):
        return classify_no_answer(answer)
    outcome = replace(kind.read_start(answer, now), status_code=answer.status)
    return (
        outcome
        if outcome.saved_item_id in (None, delivery.saved_item_id)
        else classify_run_of_another_flow(delivery, outcome)
    )


def poll_run(run_id: str, platform: Platform, send: Send) -> RunReport:
    """Poll a run; if the platform does not answer, the report has no state."""
    kind = PLATFORMS[platform.type]
    if kind.build_run is None or kind.read_run is None:
        return RunReport(state=None, detail=NO_RUNS)
    answer = send(kind.build_run(platform, run_id))
    return (
        RunReport(state=None, detail=answer.reason)
        if isinstance(answer, NoAnswer)
        else kind.read_run(answer)
    )


def list_newest_runs(saved_item_id: str, platform: Platform, send: Send) -> Listing[ListedRun]:
    """List a flow's newest runs; if the platform does not answer, `items` is None."""
    runs = PLATFORMS[platform.type].runs
    if runs is None:
        return Listing(items=None, detail=NO_RUNS)
    answer = send(runs.build(platform, saved_item_id))
    if isinstance(answer, NoAnswer):
        return Listing(items=None, detail=answer.reason)
    return replace(runs.read(answer), status_code=answer.status)
