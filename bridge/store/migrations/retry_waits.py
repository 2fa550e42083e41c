"""The waits between the tries of a migration that other processes hold up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, repeat, takewhile

from bridge.core.timings import Timings


def begin_waits(timings: Timings) -> Iterator[float]:
    """Return the seconds of each wait, which end `Timings.migration_limit_seconds` from now."""
    until = time.monotonic() + timings.migration_limit_seconds
    seconds = timings.migration_retry_seconds
    return takewhile(lambda _: time.monotonic() <= until, chain(seconds, repeat(seconds[-1])))
