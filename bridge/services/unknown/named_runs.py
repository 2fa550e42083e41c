"""Runs that a person names as those of unknown starts: whose each is, and whether it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bridge.core.advice import name_command
from bridge.core.errors import BridgeError
from bridge.core.model import Status
from bridge.services.platforms import platform_names, platform_queries

if TYPE_CHECKING:
    from bridge.delivery.platforms.model import ListedRun, Listing
    from bridge.routing.model import Config, Platform
    from bridge.services.selection import Selection
    from bridge.store.db.database import Database


@dataclass(frozen=True, slots=True)
class _RunCheck:
    """The result of a check: `problem` refuses the run, `note` says what could not be checked.

    `is_missing`: the problem is that the platform does not have the run.
    """

    problem: str | None = None
    note: str | None = None
    is_missing: bool = False


def check_named_run(
    database: Database,
    selection: Selection,
    how: Mapping[str, Any],
    get_config: Callable[[], Config],
) -> Selection:
    """Return a selection without the deliveries that cannot have started the run of `how`.

    The run is checked by the store, and by its platform where that can be asked; a note says where
    it could not. `how` are the options of `resolve`: without `run_id` all deliveries stay, and
    `force` also accepts a run that the platform does not have. `get_config` raises `BridgeError`
    if the configuration cannot be used.
    """
    run_id = how.get("run_id")
    if run_id is None:
        return selection
    allowed, problems, notes = [], dict(selection.problems), list(selection.notes)
    for delivery_id in selection.ids:
        check = _check_run(database, delivery_id, run_id, get_config)
        if check.note is not None:
            notes.append(check.note)
        if check.problem is None or (check.is_missing and how.get("force")):
            allowed.append(delivery_id)
        else:
            problems[delivery_id] = check.problem
    return replace(selection, ids=allowed, problems=problems, notes=notes)


def _check_run(
    database: Database,
    delivery_id: str,
    run_id: str,
    get_config: Callable[[], Config],
) -> _RunCheck:
    from bridge.delivery.named_run import find_run_mismatch
    from bridge.store.queries.selection_counts import read_deliveries
    from bridge.store.queue.unknown_starts import find_run_conflict, read_unknown_start

    delivery = read_deliveries(database, [delivery_id]).get(delivery_id)
    if delivery is None or delivery.status is not Status.UNKNOWN:
        return _RunCheck()  # the operation refuses it
    with database.read() as connection:
        conflict = find_run_conflict(connection, delivery_id, delivery.platform, run_id)
        start = read_unknown_start(connection, delivery_id)
    if conflict is not None:
        return _RunCheck(problem=conflict)
    try:
        platform = platform_names.find_platform(get_config(), delivery.platform)
        report = platform_queries.read_run(platform, run_id)
    except BridgeError as error:
        return _RunCheck(note=f"the run was not looked up: {error}")
    if report.gone:
        problem = (
            f"platform {delivery.platform} has no run {run_id!r}: {report.detail or 'it says'}"
            " (force accepts it anyway)"
        )
        return _RunCheck(problem=problem, is_missing=True)
    if report.state is None or start is None:
        return _RunCheck(note=report.detail and f"the run was not looked up: {report.detail}")
    listing = _list_runs(platform, delivery.saved_item_id)
    mismatch = find_run_mismatch(delivery, start.attempt, start.clocks, run_id, report, listing)
    look = f"`{name_command('resolve', delivery_id)}` shows what is known of its own run"
    return _RunCheck(problem=mismatch and f"{mismatch}. {look}")


def _list_runs(platform: Platform, saved_item_id: str) -> Listing[ListedRun] | None:
    """Return the platform's list of a flow's runs, None if it has none or did not answer."""
    with suppress(BridgeError):
        return platform_queries.ask_for_runs(platform, saved_item_id)
    return None
