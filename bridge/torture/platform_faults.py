"""The faults of the test platform, and the results of its runs, with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bridge.torture.scenarios import CALL_TIMEOUT_SECONDS, FLAKY_FLOW

START_ANSWER: Final = b""  # a placeholder for the normal answer to a start
RETRY_AFTER_SECONDS: Final = 1.0
GARBAGE_BODY: Final = b"\x00\xff<html><title>Welcome to nginx!</title>"


@dataclass(frozen=True, slots=True)
class PlatformFault:
    """One way to answer a request.

    `executes`: the platform executes the request before it answers.
    `delay`: seconds before the answer.
    `ending`: `answer` sends the whole answer; `close` closes the connection without one; `reset`
    resets it; `unread` closes it before reading the body; `cut` closes it within the answer.
    """

    name: str
    weight: float
    executes: bool = False
    status: int = 200
    body: bytes = START_ANSWER
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: str = "answer"


OK: Final = PlatformFault("ok", 100, executes=True)
_RETRY_AFTER: Final = {"Retry-After": f"{RETRY_AFTER_SECONDS:g}"}
_LATE_SECONDS: Final = CALL_TIMEOUT_SECONDS + 0.7
#: Answers to a start. A status that means "not started" is never sent after an executed start: no
#: caller could detect that.
START_FAULTS: Final[tuple[PlatformFault, ...]] = (
    OK,
    PlatformFault("429", 2, status=429, body=b'{"error":"rate_limit"}'),
    PlatformFault("429 with Retry-After", 1, status=429, body=b"{}", headers=_RETRY_AFTER),
    PlatformFault("500", 3, status=500, body=b'{"error":"internal"}'),
    PlatformFault("500 though started", 2, executes=True, status=500, body=b"oops"),
    PlatformFault("503", 2, status=503, body=b"<title>Unavailable</title>"),
    PlatformFault("503 with Retry-After", 1, status=503, body=b"{}", headers=_RETRY_AFTER),
    PlatformFault("502 though started", 1, executes=True, status=502, body=b""),
    PlatformFault("408", 1, status=408, body=b"{}"),
    PlatformFault("425", 1, status=425, body=b"{}"),
    PlatformFault("400", 1, status=400, body=b'{"error":"bad_request","message":"as it pleases"}'),
    PlatformFault("302", 0.5, status=302, body=b"", headers={"Location": "http://127.0.0.1:9/"}),
    PlatformFault("garbage", 2, executes=True, body=GARBAGE_BODY),
    PlatformFault("no run id", 1, executes=True, body=b'{"ok":true}'),
    PlatformFault("empty", 1, executes=True, status=204, body=b""),
    PlatformFault("slow", 5, executes=True, delay=0.6),
    PlatformFault("dropped unread", 3, ending="unread"),
    PlatformFault("closed", 2, ending="close"),
    PlatformFault("closed though started", 3, executes=True, ending="close"),
    PlatformFault("reset though started", 3, executes=True, ending="reset"),
    PlatformFault("cut off", 2, executes=True, ending="cut"),
    PlatformFault("too late", 2, executes=True, delay=_LATE_SECONDS),
    PlatformFault("too late, nothing done", 1, status=500, body=b"", delay=_LATE_SECONDS),
)
#: Answers to a poll of a run.
POLL_FAULTS: Final[tuple[PlatformFault, ...]] = (
    OK,
    PlatformFault("look: 500", 4, status=500, body=b"{}"),
    PlatformFault("look: 429", 3, status=429, body=b"{}"),
    PlatformFault("look: garbage", 3, status=200, body=GARBAGE_BODY),
    PlatformFault("look: no such run", 0.5, status=404, body=b'{"error":"not_found"}'),
    PlatformFault("look: closed", 3, ending="close"),
    PlatformFault("look: reset", 2, ending="reset"),
    PlatformFault("look: cut off", 2, executes=True, ending="cut"),
    PlatformFault("look: too late", 1, executes=True, delay=_LATE_SECONDS),
)
FAULTS_BY_NAME: Final = {fault.name: fault for fault in (*START_FAULTS, *POLL_FAULTS)}
THROTTLE: Final = FAULTS_BY_NAME["429 with Retry-After"]
#: result of a run -> its weight. `ENDLESS` never ends; `STRANGE` is done after an undocumented
#: state.
RUN_RESULT_WEIGHTS: Final = {"DONE": 88, "FAILED": 6, "TERMINATED": 2, "ENDLESS": 2, "STRANGE": 2}
FLAKY_RESULT_WEIGHTS: Final = {
    "DONE": 60,
    "FAILED": 40,
}  # of FLAKY_FLOW, with and without faults
MAX_RUN_SECONDS: Final = 0.8  # unless it is endless
# failed starts of one delivery; the next one succeeds, so that the drain can finish
MAX_FAILED_STARTS: Final = 4


def choose_fault(faults: tuple[PlatformFault, ...], random: Random) -> PlatformFault:
    """Return a random fault, or `OK`, for the next request."""
    return random.choices(faults, [fault.weight for fault in faults])[0]


def choose_run_result(flow: str, random: Random, *, faulty: bool) -> str:
    """Return a random result for the next run of a flow."""
    endings = (
        FLAKY_RESULT_WEIGHTS
        if flow == FLAKY_FLOW
        else RUN_RESULT_WEIGHTS
        if faulty
        else {"DONE": 1}
    )
    return random.choices(list(endings), list(endings.values()))[0]


def state_at_age(ends: str, seconds: float, age: float) -> str:
    """Return the platform's name for the state of a run that is `age` seconds old."""
    if ends == "ENDLESS" or age < seconds:
        return (
            "QUEUED"
            if age < seconds / 4
            else "PAUSED BY AN ADMIN"
            if ends == "STRANGE"
            else "RUNNING"
        )
    return "DONE" if ends == "STRANGE" else ends
