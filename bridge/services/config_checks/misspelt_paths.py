"""Check of routes for misspelt event types and paths, by samples and declared form fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.providers.samples.loader import sample_types
from bridge.routing.expressions.compile import Expression, compile_expression
from bridge.routing.expressions.paths import IsFree, PathReading, follow_path, write_path
from bridge.routing.matching.matcher import CLAUSE_KEYS, bare_expression, match_type, path_steps
from bridge.routing.templates import parse_template
from bridge.services.config_checks.misspelt_types import check_types
from bridge.services.config_checks.written_routes import (
    WrittenRoute,
    WrittenRoutes,
    WrittenText,
    walk_texts,
)
from bridge.services.samples.events import free_names, sample_events

if TYPE_CHECKING:
    from bridge.config.problems import Path
    from bridge.routing.model import Config, Route, Source


@dataclass(frozen=True, slots=True)
class _KnownEvents:
    """The known events of a route. `lacks` and `see`: the message before and after the paths."""

    contexts: Sequence[Mapping[str, JSON]]
    is_free: IsFree
    lacks: str
    see: str


def warn_of_misspelt(config: Config, written: WrittenRoutes) -> None:
    """Report a warning for each event type and path that looks misspelt."""
    for route in {route.name: route for route in config.routes}.values():
        source = config.sources.get(route.source)
        if source is None:  # flowbridge's own alerts
            continue
        written_route = written.routes[route.name]
        check_types(route, source, written_route, written.report)
        known_events = _declared(source) if source.form is not None else _sampled(source, route)
        for path, reading, is_dotted in (
            _readings(written_route, known_events) if known_events.contexts else ()
        ):
            if reading.meant is not None:
                misspelt, meant = (
                    write_path(steps, dotted=is_dotted) for steps in (reading.path, reading.meant)
                )
                message = (
                    f"{known_events.lacks} `{misspelt}`; did you mean `{meant}`? {known_events.see}"
                )
                written.report.add(
                    (*written_route.path, *path), message, key=is_dotted, level="warning"
                )


def _sample_hint(provider: str, types: Sequence[str]) -> str:
    """Return the hint at the samples of these types."""
    # An element of a batch may have another type than its sample.
    named = [type_ for type_ in types if type_ in sample_types(provider)]
    return (
        f"A sample is only an example (`{' '.join(['flowbridge sample', provider, *named[:1]])}`"
        " prints it)."
    )


def _sampled(source: Source, route: Route) -> _KnownEvents:
    provider = source.provider
    fitting = [
        (type_, roots) for type_, roots in sample_events(source) if match_type(route.types, type_)
    ]
    types = [type_ for type_ in dict.fromkeys(type_ for type_, _ in fitting) if type_ is not None]
    title = (
        " ".join([provider.title, *types[:1]])
        if len(types) < 2
        else f"{provider.title} {', '.join(types)}"
    )
    lacks = f"the sample of {title} has no" if len(types) < 2 else f"the samples of {title} have no"
    return _KnownEvents(
        [roots for _, roots in fitting],
        free_names(provider),
        lacks,
        _sample_hint(provider.name, types),
    )


def _declared(source: Source) -> _KnownEvents:
    """Return the known fields of a form: those of its schema, which may allow others."""
    fields = dict.fromkeys(source.form.properties if source.form is not None else (), "")
    contexts = [{"body": fields, "form": fields, "fields": fields}] if fields else []
    return _KnownEvents(
        contexts,
        lambda _path: False,
        f"the schema of {source.name} declares no",
        f"It declares {', '.join(fields)}.",
    )


def _readings(
    written: WrittenRoute, known_events: _KnownEvents
) -> Iterator[tuple[Path, PathReading, bool]]:
    """Yield each path that a route reads: its place, the path, and whether it is a dotted path."""
    yield from _read_match(written.keys.get("match"), ("match",), known_events)
    yield from _read_texts(written.texts, known_events)


def _read_match(
    document: JSON, path: Path, known_events: _KnownEvents
) -> Iterator[tuple[Path, PathReading, bool]]:
    if isinstance(document, list):
        for index, clause in enumerate(document):
            yield from _read_match(clause, (*path, index), known_events)
        return
    for key, value in document.items() if isinstance(document, Mapping) else ():
        if key == "when":
            yield from _read_texts(
                walk_texts(value, (*path, key), is_expression=True), known_events
            )
        elif key in CLAUSE_KEYS:
            yield from _read_match(value, (*path, key), known_events)
        elif key != "event":
            yield (
                (*path, key),
                follow_path(path_steps(key), known_events.contexts, known_events.is_free),
                True,
            )


def _read_texts(
    texts: Iterable[WrittenText], known_events: _KnownEvents
) -> Iterator[tuple[Path, PathReading, bool]]:
    """Yield the paths that the expressions of texts read."""
    for written_text in texts:
        for expression in _expressions(written_text.text, is_expression=written_text.is_expression):
            yield from (
                (written_text.path, reading, False)
                for reading in expression.read(known_events.contexts, known_events.is_free)
            )


def _expressions(text: str, *, is_expression: bool) -> list[Expression]:
    if not is_expression:
        return [part for part in parse_template(text) if isinstance(part, Expression)]
    try:
        return [compile_expression(bare_expression(text))]
    except CompileError:  # the file is valid, so this is an unusual spelling
        return []
