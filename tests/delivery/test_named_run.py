"""Whether a run that a person names can be that of a call without an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import NOW, make_delivery, make_event

from bridge.core.clock_reading import ClockReading
from bridge.core.model import RunState
from bridge.core.status import RunReport
from bridge.delivery.named_run import find_run_mismatch
from bridge.delivery.platforms.model import ListedRun, Listing

EVENT = make_event("1")
DELIVERY = make_delivery(EVENT)
RUN = RunReport(state=RunState.DONE, created_at=NOW + 1, finished_at=NOW + 2)
CLOCKS = ClockReading(at=NOW, platform_at=NOW)


def listed(*ids: str, created_at: float = NOW - 5, unread: int = 0) -> Listing[ListedRun]:
    report = RunReport(state=RunState.DONE, created_at=created_at)
    runs = tuple(ListedRun(id=id_, saved_item_id="echo", report=report) for id_ in ids)
    return Listing(items=runs, unread=unread)


TEN = [f"r{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("report", "clocks", "listing", "expected"),
    [
        (RUN, CLOCKS, listed("R"), None),
        (RUN, CLOCKS, None, None),
        (replace(RUN, created_at=NOW - 3), CLOCKS, listed("R"), "was created at"),
        (replace(RUN, created_at=NOW - 1), CLOCKS, listed("R"), None),
        (replace(RUN, created_at=None, finished_at=NOW - 3), CLOCKS, None, "ended at"),
        # without the platform's clock, it may differ from ours by a minute
        (replace(RUN, created_at=NOW - 59), ClockReading(at=NOW), None, None),
        (replace(RUN, created_at=NOW - 61), ClockReading(at=NOW), None, "was created at"),
        # the platform's clock is an hour ahead of ours
        (
            replace(RUN, created_at=NOW + 1),
            ClockReading(at=NOW, platform_at=NOW + 3600),
            None,
            "was created at",
        ),
        (RUN, CLOCKS, listed("other"), "it is of another flow"),
        (RUN, CLOCKS, listed(), "it is of another flow"),
        (RUN, CLOCKS, listed("other", unread=1), None),
        (RUN, CLOCKS, Listing(items=None), None),
        (RUN, CLOCKS, listed(*TEN), "it is of another flow"),
        (RUN, CLOCKS, listed(*TEN, created_at=NOW + 5), None),
        (replace(RUN, outputs={"id": DELIVERY.id}), CLOCKS, None, None),
        (replace(RUN, outputs={"id": EVENT.id}), CLOCKS, None, None),
        (
            replace(RUN, outputs={"id": make_event("2").id}),
            CLOCKS,
            None,
            "have the id of another event or delivery",
        ),
        (replace(RUN, outputs={"text": "evt_ and more", "n": 1}), CLOCKS, None, None),
    ],
)
def test_a_run_that_cannot_be_that_of_the_call_is_refused(
    report: RunReport,
    clocks: ClockReading,
    listing: Listing[ListedRun] | None,
    expected: str | None,
) -> None:
    problem = find_run_mismatch(DELIVERY, 2, clocks, "R", report, listing)
    assert (problem is None) if expected is None else (expected in (problem or "")), problem
