"""A clock step that is taken back at once, and the check that nothing waits longer for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from bridge.core.clock_reading import MIN_STEP_SECONDS
from bridge.core.timings import TIMINGS
from bridge.delivery.circuit_breaker import ALLOWANCE_RAISE_MAX_SECONDS, PROBE_SECONDS
from bridge.store.queries import census
from bridge.torture.clock import CACHE_SECONDS, classify_step
from bridge.torture.environment import Environment
from bridge.torture.inflight_faults import MULTI_ROUTE_TYPE
from bridge.torture.platform_faults import RETRY_AFTER_SECONDS
from bridge.torture.records import Finding
from bridge.torture.scenarios import DEBOUNCE_MAX_SECONDS, PACED_SECONDS, RETRY_MAX_SECONDS

STEPS: Final = (480.0, 3000.0, 86400.0)  # in turn
THROTTLED_STARTS: Final = 3  # starts that the platform answers with 429 while the clock is wrong
THROTTLE_TIMEOUT_SECONDS: Final = 3.0  # until one of these answers is stored
CORRECTION_TIMEOUT_SECONDS: Final = 20.0  # a few heartbeats, on a busy machine
JITTER_FACTOR: Final = 1.25
#: stored time -> the seconds that it may lie ahead, by what the platform and the routes say
LONGEST_WAITS: Final = {
    "not_before": RETRY_AFTER_SECONDS,
    "raise_at": ALLOWANCE_RAISE_MAX_SECONDS * JITTER_FACTOR,
    "open_until": TIMINGS.circuit_open_max_seconds * JITTER_FACTOR,
    "probe_until": PROBE_SECONDS,
    "next_at": PACED_SECONDS,
    "due_at": max(RETRY_MAX_SECONDS, DEBOUNCE_MAX_SECONDS),
    "debounce_until": DEBOUNCE_MAX_SECONDS,
}


def blip_clock(env: Environment) -> bool:
    """Step the clock of a node forward and back at once, while the platform answers 429.

    Return whether a 429 was stored meanwhile. Afterwards nothing may wait longer than its own
    interval.
    """
    if not env.is_ready:
        return False
    clock = env.random.choice(env.clocks)
    before = clock.offset
    size = STEPS[env.done["blip"] % len(STEPS)]
    throttled = env.query(census.count_throttled) or 0
    env.load.queue_types([MULTI_ROUTE_TYPE])
    env.done.update(name for name in (classify_step(size),) if name)
    clock.step(before + size)
    env.wait(CACHE_SECONDS)
    env.platform.send_line(f"throttle {THROTTLED_STARTS}".encode())
    is_throttled = env.wait_until(
        lambda: (env.query(census.count_throttled) or 0) > throttled, THROTTLE_TIMEOUT_SECONDS
    )
    clock.step(before)
    check_waits(env)
    return is_throttled


def check_waits(env: Environment) -> None:
    """Add a finding for each wait that stays longer than its own interval."""
    seconds = min(CORRECTION_TIMEOUT_SECONDS, env.remaining(env.plan.total_seconds))
    waits: list[Finding] = []

    def is_corrected() -> bool:
        env.start_nodes()
        waits[:] = find_long_waits(env)
        return not waits

    if not env.wait_until(is_corrected, seconds):
        env.findings += waits


def find_long_waits(env: Environment) -> list[Finding]:
    """Return a finding for each time that lies further ahead than its own interval."""
    offset = 0.0 if env.plan.database_url else env.clocks[0].offset if env.clocks else 0.0
    return list(_judge_waits(env.query(census.read_waits) or [], time.time() + offset))


def _judge_waits(waits: list[census.WaitRow], now: float) -> Iterator[Finding]:
    for wait in waits:
        ahead = wait.until - now
        longest = LONGEST_WAITS[wait.column]
        if ahead > longest + MIN_STEP_SECONDS:
            text = f"{wait.column} is {ahead:.0f} s ahead: at most {longest:g} s are its own"
            yield Finding("put_off", f"{wait.kind} {wait.id}", text)
