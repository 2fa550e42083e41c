"""routes.yaml, checked and compiled, as frozen records. Pure: `config` builds them from files, the core only reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bridge.locate import Place
from bridge.model import JSON, Retry
from bridge.providers import Batch, Provider
from bridge.signatures import Scheme, Secret


class Mode(StrEnum):
    """What a route does with what it plans."""

    LIVE = "live"
    PAUSED = "paused"
    SHADOW = "shadow"


class Validator(Protocol):
    """A compiled JSON Schema."""

    def errors(self, value: JSON) -> list[tuple[str, str]]:
        """Return (path, message) of what is wrong, at most ten, in document order; empty when valid."""


Context = Mapping[str, JSON]  # the roots of expressions: body headers query form files event
Condition = Callable[[Context], bool]
Reshape = Callable[[Context], JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `count` requests in `per` seconds."""

    count: int
    per: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A named inbound endpoint."""

    name: str
    provider: Provider
    scheme: Scheme
    secrets: tuple[Secret, ...] = ()
    insecure: bool = False
    event_type: tuple[Place, ...] = ()  # the first that finds something counts
    event_id: tuple[Place, ...] = ()
    credentials: frozenset[str] = frozenset()  # locators of what is masked before it is stored
    dedup: str = "id"
    batch: Batch | None = None  # where the list stands in a request of several events
    max_body: int = 5 * 1024 * 1024
    max_depth: int = 100
    rate: Rate | None = None
    rate_per_address: Rate | None = None
    redirect: str | None = None
    allowed_origins: tuple[str, ...] = ()
    schema: Validator | None = None
    schema_document: Mapping[str, JSON] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalKey:
    """A key of the embedded platform. `hash` is the SHA-256 of the key in hexadecimal digits; the key itself is nowhere.

    `user_id` is null for the built-in user; `flows` are saved_item_ids, null for all.
    """

    name: str
    hash: str = field(repr=False)
    user_id: str | None = None
    flows: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Where flows live, with what is needed to call it. Credentials never enter a repr."""

    name: str
    type: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    user_id: str = field(default="", repr=False)
    project_id: str | None = None
    max_concurrent_runs: int = 5
    timeout: float = 30.0
    flows: str | None = None
    keys: tuple[LocalKey, ...] = ()
    overflow: str = "queue"  # what a start beyond max_concurrent_runs meets: queue | reject
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A saved flow on a platform, under the name that routes use. `time_limit` in seconds, `memory` in bytes; null: the flow's own."""

    name: str
    platform: str
    saved_item_id: str
    time_limit: float | None = None
    memory: int | None = None


DEFAULT_RETRY = Retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which events go to which flow, in what shape.

    `types` are patterns with `*`; empty means every type. `match` is null where every event matches. `reshape` gives the
    inputs, or the whole payload where `whole_body` is true.
    """

    name: str
    source: str
    flow: Flow
    reshape: Reshape
    types: tuple[str, ...] = ()
    match: Condition | None = None
    payload_schema: Validator | None = None
    inputs_schema: Validator | None = None
    whole_body: bool = False
    mode: Mode = Mode.LIVE
    drop_reserved: bool = False
    retry: Retry = DEFAULT_RETRY
    on_unknown: str = "hold"
    run_timeout: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole of routes.yaml. `canonical` is the JSON it was hashed from: before any secret was filled in."""

    sources: Mapping[str, Source]
    routes: tuple[Route, ...]
    flows: Mapping[str, Flow]
    platforms: Mapping[str, Platform]
    hash: str
    canonical: str
    files: tuple[str, ...] = ()

    def routes_of(self, source: str) -> tuple[Route, ...]:
        """Return the routes fed by `source`, in file order."""
        return tuple(route for route in self.routes if route.source == source)
