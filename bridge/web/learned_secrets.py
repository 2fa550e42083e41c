"""Sources whose secret the sender tells: who is taught, by what, and what is known since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bridge.core.http_messages import Request
from bridge.core.json_limits import MAX_TEST
from bridge.ingest.source_bodies import read_body
from bridge.providers.model import Lesson, Probe, Reply
from bridge.providers.signatures.scheme import Secret
from bridge.routing.model import Source
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import learned_secrets
from bridge.store.inbound.learned_secrets import Learned
from bridge.system.logs import get_logger

log = get_logger()


@dataclass(frozen=True, slots=True)
class Learning:
    """Teaches sources and adds what they learned to their secrets. `sealer` is asked when it is
    needed.

    One that does not teach only knows: a lesson is to it a request like any other.
    """

    database: Database
    sealer: Callable[[], Sealer]
    teaches: bool = True

    def apply(self, request: Request, source: Source, now: float) -> Reply | Source:
        """Return the answer to a request that teaches the secret, else the source as it has
        learned.
        """
        if source.provider.learn is None:
            return source
        known = self.known(source)
        return self.taught(request, source, known, now) or self.knowing(source, known)

    def known(self, source: Source) -> Learned:
        """Return what is kept of a source."""
        return learned_secrets.find(self.database, source.name)

    def taught(self, request: Request, source: Source, kept: Learned, now: float) -> Reply | None:
        """Return the answer to a request that teaches the source its secret, None for any other;
        once, and only while it may learn.
        """
        if (
            not self.teaches
            or kept.until is None
            or kept.until < now
            or (lesson := lesson_of(request, source)) is None
        ):
            return None
        if not learned_secrets.teach(
            self.database,
            source.name,
            learned_secrets.seal(self.sealer(), source.name, lesson.secret),
            now,
        ):
            return None
        log.info("learned", source=source.name)
        return lesson.reply

    def knowing(self, source: Source, kept: Learned) -> Source:
        """Return the source with the secret that it learned."""
        secret = (
            learned_secrets.opened(self.sealer(), source.name, kept.sealed) if kept.sealed else None
        )
        if kept.sealed and secret is None:
            log.error("learned_secret_sealed", source=source.name)
        return replace(source, secrets=(*source.secrets, Secret(secret))) if secret else source


def lesson_of(request: Request, source: Source) -> Lesson | None:
    """Return what a request would teach."""
    if source.provider.learn is None or len(request.body) > MAX_TEST:
        return None
    body = read_body(source, request.headers.get("content-type", ""), request.body)
    return source.provider.learn.read(Probe(request, body.value))
