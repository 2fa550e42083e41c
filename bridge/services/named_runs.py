"""Runs that a person names as those of unknown starts: whose each is, and whether it can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.errors import BridgeError
from bridge.core.model import Status
from bridge.services import platform_names, platform_queries

if TYPE_CHECKING:
    from bridge.delivery.platforms.model import ListedRun, Listing
    from bridge.routing.model import Config, Platform
    from bridge.store.db.database import Database

_LOOK: Final = "`flowbridge resolve {}` shows what is known of its own run"


@dataclass(frozen=True, slots=True)
class RunCheck:
    """The result of a check: `problem` refuses the run, `note` says what could not be checked."""

    problem: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChecker:
    """Checks a named run by the store, and by its platform where that can be asked.

    `config` returns the configuration, and raises `BridgeError` if it cannot be used. `adapt`
    returns the platform as it is asked. `accepts_missing`: also accept a run that the platform does
    not have.
    """

    database: Database
    config: Callable[[], Config]
    accepts_missing: bool = False
    adapt: Callable[[Platform], Platform] = lambda platform: platform

    def check(self, delivery_id: str, run_id: str) -> RunCheck:
        """Return whether a run may be recorded for a delivery with an unknown outcome."""
        from bridge.delivery.named_run import find_run_mismatch
        from bridge.store.queries.selection_counts import read_deliveries
        from bridge.store.queue.unknown_starts import find_run_conflict, read_unknown_start

        delivery = read_deliveries(self.database, [delivery_id]).get(delivery_id)
        if delivery is None or delivery.status is not Status.UNKNOWN:
            return RunCheck()  # the operation refuses it
        with self.database.read() as connection:
            conflict = find_run_conflict(connection, delivery_id, delivery.platform, run_id)
            start = read_unknown_start(connection, delivery_id)
        if conflict is not None:
            return RunCheck(problem=conflict)
        try:
            platform = self.adapt(platform_names.find_platform(self.config(), delivery.platform))
            report = platform_queries.read_run(platform, run_id)
        except BridgeError as error:
            return RunCheck(note=f"the run was not looked up: {error}")
        if report.gone:
            missing = (
                f"platform {delivery.platform} has no run {run_id!r}: {report.detail or 'it says'}"
                " (--force accepts it anyway)"
            )
            return RunCheck(problem=None if self.accepts_missing else missing)
        if report.state is None or start is None:
            return RunCheck(note=report.detail and f"the run was not looked up: {report.detail}")
        listing = _list_runs(platform, delivery.saved_item_id)
        problem = find_run_mismatch(delivery, start.attempt, start.clocks, run_id, report, listing)
        return RunCheck(problem=problem and f"{problem}. {_LOOK.format(delivery_id)}")


def split_refused(
    checker: RunChecker, ids: Sequence[str], run_id: str | None
) -> tuple[list[str], dict[str, str], list[str]]:
    """Return the deliveries for which a run may be recorded, why others are refused, and notes.

    Without a run, all may be resolved.
    """
    allowed, problems, notes = [], {}, []
    for delivery_id in ids:
        result = RunCheck() if run_id is None else checker.check(delivery_id, run_id)
        if result.problem is None:
            allowed.append(delivery_id)
        else:
            problems[delivery_id] = result.problem
        if result.note is not None:
            notes.append(result.note)
    return allowed, problems, notes


def _list_runs(platform: Platform, saved_item_id: str) -> Listing[ListedRun] | None:
    """Return the platform's list of a flow's runs, None if it has none or did not answer."""
    with suppress(BridgeError):
        return platform_queries.ask_for_runs(platform, saved_item_id)
    return None
