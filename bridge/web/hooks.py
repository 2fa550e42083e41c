"""`/hooks/<source>`: the HTTP edge of `receive`.

A WSGI application of its own in front of Flask: nearly all that comes in comes here, and needs none
of what Flask prepares for a view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from werkzeug.http import HTTP_STATUS_CODES

from bridge.config.settings import Settings
from bridge.core.errors import BadSignature, Refused, StoreError
from bridge.core.http_messages import Request
from bridge.core.model import JSON, Status
from bridge.ingest.forms.attachments import KeepFile, digest
from bridge.ingest.forms.spam.check import Gate
from bridge.ingest.ports import Arrivals, Keep
from bridge.ingest.receive import Received, receive
from bridge.ingest.redaction import keyed
from bridge.monitoring import spans
from bridge.monitoring.counters import COUNTS, Counts
from bridge.monitoring.metrics import ACK, EVENTS, FORM_REFUSALS, OTHER, REFUSED, UNVERIFIED
from bridge.monitoring.tracing.exporter import Tracer
from bridge.providers.model import Reply
from bridge.providers.signatures.key_source import NO_KEYS, Keys
from bridge.routing.expressions.roots import close_name
from bridge.routing.model import Config, Source
from bridge.routing.planner import left_out
from bridge.store.inbound.events import Added
from bridge.system.ids import event_id
from bridge.system.logs import get_logger
from bridge.web import dry_run
from bridge.web.body_reader import Intake
from bridge.web.client_ip import client_address
from bridge.web.dry_run import is_dry
from bridge.web.forms import responses
from bridge.web.forms.hidden_fields import HiddenParts, Parts
from bridge.web.forms.request import asking_of
from bridge.web.learned_secrets import Learning, lesson_of
from bridge.web.rate_limiter import Limiter, Unlimited, wait_of
from bridge.web.refusal_counter import RefusalCounter
from bridge.web.reject_recorder import OFTEN, Noting, NotingDry
from bridge.web.stage_timer import Stages

log = get_logger()
PREFIX = "/hooks/"
DRY = f"HTTP_{dry_run.HEADER.upper().replace('-', '_')}"
SOURCE_LENGTH = 63  # characters of a source's name
UNKNOWN_SOURCE = Refused(404, "unknown_source", "no such source")
# refusals with a line of their own
TOLD_ALREADY = frozenset({"unauthorized", "no_key", "no_secret", "store_failed", "internal_error"})
UNFORESEEN = Refused(500, "internal_error", "something went wrong here")

StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What receiving works with; `ring` wakes the worker when something is to be delivered."""

    settings: Settings
    config: Callable[[], Config]
    keep: Keep
    ring: Callable[[], None]
    intake: Intake
    limiter: Limiter | Unlimited
    turned_away: Noting | None = None
    learning: Learning | None = None
    keys: Callable[[], Keys] = lambda: NO_KEYS  # asked after the fork
    confirms: bool = True  # subscriptions, by fetching what is asked for
    gate: Callable[[], Gate] | None = None  # of forms; asked after the fork
    refusals: RefusalCounter | None = None  # of forms
    parts: Parts = lambda *_: HiddenParts()  # what a form that is sent back carries against bots
    keep_file: KeepFile = digest
    new_id: Callable[[float], str] = event_id
    tracer: Callable[[], Tracer | None] = lambda: None  # asked after the fork
    counts: Counts = COUNTS
    log: Any = log  # a logger

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request under `/hooks/`."""
        started = time.monotonic()
        config = self.config()
        name = environ["PATH_INFO"][len(PREFIX) :].rstrip("/")
        source = config.sources.get(name)
        if source is None:
            self.counts.add(REFUSED, OTHER, "404")
            self.log.info(
                "unknown_source",
                source=name[:SOURCE_LENGTH],
                near=close_name(name[:SOURCE_LENGTH], config.sources),
            )
            return _refuse(UNKNOWN_SOURCE, start_response)
        if source.form is not None:
            take = lambda: self._take(environ, source, config)  # noqa: E731 - a function of one expression beside its use
            asking = asking_of(environ, source.form, self.settings.public_url)
            form_answer = responses.answer(
                source,
                asking,
                self.parts,
                take,
                partial(self._note_refusal, source),
                partial(self._finish, source, config, started),
            )
            return form_answer(environ, start_response)
        if is_dry(environ.get(DRY, ""), self.settings.secret_key, source.name):
            return self._try_out(environ, source, config, start_response, started)
        try:
            received = self._take(environ, source, config)
            self._finish(source, config, started, received, received.reply.status)
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
        """Do all that is done for a request, and keep nothing of it: no event or reject, nothing
        counted, learned or confirmed.

        What is logged of it says that it was dry.
        """
        noted = {dry_run.HEADER: dry_run.DONE}
        watching = NotingDry()
        knowing = self.learning and replace(self.learning, teaches=False)
        nothing = replace(
            self,
            keep=_keep_nothing,
            ring=lambda: None,
            limiter=Unlimited(),
            turned_away=watching,
            learning=knowing,
            confirms=False,
            keep_file=digest,
            tracer=lambda: None,
            counts=Counts(),
            log=self.log.bind(dry=True),
        )
        try:
            received = nothing._take(environ, source, config)
            nothing._finish(source, config, started, received, received.reply.status)
            return _write(received.reply, start_response, noted)
        except Refused as refused:
            refused.headers |= noted
            return _refuse(refused, start_response, watching.said)

    def _take(self, environ: dict[str, Any], source: Source, config: Config) -> Received:
        """Read, receive, count and trace one request; everything that is not stored is raised as
        `Refused`.
        """
        try:
            tracer = self.tracer()
            return (
                self._receive(environ, source, config)
                if tracer is None
                else self._trace(tracer, environ, source, config)
            )
        except Refused as refused:
            self.counts.add(REFUSED, source.name, str(refused.status))
            raise

    def _trace(
        self, tracer: Tracer, environ: dict[str, Any], source: Source, config: Config
    ) -> Received:
        """Receive one request, and export the spans of its events. What is refused has none: a
        flood must not buy work.
        """
        stages = Stages()
        gate = self.gate
        watched = replace(
            self,
            keep=stages.keep(self.keep),
            new_id=stages.new_id(self.new_id),
            gate=None if gate is None else lambda: stages.gate(gate()),
        )
        received = watched._receive(environ, source, config)
        over = stages.over()
        scheme = self.settings.public_url.partition("://")[0] or environ["wsgi.url_scheme"]
        # a form's answer is another
        status = None if source.form is not None else received.reply.status
        tracer.export(
            lambda: spans.received(received.kept, source, over, scheme=scheme, status=status)
        )
        return received

    def _receive(self, environ: dict[str, Any], source: Source, config: Config) -> Received:
        now = time.time()
        if source.missing is not None and not source.secrets:
            raise self._without_secret(source)
        source = keyed(source, self.settings.secret_key, seals=bool(self.settings.encryption_keys))
        client = client_address(environ, self.settings)
        if wait := wait_of(self.limiter, source, client, now):
            raise Refused(
                429, "too_many", "too many requests", headers={"Retry-After": str(int(wait) + 1)}
            )
        try:
            with self.intake.body(environ, source.max_body) as body:
                inbound = read_request(environ, body, self.settings.public_url, client)
                if self.learning is not None and source.provider.learn is not None:
                    known = self.learning.known(source)
                    if reply := self.learning.taught(inbound, source, known, now):
                        return Received(reply)
                    source = self.learning.knowing(source, known)
                received = receive(
                    inbound,
                    source,
                    config,
                    keep=self.keep,
                    now=now,
                    new_id=lambda: self.new_id(now),
                    keys=self.keys(),
                    fetch=self.keys().fetch if self.confirms else None,
                    keep_file=self.keep_file,
                    note_sent=partial(environ.__setitem__, responses.SENT),
                    gate=self.gate() if self.gate is not None and source.form is not None else None,
                )
        except BadSignature as bad:
            if source.missing is not None:  # it may be signed with the secret that is not set
                raise self._without_secret(source) from None
            self.counts.add(UNVERIFIED, source.name, bad.reason)
            kept = None
            # a lesson holds a secret
            if self.turned_away is not None and lesson_of(inbound, source) is None:
                kept = self.turned_away.note(
                    inbound, source, bad.reason, now, config.sources.values()
                )
            if bad.reason == "no_key":  # not the sender's fault: it may pass when it is sent again
                if not self._is_logged_enough(source, "no_key"):
                    self.log.error("no_key", source=source.name)
                raise Refused(
                    503,
                    "no_key",
                    "the sender's keys cannot be had now; send it again",
                    headers={"Retry-After": "60"},
                ) from None
            note = self.log.debug if isinstance(self.turned_away, NotingDry) else self.log.warning
            note("rejected", source=source.name, reason=bad.reason, client=client, reject_id=kept)
            raise Refused(401, "unauthorized", "the request could not be verified") from None
        except StoreError as error:
            self.log.error("not_stored", source=source.name, error=str(error))
            raise Refused(
                503,
                "store_failed",
                "the event could not be kept; send it again",
                headers={"Retry-After": "5"},
            ) from error
        except Refused:
            raise
        except Exception as bug:
            self.log.error("unforeseen", source=source.name, exc_info=bug)
            raise UNFORESEEN from bug
        self._count(received, source, time.time() - now)
        return received

    def _note_refusal(self, source: Source, refused: Refused) -> None:
        """Count a refused submission of a form, and log it so many times a minute for each code,
        with the fields that the schema names.
        """
        if refused.status != HTTPStatus.METHOD_NOT_ALLOWED:  # that is somebody who looks at the URL
            self.counts.add(FORM_REFUSALS, source.name, refused.code)
            if self.refusals is not None:
                self.refusals.add(source.name, refused.code, time.time())
        if refused.code in TOLD_ALREADY or self._is_logged_enough(source, refused.code):
            return
        known = source.form.properties if source.form is not None else ()
        self.log.info(
            "form_refused",
            source=source.name,
            status=refused.status,
            code=refused.code,
            fields=[name for name in refused.fields if name in known],
        )

    def _is_logged_enough(self, source: Source, code: str) -> bool:
        """Return whether this minute has its log lines of a refusal with this code; count a line if
        not.
        """
        return self.limiter.wait([(f"refusal {source.name} {code}", OFTEN)], time.time()) > 0

    def _without_secret(self, source: Source) -> Refused:
        if not self._is_logged_enough(source, "no_secret"):
            self.log.error("no_secret", source=source.name, missing=source.missing)
        return Refused(
            503,
            "no_secret",
            "this source is not set up completely; send it again later",
            headers={"Retry-After": "60"},
        )

    def _count(self, received: Received, source: Source, seconds: float) -> None:
        """Count the events of a request, and the time that storing them took."""
        self.counts.observe(ACK, max(seconds, 0.0))
        if not received.kept:
            self.counts.add(EVENTS, source.name, "handshake")
        for event, kept in received.kept:
            outcome = (
                "duplicate"
                if kept.duplicate
                else "spam"
                if event.spam
                else "problem"
                if event.problem
                else "accepted"
            )
            self.counts.add(EVENTS, source.name, outcome)

    def _finish(
        self,
        source: Source,
        config: Config,
        started: float,
        received: Received,
        status: int,
    ) -> None:
        """Log a request that was answered with `status`, then wake the worker if a delivery is
        queued.

        Write one line per event: ids and counts, never a body or a header's value.
        """
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        if received.fault is not None:
            self.log.error(
                "planning_failed",
                source=source.name,
                event_id=received.kept[-1][0].id,
                exc_info=received.fault,
            )
        if not received.kept:
            self.log.info("handshake", source=source.name, status=status)
        given = config.routes_of(source.name) if received.kept else ()
        for event, kept in received.kept:
            self.log.info(
                "event",
                event_id=kept.event_id,
                source=source.name,
                type=event.type,
                provider_id=event.provider_id,
                bytes=len(event.body),
                files=len(event.files),
                deliveries=len(kept.deliveries),
                routes=[one.route for one in kept.deliveries],
                left_out=left_out(kept.deliveries, given),
                status=status,
                duplicate=kept.duplicate,
                problem=event.problem,
                spam=event.spam and event.spam.partition(":")[0],
                ms=milliseconds,
            )
        if any(
            each.status is Status.QUEUED for _, kept in received.kept for each in kept.deliveries
        ):
            self.ring()


def _keep_nothing(arrivals: Arrivals, _replan: object) -> list[Added]:
    return [Added(event.id, tuple(deliveries)) for event, deliveries in arrivals]


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
