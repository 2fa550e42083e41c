"""How far the clocks of others are ahead of this machine's, by the dates of their answers: calls go through here.

It is remembered by this process alone, and anew after each start: whoever leads tells of those that it calls itself.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from bridge.handing import Send
from bridge.model import Answer, Call, Lost

SEVERAL: Final = 3  # answers of a host that tell
FRESH: Final = 3600.0  # seconds for which they do
MOST: Final = 64  # hosts that are remembered


@dataclass(slots=True)
class _Host:
    """The last answers of a host: seconds ahead, and when the last came."""

    ahead: deque[float] = field(default_factory=lambda: deque(maxlen=SEVERAL))
    at: float = 0.0


class Clocks:
    """Makes calls by `send`, and looks at the Date of each answer. Any number of threads may use it."""

    def __init__(self, send: Send) -> None:
        self._send, self._hosts, self._mutex = send, dict[str, _Host](), threading.Lock()

    def send(self, call: Call, timeout: float) -> Answer | Lost:
        """Make a call."""
        before = time.time()
        answer = self._send(call, timeout)
        if isinstance(answer, Answer) and (ahead := _ahead(answer.headers.get("date", ""), before, time.time())) is not None:
            with self._mutex:
                host = urlsplit(call.url).netloc.rpartition("@")[2]
                known = self._hosts.pop(host, None) or _Host()
                known.ahead.append(ahead)
                known.at = time.monotonic()
                self._hosts[host] = known
                if len(self._hosts) > MOST:
                    del self._hosts[next(iter(self._hosts))]
        return answer

    def ahead(self) -> Mapping[str, float]:
        """Return by host how many seconds its clock is ahead, negative where it is behind, if several answers of the last hour tell."""
        since = time.monotonic() - FRESH
        with self._mutex:
            return {host: median(one.ahead) for host, one in self._hosts.items() if len(one.ahead) == SEVERAL and one.at > since}


def _ahead(date: str, before: float, after: float) -> float | None:
    """Return how far a date in whole seconds lies outside of the time that the call took; None where it cannot be read."""
    try:
        at = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(0.0, at + 1.0 - before) if at <= after else at - after
