"""How the torture's platform misbehaves: a row for each way, and what its runs come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bridge.torture.lanes import CALL_TIMEOUT, FLAKY

STARTED: Final = b""  # stands for the answer that says that it has started
GARBAGE: Final = b"\x00\xff<html><title>Welcome to nginx!</title>"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to answer. `executes`: what was asked for is done first. `ending`: how the connection
    goes on.

    `answer`: as it should; `close`: closed without an answer; `reset`: the same with a reset;
    `unread`: closed before the body is read;
    `cut`: closed in the middle of the answer. `wait`: seconds before any of it.
    """

    name: str
    weight: float
    executes: bool = False
    status: int = 200
    body: bytes = STARTED
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    ending: str = "answer"


OK: Final = Fault("ok", 100, executes=True)
_LATE: Final = CALL_TIMEOUT + 0.7
#: Of a start. None of them lies: a status that says "not started" is never given when it was, as no
#: caller could see that.
STARTS: Final[tuple[Fault, ...]] = (
    OK,
    Fault("429", 2, status=429, body=b'{"error":"rate_limit"}'),
    Fault("429 with Retry-After", 1, status=429, body=b"{}", headers={"Retry-After": "1"}),
    Fault("500", 3, status=500, body=b'{"error":"internal"}'),
    Fault("500 though started", 2, executes=True, status=500, body=b"oops"),
    Fault("503", 2, status=503, body=b"<title>Unavailable</title>"),
    Fault("503 with Retry-After", 1, status=503, body=b"{}", headers={"Retry-After": "1"}),
    Fault("502 though started", 1, executes=True, status=502, body=b""),
    Fault("408", 1, status=408, body=b"{}"),
    Fault("425", 1, status=425, body=b"{}"),
    Fault("400", 1, status=400, body=b'{"error":"bad_request","message":"as it pleases"}'),
    Fault("302", 0.5, status=302, body=b"", headers={"Location": "http://127.0.0.1:9/"}),
    Fault("garbage", 2, executes=True, body=GARBAGE),
    Fault("no run id", 1, executes=True, body=b'{"ok":true}'),
    Fault("empty", 1, executes=True, status=204, body=b""),
    Fault("slow", 5, executes=True, wait=0.6),
    Fault("dropped unread", 3, ending="unread"),
    Fault("closed", 2, ending="close"),
    Fault("closed though started", 3, executes=True, ending="close"),
    Fault("reset though started", 3, executes=True, ending="reset"),
    Fault("cut off", 2, executes=True, ending="cut"),
    Fault("too late", 2, executes=True, wait=_LATE),
    Fault("too late, nothing done", 1, status=500, body=b"", wait=_LATE),
)
#: Of a question about a run.
LOOKS: Final[tuple[Fault, ...]] = (
    OK,
    Fault("look: 500", 4, status=500, body=b"{}"),
    Fault("look: 429", 3, status=429, body=b"{}"),
    Fault("look: garbage", 3, status=200, body=GARBAGE),
    Fault("look: no such run", 0.5, status=404, body=b'{"error":"not_found"}'),
    Fault("look: closed", 3, ending="close"),
    Fault("look: reset", 2, ending="reset"),
    Fault("look: cut off", 2, executes=True, ending="cut"),
    Fault("look: too late", 1, executes=True, wait=_LATE),
)
BY_NAME: Final = {fault.name: fault for fault in (*STARTS, *LOOKS)}
#: How a run ends -> its weight. `ENDLESS` never does; `STRANGE` is in a state that nobody knows,
#: then done.
ENDINGS: Final = {"DONE": 88, "FAILED": 6, "TERMINATED": 2, "ENDLESS": 2, "STRANGE": 2}
MANY_FAIL: Final = {"DONE": 60, "FAILED": 40}  # of the flow FLAKY, however the weather is
LONGEST: Final = 0.8  # seconds of a run that ends
# times that one delivery is not started for no reason; from then on it is, so that a drain comes to
# its end
PATIENCE: Final = 4


def choose(faults: tuple[Fault, ...], random: Random) -> Fault:
    """Return how the next request is answered."""
    return random.choices(faults, [fault.weight for fault in faults])[0]


def ending(flow: str, random: Random, *, bad: bool) -> str:
    """Return how the next run of a flow ends."""
    endings = MANY_FAIL if flow == FLAKY else ENDINGS if bad else {"DONE": 1}
    return random.choices(list(endings), list(endings.values()))[0]


def state(ends: str, seconds: float, age: float) -> str:
    """Return the state of a run that is `age` seconds old, in the platform's words."""
    if ends == "ENDLESS" or age < seconds:
        return (
            "QUEUED"
            if age < seconds / 4
            else "PAUSED BY AN ADMIN"
            if ends == "STRANGE"
            else "RUNNING"
        )
    return "DONE" if ends == "STRANGE" else ends
