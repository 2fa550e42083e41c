"""An attempt makes its calls within its own time: others take it over afterwards, and go by that
nothing leaves any more.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest
from records import NOW, make_delivery, make_event

from bridge.core.clock_reading import ClockReading
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Delivery
from bridge.core.outcomes import Outcome, OutcomeKind
from bridge.core.timings import TIMINGS
from bridge.routing.model import Platform
from bridge.store.queue.claim_round import Claim
from bridge.worker import attempt_deadline
from bridge.worker.attempt_deadline import make_attempt

TIMEOUT = 30.0
CALL = Call(method="POST", url="http://127.0.0.1/start", headers={}, body=b"{}")
PLATFORM = Platform(name="http", type="http", base_url="http://127.0.0.1/", timeout=TIMEOUT)
CLAIM = Claim(
    make_delivery(make_event("1")),
    1,
    "w:1",
    NOW,
    ClockReading(at=NOW, boot_clock=NOW, boot_id="b", host="h"),
)
DONE = Outcome(kind=OutcomeKind.STARTED, run_id="r1")


class Machine:
    """A clock that goes on while calls are made, and the calls: how long each may take. `lasts`:
    what they take.
    """

    def __init__(self, at: float, *lasts: float) -> None:
        self.at = at
        self.lasts = list(lasts)
        self.given: list[float] = []

    def now(self) -> float:
        return self.at

    def send(self, call: Call, seconds: float) -> Answer | NoAnswer:
        assert call is CALL
        self.given.append(seconds)
        self.at += self.lasts.pop(0)
        return Answer(status=200, headers={}, body=b"")

    def attempt(self, deliver: Callable[..., Outcome], kept_at: float = NOW) -> Outcome:
        with patch.object(
            attempt_deadline, "boot_seconds", self.now
        ):  # the boot clock shows the same
            return make_attempt(
                CLAIM, PLATFORM, deliver, self.send, self.now, TIMINGS.lease_seconds, kept_at
            )  # type: ignore[arg-type]


def calls(answers: list[Answer | NoAnswer], *wanted: float) -> Callable[..., Outcome]:
    """Make one call after the other, each with the time that is wanted for it."""

    def deliver(
        _delivery: Delivery,
        _platform: Platform,
        send: Callable[[Call, float], Answer | NoAnswer],
        at: float,
    ) -> Outcome:
        answers.extend(send(CALL, seconds) for seconds in wanted)
        return DONE

    return deliver


def test_a_call_whose_attempt_is_over_is_not_made() -> None:
    """Several calls of one attempt, as uploads before a start: the machine stands still in the
    first.
    """
    machine = Machine(NOW, TIMEOUT)
    answers = list[Answer | NoAnswer]()
    assert machine.attempt(calls(answers, 10.0, 10.0)) is DONE
    assert isinstance(answers[0], Answer)
    assert answers[1] == NoAnswer(attempt_deadline.TIME_OVER, sent=False)
    assert machine.given == [10.0]


def test_each_call_has_what_is_left_of_the_time_and_no_more_than_it_wants() -> None:
    machine = Machine(NOW + 1.0, 20.0, 8.5, 0.0)
    answers = list[Answer | NoAnswer]()
    machine.attempt(calls(answers, TIMEOUT, TIMEOUT, TIMEOUT))
    assert machine.given == [TIMEOUT - 1.0, TIMEOUT - 21.0, TIMEOUT - 29.5]
    machine = Machine(NOW + 1.0, 20.0, 0.0)
    machine.attempt(calls(answers, 5.0, 5.0))
    assert machine.given == [5.0, 5.0]


@pytest.mark.parametrize(
    ("at", "kept_at", "begins"),
    [
        (NOW, NOW - 100.0, True),
        (NOW + TIMINGS.lease_seconds - 0.1, NOW - 100.0, True),  # a lease begins with its attempt
        (NOW + TIMINGS.lease_seconds, NOW - 100.0, False),
        (NOW + TIMINGS.lease_seconds + 4.9, NOW + 5.0, True),  # a beat has kept it since
        (NOW + TIMINGS.lease_seconds + 5.0, NOW + 5.0, False),
        (NOW + TIMEOUT - 0.1, NOW + TIMEOUT - 1.0, True),
        (NOW + TIMEOUT, NOW + TIMEOUT - 1.0, False),  # its lease is kept, its time is over
    ],
)
def test_an_attempt_begins_while_it_has_its_lease_and_time(
    at: float, kept_at: float, begins: bool
) -> None:
    machine = Machine(at, 0.0)
    answers = list[Answer | NoAnswer]()
    outcome = machine.attempt(calls(answers, 1.0), kept_at)
    assert (outcome is DONE, len(machine.given)) == (begins, int(begins))
    assert begins or (
        outcome is attempt_deadline.NOT_MADE
        and outcome.kind is OutcomeKind.REFUSED
        and not outcome.made
    )


def test_a_fault_of_an_attempt_is_unknown() -> None:
    def deliver(*_: object) -> Outcome:
        raise ZeroDivisionError

    assert Machine(NOW).attempt(deliver) is attempt_deadline.FAULT
    assert attempt_deadline.FAULT.kind is OutcomeKind.UNKNOWN
