"""How far the clocks of other hosts are ahead of this machine's, by the `Date` of their answers.

Each process measures the hosts that it calls itself, from its start on. The leading worker reports
its own measurements.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from bridge.core.clock_reading import ClockReading
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.platforms.responses import read_date
from bridge.routing.model import Platform
from bridge.system.boot_clock import Deadline, TimedSend, boot_seconds

MIN_ANSWERS: Final = 3  # of a host, before its clock is reported
MAX_HOSTS: Final = 64  # that are remembered
DATE_LAG_SECONDS: Final = 0.5  # by which a date in whole seconds lags, on average


@dataclass(slots=True)
class _HostClock:
    """The last answers of a host: seconds ahead, and when the last one came.

    `begun`: the host's time when our boot clock began.
    """

    ahead: deque[float] = field(default_factory=lambda: deque(maxlen=MIN_ANSWERS))
    at: float = 0.0
    begun: float | None = None


class HostClocks:
    """Makes calls by `send`, and reads the `Date` of each answer. Thread-safe.

    `fresh_seconds`: for which the answers of a host count.
    """

    def __init__(self, send: TimedSend, fresh_seconds: float) -> None:
        self._send = send
        self._fresh_seconds = fresh_seconds
        self._hosts: dict[str, _HostClock] = {}
        self._mutex = threading.Lock()

    def send(self, call: Call, deadline: Deadline) -> Answer | NoAnswer:
        """Make a call."""
        before = time.time()
        answer = self._send(call, deadline)
        after = time.time()
        boot_clock = boot_seconds()
        if (
            isinstance(answer, Answer)
            and (ahead := _seconds_ahead(answer.headers.get("date", ""), before, after)) is not None
        ):
            with self._mutex:
                host = _host(call.url)
                clock = self._hosts.pop(host, None) or _HostClock()
                clock.ahead.append(ahead)
                clock.at = boot_clock
                clock.begun = (
                    None
                    if (at := read_date(answer)) is None
                    else at + DATE_LAG_SECONDS - boot_clock
                )
                self._hosts[host] = clock
                if len(self._hosts) > MAX_HOSTS:
                    del self._hosts[next(iter(self._hosts))]
        return answer

    def seconds_ahead(self) -> Mapping[str, float]:
        """Return by host how many seconds its clock is ahead, negative where it is behind.

        Hosts with fewer than `MIN_ANSWERS` recent answers are left out.
        """
        since = boot_seconds() - self._fresh_seconds
        with self._mutex:
            return {
                host: median(clock.ahead)
                for host, clock in self._hosts.items()
                if len(clock.ahead) == MIN_ANSWERS and clock.at > since
            }

    def platform_at(self, url: str, boot_clock: float) -> float | None:
        """Return a host's time at a time of our boot clock, None without a recent answer.

        A step of our own wall clock does not change it.
        """
        with self._mutex:
            clock = self._hosts.get(_host(url))
            if (
                clock is None
                or clock.begun is None
                or clock.at <= boot_seconds() - self._fresh_seconds
            ):
                return None
            return clock.begun + boot_clock


def intent_clocks(
    clocks: ClockReading, others: HostClocks, platforms: Mapping[str, Platform]
) -> Callable[[str], ClockReading]:
    """Return a function that gives the clocks that an intent for a platform stores: ours as read,
    and the platform's where it is known.
    """

    def read(name: str) -> ClockReading:
        platform = platforms.get(name)
        if platform is None or clocks.boot_clock is None:
            return clocks
        url = platform.base_url or PLATFORMS[platform.type].base_url
        return replace(clocks, platform_at=others.platform_at(url, clocks.boot_clock))

    return read


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _seconds_ahead(date: str, before: float, after: float) -> float | None:
    """Return how far a date in whole seconds lies outside of the call, None if it is unreadable."""
    try:
        at = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(0.0, at + 1.0 - before) if at <= after else at - after
