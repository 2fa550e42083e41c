"""Records of the compiled routes.yaml, built by `bridge.config`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bridge.core.locators import AnyLocator
from bridge.core.masking import Redaction
from bridge.core.model import JSON, OWN_SOURCE_NAME, Retry
from bridge.core.rate_limits import NO_LIMITS, Limits, Rate
from bridge.core.retention import DEDUP_SECONDS, DEFAULT_RETENTION, Retention
from bridge.providers.model import EventBatch, Provider
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import Unsigned
from bridge.routing.form import Form
from bridge.routing.matching.clauses import Clause
from bridge.routing.schemas.validator import Validator


class Mode(StrEnum):
    """What a route does with its deliveries: send, wait, or never send."""

    LIVE = "live"
    PAUSED = "paused"
    SHADOW = "shadow"


Context = Mapping[str, JSON]  # the roots of expressions: body headers query form fields files event
Reshape = Callable[[Context], JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A named inbound endpoint."""

    name: str
    provider: Provider
    scheme: Scheme
    secrets: tuple[Secret, ...] = ()
    insecure: bool = False
    event_type: tuple[AnyLocator, ...] = ()  # the first one with a value is used
    event_id: tuple[AnyLocator, ...] = ()
    credentials: frozenset[str] = frozenset()  # locators of values that are masked before storing
    redact: Redaction | None = None
    dedup: str = "id"
    dedup_for: float = DEDUP_SECONDS  # seconds that provider ids are stored
    batch: EventBatch | None = None  # the place of the list in a request with several events
    max_body: int = 5 * 1024 * 1024
    daily_bytes: int | None = None  # stored bodies per day (UTC); null: no limit
    max_depth: int = 100
    rate: Rate | None = None
    rate_per_address: Rate | None = None
    form: Form | None = None
    retention: Retention = DEFAULT_RETENTION
    # for digests of encrypted bodies: see `bridge.core.fingerprints`
    digest_key: str = field(default="", repr=False)
    # the secret that is not set; requests that fail verification then get 503
    missing: str | None = None
    # the minimum rate of events; a rate of 0 never alerts; null: the usual rate
    expect: Rate | None = None

    @property
    def is_public(self) -> bool:
        """Whether anyone may send to it, since requests are not verified."""
        return isinstance(self.scheme, Unsigned)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalKey:
    """A key of the local platform; `hash` is its SHA-256 in hexadecimal digits.

    `user_id` is null for the built-in user; a key with `flows` has a user of its own by default.
    `flows` are saved_item_ids, null for all.
    """

    name: str
    hash: str = field(repr=False)
    user_id: str | None = None
    flows: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform with its credentials, which a repr never shows."""

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
    overflow: str = "queue"  # of starts beyond max_concurrent_runs: queue | reject
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: str = "base64"  # how a form's file is sent: base64 | link
    file_links: float = 7 * 86400.0  # minimum seconds that a link to a form's file works
    missing: str | None = None  # the value that is not set; its deliveries wait


PLACEHOLDER_ID: Final = "echo"  # of the local flow that an import writes where it knows none


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A saved flow on a platform, by the name that routes use.

    `time_limit` is in seconds and `memory` in bytes; null: the flow's own.
    """

    name: str
    platform: str
    saved_item_id: str
    exclusive: bool = False  # only flowbridge starts it
    time_limit: float | None = None
    memory: int | None = None
    placeholder: bool = False  # of an import: it is to be replaced


DEFAULT_RETRY = Retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """A route's `order_by`: the ordering key of an event's delivery; a null key has no order."""

    key: Reshape
    until: str = "run_end"  # run_end | delivered
    blocks: bool = False  # on_dead: block


