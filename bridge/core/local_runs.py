"""The records of the embedded local platform: its flows, their runs and their files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.core.model import JSON


class LocalState(StrEnum):
    """Where a run of the embedded platform stands, in the words of the flow API."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    DONE = "DONE"
    FAILED = "FAILED"
    TERMINATED = "TERMINATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run of the embedded local platform ended: DONE, FAILED or TERMINATED. `outputs` is an
    object, never null.
    """

    state: LocalState
    outputs: Mapping[str, JSON] = field(default_factory=dict)
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """One Input node: a parameter of the function. `type` is the annotation as text, empty where
    there is none.

    `kind`: `text` takes any JSON value, `file` the name of an uploaded file, `body` the whole body
    of the start as one string.
    """

    name: str
    type: str
    required: bool
    default: JSON = None
    kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFlow:
    """What is known of a flow of the embedded platform without its code. Times in seconds, memory
    in bytes; null: the default.
    """

    id: str
    workbook: str  # where it comes from: `ready-made`, or the file's name
    description: str = ""
    inputs: tuple[Input, ...] = ()
    takes_any: bool = False
    idempotent: bool = False
    time_limit: float | None = None
    memory: int | None = None
    created_at: float = 0.0


#: What the names of uploaded files begin with that are files of an event: its id.
OF_EVENT = "evt_"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file that was uploaded (`run_id` is empty) or kept by a run. Its bytes are the blob of that
    digest.
    """

    user_id: str
    name: str
    sha256: str
    size: int
    created_at: float
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """One run of the embedded local platform, as its store keeps it. `inputs` is the JSON text it
    was started with.

    `body` is the whole body of the start as text, kept only for flows with an input of that kind.
    `unsealable`: why what was in it cannot be read any more; then it is not begun.
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
    unsealable: str | None = None
