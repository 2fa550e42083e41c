"""Waits for file descriptors."""

from __future__ import annotations

import select
from collections.abc import Iterable


def wait_readable(descriptors: Iterable[int], seconds: float | None = None) -> list[int]:
    """Return those of the descriptors that can be read, or whose other end is closed.

    Waits for at most `seconds`, or until there is one. `select.select` refuses descriptors over
    1023.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    timeout = None if seconds is None else max(0.0, seconds) * 1000
    return [descriptor for descriptor, _ in poll.poll(timeout)]
