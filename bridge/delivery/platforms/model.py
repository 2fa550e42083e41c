"""Records of a platform's flows, inputs, run lists and kills. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, ParamSpec, TypeVar

from bridge.core.http_messages import Answer, Call
from bridge.core.model import Outcome, RunReport
from bridge.routing.model import Platform

NO_RUNS: Final = "this platform has no runs"
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFlow:
    """A saved flow as its platform lists it. `id` is its saved_item_id; `created_at` is null where
    the platform does not tell.
    """

    id: str
    name: str = ""
    description: str = ""
    created_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNode:
    """One Input node of a flow. `type` is the platform's word for it: `string` or `file`.
    `required`: known of the local platform only.
    """

    name: str
    type: str = ""
    description: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run in the list of a flow's newest; what is not told of it is null in its report."""

    id: str
    saved_item_id: str
    report: RunReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """A platform's answer to a question for a list. `items` is null where it did not tell; then
    `detail` says why.

    `unknown`: the platform says that it has not what was asked about. `unread`: entries that could
    not be read; `told_at`: what time it was by the platform's clock; `status_code`: that of the
    answer, null where there was none. These three are told of runs only.
    """

    items: tuple[T, ...] | None
    detail: str = ""
    unknown: bool = False
    unread: int = 0
    told_at: float | None = None
    status_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """A platform's answer to "end this run". `accepted` says that it will end it; whether it has
    ended is for its state to say.
    """

    accepted: bool
    detail: str = ""
    gone: bool = False  #: the platform says that it has no such run


@dataclass(frozen=True, slots=True)
class PlatformCall(Generic[P, T]):
    """Two pure functions: one builds the call, one reads the answer."""

    build: Callable[P, Call]
    read: Callable[[Answer], T]


@dataclass(frozen=True, slots=True)
class UploadCall:
    """Two pure functions: one builds the call that uploads (name, bytes), one reads by what name
    inputs call the file then.

    The second gets the time, too, and returns an outcome where the file was not taken.
    """

    build: Callable[[Platform, str, bytes], Call]
    read: Callable[[Answer, float], str | Outcome]
