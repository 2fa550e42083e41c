"""The cache of the public keys that senders publish, fetched when a request needs one.

It implements `bridge.providers.signatures.key_source.KeySource`. Anyone who can reach a source can
send requests that seem to need a key. So each URL is fetched at most once a minute, and the new
URLs of a sender together a few times a minute; failures count; no request waits longer than the
deadline; and the cache is bounded. Subscription confirmations,
`bridge.providers.confirmation.Confirmation`, are fetched in the same way.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.core.http_messages import Call, NoAnswer
from bridge.providers.signatures.key_source import DocumentRequest
from bridge.system.boot_clock import Deadline, boot_seconds
from bridge.system.logs import get_logger

if TYPE_CHECKING:
    from bridge.system.http_client import HttpClient

log = get_logger()
# that a request waits for a key in all, resolving the host name included
DEADLINE_SECONDS: Final = 3.0
PAUSE_SECONDS: Final = 60.0  # between two fetches of one URL
# fetches of new URLs of one group within that pause; a group that is a service, which is asked for
# each key, has one
MAX_NEW_URLS: Final = 6
MAX_DOCUMENT: Final = 64 * 1024  # bytes
MAX_REMEMBERED: Final = 256  # documents
# before a document is fetched again: at least, by default, at most
FRESH_SECONDS: Final = (300.0, 3600.0, 86400.0)
STALE_SECONDS: Final = 86400.0  # that a document is still used when it cannot be fetched again
MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})", re.IGNORECASE)


@dataclass(slots=True)
class _Entry:
    """The cached document of one request; times are those of the clock."""

    document: bytes | None = None
    fresh_until: float = 0.0
    kept_until: float = 0.0
    tried_at: float = 0.0
    is_running: bool = True


class Keyring:
    """Fetches and caches keys. Thread-safe; create one per process, after the fork.

    `ca_file`: the CA certificates to trust, for hosts and for certificates that they serve, instead
    of certifi's (for hosts, the machine's too). It uses no proxy and follows no redirect.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        deadline: float = DEADLINE_SECONDS,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self._ca_file = ca_file
        self._deadline = deadline
        self._clock = clock
        self._entries: dict[DocumentRequest, _Entry] = {}
        self._fetches: dict[str, deque[float]] = {}  # when each group's latest were
        self._changed = threading.Condition()

    def fetch(self, request: DocumentRequest, *, again: bool = False) -> bytes | None:
        """Return the document, or None if it cannot be fetched now.

        `again`: the cached document lacks the key that is needed.
        """
        with self._changed:
            now = self._clock()
            entry = self._entries.get(request)
            if (
                entry is not None
                and entry.document is not None
                and now < entry.fresh_until
                and not again
            ):
                return entry.document
            if (entry is None or not entry.is_running) and self._may_fetch(request, entry, now):
                entry = self._start(request, entry, now)
            if entry is None:
                return None
            if entry.is_running and (again or entry.document is None or now >= entry.kept_until):
                running = entry
                self._changed.wait_for(lambda: not running.is_running, self._deadline)
            return entry.document if self._clock() < entry.kept_until else None

    def roots(self) -> bytes:
        """Return the trusted CA certificates (PEM)."""
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
    def _sender(self) -> HttpClient:
        """Create the client with the first fetch: few sources need a key."""
        from bridge.system.http_client import HttpClient

        return HttpClient(max_answer=MAX_DOCUMENT, connections=2, ca_file=self._ca_file)

    def _may_fetch(self, request: DocumentRequest, entry: _Entry | None, now: float) -> bool:
        if entry is not None and now - entry.tried_at < PAUSE_SECONDS:
            return False
        # requests that name other URLs must not keep a valid document from being renewed
        if entry is not None and entry.document is not None:
            return True
        latest = self._fetches.get(request.group, ())
        is_service = bool(request.body or request.headers)
        return sum(now - moment < PAUSE_SECONDS for moment in latest) < (
            1 if is_service else MAX_NEW_URLS
        )

    def _start(self, request: DocumentRequest, entry: _Entry | None, now: float) -> _Entry:
        """Fetch in a thread, so that requests can stop waiting while a host name is resolved."""
        if entry is None:
            self._forget()
            entry = self._entries[request] = _Entry()
        entry.tried_at = now
        entry.is_running = True
        self._fetches.setdefault(request.group, deque(maxlen=MAX_NEW_URLS)).append(now)
        try:
            threading.Thread(
                target=self._run, args=(request, entry), name="keyring", daemon=True
            ).start()
        except RuntimeError:  # no more threads
            entry.is_running = False
        return entry

    def _forget(self) -> None:
        """Evict one entry: first those that failed, then the one tried longest ago."""
        if len(self._entries) >= MAX_REMEMBERED:
            idle = [request for request, entry in self._entries.items() if not entry.is_running]
            for request in sorted(
                idle,
                key=lambda request: (
                    self._entries[request].document is not None,
                    self._entries[request].tried_at,
                ),
            )[:1]:
                del self._entries[request]

    def _run(self, request: DocumentRequest, entry: _Entry) -> None:
        document = None
        fresh = 0.0
        try:
            document, fresh = self._get(request)
        finally:
            with self._changed:
                if document is not None:
                    now = self._clock()
                    entry.document = document
                    entry.fresh_until = now + fresh
                    entry.kept_until = now + max(fresh, STALE_SECONDS)
                entry.is_running = False
                self._changed.notify_all()

    def _get(self, request: DocumentRequest) -> tuple[bytes | None, float]:
        """Return the document and the seconds for which it is fresh, or None."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "flowbridge"}
        if request.body:
            headers["Content-Type"] = "application/json"
        headers |= dict(request.headers)
        call = Call(
            method="POST" if request.body else "GET",
            url=request.url,
            headers=headers,
            body=request.body,
        )
        answer = self._sender.send(call, Deadline.after(self._deadline))
        host = urlsplit(request.url).hostname
        if isinstance(answer, NoAnswer):
            log.warning("key_fetch_failed", what=request.what, host=host, reason=answer.reason)
            return None, 0.0
        if answer.status != 200 or answer.truncated or not answer.body:
            log.warning(
                "key_fetch_failed",
                what=request.what,
                host=host,
                status=answer.status,
                truncated=answer.truncated,
            )
            return None, 0.0
        log.info("key_fetched", what=request.what, host=host, bytes=len(answer.body))
        return answer.body, _freshness(answer.headers.get("cache-control", ""))


def _freshness(cache_control: str) -> float:
    """Return the seconds for which a document is fresh, by its Cache-Control and within bounds."""
    least, usual, maximum = FRESH_SECONDS
    match = MAX_AGE.search(cache_control[:1000])
    return min(max(float(match[1]), least), maximum) if match else usual
