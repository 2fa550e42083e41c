"""Decide whether a run that a person named can be the run of an unknown start. Pure."""

from __future__ import annotations

import re
from typing import Final

from bridge.core.clock_reading import ClockReading
from bridge.core.model import Delivery
from bridge.core.status import RunReport
from bridge.core.units import iso
from bridge.delivery.platforms.model import ListedRun, Listing
from bridge.delivery.reconcile import MAX_LISTED_RUNS, MAX_SKEW_SECONDS, find_echo

#: How far a platform's clock may differ from its own answer before the call.
PLATFORM_CLOCK_SECONDS: Final = 2.0
_RECORD_ID: Final = re.compile(r"(?:evt|dlv)_[0-9a-z]{20,40}")


def find_run_mismatch(
    delivery: Delivery,
    attempt: int,
    clocks: ClockReading,
    run_id: str,
    report: RunReport,
    listing: Listing[ListedRun] | None,
) -> str | None:
    """Return why a run cannot be that of an attempt, or None if it can.

    `clocks`: at the intent of the attempt. `report`: the platform's answer about the run.
    `listing`: the newest runs of the delivery's flow, None if the platform has no such list.
    """
    began = clocks.at if clocks.platform_at is None else clocks.platform_at
    skew = MAX_SKEW_SECONDS if clocks.platform_at is None else PLATFORM_CLOCK_SECONDS
    earliest = began - skew
    call = f"the call of attempt {attempt} began at {iso(began)}"
    if report.created_at is not None and report.created_at < earliest:
        return f"the run {run_id} was created at {iso(report.created_at)}, but {call}"
    if report.finished_at is not None and report.finished_at < earliest:
        return f"the run {run_id} ended at {iso(report.finished_at)}, but {call}"
    if listing is not None and _is_of_other_flow(run_id, report, listing):
        flow = f"{delivery.platform}/{delivery.saved_item_id}"
        return (
            f"the run {run_id} is not in the list of the runs of {flow}: it is of another flow, or"
            " too new to be listed"
        )
    echoed = _find_foreign_id(report, delivery)
    if echoed is None:
        return None
    return f"the outputs of the run {run_id} have the id of another event or delivery: {echoed}"


def _is_of_other_flow(run_id: str, report: RunReport, listing: Listing[ListedRun]) -> bool:
    """Return whether a list that would contain the run lacks it."""
    if listing.items is None or any(run.id == run_id for run in listing.items):
        return False
    if listing.unread:
        return False
    if len(listing.items) < MAX_LISTED_RUNS:
        return True
    times = [run.report.created_at for run in listing.items]
    oldest = min((at for at in times if at is not None), default=None)
    return None not in (oldest, report.created_at) and (report.created_at or 0.0) > (oldest or 0.0)


def _find_foreign_id(report: RunReport, delivery: Delivery) -> str | None:
    """Return the id of another event or delivery that the outputs have, unless they have ours."""
    if not isinstance(report.outputs, dict) or find_echo(report.outputs, delivery) is not None:
        return None
    texts = (value.strip() for value in report.outputs.values() if isinstance(value, str))
    return next((text for text in texts if _RECORD_ID.fullmatch(text)), None)
