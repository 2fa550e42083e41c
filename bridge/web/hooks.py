"""`/hooks/<source>`: the HTTP edge of `receive`.

A WSGI application of its own in front of Flask: nearly all that comes in comes here, and needs none of what Flask prepares for a view.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from werkzeug.http import HTTP_STATUS_CODES

from bridge import dry
from bridge.dry import is_dry
from bridge.errors import BadSignature, Refused, StoreError
from bridge.ids import event_id
from bridge.logs import get_logger
from bridge.model import Request, Status
from bridge.providers import Reply
from bridge.receive import Arrivals, Keep, Received, receive
from bridge.routes import Config, Source
from bridge.settings import Settings
from bridge.signatures import NO_KEYS, Keys
from bridge.store.events import Added
from bridge.web import form_pages
from bridge.web.intake import Intake
from bridge.web.learning import Learning, lesson_of
from bridge.web.rate import Limiter, Unlimited
from bridge.web.turned_away import TurnedAway

log = get_logger()
PREFIX = "/hooks/"
DRY = f"HTTP_{dry.HEADER.upper().replace('-', '_')}"
UNKNOWN_SOURCE = Refused(404, "unknown_source", "no such source")
UNFORESEEN = Refused(500, "internal_error", "something went wrong here")

StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What receiving works with; `ring` wakes the worker when something is to be delivered."""

    settings: Settings
    config: Callable[[], Config]
    keep: Keep
    ring: Callable[[], None]
    intake: Intake
    limiter: Limiter | Unlimited
    turned_away: TurnedAway | None = None
    learning: Learning | None = None
    keys: Callable[[], Keys] = lambda: NO_KEYS  # asked after the fork

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request under `/hooks/`."""
        config = self.config()
        source = config.sources.get(environ["PATH_INFO"][len(PREFIX) :].rstrip("/"))
        if source is None:
            return _refuse(UNKNOWN_SOURCE, start_response)
        if source.provider.name == "form":
            return form_pages.answer(source, environ, lambda: self._take(environ, source, config))(environ, start_response)
        if is_dry(environ.get(DRY, ""), self.settings.secret_key, source.name):
            return self._try_out(environ, source, config, start_response)
        try:
            return _write(self._take(environ, source, config).reply, start_response)
        except Refused as refused:
            if refused.status == 401 and source.provider.bare_refusal:
                return _write(Reply(401, "text/plain"), start_response)
            return _refuse(refused, start_response)

    def _try_out(self, environ: dict[str, Any], source: Source, config: Config, start_response: StartResponse) -> Iterable[bytes]:
        """Do all that is done for a request, and keep nothing of it: no event, no reject, no count against a rate."""
        noted = {dry.HEADER: dry.DONE}
        nothing = replace(self, keep=_keep_nothing, ring=lambda: None, limiter=Unlimited(), turned_away=None)
        try:
            return _write(nothing._take(environ, source, config).reply, start_response, noted)
        except Refused as refused:
            refused.headers |= noted
            return _refuse(refused, start_response)

    def _take(self, environ: dict[str, Any], source: Source, config: Config) -> Received:
        """Read, receive and log one request; everything that is not stored is raised as `Refused`."""
        now = time.time()
        client = client_address(environ, self.settings)
        _limit(self.limiter, source, client, now)
        try:
            with self.intake.body(environ, source.max_body) as body:
                inbound = read_request(environ, body, self.settings.public_url, client)
                if self.learning is not None and source.provider.learn is not None:
                    known = self.learning.known(source)
                    if reply := self.learning.taught(inbound, source, known, now):
                        return Received(reply)
                    source = self.learning.knowing(source, known)
                received = receive(inbound, source, config, keep=self.keep, now=now, new_id=lambda: event_id(now), keys=self.keys())
        except BadSignature as bad:
            kept = None
            if self.turned_away is not None and lesson_of(inbound, source) is None:  # a lesson holds a secret
                kept = self.turned_away.note(inbound, source, bad.reason, now)
            if bad.reason == "no_key":  # not the sender's fault: it may pass when it is sent again
                log.error("no_key", source=source.name)
                raise Refused(503, "no_key", "the sender's keys cannot be had now; send it again", headers={"Retry-After": "60"}) from None
            log.warning("rejected", source=source.name, reason=bad.reason, client=client, reject_id=kept)
            raise Refused(401, "unauthorized", "the request could not be verified") from None
        except StoreError as error:
            log.error("not_stored", source=source.name, error=str(error))
            raise Refused(503, "store_failed", "the event could not be kept; send it again", headers={"Retry-After": "5"}) from error
        except Refused:
            raise
        except Exception as bug:
            log.error("unforeseen", source=source.name, exc_info=bug)
            raise UNFORESEEN from bug
        _note(received, source, time.time() - now)
        if any(each.status is Status.QUEUED for _, kept in received.kept for each in kept.deliveries):
            self.ring()
        return received


def _keep_nothing(arrivals: Arrivals, _replan: object) -> list[Added]:
    return [Added(event.id, tuple(deliveries)) for event, deliveries in arrivals]


def _limit(limiter: Limiter | Unlimited, source: Source, client: str | None, now: float) -> None:
    for rate, key in ((source.rate, source.name), (source.rate_per_address, f"{source.name} {client}")):
        wait = limiter.wait(key, rate, now) if rate else 0.0
        if wait:
            raise Refused(429, "too_many", "too many requests", headers={"Retry-After": str(int(wait) + 1)})


def _note(received: Received, source: Source, seconds: float) -> None:
    """One line per event: ids and counts, never a body or a header's value."""
    if received.fault is not None:
        log.error("planning_failed", source=source.name, event_id=received.kept[-1][0].id, exc_info=received.fault)
    if not received.kept:
        log.info("handshake", source=source.name)
    for event, kept in received.kept:
        log.info("event", event_id=kept.event_id, source=source.name, type=event.type, provider_id=event.provider_id, bytes=len(event.body),
                 deliveries=len(kept.deliveries), duplicate=kept.duplicate, problem=event.problem, ms=round(seconds * 1000, 1))  # fmt: skip


