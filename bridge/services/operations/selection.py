"""The items of an operation, selected and counted before a person agrees to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.operations import THEN
from bridge.services import selection
from bridge.services.operations.commands import ItemKind, OptionError
from bridge.services.operations.execution import select_replay
from bridge.services.operations.handlers import check_route, make_replay_handler
from bridge.services.planned_configs import find_older_inputs
from bridge.services.unknown.named_runs import check_named_run

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.services.operations.commands import OperationCommand
    from bridge.services.rejects import RejectReview
    from bridge.services.selection import Selection
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

MAX_ITEMS: Final = 100_000  # of an operation
MAX_IDS: Final = 10_000  # that a request may name
#: Events that are planned to count a replay. Of more, each is planned only when it is replayed.
MAX_FORECAST_EVENTS: Final = 2000
SEARCHED_FOR: Final = (
    "flowbridge is searching for the run: flowbridge resolve shows when, and any obstacle"
)
NOT_VALID: Final = "it does not verify with the current routes.yaml"
IS_SPAM: Final = "it is marked as spam: flowbridge spam release starts it"
REJECTED: Final = "routing rejected it: fix routes.yaml, then flowbridge replay --dead-kind config"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSelection:
    """The items of an operation, and their counts.

    `by_route` and `by_status` count deliveries: the selected ones, or those that a replay would
    make. `left_out`: how many others there are, by reason; `refusals` are those of them that are
    among the items. `skipped`: by route, how many events are not planned through it. `problems`:
    why a given name selects nothing. `notes`: what a person should know. `went_already`: how many
    deliveries, or events of a replay, have started a flow before.
    """

    ids: Sequence[str]
    by_route: Mapping[str, int] = field(default_factory=dict)
    by_status: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    went_already: int = 0

    @property
    def count(self) -> int:
        """The number of items, with those that the operation will refuse."""
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRequest:
    """A request for the items of a command: by ids, or by filters.

    `how` are the options of the command, complete. `limit`: only the newest that match; 0 for all.
    """

    command: OperationCommand
    how: Mapping[str, Any]
    ids: Sequence[str] = ()
    filters: Filters | None = None
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionSupport:
    """What a selection needs beside the store.

    `load_routes` returns the current configuration, `load_platforms` the same with what calls to
    platforms need, and `make_review` the review of rejects; each raises `BridgeError` where it
    cannot. `is_bounded`: a search has a time limit, and an operation at most 100,000 items.
    `track` yields the function that counts events that were planned.
    """

    load_routes: Callable[[], Config]
    load_platforms: Callable[[], Config]
    make_review: Callable[[], RejectReview]
    is_bounded: bool = True
    track: Callable[[int], AbstractContextManager[Callable[[int], None]]] = lambda _: nullcontext(
        lambda _: None
    )

    @property
    def most(self) -> int:
        """The number of items to search for: one more than are allowed; 0 for all."""
        return MAX_ITEMS + 1 if self.is_bounded else 0

    def require_few(self, ids: Sequence[str]) -> None:
        """Raise `InvalidRequest` for more items than an operation may have."""
        if self.is_bounded and len(ids) > MAX_ITEMS:
            raise InvalidRequest(f"more than {MAX_ITEMS:,} items match: use narrower filters")


def select_items(
    settings: Settings, database: Database, request: SelectionRequest, support: SelectionSupport
) -> OperationSelection:
    """Select the items of a command and count them; nothing is written.

    Raises `InvalidRequest` for more than 100,000 items, and for a search that takes too long;
    `OptionError` for a route that the configuration does not have.
    """
    seconds = database.timings.selection_seconds
    check = limit_search(seconds) if support.is_bounded else _check_nothing
    if request.command.items is ItemKind.DELIVERIES:
        return _select_deliveries(settings, database, support, request, check)
    if request.command.items is ItemKind.REJECTS:
        return _select_rejects(database, support, request, check)
    if request.command.name == "replay":
        return _select_replay(settings, database, support, request, check)
    return _select_events(database, support, request, check)


def _check_nothing() -> None:
    """Let a search take as long as it takes."""


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
    settings: Settings,
    database: Database,
    support: SelectionSupport,
    request: SelectionRequest,
    check: Callable[[], None],
) -> OperationSelection:
    from bridge.store.operations.actions import move_of
    from bridge.store.queries.selection_counts import count_deliveries

    name = request.command.name
    move = move_of(name, force=bool(request.how.get("force")))
    selected = (
        selection.select_named_deliveries(database, request.ids, move, check)
        if request.filters is None
        else selection.select_deliveries(
            database, name, move, request.filters, request.limit or support.most, check=check
        )
    )
    support.require_few(selected.ids)
    selected = check_named_run(database, selected, request.how, support.load_platforms)
    left_out = {SEARCHED_FOR: selected.settling, REJECTED: selected.parked}
    counts = count_deliveries(database, selected.ids)
    notes = [*selected.notes]
    if name == "retry" and selected.ids:
        notes += _note_older_inputs(database, settings, selected.ids)
    return OperationSelection(
        ids=selected.ids,
        by_route=counts.by_route,
        by_status=counts.by_status,
        left_out={reason: count for reason, count in left_out.items() if count},
        problems=selected.problems,
        notes=notes,
        went_already=counts.started,
    )


def _note_older_inputs(database: Database, settings: Settings, ids: Sequence[str]) -> Sequence[str]:
    """Return how many of these deliveries have inputs of an older configuration, and the command
    that makes new ones.
    """
    older = find_older_inputs(database, settings, ids)
    if older is None:
        return ()
    what = "1 delivery has inputs" if older.count == 1 else f"{older.count} deliveries have inputs"
    event = older.event_id if older.count == 1 else "with the same filters or ids"
    through = older.routes[0] if len(older.routes) == 1 else "ROUTE, for each of these routes"
    return (
        f"{what} from an older configuration (route {', '.join(older.routes)}); retry sends them"
        " unchanged.",
        "To make new ones with the current routes.yaml:"
        f" flowbridge replay {event} --through {through}",
    )


def _select_replay(
    settings: Settings,
    database: Database,
    support: SelectionSupport,
    request: SelectionRequest,
    check: Callable[[], None],
) -> OperationSelection:
    from bridge.store.queries.events import count_started, event_ids
    from bridge.store.queries.replay_routes import choose_routes

    through = request.how.get("through")
    routes = choose_routes(through, request.filters)
    config = None
    if request.how.get("routes") != THEN:
        config = support.load_routes()
        try:
            check_route(through, config)
        except InvalidRequest as error:
            raise OptionError("through", str(error)) from None
    spam: Sequence[str] = ()
    if request.filters is None:
        selected = selection.select_named_replay(database, request.ids, through, check)
    else:
        filters = selection.replay_filters(request.filters, through)
        selected = _find_events(database, support, request, replace(filters, spam=False), check)
        if not request.limit:
            spam = event_ids(database, replace(filters, spam=True), support.most, check)
    is_spam = {IS_SPAM: len(spam)} if spam else {}
    if support.is_bounded and len(selected.ids) > MAX_FORECAST_EVENTS:
        return OperationSelection(
            ids=selected.ids,
            left_out=is_spam,
            problems=selected.problems,
            went_already=count_started(database, selected.ids, routes),
        )
    make_handler = make_replay_handler(
        settings, request.how, filters=request.filters, present=config
    )
    with support.track(len(selected.ids)) as advance:

        def count(planned: int) -> None:
            check()
            advance(planned)

        replay = select_replay(
            database,
            make_handler(database, None),
            selected.ids,
            is_named=request.filters is None,
            advance=count,
        )
    return OperationSelection(
        ids=replay.ids,
        by_route=replay.by_route,
        by_status=replay.by_status,
        left_out={**replay.left_out, **replay.refused, **is_spam},
        refusals=replay.refused,
        skipped=replay.skipped,
        problems=selected.problems,
        went_already=count_started(database, replay.ids, routes),
    )


def _select_rejects(
    database: Database,
    support: SelectionSupport,
    request: SelectionRequest,
    check: Callable[[], None],
) -> OperationSelection:
    if request.filters is None:
        selected = selection.select_named_rejects(database, request.ids, check)
        return OperationSelection(ids=selected.ids, problems=selected.problems)
    valid_rejects = support.make_review().find_valid(
        database, source=request.filters.source, since=request.filters.since, check=check
    )
    support.require_few(valid_rejects.ids)
    left_out = {NOT_VALID: valid_rejects.invalid} if valid_rejects.invalid else {}
    return OperationSelection(ids=valid_rejects.ids, left_out=left_out)


def _select_events(
    database: Database,
    support: SelectionSupport,
    request: SelectionRequest,
    check: Callable[[], None],
) -> OperationSelection:
    from bridge.store.queries.events import count_started

    selected = (
        selection.select_named_events(database, request.ids, check)
        if request.filters is None
        else _find_events(database, support, request, replace(request.filters, spam=True), check)
    )
    return OperationSelection(
        ids=selected.ids,
        problems=selected.problems,
        went_already=count_started(database, selected.ids),
    )


def _find_events(
    database: Database,
    support: SelectionSupport,
    request: SelectionRequest,
    filters: Filters,
    check: Callable[[], None],
) -> Selection:
    from bridge.store.queries.events import event_ids

    ids = event_ids(database, filters, request.limit or support.most, check)
    support.require_few(ids)
    return selection.Selection(ids=ids)
