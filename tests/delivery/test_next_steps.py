"""What a person does next about a delivery: one table, whatever command names it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import NOW, make_delivery, make_event

from bridge.core.advice import Advice, advise
from bridge.core.circuit_state import Circuit
from bridge.core.model import JSON, DeadKind, Delivery, RunState, Status
from bridge.delivery.next_steps import (
    NO_CONTEXT,
    STEPS,
    DeliveryContext,
    Need,
    find_common_steps,
    find_steps,
    need_of_dead,
)
from bridge.delivery.obstacles import Obstacle, PlatformState, find_obstacle, next_call

SET = PlatformState()
DENIED = Circuit(platform="p", open_for=60.0, open_until=NOW + 50, reason="HTTP 401")
OPEN = Circuit(platform="p", failures=5, open_for=60.0, open_until=NOW + 50, reason="HTTP 503")


def one(**changes: object) -> Delivery:
    return replace(
        make_delivery(make_event("1"), "triage"), id="dlv_1", event_id="evt_1", **changes
    )  # type: ignore[arg-type]


def failed(status_code: int | None, problem: str) -> JSON:
    return {"problem": problem, "status_code": status_code, "listed": 0, "covers": False}


@pytest.mark.parametrize(
    ("evidence", "setting", "kind", "is_fixed_by", "decides", "next_at"),
    [
        (None, SET, None, None, False, NOW + 5),
        (None, replace(SET, has_platform=False), "platform", "add it again", True, None),
        (None, replace(SET, has_platform=False, is_configured=False), None, None, False, NOW + 5),
        (
            None,
            replace(SET, missing="KEY is not set", workers=0),
            "missing",
            "and start a worker (flowbridge serve",
            False,
            None,
        ),
        (None, replace(SET, missing="KEY is not set"), "missing", "set it in .env", False, None),
        (None, replace(SET, workers=0), "worker", "flowbridge serve", False, None),
        (None, replace(SET, circuit=DENIED), "refused", "correct them in .env", False, NOW + 50),
        (None, replace(SET, circuit=OPEN), "circuit", None, False, NOW + 50),
        (
            None,
            replace(SET, circuit=Circuit(platform="p", not_before=NOW + 9)),
            "circuit",
            None,
            False,
            NOW + 9,
        ),
        (failed(401, "HTTP 401"), SET, "refused", "correct them in .env", False, NOW + 5),
        (failed(404, "HTTP 404"), SET, "list", "check its base_url", True, NOW + 5),
        (failed(302, "HTTP 302"), SET, "list", "check its base_url", True, NOW + 5),
        (
            failed(200, "HTTP 200: the answer is no such list"),
            SET,
            "list",
            "check its base_url",
            True,
            NOW + 5,
        ),
        (failed(None, "this platform has no runs"), SET, "list", None, True, NOW + 5),
        (failed(None, "no answer within 30 s"), SET, "unreachable", None, False, NOW + 5),
        (failed(502, "HTTP 502"), SET, "unreachable", None, False, NOW + 5),
        (failed(429, "HTTP 429"), SET, "unreachable", None, False, NOW + 5),
        (
            failed(404, "HTTP 404"),
            replace(SET, missing="KEY is not set"),
            "missing",
            "set it in .env",
            False,
            None,
        ),
        # of an earlier version
        (
            {"listed": 0, "covers": False, "why": "HTTP 403"},
            SET,
            "list",
            "check its base_url",
            True,
            NOW + 5,
        ),
        (
            {"problem": None, "status_code": 200, "listed": 0, "covers": True},
            SET,
            None,
            None,
            False,
            NOW + 5,
        ),
    ],
)
def test_what_is_in_the_way_of_a_look(
    evidence: JSON,
    setting: PlatformState,
    kind: str | None,
    is_fixed_by: str | None,
    decides: bool,
    next_at: float | None,
) -> None:
    found = find_obstacle("p", evidence, setting, NOW)
    assert next_call(NOW + 5, found) == next_at
    if kind is None:
        assert found is None
        return
    assert found is not None
    assert (found.kind, found.needs_decision) == (kind, decides)
    assert found.fix is None if is_fixed_by is None else is_fixed_by in str(found.fix)


FIXED = Obstacle(kind="missing", problem="KEY is not set", fix=Advice("set it"), makes_calls=False)
DECIDED = Obstacle(kind="list", problem="HTTP 404", fix=Advice("check it"), needs_decision=True)
UNKNOWN = {"status": Status.UNKNOWN, "look_at": NOW - 60}
THEN = "2025-11-24T16:00:30Z"


@pytest.mark.parametrize(
    ("changes", "known", "steps"),
    [
        ({"status": Status.QUEUED}, NO_CONTEXT, []),
        ({"status": Status.DELIVERED, "run_state": RunState.DONE}, NO_CONTEXT, []),
        ({"status": Status.UNKNOWN}, NO_CONTEXT, ["flowbridge resolve dlv_1"]),
        (
            UNKNOWN,
            DeliveryContext(obstacle=FIXED),
            ["KEY is not set:", "set it; flowbridge then settles it"],
        ),
        (
            UNKNOWN | {"look_at": NOW + 30},
            DeliveryContext(obstacle=DECIDED),
            [
                "HTTP 404:",
                f"check it; flowbridge then settles it; it asks again at {THEN}",
                "or decide: flowbridge resolve dlv_1",
            ],
        ),
        (
            UNKNOWN,
            DeliveryContext(obstacle=replace(DECIDED, fix=None)),
            ["flowbridge resolve dlv_1"],
        ),
        (
            UNKNOWN,
            DeliveryContext(obstacle=Obstacle(kind="circuit", problem="it failed", until=NOW + 30)),
            [
                f"nothing: flowbridge settles it automatically; it asks again at {THEN}",
                "so far, it failed",
            ],
        ),
        (
            {"status": Status.DEAD, "dead_kind": DeadKind.PERSON, "holds_key": True},
            NO_CONTEXT,
            [
                "flowbridge retry dlv_1",
                "or flowbridge cancel dlv_1, which releases the deliveries behind it",
            ],
        ),
        (
            {"status": Status.DEAD, "dead_kind": DeadKind.PLATFORM, "holds_key": True},
            DeliveryContext(is_replaced=True),
            ["or flowbridge cancel dlv_1, which releases the deliveries behind it"],
        ),
        (
            {"status": Status.DEAD, "dead_kind": DeadKind.PLATFORM},
            DeliveryContext(is_misspelt=True, has_several_flows=True),
            [
                "fix routes.yaml, then flowbridge replay evt_1 --through triage, which starts all"
                " flows of the route"
            ],
        ),
    ],
)
def test_the_next_steps_of_a_delivery(
    changes: dict[str, object], known: DeliveryContext, steps: list[str]
) -> None:
    assert [*map(str, find_steps(one(**changes), known, NOW, 30.0))] == steps


def test_what_is_said_of_many_is_of_the_same_table_as_what_is_said_of_one() -> None:
    needs = [need_of_dead(kind) for kind in ("platform", "ours", None, "person", "platform")]
    assert needs == [Need.DEAD, Need.PARKED, Need.DEAD, Need.GIVEN_UP, Need.DEAD]
    window = {"since": "1d"}
    assert [*map(str, find_common_steps(needs, window))] == [
        "fix routes.yaml, then flowbridge replay --dead-kind config --since 1d",
        "fix the cause, then flowbridge retry --dead-kind platform --since 1d",
    ]
    replay = "flowbridge replay --dead-kind config"
    assert [*map(str, find_common_steps(needs[:2], window, ["a", "b"]))][:2] == [
        f"fix routes.yaml, then {replay} --route a --since 1d",
        f"{replay} --route b --since 1d",
    ]
    assert [*map(str, find_common_steps([Need.PARKED], window, ["a", "b", "c", "d"]))] == [
        f"fix routes.yaml, then {replay} --route a --since 1d",
        f"{replay} --route b --since 1d",
        f"{replay} --route c --since 1d",
        f"or of all 4 routes: {replay} --since 1d",
    ]
    for need, steps in STEPS.items():  # the same verb for many as for one
        if steps.many is not None:
            parts = [part for part in steps.one[0] if not isinstance(part, str)]
            filled = [part(one(), NO_CONTEXT) for part in parts]
            assert steps.many.words in [
                command.operation or "resolve" for command in advise(*filled).commands
            ], need
