"""Circuit breaker of a platform, and its allowance of concurrent runs. Pure.

**Circuit.** After some failures in a row (no connection, no answer, 5xx) the circuit is open:
nothing is sent. When its time is over, one start goes as a probe; it closes the circuit or opens it
again, for twice as long. Where the platform answers another call meanwhile, the probe may go at
once. https://martinfowler.com/bliki/CircuitBreaker.html

**Credentials.** One 401 opens the circuit, since the credentials are those of all starts. Probes
are rare, and the circuit is half open at once when the configuration may have other credentials.

**Allowance.** A 429 although we count free slots means that another client uses slots of the
platform. Then only as many runs are allowed as are in flight, and after a while one more is tried.
If it starts, the next is tried at once; if not, the wait doubles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.core.circuit_state import FAILURES_TO_OPEN, Circuit
from bridge.core.status import Outcome, OutcomeKind
from bridge.core.timings import TIMINGS, Timings
from bridge.delivery.platforms.responses import RETRY_AFTER_MAX_SECONDS

# how long it stays open after a 401: the first time, and at most
UNAUTHORIZED_FIRST_SECONDS = 60.0
UNAUTHORIZED_MAX_SECONDS = 900.0
PROBE_SECONDS: Final = 45.0  # after which a probe without a result does not count
ALLOWANCE_RAISE_MAX_SECONDS: Final = 15.0  # the longest wait until one more run is tried
FAILED_KINDS: Final = (OutcomeKind.REFUSED, OutcomeKind.UNKNOWN)


def count_free_slots(circuit: Circuit | None, cap: int, used: int, now: float) -> int:
    """Return how many starts may go now, with `used` of `cap` slots taken."""
    if circuit is None:
        return max(0, cap - used)
    if now < circuit.not_before:
        return 0
    limit = (
        cap
        if circuit.allowance is None
        else min(cap, circuit.allowance + (now >= circuit.raise_at))
    )
    room = max(0, limit - used)
    if circuit.open_until is None:
        return room
    probing = circuit.probe_until is not None and now < circuit.probe_until
    return 0 if now < circuit.open_until or probing else min(room, 1)


def start_probe(circuit: Circuit, now: float) -> Circuit:
    """Return the circuit after a start has gone through it; one that is half open has its probe."""
    return (
        circuit if circuit.open_until is None else replace(circuit, probe_until=now + PROBE_SECONDS)
    )


def record_outcome(
    circuit: Circuit | None,
    platform: str,
    outcome: Outcome,
    used: int,
    now: float,
    jitter: float,
    timings: Timings = TIMINGS,
) -> Circuit | None:
    """Return the circuit after an attempt, None if it is closed. `used`: the slots taken then."""
    if outcome.ours:
        return circuit
    if outcome.kind in FAILED_KINDS:
        return _failed(circuit or Circuit(platform=platform), outcome, now, jitter, timings)
    if outcome.kind is OutcomeKind.UNAUTHORIZED:
        return _unauthorized(circuit or Circuit(platform=platform), outcome, now, jitter)
    if outcome.kind is OutcomeKind.THROTTLED:
        return _throttled(
            circuit or Circuit(platform=platform), outcome, used, now, jitter, timings
        )
    if circuit is None:
        return None
    closed = replace(circuit, failures=0, open_for=0.0, open_until=None, probe_until=None)
    if (
        outcome.kind is OutcomeKind.STARTED
        and closed.allowance is not None
        and used > closed.allowance
    ):
        raise_for = max(timings.allowance_raise_first_seconds, closed.raise_for / 2)
        closed = replace(closed, allowance=used, raise_at=now, raise_for=raise_for)
    return closed


def note_answer(circuit: Circuit, now: float) -> Circuit:
    """Return the circuit after the platform has answered another call than a start.

    Then one start may go as a probe at once: starts may still fail.
    """
    if circuit.open_until is None or circuit.is_unauthorized or circuit.has_answered:
        return circuit
    return replace(circuit, failures=1, open_until=min(circuit.open_until, now), probe_until=None)


def drop_if_closed(circuit: Circuit | None, cap: int) -> Circuit | None:
    """Return None if the circuit is closed and has no allowance below the cap."""
    if circuit is None or circuit.failures or circuit.open_until is not None:
        return circuit
    return None if circuit.allowance is None or circuit.allowance >= cap else circuit


def try_credentials(circuit: Circuit, now: float) -> Circuit:
    """Return the circuit after a change of the configuration: after a 401 one start is allowed."""
    return (
        replace(circuit, open_for=0.0, open_until=now, probe_until=None)
        if circuit.is_unauthorized
        else circuit
    )


def _unauthorized(circuit: Circuit, outcome: Outcome, now: float, jitter: float) -> Circuit:
    if circuit.is_unauthorized and circuit.state(now) == "open":
        # a call that began before it opened
        return circuit
    open_for = max(
        UNAUTHORIZED_FIRST_SECONDS, 2 * circuit.open_for if circuit.is_unauthorized else 0.0
    )
    return _opened(
        replace(circuit, failures=0, reason=outcome.detail or None),
        open_for,
        UNAUTHORIZED_MAX_SECONDS,
        now,
        jitter,
    )


def _opened(circuit: Circuit, open_for: float, limit: float, now: float, jitter: float) -> Circuit:
    open_for = min(limit, open_for)
    return replace(
        circuit, open_for=open_for, open_until=now + open_for * (0.9 + jitter / 5), probe_until=None
    )


def _failed(
    circuit: Circuit, outcome: Outcome, now: float, jitter: float, timings: Timings
) -> Circuit:
    first = timings.circuit_open_first_seconds
    if circuit.is_unauthorized:  # the probe did not show whether the credentials are accepted
        waits = circuit.state(now) == "open"
        return (
            circuit
            if waits
            else _opened(
                circuit, max(first, circuit.open_for), UNAUTHORIZED_MAX_SECONDS, now, jitter
            )
        )
    circuit = replace(circuit, failures=circuit.failures + 1, reason=outcome.detail or None)
    # a call that began before it opened
    waiting = circuit.open_until is not None and now < circuit.open_until
    if circuit.open_until is not None:  # its probe failed
        circuit = replace(circuit, failures=max(circuit.failures, FAILURES_TO_OPEN))
    if circuit.failures < FAILURES_TO_OPEN or waiting:
        return circuit
    open_for = max(first, 2 * circuit.open_for)
    return _opened(circuit, open_for, timings.circuit_open_max_seconds, now, jitter)


def _throttled(
    circuit: Circuit, outcome: Outcome, used: int, now: float, jitter: float, timings: Timings
) -> Circuit:
    circuit = replace(
        circuit,
        failures=0,
        open_for=0.0,
        open_until=None,
        probe_until=None,
        reason=outcome.detail or None,
    )
    wait = min(outcome.retry_after or 0.0, RETRY_AFTER_MAX_SECONDS)
    not_before, retry_after = max((circuit.not_before, circuit.retry_after), (now + wait, wait))
    circuit = replace(circuit, not_before=not_before, retry_after=retry_after)
    # another answer to the calls that were in flight at the first 429
    if circuit.allowance is not None and now < circuit.raise_at:
        return replace(circuit, allowance=min(circuit.allowance, used))
    raise_for = min(
        ALLOWANCE_RAISE_MAX_SECONDS,
        max(timings.allowance_raise_first_seconds, 2 * circuit.raise_for),
    )
    return replace(
        circuit, allowance=used, raise_for=raise_for, raise_at=now + raise_for * (0.75 + jitter / 2)
    )
