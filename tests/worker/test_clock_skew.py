"""The clocks of platforms, as the dates of their answers tell them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate

import pytest

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.system.boot_clock import Deadline
from bridge.worker import clock_skew
from bridge.worker.clock_skew import HostClocks, _seconds_ahead

DATE = "Sun, 13 Sep 2020 12:26:40 GMT"
AT = 1_600_000_000.0


@pytest.mark.parametrize(
    ("date", "before", "after", "ahead"),
    [
        (DATE, AT + 0.2, AT + 0.3, 0.0),
        (DATE, AT - 30.0, AT + 30.0, 0.0),  # a call that took a minute tells no less
        (DATE, AT - 60.0, AT - 40.0, 40.0),
        (DATE, AT + 41.0, AT + 60.0, -40.0),
        ("yesterday", AT, AT, None),
        ("", AT, AT, None),
        ("Sun, 13 Sep 99999 12:26:40 GMT", AT, AT, None),
    ],
)
def test_how_far_a_date_lies_outside_of_the_call(
    date: str, before: float, after: float, ahead: float | None
) -> None:
    assert _seconds_ahead(date, before, after) == ahead


def answers(ahead: Iterable[float | None], fresh_seconds: float = 3600.0) -> HostClocks:
    """Clocks after calls whose answers were dated so far ahead; null: there was no answer."""
    left = list(ahead)

    def send(call: Call, deadline: Deadline) -> Answer | NoAnswer:
        one = left.pop(0)
        if one is None:
            return NoAnswer("no answer", sent=False)
        return Answer(status=200, headers={"date": formatdate(time.time() + one, usegmt=True)})

    found = HostClocks(send, fresh_seconds)
    for _ in list(left):
        found.send(
            Call(method="POST", url="https://user@api.example.com:8443/x", headers={}, body=b""),
            Deadline.after(1.0),
        )
    return found


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        ([], {}),
        ([100.0, 100.0], {}),
        ([100.0, None, 100.0, 100.0], {"api.example.com:8443": 100.0}),
        ([100.0, 0.0, 0.0], {"api.example.com:8443": 0.0}),
        ([-100.0] * 9 + [0.0] * 3, {"api.example.com:8443": 0.0}),
    ],
)
def test_the_median_of_the_last_answers_tells(
    ahead: list[float | None], told: dict[str, float]
) -> None:
    assert answers(ahead).seconds_ahead() == {
        host: pytest.approx(seconds, abs=2.5) for host, seconds in told.items()
    }


def test_what_was_long_ago_does_not_tell() -> None:
    assert answers([100.0] * 3, fresh_seconds=-1.0).seconds_ahead() == {}


def test_few_hosts_are_remembered() -> None:
    found = HostClocks(lambda *_: Answer(status=200, headers={"date": DATE}), 3600.0)
    for number in range(3 * (clock_skew.MAX_HOSTS + 5)):
        found.send(
            Call(method="GET", url=f"http://host-{number // 3}", headers={}, body=b""),
            Deadline.after(1.0),
        )
    assert (
        len(found.seconds_ahead()) == clock_skew.MAX_HOSTS and "host-0" not in found.seconds_ahead()
    )
