"""Receive requests in a test: the core with a store of the test's, and the HTTP edge without a
server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bridge.config.settings import Settings
from bridge.core.http_messages import Request
from bridge.core.model import Reject
from bridge.core.rate_limits import Rate
from bridge.ingest.effects import OfflineEffects, PreparedRequest
from bridge.ingest.forms.attachments import digest
from bridge.ingest.forms.spam.check import SpamCheck
from bridge.ingest.ports import Arrivals, Replan, StoredEvent
from bridge.ingest.receive import Received, build_answer, prepare
from bridge.providers.model import Reply
from bridge.providers.signatures.key_source import NO_KEYS
from bridge.routing.model import Config, Source
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound.arrivals import AddedEvent
from bridge.system.ids import event_id
from bridge.web.app import Hooks
from bridge.web.app_context import AppContext
from bridge.web.receiving.body_reader import BodyReader
from bridge.web.receiving.dry_run import DryRunEffects
from bridge.web.receiving.effects import make_effects
from bridge.web.receiving.process_resources import ProcessResources, RefusalCounter, RejectRecorder
from bridge.web.receiving.rate_limiter import RateLimiter

StoreEvents = Callable[[Arrivals, Replan], Sequence[StoredEvent]]


def receive_request(
    request: Request,
    source: Source,
    config: Config,
    keep: StoreEvents,
    now: float,
    new_id: Callable[[], str] | None = None,
) -> Received:
    """Return what the core makes of a request, its events stored by `keep`."""
    effects = StoringEffects(keep=keep, new_id=lambda at: new_id() if new_id else event_id(at))
    return receive(request, source, config, effects, now)


@dataclass(frozen=True, kw_only=True)
class StoringEffects(OfflineEffects):
    """Effects that store events by a function of the test's."""

    keep: StoreEvents

    def store(self, prepared: PreparedRequest) -> Sequence[StoredEvent]:
        return self.keep(prepared.arrivals, prepared.replan)


def receive(
    request: Request, source: Source, config: Config, effects: StoringEffects, now: float
) -> Received:
    """Turn a request into stored events, and return its answer."""
    prepared = prepare(request, source, config, effects, now)
    if isinstance(prepared, Received):
        return prepared
    return build_answer(prepared, effects.store(prepared))


def keep_nothing(arrivals: Any, _replan: object) -> list[AddedEvent]:
    return [AddedEvent(event.id, tuple(deliveries)) for event, deliveries in arrivals]


class Unlimited:
    """Lets everything through."""

    def wait(self, _limits: Sequence[tuple[str, Rate]], _now: float) -> float:
        return 0.0


@dataclass(frozen=True)
class Unlearning:
    """No source learns its secret."""

    enrols: bool = False

    def apply(self, _request: Request, source: Source, _now: float) -> Reply | Source:
        return source


@dataclass(frozen=True)
class Storage:
    """Stores events by a function, and rejects nowhere."""

    keep: StoreEvents

    def add(self, prepared: PreparedRequest) -> Sequence[StoredEvent]:
        return self.keep(prepared.arrivals, prepared.replan)

    def add_reject(self, _reject: Reject) -> None:
        pass

    def is_low(self) -> bool:
        return False


def hooks_of(
    settings: Settings,
    config: Callable[[], Config],
    keep: StoreEvents = keep_nothing,
    *,
    limiter: Any = None,
    intake: BodyReader | None = None,
    **made: Any,
) -> Hooks:
    """Return the HTTP edge, whose events `keep` stores.

    `made`: properties of its `ProcessResources`, in place of the real ones.
    """
    context = AppContext(
        settings=settings, config=config, database=Database.of(settings), wake=lambda: None
    )
    storage: Any = Storage(keep)
    resources = ProcessResources(
        context=context,
        storage=storage,
        blobs=BlobStore.of(settings),
        limiter=limiter or Unlimited(),
        wake_workers=lambda: None,
        secret_key="k" * 32,
    )
    check = SpamCheck(secret_key="k" * 32, solve=lambda *_: None, repeated=lambda _: None)
    given = {
        "keys": NO_KEYS,
        "learning": Unlearning(),
        "refusals": RefusalCounter(lambda _: None),
        "rejects": RejectRecorder(storage.add_reject, RateLimiter()),
        "spam_check": check,
        "store_file": digest,
    }
    vars(resources).update(given | made)
    return Hooks(
        settings=settings,
        config=config,
        effects=partial(make_effects, resources),
        dry_run=lambda: DryRunEffects(keys=resources.keys, learning=resources.learning),
        intake=intake or BodyReader(),
    )
