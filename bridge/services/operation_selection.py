"""The items of an operation, selected and counted before a person agrees to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.operations import THEN
from bridge.providers.signatures.key_source import NO_KEYS
from bridge.services import selection
from bridge.services.named_runs import check_named_run
from bridge.services.operation_commands import ItemKind, OptionError
from bridge.services.operation_kinds import check_route, make_replay_handler
from bridge.services.operations import select_replay
from bridge.services.rejects import RejectReview, complete_config

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.providers.signatures.key_source import KeySource
    from bridge.routing.model import Config, Platform
    from bridge.services.operation_commands import OperationCommand
    from bridge.services.selection import Selection
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

MAX_ITEMS: Final = 100_000  # of an operation
MAX_IDS: Final = 10_000  # that a request may name
#: Events that are planned to count a replay. Of more, each is planned only when it is replayed.
MAX_FORECAST_EVENTS: Final = 2000
SEARCHED_FOR: Final = "flowbridge is searching for the run"
NOT_VALID: Final = "it does not verify with the current routes.yaml"
REJECTED: Final = "routing rejected it: fix routes.yaml, then replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSelection:
    """The items of an operation, and their counts.

    `count` is the number of items that are expected to succeed. `by_route` and `by_status` count
    deliveries: the selected ones, or those that a replay would make. `left_out`: how many others
    there are, by reason. `problems`: why a given name selects nothing. `notes`: what could not be
    checked. `went_already`: how many deliveries, or events of a replay, have started a flow before.
    """

    ids: Sequence[str]
    count: int
    by_route: Mapping[str, int] = field(default_factory=dict)
    by_status: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    went_already: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRequest:
    """A request for the items of a command: by ids, or by filters.

    `how` are the options of the command, complete.
    """

    command: OperationCommand
    how: Mapping[str, Any]
    ids: Sequence[str] = ()
    filters: Filters | None = None


def select_items(
    settings: Settings,
    database: Database,
    config: Config,
    asked: SelectionRequest,
    keys: KeySource = NO_KEYS,
    adapt: Callable[[Platform], Platform] = lambda platform: platform,
) -> OperationSelection:
    """Select the items of a command and count them; nothing is written.

    `keys` fetches the public keys of senders, with which rejects are verified. `adapt` returns a
    platform as it is asked for a run that the request names.

    Raises `InvalidRequest` for more than 100,000 items, and for a search that takes too long;
    `OptionError` for a route that the configuration does not have.
    """
    check = limit_search(database.timings.selection_seconds)
    if asked.command.items is ItemKind.DELIVERIES:
        return _select_deliveries(database, config, asked, check, adapt)
    if asked.command.items is ItemKind.REJECTS:
        review = RejectReview(complete_config(settings, database, config), keys)
        return _select_rejects(database, review, asked, check)
    if asked.command.name == "replay":
        return _select_replay(settings, database, config, asked, check)
    return _select_events(database, asked, check)


def _require_few(ids: Sequence[str]) -> None:
    """Raise `InvalidRequest` for more items than an operation may have, before they are counted."""
    if len(ids) > MAX_ITEMS:
        raise InvalidRequest(f"more than {MAX_ITEMS:,} items match: use narrower filters")


def limit_search(seconds: float) -> Callable[[], None]:
    """Return a check for each part of a search: `InvalidRequest` once its time is over."""
    until = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > until:
            raise InvalidRequest(
                f"the search took longer than {seconds:g} s: use narrower filters, such as `since`,"
                " or fewer ids"
            )

    return check


def _select_deliveries(
    database: Database,
    config: Config,
    asked: SelectionRequest,
    check: Callable[[], None],
    adapt: Callable[[Platform], Platform],
) -> OperationSelection:
    from bridge.store.operations.actions import move_of
    from bridge.store.queries.selection_counts import count_deliveries

    name = asked.command.name
    move = move_of(name, force=bool(asked.how.get("force")))
    chosen = (
        selection.select_named_deliveries(database, asked.ids, move, check)
        if asked.filters is None
        else selection.select_deliveries(
            database, name, move, asked.filters, MAX_ITEMS + 1, check=check
        )
    )
    _require_few(chosen.ids)
    chosen = check_named_run(database, chosen, asked.how, lambda: config, adapt)
    left_out = {SEARCHED_FOR: chosen.settling, REJECTED: chosen.parked}
    counts = count_deliveries(database, chosen.ids)
    return OperationSelection(
        ids=chosen.ids,
        count=len(chosen.ids),
        by_route=counts.by_route,
        by_status=counts.by_status,
        left_out={reason: count for reason, count in left_out.items() if count},
        problems=chosen.problems,
        notes=chosen.notes,
        went_already=counts.started,
    )


def _select_replay(
    settings: Settings,
    database: Database,
    config: Config,
    asked: SelectionRequest,
    check: Callable[[], None],
) -> OperationSelection:
    from bridge.store.queries.events import count_started
    from bridge.store.queries.replay_routes import choose_routes

    through = asked.how.get("through")
    routes = choose_routes(through, asked.filters)
    if asked.how.get("routes") != THEN:
        try:
            check_route(through, config)
        except InvalidRequest as error:
            raise OptionError("through", str(error)) from None
    chosen = (
        selection.select_named_replay(database, asked.ids, through, check)
        if asked.filters is None
        else _find_events(
            database, selection.replay_filters(asked.filters, through), check, spam=False
        )
    )
    if len(chosen.ids) > MAX_FORECAST_EVENTS:
        return OperationSelection(
            ids=chosen.ids,
            count=len(chosen.ids),
            problems=chosen.problems,
            went_already=count_started(database, chosen.ids, routes),
        )
    make_handler = make_replay_handler(settings, asked.how, filters=asked.filters, present=config)
    found = select_replay(
        database,
        make_handler(database, None),
        chosen.ids,
        is_named=asked.filters is None,
        advance=lambda _: check(),
    )
    return OperationSelection(
        ids=found.ids,
        count=found.count,
        by_route=found.by_route,
        by_status=found.by_status,
        left_out={**found.left_out, **found.refused},
        problems=chosen.problems,
        went_already=count_started(database, found.ids, routes),
    )


def _select_rejects(
    database: Database,
    review: RejectReview,
    asked: SelectionRequest,
    check: Callable[[], None],
) -> OperationSelection:
    if asked.filters is None:
        chosen = selection.select_named_rejects(database, asked.ids, check)
        return OperationSelection(ids=chosen.ids, count=len(chosen.ids), problems=chosen.problems)
    found = review.find_valid(
        database, source=asked.filters.source, since=asked.filters.since, check=check
    )
    _require_few(found.ids)
    left_out = {NOT_VALID: found.invalid} if found.invalid else {}
    return OperationSelection(ids=found.ids, count=len(found.ids), left_out=left_out)


def _select_events(
    database: Database, asked: SelectionRequest, check: Callable[[], None]
) -> OperationSelection:
    from bridge.store.queries.events import count_started

    chosen = (
        selection.select_named_events(database, asked.ids, check)
        if asked.filters is None
        else _find_events(database, asked.filters, check, spam=True)
    )
    return OperationSelection(
        ids=chosen.ids,
        count=len(chosen.ids),
        problems=chosen.problems,
        went_already=count_started(database, chosen.ids),
    )


def _find_events(
    database: Database, filters: Filters, check: Callable[[], None], *, spam: bool
) -> Selection:
    from bridge.store.queries.events import event_ids

    ids = event_ids(database, replace(filters, spam=spam), MAX_ITEMS + 1, check)
    _require_few(ids)
    return selection.Selection(ids=ids)