@dataclass(frozen=True, slots=True, kw_only=True)
class Debouncing:
    """A route's `debounce`: merges events of one key that follow within `wait` seconds.

    The last one is delivered, at most `max` seconds after the first. Without a `key` all events of
    the route are merged; an event whose key evaluates to null is not.
    """

    wait: float
    max: float
    key: Reshape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which events go to which flow, in what shape.

    `types` are patterns with `*`; empty means every type. `match` is null if every event matches.
    `reshape` returns the inputs, or the whole payload if `whole_body` is true. `links_files`: the
    inputs contain links to a form's files.

    A route that starts several flows has a record for each of them: they share the name, and
    `has_siblings` is true.
    """

    name: str
    source: str
    flow: Flow
    reshape: Reshape
    types: tuple[str, ...] = ()
    match: Clause | None = None
    payload_schema: Validator | None = None
    inputs_schema: Validator | None = None
    whole_body: bool = False
    links_files: bool = False
    has_siblings: bool = False
    mode: Mode = Mode.LIVE
    drop_reserved: bool = False
    retry: Retry = DEFAULT_RETRY
    on_unknown: str = "hold"
    on_run_failed: str = "ignore"  # ignore | dead | retry
    run_retries: int = 0  # with on_run_failed: retry
    run_timeout: float = 3600.0
    delay: float = 0.0
    debounce: Debouncing | None = None
    ordering: Ordering | None = None
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentFlows:
    """The missing local flows of each route.

    `held`: the routes whose local flows are all missing. All their deliveries to the local platform
    wait; of other routes, only the deliveries for the missing flows.
    """

    by_route: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The compiled routes.yaml.

    `canonical` is the JSON that `hash` was made of, without secrets. `included`: the text of each
    included file as written, by its path, if the files were read. `retention` applies to data of
    sources that are not configured (any more).
    """

    sources: Mapping[str, Source]
    routes: tuple[Route, ...]
    flows: Mapping[str, Flow]
    platforms: Mapping[str, Platform]
    hash: str
    canonical: str
    files: tuple[str, ...] = ()
    included: Mapping[str, str] = field(default_factory=dict, repr=False)
    retention: Retention = DEFAULT_RETENTION

    def routes_of(self, source: str) -> tuple[Route, ...]:
        """Return the routes fed by `source`, in file order."""
        return tuple(route for route in self.routes if route.source == source)

    @property
    def missing(self) -> dict[str, str]:
        """The value that is not set, by source and platform, as `sources.NAME`."""
        named = [
            *((f"sources.{name}", source.missing) for name, source in self.sources.items()),
            *((f"platforms.{name}", platform.missing) for name, platform in self.platforms.items()),
        ]
        return {name: missing for name, missing in named if missing is not None}

    @property
    def callable_platforms(self) -> dict[str, Platform]:
        """The platforms whose values are all set: the others would reject calls."""
        return {
            name: platform for name, platform in self.platforms.items() if platform.missing is None
        }

    def absent_flows(self, flow_ids: Collection[str]) -> AbsentFlows:
        """Return the flows of the local platform that routes use and that are not in `flow_ids`."""
        local = {name for name, platform in self.platforms.items() if platform.type == "local"}
        named: dict[str, list[str]] = {}
        for route in self.routes:
            if route.flow.platform in local and route.mode is not Mode.SHADOW:
                named.setdefault(route.name, []).append(route.flow.saved_item_id)
        absent = {
            route: [flow for flow in flows if flow not in flow_ids]
            for route, flows in named.items()
        }
        return AbsentFlows(
            by_route={route: ", ".join(flows) for route, flows in absent.items() if flows},
            held=frozenset(route for route, flows in absent.items() if flows == named[route]),
        )

    @property
    def local_platform(self) -> Platform | None:
        """The local platform; there is at most one."""
        return next(
            (platform for platform in self.platforms.values() if platform.type == "local"), None
        )

    @property
    def route_names(self) -> tuple[str, ...]:
        """The names of the routes, each once, in file order."""
        return tuple(dict.fromkeys(route.name for route in self.routes))

    def source(self, name: str) -> Source | None:
        """Return a configured source, or flowbridge's own."""
        return OWN_SOURCE if name == OWN_SOURCE_NAME else self.sources.get(name)


OWN_SOURCE: Final = Source(
    name=OWN_SOURCE_NAME,
    provider=Provider(
        name=OWN_SOURCE_NAME,
        title="flowbridge",
        scheme=None,
        secret_hint="",
        generates_secret=False,
        setup="",
        docs="",
        evidence="",
        retries="",
        samples=(),
    ),
    scheme=Unsigned(),
)
