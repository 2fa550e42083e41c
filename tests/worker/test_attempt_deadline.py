"""An attempt makes its calls within its own time: others take it over afterwards, and go by that
nothing leaves any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from records import NOW, make_delivery, make_event
from servers import Misbehaving, respond
from stepped_clocks import Clocks, clocks

from bridge.core.clock_reading import ClockReading
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Delivery
from bridge.core.status import Outcome, OutcomeKind
from bridge.core.timings import TIMINGS
from bridge.delivery.attempt import deliver
from bridge.routing.model import Platform
from bridge.store.queue.claim_round import Claim
from bridge.system import boot_clock
from bridge.system.boot_clock import Deadline, boot_seconds
from bridge.system.http_client import HttpClient
from bridge.worker import attempt_deadline
from bridge.worker.attempt_deadline import make_attempt

__all__ = ["clocks"]
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
    what they take. `stops`: seconds for which the process is stopped after each look at the wall
    clock.
    """

    def __init__(self, at: float, *lasts: float, stops: float = 0.0) -> None:
        self.at = at
        self.lasts = list(lasts)
        self.stops = stops
        self.given: list[float] = []

    def now(self) -> float:
        at = self.at
        self.at += self.stops
        return at

    def clock_gettime(self, _number: int) -> float:
        return self.at

    def send(self, call: Call, deadline: Deadline) -> Answer | NoAnswer:
        assert call is CALL
        self.given.append(deadline.left())
        self.at += self.lasts.pop(0)
        return Answer(status=200, headers={}, body=b"")

    def attempt(
        self, deliver: Callable[..., Outcome], kept_at: float = NOW, claim: Claim = CLAIM
    ) -> Outcome:
        with patch.object(boot_clock, "time", self):  # the boot clock shows the same
            return make_attempt(
                claim, PLATFORM, deliver, self.send, self.now, TIMINGS.lease_seconds, kept_at
            )  # type: ignore[arg-type]


def calls(answers: list[Answer | NoAnswer], number: int) -> Callable[..., Outcome]:
    """Make so many calls one after the other."""

    def deliver(
        _delivery: Delivery,
        _platform: Platform,
        send: Callable[[Call], Answer | NoAnswer],
        at: float,
    ) -> Outcome:
        answers.extend(send(CALL) for _ in range(number))
        return DONE

    return deliver


def test_a_call_whose_attempt_is_over_is_not_made() -> None:
    """Several calls of one attempt, as uploads before a start: the machine stands still in the
    first.
    """
    machine = Machine(NOW, TIMEOUT)
    answers = list[Answer | NoAnswer]()
    assert machine.attempt(calls(answers, 2)) is DONE
    assert isinstance(answers[0], Answer)
    assert answers[1] == NoAnswer(attempt_deadline.TIME_OVER, sent=False)
    assert machine.given == [TIMEOUT]


def test_each_call_has_what_is_left_of_the_time() -> None:
    machine = Machine(NOW + 1.0, 20.0, 8.5, 0.0)
    machine.attempt(calls([], 3))
    assert machine.given == [TIMEOUT - 1.0, TIMEOUT - 21.0, TIMEOUT - 29.5]


@pytest.mark.parametrize("clocks", [None, ClockReading(at=NOW)])
def test_without_the_boot_clock_of_its_intent_the_wall_clock_says_what_is_left(
    clocks: ClockReading | None,
) -> None:
    machine = Machine(NOW + 1.0, 0.0)
    machine.attempt(calls([], 1), claim=replace(CLAIM, clocks=clocks))
    assert machine.given == [TIMEOUT - 1.0]


def test_a_stop_between_two_looks_at_the_clocks_gives_a_call_no_more_time() -> None:
    """Each attempt looks at the wall clock three times before its first call, and once for it."""
    machine = Machine(NOW, 0.0, stops=1.0)
    machine.attempt(calls([], 1))
    assert machine.given == [TIMEOUT - 4.0]


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
    outcome = machine.attempt(calls(answers, 1), kept_at)
    assert (outcome is DONE, len(machine.given)) == (begins, int(begins))
    assert begins or (
        outcome is attempt_deadline.NOT_MADE
        and outcome.kind is OutcomeKind.REFUSED
        and not outcome.made
    )


def test_a_process_that_stops_before_the_client_has_its_call_sends_nothing(
    clocks: Clocks,
) -> None:
    """The time of the attempt is over when it goes on, as others rely on."""
    client = HttpClient()
    claim = replace(
        CLAIM, began_at=clocks.time(), clocks=replace(CLAIM.clocks, boot_clock=boot_seconds())
    )

    def stop_and_send(call: Call, deadline: Deadline) -> Answer | NoAnswer:
        clocks.later += 3600.0
        return client.send(call, deadline)

    with Misbehaving() as server:
        server.script("/start", respond(200))
        platform = replace(PLATFORM, base_url=f"{server.url}/start")
        outcome = make_attempt(
            claim, platform, deliver, stop_and_send, clocks.time, TIMINGS.lease_seconds
        )  # type: ignore[arg-type]
        assert server.received == []
    client.close()
    assert outcome.kind is OutcomeKind.REFUSED


def test_a_fault_of_an_attempt_is_unknown() -> None:
    def deliver(*_: object) -> Outcome:
        raise ZeroDivisionError

    assert Machine(NOW).attempt(deliver) is attempt_deadline.FAULT
    assert attempt_deadline.FAULT.kind is OutcomeKind.UNKNOWN
