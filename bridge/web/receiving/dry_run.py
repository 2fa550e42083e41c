"""Dry-run requests: a running bridge verifies and plans them, and stores nothing.

Only a client with the secret key can make one, for one source and for a minute: without the key it
would be an oracle. The answer to a refused request has digests of its parts, so that the sender can
find changes of a proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, TimestampSigner

from bridge.core.http_messages import Request
from bridge.core.model import JSON
from bridge.ingest.effects import OfflineEffects, PreparedRequest
from bridge.ingest.ports import StoredEvent
from bridge.monitoring.counters import Counts
from bridge.providers.model import Reply
from bridge.routing.model import Source
from bridge.store.inbound.arrivals import AddedEvent
from bridge.system.ids import event_id
from bridge.system.logs import get_logger
from bridge.web.receiving.effects import HookEffects
from bridge.web.receiving.learned_secrets import SecretEnrolment

log = get_logger()


@dataclass(frozen=True, kw_only=True)
class DryRunEffects(OfflineEffects, HookEffects):
    """Store nothing, count nothing, notify nothing, confirm nothing.

    Keys are fetched, and learned secrets are read: without them nothing could be verified. `said`
    gets a description of a request that fails verification, for its sender.
    """

    new_id: Callable[[float], str] = event_id
    learning: SecretEnrolment
    said: dict[str, JSON] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    log: Any = field(default_factory=lambda: log.bind(dry=True))

    def store(self, prepared: PreparedRequest) -> Sequence[StoredEvent]:
        """Return what would be stored of new events."""
        return [AddedEvent(event.id, tuple(deliveries)) for event, deliveries in prepared.arrivals]

    def learn_secret(self, request: Request, source: Source, now: float) -> Reply | Source:
        """Return the source with what it learned before, and learn nothing."""
        return replace(self.learning, enrols=False).apply(request, source, now)

    def record_reject(
        self,
        request: Request,
        _source: Source,
        _reason: str,
        _now: float,
        _others: Iterable[Source],
    ) -> None:
        """Describe how the request arrived, and store nothing."""
        self.said["arrived"] = describe_request(request)

    def log_refusal(
        self, _level: int, event: str, source: str, _code: str, /, **fields: object
    ) -> None:
        """Log a refused request at DEBUG: it was asked for."""
        self.log.debug(event, source=source, **fields)


HEADER = "X-Flowbridge-Dry"
TOKEN_SECONDS = 60
DONE = "nothing was stored"


def sign_token(secret_key: str, source: str) -> str:
    """Return the header value of a dry-run request to `source`."""
    return _signer(secret_key).sign(source).decode()


def is_dry_run(text: str, secret_key: str, source: str) -> bool:
    """Return whether `text` is such a token, made within the last minute."""
    if not secret_key or not text or len(text) > 1000:
        return False
    try:
        return _signer(secret_key).unsign(text, max_age=TOKEN_SECONDS).decode() == source
    except (BadData, UnicodeError):
        return False


def describe_request(request: Request) -> dict[str, JSON]:
    """Return a description of a request as it arrived: digests, and none of its content."""
    return {
        "url": _bare(request),
        "size": len(request.body),
        "body": _digest(request.body),
        "headers": _digests(request),
    }


def find_changes(sent: Request, came: JSON, *, signs_url: bool) -> Iterator[str]:
    """Yield the differences between a request as sent and as it arrived, by the digests of `came`.

    `signs_url`: the URL matters too. A changed User-Agent is ignored: proxies replace it.
    """
    if not isinstance(came, dict) or not isinstance(names := came.get("headers"), dict):
        return
    was = _digests(sent)
    for name, digest in was.items():
        if names.get(name) == digest or name == "user-agent":
            continue
        other = next(
            (
                header
                for header, header_digest in names.items()
                if header_digest == digest and header not in was
            ),
            None,
        )
        yield f"the header {name} " + (
            f"arrived as {other}"
            if other
            else "arrived with another value"
            if name in names
            else "did not arrive"
        )
    if came.get("body") != _digest(sent.body):
        yield f"the body was changed ({len(sent.body)} bytes sent, {came.get('size')} arrived)"
    if signs_url and came.get("url") != _bare(sent):
        yield (
            f"{_bare(sent)} was called; it was received as {came.get('url')}"
            " (FLOWBRIDGE_PUBLIC_URL, and the path that came)"
        )


def _digests(request: Request) -> dict[str, JSON]:
    return {
        name: _digest(value.encode("latin-1", "replace")) for name, value in request.headers.items()
    }


def _bare(request: Request) -> str:
    return request.url.partition("?")[0]


def _digest(raw: bytes) -> str:
    return sha256(raw).hexdigest()


def _signer(secret_key: str) -> TimestampSigner:
    return TimestampSigner(
        secret_key, salt="flowbridge dry run", key_derivation="hmac", digest_method=sha256
    )
