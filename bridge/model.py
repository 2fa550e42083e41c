"""The words of the product as frozen records, and the legal transitions of a delivery. Pure.

Times are float seconds since the epoch (UTC) and are named `*_at`; spans are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JSON = Any  # what orjson.loads can return


class Status(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"  #: waits for its time and a slot
    SENDING = "sending"  #: leased by a worker
    DELIVERED = "delivered"  #: the platform accepted it (and gave a run id); says nothing of how the run ended
    UNKNOWN = "unknown"  #: an attempt left and no answer came: a run may exist
    DEAD = "dead"  #: given up, with a reason
    BLOCKED = "blocked"  #: waits for an earlier delivery of its ordering key
    CANCELLED = "cancelled"  #: a person took it out
    SHADOW = "shadow"  #: planned by a shadow route; never sent


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.SENDING, Status.CANCELLED}),
    Status.SENDING: frozenset({Status.DELIVERED, Status.UNKNOWN, Status.QUEUED, Status.DEAD}),
    Status.UNKNOWN: frozenset({Status.DELIVERED, Status.QUEUED, Status.DEAD}),
    Status.DELIVERED: frozenset({Status.QUEUED, Status.DEAD}),
    Status.BLOCKED: frozenset({Status.QUEUED, Status.CANCELLED}),
    Status.DEAD: frozenset({Status.QUEUED}),  # a person's retry
    Status.CANCELLED: frozenset({Status.QUEUED}),  # a person's retry
    Status.SHADOW: frozenset(),
}


class RunState(StrEnum):
    """Where a run stands, whatever its platform calls it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TERMINATED = "terminated"


RUN_ENDED = frozenset({RunState.DONE, RunState.FAILED, RunState.TERMINATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One inbound HTTP request as it came: nothing in it has been checked.

    `headers` have lower-case names; a header sent twice is one value joined by a comma, as WSGI has it. `url` is the URL the
    sender called as far as we know it: the configured public URL with path and query.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query_string: str = ""
    url: str = ""
    client: str | None = None

    @property
    def content_type(self) -> str:
        """The media type, lower-case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One verified inbound request, verbatim. Static credentials are masked in `headers` and `query_string`."""

    id: str
    source: str
    provider: str
    type: str | None
    provider_id: str | None
    received_at: float
    headers: Mapping[str, str]
    query_string: str
    body: bytes
    body_sha256: str
    config_hash: str
    problem: str | None = None
    same_body_as: str | None = None
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how far apart a delivery is tried: at most `attempts` calls, waits from `first` up to `max` seconds."""

    attempts: int = 12
    first: float = 5.0
    max: float = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A bounded copy of a request that failed verification: it starts nothing unless it is verified again.

    `reason` is BadSignature's word. `cut`: the body was too large, and only its beginning is here. Static credentials are masked.
    `readmitted_at`: when it was let in after all, as the events `event_ids`.
    """

    id: str
    source: str
    provider: str
    received_at: float
    reason: str
    method: str
    path: str
    headers: Mapping[str, str]
    query_string: str
    url: str
    body: bytes
    size: int
    cut: bool = False
    client: str | None = None
    readmitted_at: float | None = None
    event_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event bound for one flow by one route. All that planning decided is frozen here.

    `inputs` is the object of input values, or, where `whole_body` is true, the whole payload for a Webhook Input node.
    """

    id: str
    event_id: str
    route: str
    flow: str
    platform: str
    saved_item_id: str
    inputs: JSON
    status: Status
    created_at: float
    due_at: float
    config_hash: str
    whole_body: bool = False
    reason: str | None = None
    retry: Retry = Retry()
    on_unknown: str = "hold"
    run_timeout: float = 3600.0
    attempts: int = 0
    throttled: int = 0
    run_id: str | None = None
    run_url: str | None = None
    run_state: RunState | None = None
    raw_state: str | None = None
    outputs: JSON = None
    log: tuple[str, ...] = ()
    delivered_at: float | None = None
    finished_at: float | None = None
    lease: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP call made for a delivery. Written before the call (`outcome` null), completed after it."""

    delivery_id: str
    number: int
    started_at: float
    finished_at: float | None = None
    outcome: str | None = None
    status_code: int | None = None
    detail: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An outgoing HTTP request, built by a platform, not yet sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `headers` have lower-case names; `body` is cut at the sender's limit (then `truncated`)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A call without an answer. `sent` is False only where it is certain that the request never left."""

    reason: str
    sent: bool


class Kind(StrEnum):
    """What an attempt came to."""

    STARTED = "started"
    REFUSED = "refused"  #: it certainly did not start, and trying again may help
    THROTTLED = "throttled"  #: it certainly did not start because the platform is full; spends no attempt
    REJECTED = "rejected"  #: it certainly did not start, and trying again cannot help
    UNKNOWN = "unknown"  #: it may have started


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A platform's answer to a start, read. `run_id` and `run_url` only where it started and the platform has runs."""

    kind: Kind
    detail: str = ""
    run_id: str | None = None
    run_url: str | None = None
    retry_after: float | None = None
    status_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A platform's answer to "how is this run?". `state` is null where it did not tell (then `detail` says why)."""

    state: RunState | None
    raw_state: str | None = None
    outputs: JSON = None
    log: tuple[str, ...] = ()
    created_at: float | None = None
    finished_at: float | None = None
    detail: str = ""
    gone: bool = False  #: the platform says that it has no such run


class LocalState(StrEnum):
    """Where a run of the embedded platform stands, in the words of the flow API."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    DONE = "DONE"
    FAILED = "FAILED"
    TERMINATED = "TERMINATED"


LOCAL_ACTIVE = frozenset({LocalState.QUEUED, LocalState.RUNNING, LocalState.TERMINATING})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run of the embedded local platform ended: DONE, FAILED or TERMINATED. `outputs` is an object, never null."""

    state: LocalState
    outputs: Mapping[str, JSON] = field(default_factory=dict)
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """One Input node: a parameter of the function. `type` is the annotation as text, empty where there is none.

    `kind`: `text` takes any JSON value, `file` the name of an uploaded file, `body` the whole body of the start as one string.
    """

    name: str
    type: str
    required: bool
    default: JSON = None
    kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFlow:
    """What is known of a flow of the embedded platform without its code. Times in seconds, memory in bytes; null: the default."""

    id: str
    workbook: str  # where it comes from: `ready-made`, or the file's name
    description: str = ""
    inputs: tuple[Input, ...] = ()
    takes_any: bool = False
    idempotent: bool = False
    time_limit: float | None = None
    memory: int | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file that was uploaded (`run_id` is empty) or kept by a run. Its bytes are the blob of that digest."""

    user_id: str
    name: str
    sha256: str
    size: int
    created_at: float
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """One run of the embedded local platform, as its store keeps it. `inputs` is the JSON text it was started with.

    `body` is the whole body of the start as text, kept only for flows with an input of that kind.
    """

    id: str
    saved_item_id: str
    user_id: str
    inputs: str
    state: LocalState
    created_at: float
    idempotency_key: str | None = None
    body: str | None = None
    outputs: Mapping[str, JSON] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    started_at: float | None = None
    finished_at: float | None = None
