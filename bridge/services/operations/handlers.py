"""Handlers of operations: each does one item, and is built from the stored request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bridge.core.errors import ConfigError, InvalidRequest, NotFound
from bridge.core.model import Event, Status
from bridge.core.operations import THEN
from bridge.services.operations.commands import complete_options
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.operations import Operation
    from bridge.routing.model import Config, Source
    from bridge.services.rejects import RejectReview
    from bridge.store.db.database import Database
    from bridge.store.operations.actions import MoveHandler
    from bridge.store.operations.erase import EraseHandler
    from bridge.store.operations.log import OperationHandler
    from bridge.store.operations.readmission import ReadmitHandler
    from bridge.store.operations.replay import ReplayHandler
    from bridge.store.operations.spam import SpamHandler
    from bridge.store.queries.filters import Filters

MAX_CACHED_CONFIGS = 8  # of earlier configurations


def make_handler(
    settings: Settings,
    operation: Operation,
    sources: Mapping[str, Source],
    present: Config | None = None,
) -> Callable[[Database, Operation], OperationHandler[Any]]:
    """Return a function that builds the handler of an operation. `sources`: for an erasure.

    `present` is the current configuration; without it that of the file is read. Raises
    `ConfigError` where that is needed and cannot be used.
    """
    if operation.command == "spam mark":
        return make_spam_handler
    if operation.command == "erase":
        return make_erase_handler(sources)
    if operation.command == "readmit":
        return make_readmit_handler(_reviewer(settings, present))
    is_release = operation.command == "spam release"
    return (
        make_replay_handler(
            settings,
            complete_options(operation),
            filters=None if is_release else _read_delivery_filters(operation.request),
            releases=is_release,
            present=present,
        )
        if operation.command == "replay" or is_release
        else make_move_handler
    )


def make_move_handler(_database: Database, operation: Operation) -> MoveHandler:
    """Return the handler that moves deliveries to another status."""
    from bridge.store.operations.actions import MoveHandler, move_of

    how = complete_options(operation)
    return MoveHandler(
        move=move_of(operation.command, force=bool(how.get("force"))),
        to=Status(how["to"]),
        reason=how.get("reason"),
        run_id=how.get("run_id"),
    )


def make_spam_handler(_database: Database, _one: Operation) -> SpamHandler:
    """Return the handler that marks events as spam."""
    from bridge.store.operations.spam import SpamHandler

    return SpamHandler()


def make_erase_handler(
    sources: Mapping[str, Source],
) -> Callable[[Database, Operation], EraseHandler]:
    """Return a function that builds the handler that erases events, rejects and runs."""
    from bridge.core.retention import DEDUP_SECONDS
    from bridge.store.operations.erase import EraseHandler

    stored_for = {name: source.dedup_for for name, source in sources.items()}
    return lambda _database, _act: EraseHandler(
        lambda source: stored_for.get(source, DEDUP_SECONDS)
    )


def make_readmit_handler(
    review_of: Callable[[Database], RejectReview],
) -> Callable[[Database, Operation], ReadmitHandler]:
    """Return a function that builds the handler that readmits rejects with a review."""
    from bridge.store.operations.readmission import ReadmitHandler
    from bridge.store.queries import configs
    from bridge.system.ids import event_id

    def make(database: Database, _one: Operation) -> ReadmitHandler:
        review = review_of(database)
        config = review.config
        configs.remember_config(database, config.hash, config.canonical, time.time())
        return ReadmitHandler(config=config, keys=review.keys, new_id=event_id)

    return make


def _reviewer(settings: Settings, present: Config | None) -> Callable[[Database], RejectReview]:
    """Return a function that returns the review of rejects with the current configuration."""
    from bridge.services.rejects import RejectReview, complete_config
    from bridge.system.key_fetcher import Keyring

    config = load_present(settings) if present is None else present
    return lambda database: RejectReview(complete_config(settings, database, config), Keyring())


def make_replay_handler(
    settings: Settings,
    how: Mapping[str, Any],
    *,
    filters: Filters | None = None,
    releases: bool = False,
    present: Config | None = None,
) -> Callable[[Database, Operation | None], ReplayHandler]:
    """Return a function that builds the handler that plans events again.

    It uses the current routes, or for each event the routes that it was planned with. Without an
    operation it is for a forecast, and stores nothing. `filters` selected the events, and may limit
    the routes: see `choose_routes`. `releases`: it plans events that are marked
    as spam, and removes the mark. `present` is the current configuration; without it that of the
    file is read, and `InvalidRequest` raised where `through` names no route of it.
    """
    from bridge.store.operations.replay import ReplayHandler
    from bridge.store.queries import configs
    from bridge.store.queries.replay_routes import choose_routes

    through = how.get("through")
    routes = choose_routes(through, filters)
    then = how.get("routes") == THEN
    if then:
        present = None
    elif present is None:
        present = load_present(settings)
        check_route(through, present)

    def make(database: Database, operation: Operation | None) -> ReplayHandler:
        nonce = "" if operation is None else operation.id
        if present is None:
            return ReplayHandler(
                config_of=find_stored_configs(database, settings),
                nonce=nonce,
                routes=routes,
                releases=releases,
            )
        if operation is not None:
            configs.remember_config(database, present.hash, present.canonical, time.time())
        return ReplayHandler(
            config_of=lambda _: present, nonce=nonce, routes=routes, releases=releases
        )

    return make


def _read_delivery_filters(request: Mapping[str, Any]) -> Filters | None:
    """Return the filters on deliveries of a stored request; null where it has ids."""
    from bridge.store.queries.filters import Filters

    filters = request.get("filters")
    names = "route", "status", "run", "reason", "dead_kind"
    return Filters(**{name: filters.get(name) for name in names}) if filters else None


def check_route(name: str | None, config: Config) -> None:
    """Raise `InvalidRequest`, with the nearest name, where a configuration has no such route."""
    if name is not None and all(route.name != name for route in config.routes):
        from bridge.core.typos import suggest

        names = list(config.route_names)
        raise InvalidRequest(
            f"routes.yaml has no route {name!r}; {suggest(name, names)}it has:"
            f" {', '.join(names) or 'none'}"
        )


def find_stored_configs(database: Database, settings: Settings) -> Callable[[Event], Config]:
    """Return a function that gives the configuration that an event was planned with, with the
    current credentials. It raises `NotFound` where that one was deleted or cannot be used.
    """
    from bridge.config.loader import load_canonical
    from bridge.store.queries import configs

    @lru_cache(maxsize=MAX_CACHED_CONFIGS)
    def load(config_hash: str) -> Config | str:
        canonical = configs.find_config(database, config_hash)
        if canonical is None:
            return f"the configuration that it was planned with ({config_hash[:12]}) was deleted"
        try:
            return load_canonical(
                canonical, settings.environ, settings.config.parent, strict_secrets=False
            )
        except ConfigError as error:
            first, *more = error.problems
            problem = f"{first.path}: {first.message}" + (
                f" (and {len(more)} more)" if more else ""
            )
            return (
                f"the configuration that it was planned with ({config_hash[:12]}) cannot be used"
                f" any more: {problem}"
            )

    def config_of(event: Event) -> Config:
        config = load(event.config_hash)
        if isinstance(config, str):
            raise NotFound(config)
        return config

    return config_of
