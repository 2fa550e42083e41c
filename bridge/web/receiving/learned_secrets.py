"""Secret enrolment: sources whose sender delivers the webhook secret in a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.core.http_messages import Request
from bridge.core.json_values import MAX_TEST_BYTES
from bridge.ingest.source_bodies import read_body
from bridge.providers.model import DeliveredSecret, Probe, Reply
from bridge.routing.model import Source
from bridge.services.learned_sources import add_learned_secret
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import learned_secrets
from bridge.store.inbound.learned_secrets import LearnedSecret
from bridge.system.logs import get_logger

log = get_logger()


@dataclass(frozen=True, slots=True)
class SecretEnrolment:
    """Enrols secrets of sources, and adds enrolled secrets to them. `sealer` is called when needed.

    Without `enrols` it enrols nothing: a request that carries a secret is one like any other.
    """

    database: Database
    sealer: Callable[[], Sealer]
    enrols: bool = True

    def apply(self, request: Request, source: Source, now: float) -> Reply | Source:
        """Return the answer to a request that enrols a secret, else the source with its secrets."""
        if source.provider.learn is None:
            return source
        enrolment = self.find_enrolment(source)
        return self.enrol_secret(request, source, enrolment, now) or self.with_secret(
            source, enrolment
        )

    def find_enrolment(self, source: Source) -> LearnedSecret:
        """Return the enrolment of a source."""
        return learned_secrets.find(self.database, source.name)

    def enrol_secret(
        self, request: Request, source: Source, kept: LearnedSecret, now: float
    ) -> Reply | None:
        """Enrol the secret of a request and return its answer; None for any other request.

        A source enrols one secret, and only while its enrolment is open.
        """
        if (
            not self.enrols
            or kept.until is None
            or kept.until < now
            or (lesson := read_lesson(request, source)) is None
        ):
            return None
        if not learned_secrets.store_secret(
            self.database,
            source.name,
            learned_secrets.seal(self.sealer(), source.name, lesson.secret),
            now,
        ):
            return None
        log.info("secret_learned", source=source.name)
        return lesson.reply

    def with_secret(self, source: Source, kept: LearnedSecret) -> Source:
        """Return the source with its enrolled secret."""
        return add_learned_secret(source, kept, self.sealer)


def read_lesson(request: Request, source: Source) -> DeliveredSecret | None:
    """Return the secret that a request would enrol, and the answer to it."""
    if source.provider.learn is None or len(request.body) > MAX_TEST_BYTES:
        return None
    body = read_body(source, request.headers.get("content-type", ""), request.body)
    return source.provider.learn.read(Probe(request, body.value))
