"""Explanations of what routes do with an event, a reject, a body from a file, or a sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.core.errors import ConfigError, InvalidRequest, NotFound
from bridge.core.http_messages import Request
from bridge.core.model import Event, Reject
from bridge.core.operations import NOW, THEN
from bridge.core.retention import is_content_deleted
from bridge.services.explain.given_requests import GivenRequest, build_request
from bridge.services.operations.handlers import check_route, find_stored_configs
from bridge.services.usable_config import UsableConfig, body_reader, find_usable

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.explain.explanation import RouteExplanation
    from bridge.routing.model import Config, Source
    from bridge.store.db.database import Database

SAMPLE_ID: Final = "sample"  # in the place of every id of a sample


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChoice:
    """The routes to explain: the current ones, those of `file`, or those of then.

    `route`: only the one with this name.
    """

    file: Path | None = None
    when: str = NOW
    route: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventExplanation:
    """What each route does with one event, the matching ones first.

    `event_id` is null for an event that is not stored; `reject_id` is that of a reject. `problem`:
    why no route sees the event, or why what matches is not sent. `config_error`: why the last good
    configuration was used instead of the files.
    """

    event: Event
    event_id: str | None
    reject_id: str | None
    config_hash: str
    problem: str | None
    routes: Sequence[RouteExplanation]
    config_error: ConfigError | None = None


def explain_record(
    database: Database, settings: Settings, text: str | None, choice: RouteChoice
) -> Iterator[EventExplanation]:
    """Yield the explanation of an event or a reject, by its id, or of the newest event.

    A reject may hold several events. Raises `NotFound` where there is no such record, or its body
    is deleted or incomplete.
    """
    from bridge.services.events.event_details import find_record

    record = find_record(database, text)
    if record.reject is not None:
        yield from explain_reject(settings, record.reject, choice)
    elif record.found is not None:
        yield explain_event(database, settings, record.found.event, choice)


def explain_event(
    database: Database,
    settings: Settings,
    event: Event,
    choice: RouteChoice,
    loaded: Callable[[], Config] | None = None,
) -> EventExplanation:
    """Return the explanation of a stored event.

    `loaded` returns the configuration that a process has loaded; without it the files are read.
    Raises `NotFound` where the body of the event or the configuration of then is deleted.
    """
    if is_content_deleted(event):
        raise NotFound(f"{event.id}: the `retention` of its source has deleted its body")
    if choice.when == THEN:
        usable = UsableConfig(find_stored_configs(database, settings)(event))
    elif loaded is not None:
        usable = UsableConfig(loaded())
    else:
        usable = _find_config(settings, choice)
    return _explain(event, usable, choice, event_id=event.id)


def explain_by_config(event: Event, config: Config) -> EventExplanation:
    """Return the explanation of a stored event by the routes of a configuration. Reads nothing."""
    return _explain(event, UsableConfig(config), RouteChoice(), event_id=event.id)


def explain_reject(
    settings: Settings,
    reject: Reject,
    choice: RouteChoice,
    loaded: Callable[[], Config] | None = None,
) -> Iterator[EventExplanation]:
    """Yield the explanation of each event in a reject. `loaded`: as in `explain_event`.

    Raises `NotFound` where its body is incomplete.
    """
    from bridge.ingest.rejects import describe_cut, rebuild_request

    if choice.when == THEN:
        raise InvalidRequest("a reject was planned with no routes: leave out --with-routes then")
    if reject.cut:
        raise NotFound(f"{reject.id}: {describe_cut(reject)}")
    usable = _find_config(settings, choice) if loaded is None else UsableConfig(loaded())
    source = _find_source(usable.config, reject.source)
    request = rebuild_request(reject)
    for event in _read_events(settings, usable.config, source, request, reject.received_at):
        yield _explain(event, usable, choice, reject_id=reject.id)


def explain_request(
    settings: Settings, given_request: GivenRequest, choice: RouteChoice
) -> list[EventExplanation]:
    """Return the explanation of each event in a request from a file, as if it came now."""
    usable = _find_config(settings, choice)
    source = _find_source(usable.config, given_request.source)
    request = build_request(given_request, source)
    return [
        _explain(
            event if given_request.type is None else replace(event, type=given_request.type),
            usable,
            choice,
        )
        for event in _read_events(settings, usable.config, source, request, time.time())
    ]


def explain_sample(
    settings: Settings, name: str, type_: str, choice: RouteChoice, source: str | None = None
) -> list[EventExplanation]:
    """Return the explanation of each event in a provider's sample.

    `name` is a provider or a source. `source`: of several sources of the provider, the one whose
    routes are explained.
    """
    from bridge.providers.samples.loader import sample

    usable = _find_config(settings, choice)
    config = usable.config
    if source is None and name not in config.sources:
        named = [
            candidate.name
            for candidate in config.sources.values()
            if candidate.provider.name == name
        ]
        if len(named) > 1:
            raise InvalidRequest(
                f"several sources have the provider {name}: choose one with --source"
                f" ({', '.join(named)})"
            )
        source = named[0] if named else name
    configured = _find_source(config, source or name)
    now = time.time()
    provider = (
        name if source is not None and name not in config.sources else configured.provider.name
    )
    try:
        request = sample(provider, type_, now=now, new_id=SAMPLE_ID)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    return [
        _explain(event, usable, choice)
        for event in _read_events(settings, config, configured, request, now)
    ]


# -- parts


def _find_config(settings: Settings, choice: RouteChoice) -> UsableConfig:
    if choice.file is None:
        return find_usable(settings)
    from bridge.config.loader import load

    return UsableConfig(load(choice.file, settings.environ, strict_secrets=False))


def _find_source(config: Config, name: str) -> Source:
    source = config.sources.get(name)
    if source is None:
        from bridge.core.typos import suggest

        names = list(config.sources)
        raise InvalidRequest(
            f"there is no source {name!r}; {suggest(name, names)}there are:"
            f" {', '.join(names) or 'none yet'}"
        )
    return source


def _read_events(
    settings: Settings, config: Config, source: Source, request: Request, now: float
) -> list[Event]:
    """Return the events of a request with the fingerprints that a receiver would write."""
    from bridge.ingest.redaction import add_keys
    from bridge.ingest.unverified_events import build_unverified_events

    seals = bool(settings.encryption_keys)
    keyed = add_keys(source, settings.secret_key, seals=seals)
    return build_unverified_events(request, keyed, config, now)


def _explain(
    event: Event,
    usable: UsableConfig,
    choice: RouteChoice,
    *,
    event_id: str | None = None,
    reject_id: str | None = None,
) -> EventExplanation:
    from bridge.ingest.receive import asks_to_confirm
    from bridge.routing.explain.explanation import explain_routes

    config = usable.config
    check_route(choice.route, config)
    source = config.source(event.source)
    body = body_reader(config.sources)(event)
    is_hidden = body.problem is not None
    problem = body.problem
    if problem is None and source is None:
        problem = f"its source {event.source!r} is not in routes.yaml"
    elif problem is None and source is not None and asks_to_confirm(source, event):
        is_hidden = True
        problem = "it asks to confirm a subscription"
    elif problem is None and event.spam is not None:
        problem = f"it is marked as spam ({event.spam}), so it starts nothing until it is released"
    present = replace(event, config_hash=config.hash)
    routes = [route for route in config.routes if choice.route in (None, route.name)]
    return EventExplanation(
        event=event,
        event_id=event_id,
        reject_id=reject_id,
        config_hash=config.hash,
        problem=problem,
        routes=() if is_hidden else explain_routes(present, body, routes, event.received_at),
        config_error=usable.error,
    )
