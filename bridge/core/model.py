"""The words of the product as frozen records, and the legal transitions of a delivery. Pure.

Times are float seconds since the epoch (UTC) and are named `*_at`; spans are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

JSON = Any  # what orjson.loads can return


class Status(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"  #: waits for its time and a slot
    SENDING = "sending"  #: leased by a worker
    #: the platform accepted it (and gave a run id); says nothing of how the run ended
    DELIVERED = "delivered"
    UNKNOWN = "unknown"  #: an attempt left and no answer came: a run may exist
    DEAD = "dead"  #: given up, with a reason
    BLOCKED = "blocked"  #: waits for an earlier delivery of its ordering key
    CANCELLED = "cancelled"  #: taken out of the queue, by a person or merged into a later one
    SHADOW = "shadow"  #: planned by a shadow route; never sent


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.SENDING, Status.CANCELLED}),
    Status.SENDING: frozenset({Status.DELIVERED, Status.UNKNOWN, Status.QUEUED, Status.DEAD}),
    Status.UNKNOWN: frozenset({Status.DELIVERED, Status.QUEUED, Status.DEAD}),
    Status.DELIVERED: frozenset({Status.QUEUED, Status.DEAD}),
    # dead: it was parked, and its turn has come
    Status.BLOCKED: frozenset({Status.QUEUED, Status.CANCELLED, Status.DEAD}),
    # a person's retry; cancelled: it held its key
    Status.DEAD: frozenset({Status.QUEUED, Status.BLOCKED, Status.CANCELLED}),
    Status.CANCELLED: frozenset({Status.QUEUED, Status.BLOCKED}),  # a person's retry
    Status.SHADOW: frozenset(),
}


class DeadKind(StrEnum):
    """What has to be fixed about a dead delivery. The values are those of the database; people and
    programs read `word`.
    """

    OURS = "ours"  #: an expression, a schema, the configuration: fix routes.yaml, then replay
    #: the platform refused it, or its run failed: retry once it would be accepted
    PLATFORM = "platform"
    PERSON = "person"  #: a person gave it up

    @property
    def word(self) -> str:
        """The word for it in listings, filters and JSON: config, platform or manual."""
        return {"ours": "config", "person": "manual"}.get(self.value, self.value)

    @classmethod
    def of_word(cls, word: str) -> DeadKind:
        """Return the kind of a word; the values of the database are accepted too. `ValueError` for
        any other.
        """
        return cls({"config": "ours", "manual": "person"}.get(word, word))


class RunState(StrEnum):
    """Where a run stands, whatever its platform calls it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    TERMINATED = "terminated"


RUN_ENDED = frozenset({RunState.DONE, RunState.FAILED, RunState.TERMINATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """A file of a form: the field it came in, its name and type, and the bytes, which are the blob
    of that digest.

    `name` is the last part of what the sender called it; `type` is told by the bytes, never by the
    sender.
    """

    field: str
    name: str
    type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a body says. `form` is the same object as `value` for form posts, else null; `problem`
    says why it cannot be read.

    `files`: what came with it, in order. Those of a form source are kept; those of other senders
    are in their body, which stays as it is.
    """

    value: JSON = None
    form: Mapping[str, JSON] | None = None
    files: tuple[FormFile, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One verified inbound request, verbatim but for static credentials, which are masked.
    `body_sha256` is that of what was sent.
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
    sender_retry: int | None = None  # which of the sender's own tries it was, where it says so
    files: tuple[FormFile, ...] = ()  # what a form was sent with; `body` is without their bytes
    # why it is held to be spam: nothing is planned of it until a person says that it is not
    spam: str | None = None
    client: str | None = None  # a form's: who sent it, as far as its `addresses` has that kept


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how far apart a delivery is tried: at most `attempts` calls, waits from `first`
    up to `max` seconds.
    """

    attempts: int = 12
    first: float = 5.0
    max: float = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A delivery's place in line: of those of its route with the same `key`, one goes at a time, in
    the order they came.

    The next goes once its run has ended, or already once it is `delivered` (`until`). A dead one
    lets the next pass, or with `blocks` holds the key until a person retries or cancels it.
    """

    key: str
    until: str = "run_end"
    blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Debounce:
    """A delivery that waits for later ones: one of its route with the same `key` takes its place,
    but none waits beyond `until`.
    """

    key: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A bounded copy of a request that failed verification: it starts nothing unless it is verified
    again.

    `reason` is BadSignature's word. `cut`: the body was too large, and only its beginning is here.
    Static credentials are masked.
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

    `inputs` is the object of input values, or, where `whole_body` is true, the whole payload for a
    Webhook Input node. `reruns`: how many of its runs failed and were followed by another.
    `holds_key`: those behind it in line wait for it. `evidence`: what the platform's list of runs
    said, while its outcome was unknown; `look_at`: when that list is read next, null where a person
    settles it.
    `unsealable`: why what was in it cannot be read any more; then it is not sent.
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
    """One HTTP call made for a delivery. Written before the call (`outcome` null), completed after
    it.

    `run_state`, `run_finished_at`, `outputs`, `log`: how its run ended, where another followed it.
    `late_at`: when its answer came and told of a run, and the delivery had gone on without it; null
    once a person has acted on the delivery.
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


class Kind(StrEnum):
    """What an attempt came to."""

    STARTED = "started"
    REFUSED = "refused"  #: it certainly did not start, and trying again may help
    #: it certainly did not start because the platform is full; spends no attempt
    THROTTLED = "throttled"
    #: it certainly did not start because the platform refused our credentials; spends no attempt
    UNAUTHORIZED = "unauthorized"
    REJECTED = "rejected"  #: it certainly did not start, and trying again cannot help
    UNKNOWN = "unknown"  #: it may have started


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A platform's answer to a start, read. `run_id` and `run_url` only where it started and the
    platform has runs.

    `ours`: it says nothing of the platform, since it was us who did not see the call to its end.
    `made`: whether there was a call at all; else it spends no attempt. `saved_item_id`: the flow
    that the platform names as started, null where it names none. `held`: only a person can tell
    what became of the start: the bridge neither repeats it nor looks for its run.
    """

    kind: Kind
    detail: str = ""
    run_id: str | None = None
    run_url: str | None = None
    retry_after: float | None = None
    status_code: int | None = None
    ours: bool = False
    made: bool = True
    saved_item_id: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A platform's answer to "how is this run?". `state` is null where it did not tell (then
    `detail` says why).
    """

    state: RunState | None
    raw_state: str | None = None
    outputs: JSON = None
    log: tuple[str, ...] = ()
    created_at: float | None = None
    finished_at: float | None = None
    detail: str = ""
    gone: bool = False  #: the platform says that it has no such run
