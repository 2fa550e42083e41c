"""Receives the requests under `/hooks/`: from head and body to answer, for every HTTP edge.

An edge reads the head, calls `HookReceiver.begin`, reads the body within `HookRequest.max_body`,
and writes the answer. Each step returns the object that has the next one: `begin` a `HookRequest`,
its `prepare` a `PreparedHook`, its `complete` a `ReceivedHook`, whose `answer` ends the request. An
edge that gathers the events of several requests stores them between `prepare` and `complete`;
`HookRequest.receive` stores those of one. `HookRequest.refuse` answers what one of them raises.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.config.settings import Settings
from bridge.core.errors import BadSignature, Refused, StoreError
from bridge.core.http_messages import Request
from bridge.core.model import Status
from bridge.core.records import record
from bridge.core.typos import find_close_name
from bridge.ingest.effects import Effects, PreparedRequest
from bridge.ingest.ports import StoredEvent
from bridge.ingest.receive import Received, build_answer, prepare
from bridge.ingest.redaction import add_keys
from bridge.monitoring.metrics import OTHER, REFUSED, UNVERIFIED
from bridge.monitoring.secret_use import count_use
from bridge.providers.model import Reply
from bridge.routing.model import Config, Source
from bridge.web.client_ip import find_client, find_network
from bridge.web.forms.hidden_fields import AntiSpamFields, MakeAntiSpamFields
from bridge.web.forms.request import form_request_of
from bridge.web.forms.responses import answer_preflight
from bridge.web.receiving import dry_run
from bridge.web.receiving.dry_run import DryRunEffects, is_dry_run
from bridge.web.receiving.effects import HookEffects
from bridge.web.receiving.hook_answers import (
    DryRunAnswers,
    FormAnswers,
    HookAnswers,
    WebhookAnswers,
    count_events,
    log_request,
)
from bridge.web.receiving.hook_messages import (
    HookAnswer,
    RequestHead,
    answer_refusal,
    answer_response,
    make_request,
    refuse_unforeseen,
)
from bridge.web.receiving.learned_secrets import read_lesson

PREFIX = "/hooks/"
DRY_RUN_HEADER = dry_run.HEADER.lower()
MAX_SOURCE_NAME_LENGTH = 63  # characters of a source's name
UNKNOWN_SOURCE = Refused(404, "unknown_source", "no such source")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookReceiver:
    """Begins the requests under `/hooks/`.

    `effects` returns the effects of one request, `dry_run` those of a dry run. `parts` returns the
    anti-spam fields of a form that is shown again.
    """

    settings: Settings
    config: Callable[[], Config]
    effects: Callable[[RequestHead], HookEffects]
    dry_run: Callable[[], DryRunEffects]
    parts: MakeAntiSpamFields = lambda *_: AntiSpamFields()

    def begin(self, head: RequestHead) -> HookAnswer | HookRequest:
        """Return the request, whose body is needed, or the answer to one that needs no body."""
        started = time.monotonic()
        config = self.config()
        effects = self.effects(head)
        name = head.path[len(PREFIX) :].rstrip("/")
        source = config.sources.get(name)
        if source is None:
            effects.counts.add(REFUSED, OTHER, "404")
            near = find_close_name(name[:MAX_SOURCE_NAME_LENGTH], config.sources)
            effects.log.limited().info(
                "unknown_source", source=name[:MAX_SOURCE_NAME_LENGTH], near=near
            )
            return answer_refusal(UNKNOWN_SOURCE)
        answers: HookAnswers = WebhookAnswers(source)
        if source.form is not None:
            asking = form_request_of(head, source.form, self.settings.public_url)
            if asking.request.method == "OPTIONS":
                return answer_response(answer_preflight(asking), head.method)
            answers = FormAnswers(source=source, asking=asking, effects=effects, parts=self.parts)
        elif is_dry_run(
            head.headers.get(DRY_RUN_HEADER, ""), self.settings.secret_key, source.name
        ):
            effects = self.dry_run()
            answers = DryRunAnswers(effects)
        request = HookRequest(
            head=head,
            source=source,
            config=config,
            settings=self.settings,
            effects=effects,
            answers=answers,
            started=started,
            now=time.time(),
        )
        try:
            request.admit()
        except Refused as refused:
            return request.refuse(refused)
        return request


@dataclass(slots=True, kw_only=True)
class HookRequest:
    """One request to a source that exists.

    `source` has the keys of redaction once the request is admitted, and the secret that it learned
    once its body is read. `started` is the monotonic time of its begin, `now` the time of its
    events.
    """

    head: RequestHead
    source: Source
    config: Config
    settings: Settings
    effects: HookEffects
    answers: HookAnswers
    started: float
    now: float
    client: str | None = None
    inbound: Request | None = None

    @property
    def max_body(self) -> int:
        """Return the limit of the body in bytes."""
        return self.source.max_body

    @property
    def network(self) -> str | None:
        """Return the network of the client, None if unknown."""
        return find_network(self.client, self.settings.trusted_proxies)

    def admit(self) -> None:
        """Check what needs no body: the site, the source's secret, and its rate.

        Raises `Refused`.
        """
        source = self.source
        if isinstance(self.answers, FormAnswers) and self.answers.asking.is_foreign:
            raise Refused(403, "origin_not_allowed", "this form may not be sent from this site")
        if source.missing is not None and not source.secrets:
            raise self._refuse_without_secret()
        seals = bool(self.settings.encryption_keys)
        self.source = add_keys(source, self.settings.secret_key, seals=seals)
        forwarded = self.head.headers.get("x-forwarded-for")
        self.client = find_client(self.head.address, forwarded, self.settings)
        if wait := self.effects.wait_for_rate(self.source, self.client, self.now):
            headers = {"Retry-After": str(int(wait) + 1)}
            raise Refused(429, "too_many", "too many requests", headers=headers)

    def prepare(self, body: bytes, effects: Effects | None = None) -> ReceivedHook | PreparedHook:
        """Verify and plan the request: it then waits for its events to be stored, or has none.

        `effects`: other ones than the request's own. Pass any error that it raises to `refuse`.
        """
        inbound = make_request(self.head, body, self.settings.public_url, self.client)
        self.inbound = inbound
        learned = self.effects.learn_secret(inbound, self.source, self.now)
        if isinstance(learned, Reply):
            return ReceivedHook(request=self, received=Received(learned))
        self.source = learned
        result = prepare(inbound, learned, self.config, effects or self.effects, self.now)
        if isinstance(result, Received):
            return ReceivedHook(request=self, received=result)
        return PreparedHook(request=self, events=result)

    def receive(self, body: bytes, effects: Effects | None = None) -> ReceivedHook:
        """Verify and plan the request, as `prepare` does, and store it.

        Pass any error that it raises to `refuse`.
        """
        prepared = self.prepare(body, effects)
        if isinstance(prepared, ReceivedHook):
            return prepared
        return prepared.complete(self.effects.store(prepared.events))

    def answer(self, receive: Callable[[], ReceivedHook]) -> HookAnswer:
        """Answer what `receive` returns; refuse the request if it raises an error."""
        try:
            received = receive()
        except Exception as error:
            return self.refuse(error)
        return received.answer()

    def refuse(self, error: Exception) -> HookAnswer:
        """Count, record and answer a request that reading, `prepare` or storing failed for."""
        refused = self._explain(error)
        self.effects.counts.add(REFUSED, self.source.name, str(refused.status))
        return self.answers.answer_refused(refused)

    def _explain(self, error: Exception) -> Refused:
        """Return the refusal of a request for this error; record or log the error."""
        if isinstance(error, Refused):
            return error
        if isinstance(error, BadSignature) and self.inbound is not None:
            return self._reject(error, self.inbound)
        name = self.source.name
        log = self.effects.log.limited(name)
        if isinstance(error, StoreError):
            log.error("event_not_stored", source=name, error=str(error))
            message = "the event could not be stored; send it again"
            return Refused(503, "store_failed", message, headers={"Retry-After": "5"})
        log.error("internal_error", source=name, exc_info=error)
        return refuse_unforeseen()

    def _reject(self, bad: BadSignature, request: Request) -> Refused:
        """Record a request that failed verification, and return its refusal."""
        source = self.source
        effects = self.effects
        if source.missing is not None:  # it may be signed with the secret that is not set
            return self._refuse_without_secret()
        effects.counts.add(UNVERIFIED, source.name, bad.reason)
        stored = None
        if read_lesson(request, source) is None:  # an enrolment request holds a secret
            others = self.config.sources.values()
            stored = effects.record_reject(request, source, bad.reason, self.now, others)
        if bad.reason == "no_key":  # not the sender's fault: a retry may succeed
            effects.log_refusal(logging.ERROR, "no_key", source.name, "no_key")
            message = "the sender's public keys could not be fetched; send it again"
            return Refused(503, "no_key", message, headers={"Retry-After": "60"})
        effects.log_refusal(
            logging.WARNING,
            "rejected",
            source.name,
            bad.reason,
            reason=bad.reason,
            client=request.client,
            reject_id=stored,
        )
        return Refused(401, "unauthorized", "the request could not be verified")

    def _refuse_without_secret(self) -> Refused:
        source = self.source
        self.effects.log_refusal(
            logging.ERROR, "no_secret", source.name, "no_secret", missing=source.missing
        )
        message = "this source is not fully configured; send it again later"
        return Refused(503, "no_secret", message, headers={"Retry-After": "60"})


@record
class PreparedHook:
    """A request that is verified and planned, and whose events are not stored yet."""

    request: HookRequest
    events: PreparedRequest

    def complete(self, stored: Sequence[StoredEvent]) -> ReceivedHook:
        """Return the request with its stored events."""
        return ReceivedHook(request=self.request, received=build_answer(self.events, stored))


@record
class ReceivedHook:
    """A request whose events are stored, or that has none."""

    request: HookRequest
    received: Received

    def answer(
        self, call_later: Callable[[Callable[[], None]], object] = lambda call: call()
    ) -> HookAnswer:
        """Count, trace, answer and log the request, and wake the workers if a delivery is due.

        `call_later` calls a function after the answer; by default at once.
        """
        try:
            return self._accept()
        finally:
            stored = (kept for _, kept in self.received.stored)
            if any(
                delivery.status is Status.QUEUED for kept in stored for delivery in kept.deliveries
            ):
                call_later(self.request.effects.wake_workers)

    def _accept(self) -> HookAnswer:
        request = self.request
        received = self.received
        source = request.source
        effects = request.effects
        count_events(received, source, time.time() - request.now, effects)
        if received.place is not None:
            secret = source.secrets[received.place]
            key = request.settings.secret_key
            count_use(effects.counts, source.name, secret, received.place, key, request.now)
        effects.export_trace(received, source)
        status = 500  # the server's answer if rendering a page fails
        try:
            answer = request.answers.answer_received(received)
            status = answer.status
        finally:
            log_request(source, request.config, request.started, effects, received, status)
        return answer
