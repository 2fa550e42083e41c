"""`/hooks/<source>`: the HTTP edge of `receive`.

It is a WSGI application in front of Flask: nearly all requests come here, and none needs what Flask
prepares for a view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bridge.config.settings import Settings
from bridge.core.errors import BadSignature, Refused, StoreError
from bridge.core.http_messages import Request
from bridge.core.typos import find_close_name
from bridge.ingest.receive import Received, receive
from bridge.ingest.redaction import add_keys
from bridge.monitoring.metrics import OTHER, REFUSED, UNVERIFIED
from bridge.monitoring.secret_use import count_use
from bridge.providers.model import Reply
from bridge.routing.model import Config, Source
from bridge.web import dry_run
from bridge.web.body_reader import BodyReader
from bridge.web.client_ip import client_address
from bridge.web.dry_run import is_dry_run
from bridge.web.dry_run_effects import DryRunEffects
from bridge.web.effects import HookEffects
from bridge.web.forms import responses
from bridge.web.forms.hidden_fields import AntiSpamFields, MakeAntiSpamFields
from bridge.web.forms.request import form_request_of
from bridge.web.hook_messages import StartResponse, read_request, write_refusal, write_reply
from bridge.web.hook_records import count_events, finish_request, record_refusal
from bridge.web.learned_secrets import read_lesson

PREFIX = "/hooks/"
DRY_RUN_VARIABLE = f"HTTP_{dry_run.HEADER.upper().replace('-', '_')}"
MAX_SOURCE_NAME_LENGTH = 63  # characters of a source's name
UNKNOWN_SOURCE = Refused(404, "unknown_source", "no such source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The WSGI application that receives webhooks and forms under `/hooks/`.

    `effects` returns the effects of one request, `dry_run` those of a dry run. `parts` returns the
    anti-spam fields of a form that is shown again.
    """

    settings: Settings
    config: Callable[[], Config]
    effects: Callable[[dict[str, Any]], HookEffects]
    dry_run: Callable[[], DryRunEffects]
    parts: MakeAntiSpamFields = lambda *_: AntiSpamFields()
    intake: BodyReader = field(default_factory=BodyReader)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request under `/hooks/`."""
        started = time.monotonic()
        config = self.config()
        effects = self.effects(environ)
        name = environ["PATH_INFO"][len(PREFIX) :].rstrip("/")
        source = config.sources.get(name)
        if source is None:
            effects.counts.add(REFUSED, OTHER, "404")
            near = find_close_name(name[:MAX_SOURCE_NAME_LENGTH], config.sources)
            effects.log.info("unknown_source", source=name[:MAX_SOURCE_NAME_LENGTH], near=near)
            return write_refusal(UNKNOWN_SOURCE, start_response)
        if source.form is not None:
            asking = form_request_of(environ, source.form, self.settings.public_url)
            take = partial(self._take, environ, source, config, effects)
            note = partial(record_refusal, source, effects)
            finish = partial(finish_request, source, config, started, effects)
            response = responses.answer(source, asking, self.parts, take, note, finish)
            return response(environ, start_response)
        if is_dry_run(environ.get(DRY_RUN_VARIABLE, ""), self.settings.secret_key, source.name):
            return self._try_out(environ, source, config, start_response, started)
        try:
            received = self._take(environ, source, config, effects)
            finish_request(source, config, started, effects, received, received.reply.status)
            return write_reply(received.reply, start_response)
        except Refused as refused:
            if refused.status == 401 and source.provider.bare_refusal:
                return write_reply(Reply(401, "text/plain"), start_response)
            return write_refusal(refused, start_response)

    def _try_out(
        self,
        environ: dict[str, Any],
        source: Source,
        config: Config,
        start_response: StartResponse,
        started: float,
    ) -> Iterable[bytes]:
        """Process a request without storing anything: see `DryRunEffects`."""
        effects = self.dry_run()
        noted = {dry_run.HEADER: dry_run.DONE}
        try:
            received = self._take(environ, source, config, effects)
            finish_request(source, config, started, effects, received, received.reply.status)
            return write_reply(received.reply, start_response, noted)
        except Refused as refused:
            refused.headers |= noted
            return write_refusal(refused, start_response, effects.said)

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
        source = add_keys(source, self.settings.secret_key, seals=seals)
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
            effects.log.error("event_not_stored", source=source.name, error=str(error))
            headers = {"Retry-After": "5"}
            message = "the event could not be stored; send it again"
            raise Refused(503, "store_failed", message, headers=headers) from error
        except Refused:
            raise
        except Exception as bug:
            effects.log.error("internal_error", source=source.name, exc_info=bug)
            raise Refused(500, "internal_error", "an unexpected error occurred") from bug
        count_events(received, source, time.time() - now, effects)
        if received.place is not None:
            secret = source.secrets[received.place]
            count_use(
                effects.counts, source.name, secret, received.place, self.settings.secret_key, now
            )
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
    if read_lesson(request, source) is None:  # an enrolment request holds a secret
        stored = effects.record_reject(request, source, bad.reason, now, config.sources.values())
    if bad.reason == "no_key":  # not the sender's fault: a retry may succeed
        if effects.may_log_refusal(source, "no_key", now):
            effects.log.error("no_key", source=source.name)
        message = "the sender's public keys could not be fetched; send it again"
        return Refused(503, "no_key", message, headers={"Retry-After": "60"})
    effects.log_reject(
        source=source.name, reason=bad.reason, client=request.client, reject_id=stored
    )
    return Refused(401, "unauthorized", "the request could not be verified")


def _without_secret(source: Source, effects: HookEffects) -> Refused:
    if effects.may_log_refusal(source, "no_secret", time.time()):
        effects.log.error("no_secret", source=source.name, missing=source.missing)
    message = "this source is not fully configured; send it again later"
    return Refused(503, "no_secret", message, headers={"Retry-After": "60"})
