"""Records of a platform's flows, inputs, run lists and kills. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, TypeVar

from bridge.core.http_messages import Answer, Call
from bridge.core.status import Outcome, RunReport

if TYPE_CHECKING:
    from bridge.routing.model import Platform

NO_RUNS: Final = "this platform has no runs"
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFlow:
    """A saved flow in the platform's list. `id` is its saved_item_id."""

    id: str
    name: str = ""
    description: str = ""
    created_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNode:
    """An Input node of a flow.

    `type` is the platform's name: `string` or `file`. Known for the local platform only: whether
    it is `required`, and the `annotation` of its parameter, empty without one.
    """

    name: str
    type: str = ""
    annotation: str | None = None
    description: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run in the list of a flow's newest runs. Fields that are not in the list are None."""

    id: str
    saved_item_id: str
    report: RunReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A list from a platform. `items` is None if the call failed; then `detail` says why.

    `unknown`: the platform does not have the flow. `takes_any`: the flow whose inputs these are may
    take others too. `unread`: the number of entries that could not
    be read, `told_at`: the time by the platform's clock, both of lists of runs only. `status_code`:
    that of the answer, where it is known.
    """

    items: tuple[T, ...] | None
    detail: str = ""
    unknown: bool = False
    takes_any: bool = False
    unread: int = 0
    told_at: float | None = None
    status_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """A platform's answer to a call that ends a run.

    `accepted`: the platform will end it. The state of the run shows when it has ended.
    """

    accepted: bool
    detail: str = ""
    gone: bool = False  #: the platform does not have the run


@dataclass(frozen=True, slots=True)
class PlatformCall(Generic[P, T]):
    """Two pure functions: one builds the call, one reads the answer."""

    build: Callable[P, Call]
    read: Callable[[Answer], T]


@dataclass(frozen=True, slots=True)
class UploadCall:
    """Two pure functions: one builds the call that uploads (name, bytes), one reads the answer.

    The second also gets the time. It returns the name by which inputs refer to the file, or the
    outcome of a failed upload.
    """

    build: Callable[[Platform, str, bytes], Call]
    read: Callable[[Answer, float], str | Outcome]