def read_request(environ: Mapping[str, Any], body: bytes, public_url: str, client: str | None) -> Request:
    """Return the request of a WSGI environment. Its path is as it was sent, so that a signature over the URL can be checked."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
    target = raw if raw.startswith("/") else environ["PATH_INFO"]
    return Request(
        method=environ["REQUEST_METHOD"],
        path=target.partition("?")[0],
        headers=headers,
        body=body,
        query_string=environ.get("QUERY_STRING", ""),
        url=public_url + target,
        client=client,
    )


def client_address(environ: Mapping[str, Any], settings: Settings) -> str | None:
    """Return who called: the last address that no trusted proxy of ours added, never one that the caller could have written himself."""
    address = environ.get("REMOTE_ADDR") or None
    if not settings.trusted_proxies or "HTTP_X_FORWARDED_FOR" not in environ:
        return address
    chain = [*(part.strip() for part in environ["HTTP_X_FORWARDED_FOR"].split(",")), address or ""]
    while len(chain) > 1 and _is_trusted(chain[-1], settings):
        chain.pop()
    return chain[-1] if _parse(chain[-1]) else address


def _is_trusted(text: str, settings: Settings) -> bool:
    address = _parse(text)
    return address is not None and any(address in network for network in settings.trusted_proxies)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _write(reply: Reply, start_response: StartResponse, headers: Mapping[str, str] | None = None) -> list[bytes]:
    given = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
    given += [*reply.headers.items(), *(headers or {}).items()]
    start_response(f"{reply.status} {HTTP_STATUS_CODES.get(reply.status, 'Unknown')}", given)
    return [reply.body]


def _refuse(refused: Refused, start_response: StartResponse) -> list[bytes]:
    body = {"error": refused.code} if refused.status == 401 else {"error": refused.code, "message": refused.message}
    return _write(Reply(refused.status, body=orjson.dumps(body)), start_response, refused.headers)
