"""What a platform's answers say about how much it can be asked: pure, and through the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_steps import STARTED, add, claim, get, record
from records import NOW

from bridge.core.circuit_state import Circuit
from bridge.core.model import Status
from bridge.core.status import Outcome, OutcomeKind
from bridge.core.timings import TIMINGS
from bridge.delivery import circuit_breaker
from bridge.delivery.circuit_breaker import (
    count_free_slots,
    drop_if_closed,
    record_outcome,
    start_probe,
)
from bridge.store.db.database import Database
from bridge.store.queue import circuit_updates, ledger, throttling
from bridge.store.queue.ledger import EndedAttempt

REFUSED = Outcome(kind=OutcomeKind.REFUSED, detail="no connection")
UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, detail="HTTP 500")
THROTTLED = Outcome(kind=OutcomeKind.THROTTLED, detail="HTTP 429")
REJECTED = Outcome(kind=OutcomeKind.REJECTED, detail="HTTP 400")
UNAUTHORIZED = Outcome(kind=OutcomeKind.UNAUTHORIZED, detail="HTTP 401")
OUTCOMES = [STARTED, REFUSED, UNKNOWN, THROTTLED, REJECTED, UNAUTHORIZED]


def after(
    *outcomes: Outcome, known: Circuit | None = None, used: int = 0, now: float = NOW
) -> Circuit | None:
    for outcome in outcomes:
        known = record_outcome(known, "gumloop", outcome, used, now, 0.5)
    return known


def open_circuit() -> Circuit:
    known = after(*[REFUSED] * circuit_breaker.FAILURES_TO_OPEN)
    assert known is not None
    return known


def test_where_all_is_well_nothing_is_kept() -> None:
    assert after(STARTED, REJECTED) is None
    assert drop_if_closed(after(REFUSED, STARTED), 5) is None
    assert count_free_slots(None, 5, 3, NOW) == 2


def test_some_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    almost = [UNKNOWN] * (circuit_breaker.FAILURES_TO_OPEN - 1)
    known = after(*almost, STARTED, *almost)
    assert (
        known is not None
        and known.state(NOW) == "closed"
        and count_free_slots(known, 5, 0, NOW) == 5
    )
    known = after(REFUSED, known=known)
    assert (
        known is not None and known.state(NOW) == "open" and count_free_slots(known, 5, 0, NOW) == 0
    )
    assert known.reason == "no connection"


def test_what_we_did_not_see_to_its_end_says_nothing_of_the_platform() -> None:
    assert after(*[replace(UNKNOWN, ours=True)] * 20) is None


def test_a_half_open_circuit_lets_one_probe_through() -> None:
    known = open_circuit()
    later = (known.open_until or 0) + 0.001
    assert known.state(later) == "half_open" and count_free_slots(known, 5, 0, later) == 1
    probing = start_probe(known, later)
    assert count_free_slots(probing, 5, 1, later) == 0
    assert (
        count_free_slots(probing, 5, 0, later + circuit_breaker.PROBE_SECONDS) == 1
    )  # nothing was heard of it


@pytest.mark.parametrize("outcome", [STARTED, REJECTED, THROTTLED])
def test_any_answer_to_the_probe_closes_it(outcome: Outcome) -> None:
    known = open_circuit()
    later = (known.open_until or 0) + 0.001
    known = after(outcome, known=start_probe(known, later), now=later)
    assert known is not None and known.state(later) == "closed" and known.failures == 0


def test_a_probe_that_fails_opens_it_for_twice_as_long_and_no_longer_than_the_most() -> None:
    known: Circuit | None = open_circuit()
    spans = []
    for _ in range(10):
        assert known is not None and known.open_until is not None
        later = known.open_until + 0.001
        spans.append(known.open_for)
        known = after(UNKNOWN, known=start_probe(known, later), now=later)
    assert spans == [10, 20, 40, 80, 160, 300, 300, 300, 300, 300]


def test_calls_that_were_under_way_when_it_opened_do_not_keep_it_open_for_longer() -> None:
    known = open_circuit()
    again = after(REFUSED, REFUSED, known=known)
    assert again is not None and again.open_until == known.open_until


# -- refused credentials


def refused(now: float = NOW) -> Circuit:
    known = after(UNAUTHORIZED, now=now)
    assert known is not None and known.open_until is not None
    return known


def test_one_401_opens_it_and_probes_are_rare() -> None:
    known = refused()
    assert (
        known.is_unauthorized and known.reason == "HTTP 401" and drop_if_closed(known, 5) == known
    )
    assert count_free_slots(known, 5, 0, NOW + 50) == 0
    # calls that began before it opened
    assert after(UNAUTHORIZED, UNKNOWN, REFUSED, known=known, now=NOW + 1) == known
    spans = []
    for _ in range(6):
        spans.append(known.open_for)
        later = (known.open_until or 0) + 0.001
        assert (
            count_free_slots(known, 5, 0, later) == 1
            and count_free_slots(start_probe(known, later), 5, 0, later) == 0
        )
        known = after(UNAUTHORIZED, known=start_probe(known, later), now=later) or known
    assert spans == [60, 120, 240, 480, 900, 900]


@pytest.mark.parametrize("outcome", [STARTED, REJECTED, THROTTLED])
def test_credentials_that_are_accepted_close_it(outcome: Outcome) -> None:
    known = after(outcome, known=start_probe(refused(), NOW + 90), now=NOW + 90)
    assert known is not None and known.state(NOW + 90) == "closed" and not known.is_unauthorized


@pytest.mark.parametrize("outcome", [REFUSED, UNKNOWN])
def test_a_probe_without_an_answer_says_nothing_of_the_credentials(outcome: Outcome) -> None:
    known = after(outcome, known=start_probe(refused(), NOW + 90), now=NOW + 90)
    assert (
        known is not None
        and known.is_unauthorized
        and known.state(NOW + 90) == "open"
        and known.open_for == 60
    )


def test_a_platform_that_fails_and_then_refuses_the_credentials_is_held_for_them() -> None:
    known = after(UNAUTHORIZED, known=open_circuit())
    assert known is not None and known.is_unauthorized and known.open_for == 60


def test_other_credentials_are_tried_at_once() -> None:
    known = circuit_breaker.try_credentials(
        after(UNAUTHORIZED, known=refused(), now=NOW + 90) or refused(), NOW + 100
    )
    assert known.state(NOW + 100) == "half_open" and count_free_slots(known, 5, 0, NOW + 100) == 1
    again = after(UNAUTHORIZED, known=start_probe(known, NOW + 100), now=NOW + 100)
    assert again is not None and again.open_for == 60
    assert circuit_breaker.try_credentials(open_circuit(), NOW) == open_circuit()


def test_a_429_allows_as_many_as_are_in_flight_and_later_one_more() -> None:
    known = after(THROTTLED, used=2)
    assert known is not None and known.allowance == 2
    assert count_free_slots(known, 5, 2, NOW) == 0
    # one of ours has ended: its slot is free, unless somebody else took it
    assert count_free_slots(known, 5, 1, NOW) == 1
    assert count_free_slots(known, 5, 2, known.raise_at) == 1


def test_others_under_way_with_it_lower_the_allowance_and_not_the_patience() -> None:
    known = after(THROTTLED, used=4)
    fewer = after(THROTTLED, known=known, used=3)
    assert known is not None and fewer is not None
    assert (fewer.allowance, fewer.raise_at, fewer.raise_for) == (
        3,
        known.raise_at,
        known.raise_for,
    )


def test_each_try_for_one_more_that_fails_makes_the_next_half_as_often() -> None:
    known = after(THROTTLED, used=2)
    spans = []
    for _ in range(8):
        assert known is not None
        spans.append(known.raise_for)
        known = after(THROTTLED, known=known, used=2, now=known.raise_at)
    assert spans == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_one_more_that_starts_lets_the_next_try_at_once_until_all_slots_are_ours() -> None:
    known = after(THROTTLED, used=2)
    for used in (3, 4):
        assert known is not None
        known = drop_if_closed(after(STARTED, known=known, used=used, now=NOW + 20), 5)
        assert known is not None and count_free_slots(known, 5, used, NOW + 20) == 1
    assert drop_if_closed(after(STARTED, known=known, used=5, now=NOW + 20), 5) is None


def test_retry_after_is_waited_for_whatever_ends_meanwhile_and_no_longer_than_the_most() -> None:
    known = after(replace(THROTTLED, retry_after=30.0), used=3)
    assert (
        known is not None
        and count_free_slots(known, 5, 0, NOW + 29.9) == 0
        and count_free_slots(known, 5, 0, NOW + 30) >= 1
    )
    known = after(replace(THROTTLED, retry_after=1e9), used=3)
    assert known is not None and known.not_before == NOW + 3600


@given(
    st.lists(
        st.tuples(st.sampled_from(OUTCOMES), st.integers(0, 5), st.floats(0, 400)), max_size=60
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_whatever_happens_something_goes_again_within_its_longest_waits(
    steps: list[Any], jitter: float
) -> None:
    known = None
    now = NOW
    for outcome, used, passed in steps:
        now += passed
        if count_free_slots(known, 5, used, now) and known is not None:
            known = start_probe(known, now)
        known = drop_if_closed(record_outcome(known, "p", outcome, used, now, jitter), 5)
        assert count_free_slots(known, 5, 5, now) == 0
        assert 0 <= count_free_slots(known, 5, used, now) <= 5 - used
    later = now + max(
        1.1 * TIMINGS.circuit_open_max_seconds,
        1.1 * circuit_breaker.UNAUTHORIZED_MAX_SECONDS,
        circuit_breaker.PROBE_SECONDS,
        circuit_breaker.ALLOWANCE_RAISE_MAX_SECONDS * 1.25,
    )
    assert count_free_slots(known, 5, 0, later) >= 1


# -- through the store


def learned(
    database: Database,
    held: Any,
    outcome: Outcome,
    now: float = NOW,
    caps: Mapping[str, int] | None = None,
) -> None:
    one = [EndedAttempt(held, outcome, 1.0)]
    known = {"local": 5} if caps is None else caps
    database.write(
        lambda c: (
            ledger.record_attempts(c, one, now, jitter=0.5),
            circuit_updates.update_circuits(c, one, known, now, jitter=0.5),
        )
    )


def known_of(database: Database) -> dict[str, Circuit]:
    with database.read() as connection:
        return throttling.read_circuits(connection)


def test_an_open_circuit_sends_nothing_and_spends_nothing(database: Database) -> None:
    ids = add(database, 10)
    for held in claim(database):
        learned(database, held, UNKNOWN)
    assert known_of(database)["local"].state(NOW) == "open"
    assert claim(database, now=NOW + 5) == []
    waiting = [get(database, one) for one in ids[5:]]
    assert {(one.status, one.attempts, one.throttled) for one in waiting} == {(Status.QUEUED, 0, 0)}
    [only] = claim(database, now=NOW + 12)  # half open: a probe
    assert claim(database, now=NOW + 12) == []
    learned(database, only, STARTED, NOW + 12)
    assert known_of(database) == {}
    assert len(claim(database, now=NOW + 12)) == 4


def test_a_429_holds_the_platform_and_not_only_the_delivery_and_spends_nothing(
    database: Database,
) -> None:
    ids = add(database, 10)
    first, second, *_ = claim(database, limit=4)
    learned(database, first, STARTED)
    learned(database, second, THROTTLED)
    assert known_of(database)["local"].allowance == 3
    assert claim(database) == []
    assert (
        get(database, ids[1]).status,
        get(database, ids[1]).attempts,
        get(database, ids[1]).throttled,
    ) == (Status.QUEUED, 0, 1)
    # one more is tried, the one that waits longest
    assert [held.delivery.id for held in claim(database, now=NOW + 1)] == [ids[1]]


def test_a_429_for_the_only_start_allows_none_until_one_is_tried(database: Database) -> None:
    add(database, 2)
    [only] = claim(database, limit=1)
    learned(database, only, THROTTLED)
    assert known_of(database)["local"].allowance == 0
    assert [claim(database), len(claim(database, now=NOW + 1))] == [[], 1]


def test_nothing_is_kept_of_the_room_on_a_platform_that_is_gone(database: Database) -> None:
    add(database)
    learned(database, claim(database)[0], THROTTLED, caps={})
    assert known_of(database) == {}


def test_an_unknown_that_is_our_own_doing_opens_nothing(database: Database) -> None:
    add(database, 8)
    for held in claim(database, caps={"local": 8}):
        learned(database, held, replace(UNKNOWN, ours=True))
    assert known_of(database) == {}


def test_platforms_have_circuits_of_their_own(database: Database) -> None:
    add(database, 5)
    add(database, 1, platform="other")
    for held in claim(database):
        learned(database, held, REFUSED)
    assert len(claim(database, caps={"local": 5, "other": 1})) == 1


def test_record_alone_learns_nothing(database: Database) -> None:
    """Circuits are written by `learn`, last before the claim, so that who holds a line's lock never
    waits for who counts slots.
    """
    add(database)
    record(database, claim(database)[0], REFUSED)
    assert known_of(database) == {}


def test_the_probe_of_a_dead_worker_is_followed_by_another(database: Database) -> None:
    add(database, 10)
    for held in claim(database):
        learned(database, held, UNKNOWN)
    [_] = claim(database, now=NOW + 12)
    later = NOW + 12 + TIMINGS.lease_seconds + 1

    def beat(connection: Any) -> None:
        reaped = ledger.reap_expired(connection, later, 0.5, lambda _: None)
        circuit_updates.update_circuits(
            connection,
            [],
            {"local": 5},
            later,
            jitter=0.5,
            reaped=[held.delivery for held, _ in reaped],
        )

    database.write(beat)
    assert len(claim(database, now=later)) == 1


def test_a_platform_that_has_answered_is_probed_at_once_and_is_no_problem_meanwhile() -> None:
    opened = open_circuit()
    answered = circuit_breaker.note_answer(opened, NOW)
    assert (answered.state(NOW), answered.has_answered) == ("half_open", True)
    assert count_free_slots(answered, 5, 0, NOW) == 1, "one start alone goes"
    assert not opened.has_answered and not start_probe(opened, NOW).has_answered
    failed = after(REFUSED, known=answered)
    assert failed is not None
    assert (failed.state(NOW), failed.has_answered) == ("open", False)
    assert failed.open_for == 2 * opened.open_for, "it is opened for longer, as by any probe"
    assert drop_if_closed(after(STARTED, known=answered), 5) is None


def test_an_answer_changes_no_circuit_that_is_closed_or_lacks_credentials() -> None:
    for circuit in (
        Circuit(platform="gumloop", failures=2),
        after(UNAUTHORIZED),
        circuit_breaker.note_answer(open_circuit(), NOW),
    ):
        assert circuit is not None
        assert circuit_breaker.note_answer(circuit, NOW) == circuit


def test_an_answer_is_stored_where_it_changes_the_circuit(database: Database) -> None:
    database.write(lambda one: throttling.write_circuits(one, {}, {"gumloop": open_circuit()}, NOW))
    for platform in ("another", "gumloop", "gumloop"):
        circuit_updates.note_answer(database, platform, NOW)
        with database.read() as connection:
            circuit = throttling.read_circuits(connection)["gumloop"]
        assert circuit.has_answered == (platform == "gumloop")
