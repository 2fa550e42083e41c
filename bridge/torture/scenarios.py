"""The routes of the crash test, the events that they match, and the starts that each allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SOURCE_NAME: Final = "torture"
SIGNATURE_HEADER: Final = "X-Torture-Signature"
TYPE_HEADER: Final = "X-Torture-Type"
CALL_TIMEOUT_SECONDS: Final = 2.0  # of the platforms
RUN_TIMEOUT_SECONDS: Final = 6.0  # of the routes
RETRY_MAX_SECONDS: Final = 2.0
DEBOUNCE_MAX_SECONDS: Final = 3.0
PACED_SECONDS: Final = 0.25  # between two starts of a route with a rate
KEY_COUNT: Final = 8  # distinct values of the payload's `key`


@dataclass(frozen=True, slots=True)
class Scenario:
    """One route of the crash test, and the guarantees that are checked on it.

    `on_unknown`: only `retry` allows repeating a start.
    `once`: the platform executes a repeated start only once.
    `mode`: `live` is started; `shadow` never is; `parked` never is, as its schema refuses every
    payload.
    `ordered`: `order_by` the payload's `key`.
    `cap`: `max_concurrent_runs`.
    `reruns`: further runs after failed ones.
    `merges`: `debounce` by the payload's `key`.
    `exclusive`: no other client starts the flow.
    `note`: the special feature.
    """

    route: str
    platform: str  # gumloop, http or local: the name is the type
    flow: str
    types: tuple[str, ...]
    on_unknown: str
    mode: str = "live"
    once: bool = False
    ordered: bool = False
    cap: int | None = None
    reruns: int = 0
    merges: bool = False
    exclusive: bool = False
    note: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)  # further keys of the route

    @property
    def may_repeat(self) -> bool:
        """Whether a second execution is allowed if the outcome of the first is unknown."""
        return self.on_unknown == "retry" and not self.once


FLAKY_FLOW: Final = "flaky"  # many of its runs fail
REFUSING_SCHEMA: Final = {"type": "object", "required": ["never"]}
#: With so many flows each runs so seldom that the platform's list of ten runs covers a minute.
SELDOM_FLOW_COUNT: Final = 6
SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("held", "gumloop", "hold", ("held", "both"), "hold", note="no start is ever repeated"),
    Scenario(
        "found",
        "gumloop",
        "found",
        ("found",),
        "reconcile",
        note=(
            "the default; the flow runs so often that a run may have dropped out of the"
            " platform's list before flowbridge searches for it"
        ),
    ),
    *(
        Scenario(
            f"seldom{number}",
            "gumloop",
            f"seldom{number}",
            ("seldom",),
            "reconcile",
            note=(
                "the default; the flows run rarely, so flowbridge can tell that a start created no"
                " run, and repeats it"
            ),
        )
        for number in range(SELDOM_FLOW_COUNT)
    ),
    *(
        Scenario(
            f"sole{number}",
            "gumloop",
            f"sole{number}",
            ("seldom",),
            "reconcile",
            exclusive=True,
            note=(
                "the same with `exclusive` flows: a run is accepted as the delivery's even though"
                " its outputs do not contain the event's id"
            ),
        )
        for number in range(SELDOM_FLOW_COUNT // 2)
    ),
    Scenario(
        "repeated",
        "gumloop",
        "repeat",
        ("repeated",),
        "retry",
        note="a start with an unknown outcome is repeated",
    ),
    Scenario(
        "ordered",
        "gumloop",
        "line",
        ("ordered",),
        "retry",
        ordered=True,
        note=f"`order_by`: one at a time for each of {KEY_COUNT} keys, in the order of the events",
    ),
    Scenario(
        "capped", "gumloop", "few", ("capped",), "retry", cap=2, note="`max_concurrent_runs: 2`"
    ),
    Scenario(
        "paced",
        "http",
        "post",
        ("paced",),
        "retry",
        note="`rate`: one start every quarter of a second",
        extra={"rate": f"{60 / PACED_SECONDS:.0f}/min"},
    ),
    Scenario(
        "rerun",
        "gumloop",
        FLAKY_FLOW,
        ("rerun",),
        "hold",
        reruns=2,
        note="`on_run_failed: retry: 2`, with a flow whose runs often fail",
    ),
    Scenario(
        "merged",
        "http",
        "post",
        ("merged",),
        "retry",
        merges=True,
        note="`debounce`: only the last of several quick events is started",
    ),
    Scenario(
        "posted",
        "http",
        "post",
        ("posted", "both"),
        "retry",
        note="gets an `Idempotency-Key` but ignores it: each accepted call is a start",
    ),
    Scenario(
        "again",
        "local",
        "again",
        ("again",),
        "retry",
        note="idempotent: an interrupted run is repeated",
    ),
    Scenario(
        "once",
        "local",
        "once",
        ("once",),
        "retry",
        once=True,
        note="not idempotent: a run is never repeated",
    ),
    Scenario(
        "parked",
        "http",
        "post",
        ("parked",),
        "hold",
        "parked",
        note="its schema refuses every payload: `dead` with the reason, never started",
        extra={"payload_schema": REFUSING_SCHEMA},
    ),
    Scenario(
        "shadowed",
        "gumloop",
        "hold",
        ("both",),
        "hold",
        "shadow",
        note="`mode: shadow`: never started",
    ),
)
#: event type -> its share of the load; `seldom` matches many routes; `nowhere` matches none, and is
#: stored as well
EVENT_TYPE_SHARES: Final = {
    "held": 12,
    "found": 10,
    "seldom": 0.3,
    "posted": 13.7,
    "paced": 2,
    "both": 10,
    "repeated": 8,
    "ordered": 10,
    "capped": 4,
    "rerun": 4,
    "merged": 6,
    "again": 6,
    "once": 6,
    "parked": 3,
    "nowhere": 5,
}


def routes_of(type_: str) -> list[str]:
    """Return the routes that need a delivery of an event of this type."""
    return [scenario.route for scenario in SCENARIOS if type_ in scenario.types]
