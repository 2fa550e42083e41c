"""Values that the endpoints of the API use, and one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.core.audit import AuditAction, AuditActor
from bridge.core.errors import NotFound
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.system.logs import get_logger

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.status import Overview
    from bridge.providers.signatures.key_source import KeySource
    from bridge.routing.model import Config, Source
    from bridge.services.overview.cached_overview import CachedValue
    from bridge.services.rejects import RejectReview
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

log = get_logger()
BYTES: Final = "application/octet-stream"
#: For an answer of a platform: the request holds a thread of a server meanwhile.
PLATFORM_WAIT_SECONDS: Final = 10.0
#: Below this path the admin API answers.
API_PATH: Final = "/admin/v1"


def _find_no_keys() -> KeySource:
    from bridge.providers.signatures.key_source import NO_KEYS

    return NO_KEYS


class NothingStored(NotFound):
    """There is no database: nothing was received yet."""

    def __init__(self) -> None:
        super().__init__("nothing has been received yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """Values for all requests. `config` returns the current configuration.

    `store`: the database, null where nothing was received yet. `overview`: the status of the
    bridge, as it was a short while ago. `keys` returns the source of the public keys of senders.
    """

    settings: Settings
    store: Database | None
    config: Callable[[], Config]
    overview: CachedValue[Overview]
    keys: Callable[[], KeySource] = _find_no_keys

    @property
    def database(self) -> Database:
        """The database. Raises `NothingStored` where there is none yet."""
        if self.store is None:
            raise NothingStored
        return self.store

    def check_names(self, **names: Any) -> None:
        """Raise `UnknownName` for a source, route or platform that is neither configured nor
        stored.
        """
        from bridge.services.selection import check_names  # not each process of `serve` needs it

        check_names(self.settings, self.store, config=self.config(), **names)

    def load_sources(self) -> Mapping[str, Source]:
        """Return the sources by name."""
        return self.config().sources

    def load_routes(self) -> Config:
        """Return the configuration by which events are planned again."""
        return self.config()

    def load_platforms(self) -> Config:
        """Return the configuration with what calls to its platforms need, whose answers a server
        awaits for a short time only.
        """
        config = self.config()
        return replace(
            config,
            platforms={
                name: replace(platform, timeout=min(platform.timeout, PLATFORM_WAIT_SECONDS))
                for name, platform in config.platforms.items()
            },
        )

    def make_reject_review(self, *, fetches_keys: bool = False) -> RejectReview:
        """Return the review of rejects, which may fetch keys that senders publish."""
        from bridge.services.rejects import RejectReview, complete_config

        config = complete_config(self.settings, self.database, self.config())
        return RejectReview(config, self.keys() if fetches_keys else _find_no_keys())

    @property
    def is_bounded(self) -> bool:
        """Whether a search, an operation and a call to a platform have limits."""
        return True

    @property
    def has_secrets(self) -> bool:
        """Whether the person may see a secret that a source received."""
        return False

    def track(self, total: int) -> AbstractContextManager[Callable[[int], None]]:  # noqa: ARG002 - see `LocalContext`
        """Yield the function that counts events that were planned, of so many."""
        return nullcontext(lambda _: None)

    def note_search(self, filters: Filters, *, of_deliveries: bool) -> None:
        """Note that bodies will be searched, which may take long."""

    def hold_lock(self, name: str) -> AbstractContextManager[bool]:  # noqa: ARG002 - see below
        """Hold a lock that the processes of a machine share; false where it is taken.

        A process that answers one person's command has no rivals.
        """
        return nullcontext(True)

    def wait_in_place(self) -> AbstractContextManager[bool]:
        """Let a request wait for others, until the end of the block; false where too many wait."""
        return nullcontext(True)

    def log_change(self, request: ApiRequest, change: AuditAction, subject: str | None) -> None:
        """Log a change of something that is no record of an event."""
        log.info(
            "admin_change",
            change=change.value,
            subject=subject,
            actor=request.actor,
            token=request.token,
        )

    def read_overview(self, *, with_contents: bool) -> Overview:
        """Return the status of the bridge; without contents it has no answers of platforms."""
        now = self.overview.get()
        if with_contents:
            return now
        from bridge.services.overview import redacted_overview

        return redacted_overview.hide_answers(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One authenticated request.

    `values` are its query parameters by name, `texts` the same as they were given, and `ids` the
    parts of its path. `token`: the name of the token, and `token_id` its id; both are empty for a
    command on the bridge's own machine. `actor`: the name to record with a change, and `client` the
    address of the client. `body`: the validated body, null where the endpoint takes none.
    `idempotency_key`: the header of a request that may be repeated.
    """

    token: str
    token_id: str
    actor: str
    scopes: frozenset[Scope]
    values: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    idempotency_key: str | None = None
    client: str | None = None

    @property
    def by(self) -> AuditActor:
        """The actor for the audit log."""
        return AuditActor(self.actor, self.client)

    @property
    def with_contents(self) -> bool:
        """Whether the token may see contents of payloads."""
        return Scope.BODIES in self.scopes


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer of bytes, for a download: its file name and its media type."""

    content: bytes
    file_name: str
    media_type: str = BYTES


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """A JSON answer with another status than the endpoint's first, or with headers."""

    body: Mapping[str, JSON]
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Mapping[str, JSON] | RawAnswer | StatusAnswer
