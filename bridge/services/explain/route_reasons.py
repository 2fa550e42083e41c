"""Reasons why routes did not match an event and why inputs are missing, by the current
configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.core.advice import name_command
from bridge.core.errors import ConfigError, ExpressionError
from bridge.core.model import FAILED_RUN_STATES, OWN_SOURCE_NAME, Delivery, Event, Status
from bridge.services.usable_config import (
    UsableConfig,
    body_reader,
    find_usable,
    load_present,
)

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.expressions.paths import PathReading
    from bridge.routing.model import Config, Context
    from bridge.routing.templates import Template
    from bridge.store.queries.event_lookup import EventHistory

UNUSABLE = f"routes.yaml cannot be used, so the reason is unknown: run {name_command('check')}"


@dataclass(frozen=True, slots=True)
class MissingInput:
    """An input without a value, or with a gap in its text. `text` names the missing path, and the
    likely one if it looks misspelt.

    `is_harmless`: the delivery succeeded without it, and nothing looks misspelt, as with a field
    that the sender sometimes leaves out.
    """

    text: str
    is_misspelt: bool
    is_harmless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReasons:
    """The reasons for one event.

    `unmatched`: pairs of a route and a reason; the route is empty where the reason is about none.
    `missing`: inputs by delivery. `config_error`: why the last good configuration was used instead
    of the files.
    """

    unmatched: Sequence[tuple[str, str]] = ()
    missing: Mapping[str, Sequence[MissingInput]] = field(default_factory=dict)
    config_error: ConfigError | None = None


NO_REASONS = RouteReasons()


def find_reasons(history: EventHistory, settings: Settings) -> RouteReasons:
    """Return why routes did not match, and which inputs are missing.

    There are no reasons for events that are not routed.
    """
    from bridge.core.retention import is_content_deleted
    from bridge.routing.planner import build_context

    event = history.event
    if event.problem or event.spam or is_content_deleted(event) or event.source == OWN_SOURCE_NAME:
        return NO_REASONS
    try:
        usable = (
            UsableConfig(load_present(settings)) if history.deliveries else find_usable(settings)
        )
    except ConfigError:
        return NO_REASONS if history.deliveries else RouteReasons(unmatched=[("", UNUSABLE)])
    config = usable.config
    roots = build_context(event, body_reader(config.sources)(event), event.received_at)
    return RouteReasons(
        unmatched=list(_unmatched(event, history.deliveries, config, roots)),
        missing={
            delivery.id: list(_missing(delivery, config, roots)) for delivery in history.deliveries
        },
        config_error=usable.error,
    )


def _unmatched(
    event: Event, deliveries: Sequence[Delivery], config: Config, roots: Context
) -> Iterator[tuple[str, str]]:
    """Yield each clause that failed, with its route.

    Where another route matched, yield only the first clause of each, and the routes for other types
    in one line.
    """
    from bridge.routing.matching.matcher import match_type
    from bridge.routing.matching.reasons import explain_mismatch, explain_type

    planned = {delivery.route for delivery in deliveries}
    routes = {
        candidate.name: candidate
        for candidate in config.routes_of(event.source)
        if candidate.name not in planned
    }.values()
    if not planned and not routes:
        yield "", f"routes.yaml has no route for the source {event.source}"
    other_types = []
    for route in routes:
        if not match_type(route.types, event.type):
            if planned:
                other_types.append(route.name)
            else:
                yield route.name, explain_type(route.types, event.type)
            continue
        reasons = explain_mismatch(route.match, roots) if route.match is not None else []
        if not reasons:
            through = {"through": route.name} if planned else {}
            yield route.name, f"it matches now: {name_command('replay', event.id, **through)}"
        elif planned:
            yield (
                route.name,
                reasons[0] + (f" (and {len(reasons) - 1} more)" if reasons[1:] else ""),
            )
        else:
            yield from ((route.name, reason) for reason in reasons)
    if other_types:
        yield "", f"for other event types: {', '.join(other_types)}"


def _missing(delivery: Delivery, config: Config, roots: Context) -> Iterator[MissingInput]:
    """Yield the inputs without a value, and the paths that the event does not have.

    Where the delivery succeeded these are only misspelt paths, and inputs that were left out since
    the event has none of their paths.
    """
    from bridge.routing.templates import Inputs

    route = next(
        (candidate for candidate in config.routes if candidate.name == delivery.route), None
    )
    if route is None or not isinstance(route.reshape, Inputs):
        return
    is_bad = delivery.status is Status.DEAD or delivery.run_state in FAILED_RUN_STATES
    inputs = delivery.inputs if isinstance(delivery.inputs, dict) else {}
    for name, template in (
        [("", route.reshape.whole)]
        if route.reshape.whole is not None
        else route.reshape.each.items()
    ):
        readings = [
            reading
            for expression in template.expressions
            for reading in expression.read([roots])
            if reading.is_missing
        ]
        is_null = name not in inputs and _gives_null(template, roots)
        misspelt = [reading for reading in readings if reading.meant is not None]
        absent = [
            reading for reading in readings if not reading.values or reading.meant is not None
        ]
        reported = readings if is_null and is_bad else absent if is_null else misspelt
        if reported:
            text = f"{f'input {name}' if name else 'inputs'}: {'; '.join(map(_describe, reported))}"
            yield MissingInput(text, bool(misspelt), is_harmless=not is_bad and not misspelt)


def _gives_null(template: Template, roots: Context) -> bool:
    with suppress(ExpressionError):
        return template(roots) is None
    return True


def _describe(reading: PathReading) -> str:
    from bridge.routing.expressions.paths import write_path

    hint = f" (did you mean `{write_path(reading.meant)}`?)" if reading.meant is not None else ""
    problem = (
        "is null in this event"
        if reading.meant is None and reading.values
        else "is not in this event"
    )
    return f"{write_path(reading.path)} {problem}{hint}"
