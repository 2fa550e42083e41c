"""Registry of platforms: one row per type. Pure.

A platform is two pure functions per call: one builds the request, one reads the answer. Adding one
is a file and a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from bridge.core.http_messages import Answer, Call
from bridge.core.model import Delivery
from bridge.core.status import Outcome, RunReport
from bridge.delivery.platforms import gumloop, http, local
from bridge.delivery.platforms.model import (
    InputNode,
    KillReport,
    ListedRun,
    Listing,
    PlatformCall,
    SavedFlow,
    UploadCall,
)
from bridge.delivery.polling import Polling
from bridge.routing.model import Platform

__all__ = [
    "PLATFORMS",
    "InputNode",
    "KillReport",
    "ListedRun",
    "Listing",
    "PlatformCall",
    "PlatformType",
    "Polling",
    "SavedFlow",
]


class ReadRun(Protocol):
    """Function that reads the report of a run, with the last `lines` of its log."""

    def __call__(self, answer: Answer, lines: int = ..., /) -> RunReport: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformType:
    """One type of platform.

    `idempotent`: every start has `Idempotency-Key: <delivery id>`, so it is safe to repeat.
    `on_unknown`, `base_url`: the defaults of routes.yaml. `credentials`: the setting to correct
    after a 401. The calls for runs and flows are None for a platform without runs. `upload` is None
    if files are sent in the start itself.
    """

    build_start: Callable[[Platform, Delivery], Call]
    read_start: Callable[[Answer, float], Outcome]
    build_run: Callable[[Platform, str], Call] | None = None
    read_run: ReadRun | None = None
    flows: PlatformCall[[Platform], Listing[SavedFlow]] | None = None
    inputs: PlatformCall[[Platform, str], Listing[InputNode]] | None = None
    runs: PlatformCall[[Platform, str], Listing[ListedRun]] | None = None
    kill: PlatformCall[[Platform, str], KillReport] | None = None
    upload: UploadCall | None = None
    polling: Polling | None = None
    idempotent: bool = False
    credentials: str = "`api_key`"
    on_unknown: Literal["reconcile", "hold", "retry"] = "reconcile"
    base_url: str = ""

    @property
    def has_runs(self) -> bool:
        """Whether the platform returns run ids and can be polled."""
        return self.build_run is not None


PLATFORMS: Final[Mapping[str, PlatformType]] = {
    "gumloop": PlatformType(
        build_start=gumloop.build_start,
        read_start=gumloop.read_start,
        build_run=gumloop.build_run,
        read_run=gumloop.read_run,
        flows=PlatformCall(gumloop.build_list, gumloop.read_list),
        inputs=PlatformCall(gumloop.build_inputs, gumloop.read_inputs),
        runs=PlatformCall(gumloop.build_runs, gumloop.read_runs),
        kill=PlatformCall(gumloop.build_kill, gumloop.read_kill),
        upload=UploadCall(gumloop.build_upload, gumloop.read_upload),
        polling=Polling(first=0.5, growth=2.0, max=30.0),
        base_url=gumloop.BASE_URL,
    ),
    "local": PlatformType(
        build_start=local.build_start,
        read_start=local.read_start,
        build_run=local.build_run,
        read_run=local.read_run,
        flows=PlatformCall(local.build_list, local.read_list),
        inputs=PlatformCall(local.build_inputs, local.read_inputs),
        runs=PlatformCall(local.build_runs, local.read_runs),
        kill=PlatformCall(local.build_kill, local.read_kill),
        upload=UploadCall(local.build_upload, local.read_upload),
        polling=Polling(first=0.05, growth=1.6, max=2.0, least=0.02, together=0),
        idempotent=True,
        credentials="`FLOWBRIDGE_LOCAL_API_KEY`",
        on_unknown="retry",
        base_url=local.BASE_URL,
    ),
    "http": PlatformType(
        build_start=http.build_start,
        read_start=http.read_start,
        idempotent=True,
        credentials="`headers`",
        on_unknown="retry",
    ),
}
