"""Start a flow by hand, or end a run, and record that in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from bridge.core.audit import AuditAction
from bridge.core.errors import InvalidRequest, StartUnanswered
from bridge.core.model import JSON
from bridge.core.status import OutcomeKind, RunReport
from bridge.services.platforms import platform_queries
from bridge.services.platforms.given_inputs import check_inputs
from bridge.services.records.flow_records import KILLED_RUN, STARTED_RUN

if TYPE_CHECKING:
    from bridge.routing.model import Platform

Record = Callable[[AuditAction, str], object]  # records an action on a subject
UNKNOWN: Final = " (outcome unknown)"
#: Outcomes of a start that may have begun a run, and what the audit log adds to the flow.
RECORDED: Final = {OutcomeKind.STARTED: "", OutcomeKind.UNKNOWN: UNKNOWN}


def start_flow(
    platform: Platform,
    saved_item_id: str,
    inputs: Mapping[str, JSON],
    record: Record,
    *,
    with_contents: bool = True,
) -> Mapping[str, JSON]:
    """Start a flow, after a check of the inputs against those that its platform lists, and return
    the outcome as JSON, with notes on inputs that look misspelt.

    No event and no delivery is stored. A start whose outcome is unknown is recorded as such.
    `InvalidRequest` where an input is missing that the platform lists as required. `BridgeError`
    where no answer came: `StartUnanswered` if a run may exist.
    """
    input_check = check_inputs(platform, saved_item_id, inputs)
    if input_check.missing:
        missing = f"the flow {saved_item_id!r} requires {', '.join(input_check.missing)}"
        raise InvalidRequest("; ".join((missing, *input_check.notes)))
    subject = f"{platform.name}/{saved_item_id}"
    try:
        outcome = platform_queries.start_run(platform, saved_item_id, inputs)
    except StartUnanswered:
        record(AuditAction.RUN_STARTED, subject + UNKNOWN)
        raise
    if outcome.kind in RECORDED:
        record(AuditAction.RUN_STARTED, subject + RECORDED[outcome.kind])
    is_unknown = outcome.kind is OutcomeKind.REJECTED and outcome.status_code in (400, 404)
    hint = platform_queries.explain_missing_flow(platform, saved_item_id) if is_unknown else ""
    return STARTED_RUN.write(
        outcome,
        with_contents=with_contents,
        platform=platform.name,
        saved_item_id=saved_item_id,
        notes=list(input_check.notes),
        hint=hint or None,
    )


def end_run(
    platform: Platform, run_id: str, record: Record, *, with_contents: bool = True
) -> Mapping[str, JSON]:
    """Ask a platform to end a run with its subflow runs, and return its answer with the run's
    state, as `flows kill --json`.

    `BridgeError` where the platform has no runs or did not answer.
    """
    killed = platform_queries.kill_run(platform, run_id)
    report = RunReport(state=None)
    if killed.accepted:
        record(AuditAction.RUN_KILLED, f"{platform.name}/{run_id}")
        report = platform_queries.read_run(platform, run_id)
    return KILLED_RUN.write(
        killed,
        with_contents=with_contents,
        platform=platform.name,
        run_id=run_id,
        run_state=report.state,
        raw_state=report.raw_state,
    )
