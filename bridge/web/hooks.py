"""`/hooks/<source>`: the HTTP edge of `receive`.

A WSGI application of its own in front of Flask: nearly all that comes in comes here, and needs none
of what Flask prepares for a view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from werkzeug.http import HTTP_STATUS_CODES

from bridge.config.settings import Settings
from bridge.core.errors import BadSignature, Refused, StoreError
from bridge.core.http_messages import Request
from bridge.core.model import JSON, Event, Status
from bridge.ingest.ports import Kept
from bridge.ingest.receive import Received, receive
from bridge.ingest.redaction import keyed
from bridge.monitoring.metrics import ACK, EVENTS, OTHER, REFUSED, UNVERIFIED
from bridge.providers.model import Reply
from bridge.routing.expressions.roots import close_name
from bridge.routing.model import Config, Source
from bridge.routing.planner import left_out
from bridge.web import dry_run
from bridge.web.body_reader import Intake
from bridge.web.client_ip import client_address
from bridge.web.dry_run import is_dry
from bridge.web.dry_run_effects import DryRunEffects
from bridge.web.effects import HookEffects
from bridge.web.forms import responses
from bridge.web.forms.hidden_fields import HiddenParts, Parts
from bridge.web.forms.request import asking_of
from bridge.web.learned_secrets import lesson_of

PREFIX = "/hooks/"
DRY = f"HTTP_{dry_run.HEADER.upper().replace('-', '_')}"
SOURCE_LENGTH = 63  # characters of a source's name
UNKNOWN_SOURCE = Refused(404, "unknown_source", "no such source")
# refusals with a line of their own
TOLD_ALREADY = frozenset({"unauthorized", "no_key", "no_secret", "store_failed", "internal_error"})

StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Receive what is sent to `/hooks/`.

    `effects` returns what acts for one request, `dry_run` what acts for one that leaves nothing.
    `parts` returns what a form that is sent back carries against bots.
    """

    settings: Settings
    config: Callable[[], Config]
    effects: Callable[[dict[str, Any]], HookEffects]
    dry_run: Callable[[], DryRunEffects]
    parts: Parts = lambda *_: HiddenParts()
    intake: Intake = field(default_factory=Intake)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request under `/hooks/`."""
        started = time.monotonic()
        config = self.config()
        effects = self.effects(environ)
        name = environ["PATH_INFO"][len(PREFIX) :].rstrip("/")
        source = config.sources.get(name)
        if source is None:
            effects.counts.add(REFUSED, OTHER, "404")
            near = close_name(name[:SOURCE_LENGTH], config.sources)
            effects.log.info("unknown_source", source=name[:SOURCE_LENGTH], near=near)
            return _refuse(UNKNOWN_SOURCE, start_response)
        if source.form is not None:
            asking = asking_of(environ, source.form, self.settings.public_url)
            take = partial(self._take, environ, source, config, effects)
            note = partial(_note_refusal, source, effects)
            finish = partial(_finish, source, config, started, effects)
            response = responses.answer(source, asking, self.parts, take, note, finish)
            return response(environ, start_response)
        if is_dry(environ.get(DRY, ""), self.settings.secret_key, source.name):
            return self._try_out(environ, source, config, start_response, started)
        try:
            received = self._take(environ, source, config, effects)
            _finish(source, config, started, effects, received, received.reply.status)
            return _write(received.reply, start_response)
        except Refused as refused:
            if refused.status == 401 and source.provider.bare_refusal:
                return _write(Reply(401, "text/plain"), start_response)
            return _refuse(refused, start_response)

    def _try_out(
        self,
        environ: dict[str, Any],
        source: Source,
        config: Config,
        start_response: StartResponse,
        started: float,
    ) -> Iterable[bytes]:
        """Do all that is done for a request, and leave nothing: see `DryRunEffects`."""
        effects = self.dry_run()
        noted = {dry_run.HEADER: dry_run.DONE}
        try:
            received = self._take(environ, source, config, effects)
            _finish(source, config, started, effects, received, received.reply.status)
            return _write(received.reply, start_response, noted)
        except Refused as refused:
            refused.headers |= noted
            return _refuse(refused, start_response, effects.said)

    def _take(
        self, environ: dict[str, Any], source: Source, config: Config, effects: HookEffects
    ) -> Received:
        """Read, receive, count and trace one request.

        Raises `Refused` for everything that is not stored.
        """
        try:
            received = self._receive(environ, source, config, effects)
        except Refused as refused:
            effects.counts.add(REFUSED, source.name, str(refused.status))
            raise
        effects.export_trace(received, source)
        return received

    def _receive(
        self, environ: dict[str, Any], source: Source, config: Config, effects: HookEffects
    ) -> Received:
        now = time.time()
        if source.missing is not None and not source.secrets:
            raise _without_secret(source, effects)
        seals = bool(self.settings.encryption_keys)
        source = keyed(source, self.settings.secret_key, seals=seals)
        client = client_address(environ, self.settings)
        if wait := effects.wait_for_rate(source, client, now):
            headers = {"Retry-After": str(int(wait) + 1)}
            raise Refused(429, "too_many", "too many requests", headers=headers)
        try:
            with self.intake.body(environ, source.max_body) as body:
                inbound = read_request(environ, body, self.settings.public_url, client)
                learned = effects.learn_secret(inbound, source, now)
                if isinstance(learned, Reply):
                    return Received(learned)
                source = learned
                received = receive(inbound, source, config, effects, now)
        except BadSignature as bad:
            raise _reject(bad, inbound, source, config, effects, now) from None
        except StoreError as error:
            effects.log.error("not_stored", source=source.name, error=str(error))
            headers = {"Retry-After": "5"}
            message = "the event could not be kept; send it again"
            raise Refused(503, "store_failed", message, headers=headers) from error
        except Refused:
            raise
        except Exception as bug:
            effects.log.error("unforeseen", source=source.name, exc_info=bug)
            raise Refused(500, "internal_error", "something went wrong here") from bug
        _count(received, source, time.time() - now, effects)
        return received


def _reject(
    bad: BadSignature,
    request: Request,
    source: Source,
    config: Config,
    effects: HookEffects,
    now: float,
) -> Refused:
    """Record a request that failed verification, and return its answer."""
    if source.missing is not None:  # it may be signed with the secret that is not set
        return _without_secret(source, effects)
    effects.counts.add(UNVERIFIED, source.name, bad.reason)
    stored = None
    if lesson_of(request, source) is None:  # a lesson holds a secret
        stored = effects.record_reject(request, source, bad.reason, now, config.sources.values())
    if bad.reason == "no_key":  # not the sender's fault: it may pass when it is sent again
        if effects.may_log_refusal(source, "no_key", now):
            effects.log.error("no_key", source=source.name)
        message = "the sender's keys cannot be had now; send it again"
        return Refused(503, "no_key", message, headers={"Retry-After": "60"})
    effects.log_reject(
        source=source.name, reason=bad.reason, client=request.client, reject_id=stored
    )
    return Refused(401, "unauthorized", "the request could not be verified")


def _note_refusal(source: Source, effects: HookEffects, refused: Refused) -> None:
    """Count a refused submission of a form, and log it with those of its fields that the schema
    names.

    Each code of a source has so many lines a minute.
    """
    now = time.time()
    if refused.status != HTTPStatus.METHOD_NOT_ALLOWED:  # that is somebody who looks at the URL
        effects.count_refusal(source, refused.code, now)
    if refused.code in TOLD_ALREADY or not effects.may_log_refusal(source, refused.code, now):
        return
    known = source.form.properties if source.form is not None else ()
    effects.log.info(
        "form_refused",
        source=source.name,
        status=refused.status,
        code=refused.code,
        fields=[name for name in refused.fields if name in known],
    )


def _without_secret(source: Source, effects: HookEffects) -> Refused:
    if effects.may_log_refusal(source, "no_secret", time.time()):
        effects.log.error("no_secret", source=source.name, missing=source.missing)
    message = "this source is not set up completely; send it again later"
    return Refused(503, "no_secret", message, headers={"Retry-After": "60"})


def _count(received: Received, source: Source, seconds: float, effects: HookEffects) -> None:
    """Count the events of a request, and the time that storing them took."""
    effects.counts.observe(ACK, max(seconds, 0.0))
    if not received.kept:
        effects.counts.add(EVENTS, source.name, "handshake")
    for event, kept in received.kept:
        effects.counts.add(EVENTS, source.name, _outcome(event, kept))


def _finish(
    source: Source,
    config: Config,
    started: float,
    effects: HookEffects,
    received: Received,
    status: int,
) -> None:
    """Log a request that was answered with `status`, then wake the workers if a delivery is queued.

    Write one line per event: ids and counts, never a body or a header's value.
    """
    log = effects.log
    milliseconds = round((time.monotonic() - started) * 1000, 1)
    if received.fault is not None:
        last = received.kept[-1][0].id
        log.error("planning_failed", source=source.name, event_id=last, exc_info=received.fault)
    if not received.kept:
        log.info("handshake", source=source.name, status=status)
    routes = config.routes_of(source.name) if received.kept else ()
    for event, kept in received.kept:
        log.info(
            "event",
            event_id=kept.event_id,
            source=source.name,
            type=event.type,
            provider_id=event.provider_id,
            bytes=len(event.body),
            files=len(event.files),
            deliveries=len(kept.deliveries),
            routes=[one.route for one in kept.deliveries],
            left_out=left_out(kept.deliveries, routes),
            status=status,
            duplicate=kept.duplicate,
            problem=event.problem,
            spam=event.spam and event.spam.partition(":")[0],
            ms=milliseconds,
        )
    if any(each.status is Status.QUEUED for _, kept in received.kept for each in kept.deliveries):
        effects.wake_workers()


def _outcome(event: Event, kept: Kept) -> str:
    if kept.duplicate:
        return "duplicate"
    return "spam" if event.spam else "problem" if event.problem else "accepted"


def read_request(
    environ: Mapping[str, Any], body: bytes, public_url: str, client: str | None
) -> Request:
    """Return the request of a WSGI environment. Its path is as it was sent, so that a signature
    over the URL can be checked.
    """
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name[:5] == "HTTP_"
    }
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


def _write(
    reply: Reply, start_response: StartResponse, headers: Mapping[str, str] | None = None
) -> list[bytes]:
    given = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
    given += [*reply.headers.items(), *(headers or {}).items()]
    start_response(f"{reply.status} {HTTP_STATUS_CODES.get(reply.status, 'Unknown')}", given)
    return [reply.body]


def _refuse(
    refused: Refused, start_response: StartResponse, more: Mapping[str, JSON] | None = None
) -> list[bytes]:
    body = (
        {"error": refused.code}
        if refused.status == 401
        else {"error": refused.code, "message": refused.message}
    )
    return _write(
        Reply(refused.status, body=orjson.dumps({**body, **(more or {})})),
        start_response,
        refused.headers,
    )
