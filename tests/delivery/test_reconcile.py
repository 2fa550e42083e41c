"""What a look at the platform's list of runs decides about a start without an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import NOW, attempt_window, make_delivery, make_event

from bridge.core.model import Delivery, RunState, Status
from bridge.core.timings import TIMINGS
from bridge.delivery.reconcile import (
    MAX_LISTED_RUNS,
    Candidate,
    EarlierLooks,
    Echo,
    Evidence,
    Look,
    ReconcileVerdict,
    Rival,
    Window,
    filter_candidates,
    find_echo,
    read_earlier_looks,
)
from bridge.delivery.reconcile_verdict import judge_look, next_look_delay

TIMEOUT = 30.0
DELIVERY = make_delivery(make_event("1"), status=Status.UNKNOWN, attempts=1, run_timeout=600.0)
WINDOW = attempt_window(NOW, TIMEOUT)
LOOKED = NOW + TIMEOUT + 60.0
RUN = Candidate(run_id="r1", created_at=NOW + 1, state=RunState.DONE)
OURS = replace(RUN, echo=Echo.DELIVERY)
EVENTS = replace(RUN, echo=Echo.EVENT)
GOING = replace(RUN, state=RunState.RUNNING)
UNTOLD = replace(RUN, state=None)
OPEN, HELD, TWIN = (
    Rival(delivery_id=name, event_id=event, is_open=is_open)
    for name, event, is_open in (
        ("d2", "e2", True),
        ("d3", "e3", False),
        ("d4", DELIVERY.event_id, False),
    )
)
WHOLE: dict[str, Any] = {"listed": 3}  # what the list held: all there is
REACHES: dict[str, Any] = {"listed": MAX_LISTED_RUNS, "oldest": WINDOW.since - 1}
SHORT: dict[str, Any] = {"listed": MAX_LISTED_RUNS, "oldest": WINDOW.since + 1}
CONFIRM = TIMINGS.reconcile_confirm_seconds
EMPTY = EarlierLooks(looks=1, covered=True, empty_at=LOOKED - CONFIRM)


def seen(*some: Candidate, **more: Any) -> Look:
    return Look(at=LOOKED, window=WINDOW, candidates=some, **{**WHOLE, **more})


def judged(
    look: Look,
    before: EarlierLooks | None = None,
    *,
    exclusive: bool = False,
    one: Delivery = DELIVERY,
) -> Evidence:
    return judge_look(one, 1, NOW, look, before or EarlierLooks(), exclusive=exclusive)


@pytest.mark.parametrize(
    ("look", "before", "exclusive", "verdict"),
    [
        # A look that failed decides nothing, whatever was known.
        (seen(problem="HTTP 500"), None, True, ReconcileVerdict.AGAIN),
        (seen(RUN, problem="HTTP 500"), EMPTY, True, ReconcileVerdict.AGAIN),
        (seen(problem="HTTP 500"), EMPTY, False, ReconcileVerdict.AGAIN),
        # An echo adopts, on any flow, whether or not the list covers the window.
        (seen(OURS), None, False, ReconcileVerdict.ADOPT),
        (seen(EVENTS), None, False, ReconcileVerdict.ADOPT),
        (seen(OURS, **SHORT), None, False, ReconcileVerdict.ADOPT),
        (seen(OURS, replace(RUN, run_id="r2")), None, False, ReconcileVerdict.ADOPT),
        (seen(OURS, replace(GOING, run_id="r2")), None, False, ReconcileVerdict.ADOPT),
        (seen(OURS, rivals=(HELD, TWIN)), None, False, ReconcileVerdict.ADOPT),
        (seen(EVENTS, rivals=(HELD, OPEN)), None, False, ReconcileVerdict.ADOPT),
        # But not an event's id that another of its deliveries may have sent as well.
        (seen(EVENTS, rivals=(TWIN,)), None, False, ReconcileVerdict.HOLD),
        (seen(EVENTS, rivals=(replace(TWIN, is_open=True),)), None, False, ReconcileVerdict.AGAIN),
        (seen(EVENTS, rivals=(TWIN,)), None, True, ReconcileVerdict.HOLD),
        # Without an echo: the sole candidate of an exclusive flow, of a list that covers.
        (seen(RUN), None, True, ReconcileVerdict.ADOPT),
        (seen(GOING), None, True, ReconcileVerdict.ADOPT),
        (seen(RUN, **REACHES), None, True, ReconcileVerdict.ADOPT),
        (seen(RUN), None, False, ReconcileVerdict.HOLD),
        (seen(RUN, **SHORT), None, True, ReconcileVerdict.HOLD),
        # an earlier look has covered the window, and found it
        (seen(RUN, **SHORT), replace(EMPTY, run_ids=("r1",)), True, ReconcileVerdict.ADOPT),
        (seen(RUN, **SHORT), EMPTY, True, ReconcileVerdict.HOLD),
        (seen(RUN, **SHORT), EarlierLooks(looks=1, run_ids=("r1",)), True, ReconcileVerdict.HOLD),
        (seen(RUN, unread=1), None, True, ReconcileVerdict.HOLD),
        (seen(RUN, replace(RUN, run_id="r2")), None, True, ReconcileVerdict.HOLD),
        (seen(replace(RUN, created_at=None)), None, True, ReconcileVerdict.HOLD),
        (seen(replace(RUN, gone=True, state=None)), None, True, ReconcileVerdict.HOLD),
        (seen(RUN, rivals=(HELD,)), None, True, ReconcileVerdict.HOLD),
        (seen(RUN, rivals=(HELD, OPEN)), None, True, ReconcileVerdict.HOLD),
        (seen(RUN, rivals=(OPEN,)), None, True, ReconcileVerdict.AGAIN),
        # One that goes on is followed to its end; one that cannot be asked about is asked again.
        (seen(GOING), None, False, ReconcileVerdict.AGAIN),
        (seen(GOING, **SHORT), None, True, ReconcileVerdict.AGAIN),
        (seen(RUN, replace(GOING, run_id="r2")), None, False, ReconcileVerdict.AGAIN),
        (seen(UNTOLD), None, False, ReconcileVerdict.AGAIN),
        (replace(seen(GOING), at=NOW + 600), None, False, ReconcileVerdict.HOLD),
        (replace(seen(UNTOLD), at=NOW + 600), None, False, ReconcileVerdict.AGAIN),
        # No candidate: again only where the list covers, and a second look agrees.
        (seen(), None, False, ReconcileVerdict.AGAIN),
        (seen(), EMPTY, False, ReconcileVerdict.QUEUE),
        (seen(**REACHES), EMPTY, True, ReconcileVerdict.QUEUE),
        (seen(rivals=(HELD, OPEN, TWIN)), EMPTY, False, ReconcileVerdict.QUEUE),
        (seen(), replace(EMPTY, empty_at=LOOKED - CONFIRM + 0.1), False, ReconcileVerdict.AGAIN),
        (seen(), replace(EMPTY, empty_at=None), False, ReconcileVerdict.AGAIN),
        (seen(**SHORT), None, False, ReconcileVerdict.HOLD),
        (seen(**SHORT), EMPTY, False, ReconcileVerdict.HOLD),
        (
            seen(listed=MAX_LISTED_RUNS),
            EMPTY,
            False,
            ReconcileVerdict.HOLD,
        ),  # a full list without times
        (seen(unread=1), EMPTY, False, ReconcileVerdict.HOLD),
        (seen(RUN), EMPTY, False, ReconcileVerdict.HOLD),
    ],
)
def test_a_look_decides(
    look: Look, before: EarlierLooks | None, exclusive: bool, verdict: ReconcileVerdict
) -> None:
    decision = judged(look, before, exclusive=exclusive).decision
    assert decision.verdict is verdict, decision.why
    assert (decision.run_id == "r1") is (verdict is ReconcileVerdict.ADOPT)
    assert (decision.wait is not None) is (verdict is ReconcileVerdict.AGAIN)


def test_of_several_that_echo_the_deliverys_own_comes_first_and_then_the_oldest() -> None:
    old = replace(EVENTS, run_id="old", created_at=NOW)
    new = replace(EVENTS, run_id="new", created_at=NOW + 2)
    assert judged(seen(new, old)).decision.run_id == "old"
    assert (
        judged(seen(new, old, replace(OURS, run_id="own", created_at=NOW + 9))).decision.run_id
        == "own"
    )


def test_who_holds_is_told_what_was_found_and_what_to_do() -> None:
    one = judged(seen(RUN)).decision.why
    assert one.startswith("r1 (done) may be its run, but its outputs do not identify it: ")
    assert f"`flowbridge resolve {DELIVERY.id} --as delivered --run-id r1`, or `--as queued`" in one
    hostile = judged(seen(replace(RUN, run_id="r1;id"))).decision.why
    assert "--run-id 'r1;id'`" in hostile
    several = judged(seen(*(replace(RUN, run_id=f"r{n}") for n in range(5)))).decision.why
    assert several.startswith("r0 (done), r1 (done), r2 (done) and 2 more may each be its run")
    assert "--run-id RUN" in several
    assert (
        "has only the 10 newest runs, which do not go back far enough"
        in judged(seen(**SHORT)).decision.why
    )
    assert "or that of d3" in judged(seen(RUN, rivals=(HELD,)), exclusive=True).decision.why


def test_each_decision_says_why() -> None:
    """A person reads it in `show`, and it is what a hold is settled by."""
    two = replace(RUN, run_id="r2")
    advice = (
        f"check the platform, then `flowbridge resolve {DELIVERY.id} --as delivered --run-id RUN`, or `--as"
        " queued` if there is no run"
    )
    with_run = advice.replace("RUN", "r1")
    agree = "no run matches; a second check must confirm it"
    lacks = "no matching run was found, but the platform's list has"
    for look, before, exclusive, why in (
        (seen(problem="HTTP 500"), None, False, "HTTP 500"),
        (seen(OURS), None, False, "the outputs of r1 have the id of its delivery"),
        (seen(EVENTS), None, False, "the outputs of r1 have the id of its event"),
        (
            seen(EVENTS, rivals=(TWIN,)),
            None,
            False,
            f"r1 (done) may be its run, or that of d4: {with_run}",
        ),
        (
            seen(RUN),
            None,
            True,
            "r1 is the only matching run, and only flowbridge starts this flow",
        ),
        (
            seen(RUN, rivals=(OPEN,)),
            None,
            True,
            "r1 (done) may be its run, or that of d2, whose call is in progress",
        ),
        (
            seen(RUN, rivals=(HELD, OPEN, TWIN, TWIN)),
            None,
            True,
            f"r1 (done) may be its run, or that of d3, d2, d4: {with_run}",
        ),
        (seen(GOING), None, False, "r1 (running) may be its run, and it has not ended yet"),
        (
            seen(UNTOLD),
            None,
            False,
            "r1 (state unknown) may be its run, and the platform does not report its state",
        ),
        (
            seen(RUN),
            None,
            False,
            f"r1 (done) may be its run, but its outputs do not identify it: {with_run}",
        ),
        (
            seen(RUN, two),
            None,
            False,
            f"r1 (done), r2 (done) may each be its run, and no outputs identify it: {advice}",
        ),
        (
            seen(replace(UNTOLD, gone=True)),
            None,
            False,
            f"r1 (gone) may be its run, but its outputs do not identify it: {with_run}",
        ),
        (seen(), None, False, agree),
        (seen(), replace(EMPTY, empty_at=LOOKED - CONFIRM + 1), False, agree),
        (seen(), EMPTY, False, "two checks found no run of it"),
        (
            seen(**SHORT),
            EMPTY,
            False,
            f"{lacks} only the 10 newest runs, which do not go back far enough: {advice}",
        ),
        (seen(unread=1), EMPTY, False, f"{lacks} entries that cannot be read: {advice}"),
    ):
        assert judged(look, before, exclusive=exclusive).decision.why == why


def test_a_second_look_is_made_when_it_may_decide() -> None:
    assert judged(seen()).decision.wait == CONFIRM == 30.0
    assert judged(seen(), replace(EMPTY, empty_at=LOOKED - 12.0)).decision.wait == CONFIRM - 12.0
    assert judged(seen(GOING), replace(EMPTY, looks=2)).decision.wait == next_look_delay(2)


# -- what counts


def test_the_limits_are_those_of_the_contract() -> None:
    assert attempt_window(NOW, TIMEOUT) == Window(NOW - 60.0, NOW + TIMEOUT + 60.0)
    assert [seen(listed=listed).covers for listed in (9, 10)] == [True, False]
    assert TIMINGS.reconcile_max_seconds == 600.0


def test_a_list_covers_the_window_where_its_oldest_is_older() -> None:
    for oldest, covers in ((WINDOW.since - 0.1, True), (WINDOW.since, False), (None, False)):
        assert seen(listed=MAX_LISTED_RUNS, oldest=oldest).covers is covers
    assert not seen(problem="HTTP 500").covers
    bare = Look(at=LOOKED, window=WINDOW)
    assert (bare.listed, bare.unread, bare.candidates, bare.rivals) == (0, 0, (), ())


def test_the_first_look_at_a_full_list_has_not_covered_the_window() -> None:
    assert not judged(seen(listed=MAX_LISTED_RUNS)).covered
    assert not read_earlier_looks(None, 1).covered


def test_of_those_that_echo_one_without_a_time_comes_first() -> None:
    old = replace(EVENTS, run_id="old", created_at=NOW)
    timeless = replace(EVENTS, run_id="timeless", created_at=None)
    assert judged(seen(old, timeless)).decision.run_id == "timeless"


@pytest.mark.parametrize(
    ("created_at", "is_one"),
    [
        (WINDOW.since, True),
        (WINDOW.until, True),
        (WINDOW.since - 0.1, False),
        (WINDOW.until + 0.1, False),
        (None, True),
    ],
)
def test_a_candidate_was_created_in_the_window_or_nobody_knows_when(
    created_at: float | None, is_one: bool
) -> None:
    found = [replace(RUN, created_at=created_at)]
    assert (filter_candidates(found, (), WINDOW) == tuple(found)) is is_one
    assert filter_candidates(found, {"r1"}, WINDOW) == ()


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        ({"event_id": DELIVERY.event_id}, Echo.EVENT),
        ({"a": 1, "b": f" {DELIVERY.id}\n"}, Echo.DELIVERY),
        ({"a": DELIVERY.event_id, "b": DELIVERY.id}, Echo.DELIVERY),
        ({"event_id": DELIVERY.event_id + "x"}, None),
        ({"text": f"event {DELIVERY.event_id} is done"}, None),
        ({"seen": [DELIVERY.event_id]}, None),  # a list of what was seen names others' events, too
        ({DELIVERY.event_id: "x"}, None),
        ({}, None),
        (None, None),
        # each process that collects makes another id
        pytest.param(DELIVERY.event_id, None, id="text"),
        ([DELIVERY.event_id], None),
    ],
)
def test_an_echo_is_an_output_that_is_the_id(outputs: Any, found: Echo | None) -> None:
    assert find_echo(outputs, DELIVERY) is found


# -- what is kept between looks


def test_a_look_that_failed_has_listed_nothing() -> None:
    evidence = judged(Look(at=LOOKED, window=WINDOW, problem="HTTP 500")).as_json()
    assert (evidence["listed"], evidence["covers"], evidence["candidates"], evidence["others"]) == (
        0,
        False,
        [],
        [],
    )


def test_what_is_kept_is_read_again_for_the_same_attempt_only() -> None:
    first = judged(seen(GOING))
    kept = first.as_json()
    assert read_earlier_looks(kept, 1) == EarlierLooks(
        looks=1, covered=True, empty_at=None, run_ids=("r1",)
    )
    assert (
        read_earlier_looks(kept, 2)
        == read_earlier_looks(None, 1)
        == read_earlier_looks("?", 1)
        == EarlierLooks()
    )


def test_the_first_look_without_a_candidate_counts_through_looks_that_fail_but_not_through_a_candidate() -> (
    None
):
    first = judged(seen())
    assert first.empty_at == LOOKED
    failed = judged(
        replace(seen(problem="HTTP 500"), at=LOOKED + 10), read_earlier_looks(first.as_json(), 1)
    )
    assert failed.empty_at == LOOKED
    assert (
        judged(
            replace(seen(), at=LOOKED + CONFIRM), read_earlier_looks(failed.as_json(), 1)
        ).decision.verdict
        is ReconcileVerdict.QUEUE
    )
    found = judged(replace(seen(GOING), at=LOOKED + 10), read_earlier_looks(first.as_json(), 1))
    assert found.empty_at is None
    assert (
        judged(
            replace(seen(), at=LOOKED + CONFIRM), read_earlier_looks(found.as_json(), 1)
        ).decision.verdict
        is ReconcileVerdict.AGAIN
    )


def test_what_is_kept_of_a_look() -> None:
    look = seen(
        OURS,
        replace(GOING, run_id="r2", created_at=None),
        replace(UNTOLD, run_id="r3", gone=True, echo=Echo.EVENT),
        replace(UNTOLD, run_id="r4"),
        rivals=(HELD, OPEN),
    )
    assert judged(look, replace(EMPTY, looks=2)).as_json() == {
        "attempt": 1,
        "looks": 3,
        "looked_at": LOOKED,
        "since": WINDOW.since,
        "until": WINDOW.until,
        "problem": None,
        "status_code": None,
        "failing_since": None,
        "listed": 3,
        "covers": True,
        "covered": True,
        "empty_at": None,
        "clock_step": 0.0,
        "candidates": [
            {"run_id": "r1", "state": "done", "created_at": NOW + 1, "echo": "delivery"},
            {"run_id": "r2", "state": "running", "created_at": None, "echo": None},
            {"run_id": "r3", "state": "gone", "created_at": NOW + 1, "echo": "event"},
            {"run_id": "r4", "state": None, "created_at": NOW + 1, "echo": None},
        ],
        "others": ["d3", "d2"],
        "decided": "adopt",
        "why": "the outputs of r1 have the id of its delivery",
        "run_id": "r1",
    }
    for other, before, decided in (
        (seen(GOING), None, "again"),
        (seen(), EMPTY, "queue"),
        (seen(RUN), None, "hold"),
    ):
        assert judged(other, before).as_json()["decided"] == decided
    assert type(judged(look).as_json()["candidates"][0]["echo"]) is str  # type: ignore[index, call-overload]
    assert type(judged(look).as_json()["candidates"][0]["state"]) is str  # type: ignore[index, call-overload]


def test_since_when_looks_fail_is_kept_until_one_does_not() -> None:
    def failed(at: float) -> Look:
        return replace(seen(), at=at, problem="HTTP 503", status_code=503)

    first = judged(failed(LOOKED)).as_json()
    assert (first["problem"], first["status_code"], first["failing_since"]) == (
        "HTTP 503",
        503,
        LOOKED,
    )
    second = judged(failed(LOOKED + 5), read_earlier_looks(first, 1)).as_json()
    assert second["failing_since"] == LOOKED
    third = judged(seen(), read_earlier_looks(second, 1)).as_json()
    assert (third["problem"], third["failing_since"]) == (None, None)
    assert (
        judged(failed(LOOKED + 9), read_earlier_looks(third, 1)).as_json()["failing_since"]
        == LOOKED + 9
    )


def test_a_window_that_was_covered_once_stays_so_and_the_first_empty_look_counts() -> None:
    assert (
        judged(seen(**SHORT), EMPTY).covered
        and not judged(seen(**SHORT)).covered
        and judged(seen()).covered
    )
    assert not judged(seen(problem="HTTP 500")).covered
    assert (
        judged(replace(seen(), at=LOOKED + 10), replace(EMPTY, empty_at=LOOKED)).empty_at == LOOKED
    )
    assert judged(seen(**SHORT)).empty_at is None, "what does not cover the window tells nothing"
    assert judged(seen(problem="HTTP 500")).empty_at is None


def test_waits_grow_to_their_ceiling() -> None:
    assert [next_look_delay(n) for n in (0, 1, 2)] == [5.0, 7.5, 11.25]
    assert next_look_delay(1000) == TIMINGS.reconcile_max_seconds == 600.0  # as docs/events.md says


# -- whatever comes

ids = st.sampled_from(["r1", "r2", "r3", "r4"])
times = st.one_of(st.none(), st.floats(NOW - 200, NOW + 200))
runs = st.builds(
    Candidate,
    run_id=ids,
    created_at=times,
    state=st.one_of(st.none(), st.sampled_from(RunState)),
    echo=st.one_of(st.none(), st.sampled_from(Echo)),
    gone=st.booleans(),
)
rivals = st.lists(
    st.builds(
        Rival,
        delivery_id=st.just("d"),
        event_id=st.sampled_from([DELIVERY.event_id, "e2"]),
        is_open=st.booleans(),
    )
)
befores = st.builds(
    EarlierLooks,
    looks=st.integers(0, 99),
    covered=st.booleans(),
    empty_at=st.one_of(st.none(), st.floats(NOW, LOOKED)),
    run_ids=st.lists(ids).map(tuple),
)
found = st.lists(runs, unique_by=lambda one: one.run_id, max_size=3)
looks = st.builds(
    Look,
    at=st.just(LOOKED),
    window=st.just(WINDOW),
    listed=st.integers(0, 12),
    unread=st.sampled_from([0, 0, 0, 1]),
    oldest=times,
    candidates=st.tuples(found, st.sets(ids, max_size=2)).map(
        lambda drawn: filter_candidates(*drawn, WINDOW)
    ),
    rivals=rivals.map(tuple),
    problem=st.sampled_from([None, None, None, "HTTP 500"]),
)


@given(looks, befores, st.booleans())
def test_nothing_is_started_twice(look: Look, before: EarlierLooks, exclusive: bool) -> None:
    decision = judged(look, before, exclusive=exclusive).decision
    if decision.verdict is ReconcileVerdict.QUEUE:
        assert not look.candidates and not look.unread and look.problem is None
        assert look.listed < MAX_LISTED_RUNS or (
            look.oldest is not None and look.oldest < WINDOW.since
        )
        assert before.empty_at is not None and LOOKED - before.empty_at >= CONFIRM


@given(looks, befores, st.booleans())
def test_nothing_is_adopted_that_may_be_anothers(
    look: Look, before: EarlierLooks, exclusive: bool
) -> None:
    decision = judged(look, before, exclusive=exclusive).decision
    if decision.verdict is not ReconcileVerdict.ADOPT:
        return
    assert look.problem is None
    (one,) = (each for each in look.candidates if each.run_id == decision.run_id)
    if one.echo is None:
        assert (
            exclusive
            and len(look.candidates) == 1
            and not look.rivals
            and not look.unread
            and (look.covers or before.covered)
        )
        assert one.created_at is not None and WINDOW.holds(one.created_at) and not one.gone
    elif one.echo is Echo.EVENT:
        assert all(each.event_id != DELIVERY.event_id for each in look.rivals)


@given(looks, befores, st.booleans())
def test_every_decision_can_be_carried_out_and_is_kept(
    look: Look, before: EarlierLooks, exclusive: bool
) -> None:
    evidence = judged(look, before, exclusive=exclusive)
    decision = evidence.decision
    if decision.verdict is ReconcileVerdict.HOLD:
        assert look.problem is None and "flowbridge resolve" in decision.why
    if decision.verdict is ReconcileVerdict.AGAIN:
        assert decision.wait is not None and 0 < decision.wait <= TIMINGS.reconcile_max_seconds
    kept = read_earlier_looks(evidence.as_json(), 1)
    assert (kept.looks, kept.run_ids) == (
        before.looks + 1,
        tuple(one.run_id for one in look.candidates),
    )


@given(found, st.sets(ids))
def test_what_is_linked_is_never_a_candidate(found: list[Candidate], linked: set[str]) -> None:
    assert not {one.run_id for one in filter_candidates(found, linked, WINDOW)} & linked
