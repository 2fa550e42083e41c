"""Records of the local platform: flows, runs and files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bridge.core.model import JSON


class LocalState(StrEnum):
    """States of a local run, as in the flow API."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    DONE = "DONE"
    FAILED = "FAILED"
    TERMINATED = "TERMINATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Result of a local run: DONE, FAILED or TERMINATED. `outputs` is an object, never null."""

    state: LocalState
    outputs: Mapping[str, JSON] = field(default_factory=dict)
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """One Input node: a parameter of the flow's function.

    `type` is the annotation as text, empty without one. `kind`: `text` takes any JSON value, `file`
    the name of an uploaded file, `body` the whole body of the start as one string.
    """

    name: str
    type: str
    required: bool
    default: JSON = None
    kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFlow:
    """Description of a local flow, without its code.

    Times are in seconds, memory is in bytes; null is the default.
    """

    id: str
    workbook: str  # its origin: `ready-made`, or the file's name
    description: str = ""
    inputs: tuple[Input, ...] = ()
    takes_any: bool = False
    idempotent: bool = False
    time_limit: float | None = None
    memory: int | None = None
    created_at: float = 0.0


#: What the local platform's list of inputs says beside the names of the public API: in the
#: description of an input, and as a key of the answer.
REQUIRED: Final = "required"
WHOLE_BODY: Final = "the whole body of the start"
TAKES_ANY: Final = "takes_any"

#: The `workbook` of the flows that come with flowbridge.
READY_MADE = "ready-made"

#: Prefix of the names of uploaded files that belong to an event: names begin with its id.
EVENT_FILE_PREFIX = "evt_"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file that was uploaded (empty `run_id`) or saved by a run. `sha256` names its blob."""

    user_id: str
    name: str
    sha256: str
    size: int
    created_at: float
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """One stored run of the local platform. `inputs` is the JSON text it was started with.

    `body` is the whole body of the start as text, stored only for flows with an input of that kind.
    `unsealable`: why its content cannot be decrypted; such a run is not started.
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
