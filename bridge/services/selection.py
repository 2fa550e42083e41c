"""The selection of events and deliveries by filters or by ids, for lists and operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.core.advice import name_command
from bridge.core.errors import NotFound, UnknownName
from bridge.core.model import OWN_SOURCE_NAME

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.store.db.database import Database
    from bridge.store.operations.actions import Move
    from bridge.store.queries.filters import Filters

#: Bodies that are read quickly; of more, a command reports progress.
MANY_BODIES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The selected ids, and the reasons for others.

    `problems`: why a name selects no item, by name. `notes`: what could not be checked. `settling`:
    how many unknown deliveries are left out since flowbridge still looks for their runs. `parked`:
    how many dead ones are left out since planning rejected them.
    """

    ids: Sequence[str]
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    settling: int = 0
    parked: int = 0


def check_names(
    settings: Settings,
    database: Database | None,
    *,
    source: str | None = None,
    route: str | None = None,
    platform: str | None = None,
    config: Config | None = None,
) -> None:
    """Raise `UnknownName` for a name that is neither in routes.yaml nor stored.

    The message names the nearest. `config`: the configuration of the caller, who then waits for a
    bounded search only, which refuses no name that may be stored. Without it the file is read, and
    where that cannot be done, no name is refused.
    """
    from bridge.store.queries import known_names

    is_bounded = config is not None
    is_stored = known_names.may_have_records if is_bounded else known_names.has_records
    for what, name in (("source", source), ("route", route), ("platform", platform)):
        if name is None or (config is not None and name in _list_names(config, what)):
            continue
        if database is not None and is_stored(database, what, name):
            continue
        if config is None:
            from bridge.config.loader import check  # imports most of routing: for rare names only

            config, _problems = check(settings.config, settings.environ, strict_secrets=False)
            if config is None:
                return
        names = _list_names(config, what)
        if name not in names:
            from bridge.core.typos import find_close_name, suggest

            raise UnknownName(
                what,
                f"there is no {what} {name!r}; {suggest(name, names)}there are:"
                f" {', '.join(names) or 'none yet'}",
                find_close_name(name, names),
                names,
            )


def _list_names(config: Config, what: str) -> list[str]:
    if what == "source":
        return [*config.sources, OWN_SOURCE_NAME]
    return list(config.route_names if what == "route" else config.platforms)


def count_bodies(
    database: Database, filters: Filters, *, of_deliveries: bool, also: Any = None
) -> int:
    """Return how many bodies a selection reads: 0 if the filters do not search bodies."""
    from bridge.store.queries import events

    if not filters.reads_bodies:
        return 0
    return events.count(database, filters, of_deliveries=of_deliveries, also=also)


def select_names(
    names: Sequence[str],
    find: Callable[[str], list[str]],
    check: Callable[[], object] = lambda: None,
) -> Selection:
    """Return the ids that `find` returns for the names, each once.

    A `NotFound` that it raises becomes a problem of that name. `check` is called before each name,
    and ends the search by an exception.
    """
    ids: dict[str, None] = {}
    problems: dict[str, str] = {}
    for name in names:
        check()
        try:
            ids |= dict.fromkeys(find(name))
        except NotFound as error:
            problems[name] = str(error)
    return Selection(ids=list(ids), problems=problems)


def select_named_events(
    database: Database, names: Sequence[str], check: Callable[[], object] = lambda: None
) -> Selection:
    """Select events by names of events, deliveries or runs."""
    from bridge.store.queries import event_lookup

    return select_names(names, lambda name: [event_lookup.find(database, name)[0]], check)


def replay_filters(filters: Filters, through: str | None) -> Filters:
    """Return the filters on the events of a replay, which are those of the list of events; a route
    that it plans `through` may be one of flowbridge's own events.
    """
    return filters.without_own if through is None else filters


def select_named_replay(
    database: Database,
    names: Sequence[str],
    through: str | None,
    check: Callable[[], object] = lambda: None,
) -> Selection:
    """Select the items of a replay by names of events, deliveries or runs.

    A delivery, or that of a run, stands for its event and its route; `through` a named route, only
    for its event.
    """
    from bridge.store.queries import event_lookup
    from bridge.store.queries.replay_routes import drop_repeated_items

    if through is not None:
        return select_named_events(database, names, check)

    def find(name: str) -> list[str]:
        event_id, delivery_id = event_lookup.find(database, name)
        return [delivery_id or event_id]

    selection = select_names(names, find, check)
    return replace(selection, ids=drop_repeated_items(database, selection.ids))


def select_named_rejects(
    database: Database, names: Sequence[str], check: Callable[[], object] = lambda: None
) -> Selection:
    """Select rejects by their ids, or by unique parts of them."""
    from bridge.store.inbound import rejects

    return select_names(names, lambda name: [rejects.get(database, name).id], check)


def select_named_deliveries(
    database: Database,
    names: Sequence[str],
    move: Move,
    check: Callable[[], object] = lambda: None,
) -> Selection:
    """Select the deliveries that the move applies to by name. A name of an event selects all such
    deliveries of it.
    """
    return select_names(names, lambda name: _deliveries_of(database, name, move), check)


def select_deliveries(
    database: Database,
    command: str,
    move: Move,
    filters: Filters,
    limit: int = 0,
    check: Callable[[], object] = lambda: None,
) -> Selection:
    """Select the newest `limit` deliveries (0: all) that the filters and the command allow.

    Without a status or a run state in the filters, the command's usual states apply. `check` is
    called before each part of the search, and ends it by an exception.
    """
    from bridge.store.operations import actions
    from bridge.store.queries import events as event_queries

    def count(also: Any) -> int:
        return event_queries.count(database, filters, of_deliveries=True, also=also)

    among = allowed_states(move, filters)
    return Selection(
        ids=event_queries.delivery_ids(database, filters, limit, also=among, check=check),
        settling=count(actions.RESOLVES_ITSELF) if move is actions.MOVES["resolve"] else 0,
        parked=count(actions.REJECTED_BY_ROUTING)
        if command == "retry" and not filters.reads_bodies
        else 0,
    )


def allowed_states(move: Move, filters: Filters) -> Any:
    """Return the SQL condition that a move adds to the filters."""
    return move.wants if filters.status or filters.run else move.usual


def select_unknown(database: Database, filters: Filters, limit: int = 0) -> Selection:
    """Select the newest `limit` unknown deliveries (0: all) of the filters, newest first."""
    from bridge.store.queries import events as event_queries

    return Selection(
        ids=event_queries.delivery_ids(database, filters, limit, also=unknown_states())[::-1]
    )


def unknown_states() -> Any:
    """Return the SQL condition for deliveries whose outcome is unknown."""
    from bridge.store.operations import actions

    return actions.FORCED_MOVES["resolve"].usual


def _deliveries_of(database: Database, name: str, move: Move) -> list[str]:
    from bridge.store.inbound import events
    from bridge.store.queries import event_lookup

    event_id, delivery_id = event_lookup.find(database, name)
    deliveries = events.deliveries_of(database, [event_id])[event_id]
    refusals = {delivery.id: move.refuse(delivery) for delivery in deliveries}
    fit = [id_ for id_, refusal in refusals.items() if refusal is None]
    if not refusals:
        raise NotFound(f"{event_id} has no deliveries: {name_command('show', event_id)} says why")
    if delivery_id is not None:
        if refusal := refusals.get(delivery_id):
            raise NotFound(refusal)
        return [delivery_id]
    if not fit:
        why = ", ".join(dict.fromkeys(filter(None, refusals.values())))
        raise NotFound(f"no delivery of {event_id} is in a state that allows this: {why}")
    return fit
