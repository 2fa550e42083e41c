"""Fetch the keys that senders publish, when a request needs one, and remember them:
`bridge.providers.signatures.key_source.Keys`.

Anyone who can reach a source can send what looks as if it needed a key. So a URL is fetched once a
minute and a sender's new URLs together a few times a minute, whatever comes; failures count; nobody
waits longer than the deadline; and what is remembered is bounded. What confirms a subscription
(`bridge.providers.confirmation.Confirmation`) is fetched in the same way.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.core.http_messages import Call, Lost
from bridge.providers.signatures.key_source import Ask
from bridge.system.logs import get_logger

if TYPE_CHECKING:
    from bridge.system.http_client import Sender

log = get_logger()
# seconds in all that a request waits for a key, looking up the host's name included
DEADLINE: Final = 3.0
PAUSE: Final = 60.0  # seconds between two fetches of one URL
# fetches of new URLs of one group within PAUSE; one, where the group is a service that is asked for
# each key
MOST: Final = 6
MAX_DOCUMENT: Final = 64 * 1024  # bytes
MAX_REMEMBERED: Final = 256  # documents
# seconds before a document is fetched anew: at least, unless it says so itself, at most
FRESH: Final = (300.0, 3600.0, 86400.0)
KEPT: Final = 86400.0  # seconds that a document is still used when it cannot be fetched anew
MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})", re.IGNORECASE)


@dataclass(slots=True)
class _Entry:
    """What is known of one ask; times are those of the clock."""

    document: bytes | None = None
    fresh_until: float = 0.0
    kept_until: float = 0.0
    tried_at: float = 0.0
    is_running: bool = True


class Keyring:
    """Fetches keys and remembers them. One is enough for a process: any number of threads may use
    it; it must be made after a fork.

    `ca_file`: the certificates to trust, of hosts and of what they serve, instead of certifi's (of
    hosts, the machine's too). No proxy of the environment is used, no redirect followed.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ca_file = ca_file
        self._deadline = deadline
        self._clock = clock
        self._entries: dict[Ask, _Entry] = {}
        self._fetches: dict[str, deque[float]] = {}  # when each group's latest were
        self._changed = threading.Condition()

    def fetch(self, ask: Ask, *, again: bool = False) -> bytes | None:
        """Return the document, or None where it cannot be had now. `again`: what is remembered
        lacks the key that is needed.
        """
        with self._changed:
            now = self._clock()
            entry = self._entries.get(ask)
            if (
                entry is not None
                and entry.document is not None
                and now < entry.fresh_until
                and not again
            ):
                return entry.document
            if (entry is None or not entry.is_running) and self._may_fetch(ask, entry, now):
                entry = self._start(ask, entry, now)
            if entry is None:
                return None
            if entry.is_running and (again or entry.document is None or now >= entry.kept_until):
                running = entry
                self._changed.wait_for(lambda: not running.is_running, self._deadline)
            return entry.document if self._clock() < entry.kept_until else None

    def roots(self) -> bytes:
        """Return the certificates (PEM) of the authorities that are trusted to name hosts."""
        return self._roots

    def close(self) -> None:
        """Close the idle connections."""
        if "_sender" in self.__dict__:
            self._sender.close()

    @cached_property
    def _roots(self) -> bytes:
        import certifi

        return Path(self._ca_file or certifi.where()).read_bytes()

    @cached_property
    def _sender(self) -> Sender:
        """Made when the first key is fetched: few sources need any."""
        from bridge.system.http_client import Sender

        return Sender(max_answer=MAX_DOCUMENT, connections=2, ca_file=self._ca_file)

    def _may_fetch(self, ask: Ask, entry: _Entry | None, now: float) -> bool:
        if entry is not None and now - entry.tried_at < PAUSE:
            return False
        # whoever names other URLs does not keep a good one from being renewed
        if entry is not None and entry.document is not None:
            return True
        latest = self._fetches.get(ask.group, ())
        is_service = bool(ask.body or ask.headers)
        return sum(now - moment < PAUSE for moment in latest) < (1 if is_service else MOST)

    def _start(self, ask: Ask, entry: _Entry | None, now: float) -> _Entry:
        """Fetch in a thread of its own, so that whoever waits can stop waiting, even while a host's
        name is looked up.
        """
        if entry is None:
            self._forget()
            entry = self._entries[ask] = _Entry()
        entry.tried_at = now
        entry.is_running = True
        self._fetches.setdefault(ask.group, deque(maxlen=MOST)).append(now)
        try:
            threading.Thread(
                target=self._run, args=(ask, entry), name="keyring", daemon=True
            ).start()
        except RuntimeError:  # no more threads
            entry.is_running = False
        return entry

    def _forget(self) -> None:
        """Make room: what failed goes first, then what was tried longest ago."""
        if len(self._entries) >= MAX_REMEMBERED:
            idle = [ask for ask, entry in self._entries.items() if not entry.is_running]
            for ask in sorted(
                idle,
                key=lambda ask: (
                    self._entries[ask].document is not None,
                    self._entries[ask].tried_at,
                ),
            )[:1]:
                del self._entries[ask]

    def _run(self, ask: Ask, entry: _Entry) -> None:
        document = None
        fresh = 0.0
        try:
            document, fresh = self._get(ask)
        finally:
            with self._changed:
                if document is not None:
                    now = self._clock()
                    entry.document = document
                    entry.fresh_until = now + fresh
                    entry.kept_until = now + max(fresh, KEPT)
                entry.is_running = False
                self._changed.notify_all()

    def _get(self, ask: Ask) -> tuple[bytes | None, float]:
        """Return the document and for how long it is fresh, or None."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "flowbridge"}
        if ask.body:
            headers["Content-Type"] = "application/json"
        headers |= dict(ask.headers)
        call = Call(
            method="POST" if ask.body else "GET", url=ask.url, headers=headers, body=ask.body
        )
        answer = self._sender.send(call, self._deadline)
        host = urlsplit(ask.url).hostname
        if isinstance(answer, Lost):
            log.warning("not_fetched", what=ask.what, host=host, reason=answer.reason)
            return None, 0.0
        if answer.status != 200 or answer.truncated or not answer.body:
            log.warning(
                "not_fetched",
                what=ask.what,
                host=host,
                status=answer.status,
                truncated=answer.truncated,
            )
            return None, 0.0
        log.info("fetched", what=ask.what, host=host, bytes=len(answer.body))
        return answer.body, _freshness(answer.headers.get("cache-control", ""))


def _freshness(cache_control: str) -> float:
    """Return for how many seconds a document is fresh, by what it says and within bounds."""
    least, usual, most = FRESH
    found = MAX_AGE.search(cache_control[:1000])
    return min(max(float(found[1]), least), most) if found else usual
