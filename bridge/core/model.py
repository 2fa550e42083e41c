"""Frozen records of events, deliveries, attempts and runs, and the legal status transitions. Pure.

Times are float seconds since the epoch (UTC) and are named `*_at`; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bridge.core.records import record

JSON = Any  # what orjson.loads can return
#: the source of flowbridge's own alerts; it has no URL, so it accepts no requests
OWN_SOURCE_NAME: Final = "flowbridge"


class Status(StrEnum):
    """Statuses of a delivery."""

    QUEUED = "queued"  #: waits for its time and a slot
    SENDING = "sending"  #: leased by a worker
    #: accepted by the platform (with a run id); the run may still fail
    DELIVERED = "delivered"
    UNKNOWN = "unknown"  #: a call was sent and no answer came: a run may exist
    DEAD = "dead"  #: given up, with a reason
    BLOCKED = "blocked"  #: waits for an earlier delivery of its ordering key
    CANCELLED = "cancelled"  #: removed from the queue by a person, or merged into a later one
    SHADOW = "shadow"  #: planned by a shadow route; never sent


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.SENDING, Status.CANCELLED}),
    Status.SENDING: frozenset({Status.DELIVERED, Status.UNKNOWN, Status.QUEUED, Status.DEAD}),
    Status.UNKNOWN: frozenset({Status.DELIVERED, Status.QUEUED, Status.DEAD}),
    Status.DELIVERED: frozenset({Status.QUEUED, Status.DEAD}),
    # dead: it was parked, and it is first in its queue now
    Status.BLOCKED: frozenset({Status.QUEUED, Status.CANCELLED, Status.DEAD}),
    # queued, blocked: a person's retry; cancelled: it held its key
    Status.DEAD: frozenset({Status.QUEUED, Status.BLOCKED, Status.CANCELLED}),
    Status.CANCELLED: frozenset({Status.QUEUED, Status.BLOCKED}),  # a person's retry
    Status.SHADOW: frozenset(),
}


class DeadKind(StrEnum):
    """Categories of dead deliveries, by what a person has to fix.

    The values are those of the database; people and programs read `word`.
    """

    OURS = "ours"  #: an expression, schema or setting failed: fix routes.yaml, then replay
    #: the platform refused it, or its run failed: retry once the platform accepts it
    PLATFORM = "platform"
    PERSON = "person"  #: a person gave it up

    @property
    def word(self) -> str:
        """The name in listings, filters and JSON: config, platform or manual."""
        return {"ours": "config", "person": "manual"}.get(self.value, self.value)

    @classmethod
    def of_word(cls, word: str) -> DeadKind:
        """Return the kind for a word or a database value. Raise ValueError for any other."""
        return cls({"config": "ours", "manual": "person"}.get(word, word))


class RunState(StrEnum):
    """States of a run, the same for every platform."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TERMINATED = "terminated"


RUN_ENDED = frozenset({RunState.DONE, RunState.FAILED, RunState.TERMINATED})
FAILED_RUN_STATES = (RunState.FAILED, RunState.TERMINATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """A file of a form submission: its field, name, media type and size. Its bytes are a blob.

    `name` is the last part of the sender's file name. `type` is detected from the bytes; the
    sender's own media type is ignored. `sha256` is the digest of the blob.
    """

    field: str
    name: str
    type: str
    size: int
    sha256: str


@record
class Body:
    """The parsed body of a request.

    For form posts `form` is the same object as `value`, else null. `problem` says why the body
    cannot be read. `files` are in the order of the body. Files of form sources are stored as blobs;
    files of other senders stay in the stored body.
    """

    value: JSON = None
    form: Mapping[str, JSON] | None = None
    files: tuple[FormFile, ...] = ()
    problem: str | None = None


@record
class Event:
    """One verified inbound request, unchanged but for masked static credentials.

    `body_sha256` is the digest of the body as it was sent.
    """

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
    sender_retry: int | None = None  # the number of the sender's own retry, if it sends one
    files: tuple[FormFile, ...] = ()  # files of a form; `body` is without their bytes
    # why it is marked as spam: it starts nothing until a person releases it
    spam: str | None = None
    client: str | None = None  # the address of a form's sender, as its `addresses` stores it


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry policy: at most `attempts` calls, with waits from `first` up to `max` seconds."""

    attempts: int = 12
    first: float = 5.0
    max: float = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Ordering of a delivery: deliveries of a route with the same `key` go one at a time, oldest
    first.

    The next goes once the run of the one before has ended, or once that one is `delivered`
    (`until`). A dead delivery lets the next pass; with `blocks` it holds the key until a person
    retries or cancels it.
    """

    key: str
    until: str = "run_end"
    blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Debounce:
    """Debouncing: a later delivery of the route with the same `key` replaces this one.

    No delivery waits beyond `until`.
    """

    key: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A bounded copy of a request that failed verification. It starts nothing unless it is
    readmitted.

    `reason` is the reason of `BadSignature`. With `cut` the body was too large, and only its
    beginning is stored. Static credentials are masked. `readmitted_at`: when a person readmitted
    it, as the events `event_ids`.
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


@record
class Delivery:
    """One event to be sent to one flow through one route, with every decision of the planner.

    `inputs` is the object of input values or, with `whole_body`, the whole payload for a Webhook
    Input node. `reruns`: how many of its runs failed and were followed by another. `holds_key`:
    later deliveries of its ordering key wait for it. `evidence`: what the platform's list of runs
    said while the outcome was unknown. `look_at`: when that list is read next; null where a person
    decides. `unsealable`: why its content cannot be decrypted; such a delivery is not sent.
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
    dead_kind: DeadKind | None = None
    on_unknown: str = "hold"
    on_run_failed: str = "ignore"
    run_retries: int = 0
    run_timeout: float = 3600.0
    order: Order | None = None
    holds_key: bool = False
    debounce: Debounce | None = None
    merged_into: str | None = None
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
    reruns: int = 0
    evidence: JSON = None
    look_at: float | None = None
    lease: str | None = None
    unsealable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP call for a delivery, written before the call (null `outcome`) and completed after
    it.

    `run_state`, `run_finished_at`, `outputs` and `log` describe its run, where another run
    followed. `late_at`: when a late answer named a run after the delivery had gone on without it;
    null once a person has acted on the delivery.
    """

    delivery_id: str
    number: int
    started_at: float
    finished_at: float | None = None
    outcome: str | None = None
    status_code: int | None = None
    detail: str | None = None
    run_id: str | None = None
    run_state: RunState | None = None
    log: tuple[str, ...] = ()
    run_finished_at: float | None = None
    outputs: JSON = None
    late_at: float | None = None
