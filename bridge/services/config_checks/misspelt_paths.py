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
    for route in {one.name: one for one in config.routes}.values():
        source = config.sources.get(route.source)
        if source is None:  # flowbridge's own alerts
            continue
        one = written.routes[route.name]
        check_types(route, source, one, written.report)
        shown = _declared(source) if source.form is not None else _sampled(source, route)
        for path, reading, is_dotted in _readings(one, shown) if shown.contexts else ():
            if reading.meant is not None:
                found, meant = (
                    write_path(each, dotted=is_dotted) for each in (reading.path, reading.meant)
                )
                message = f"{shown.lacks} `{found}`; did you mean `{meant}`? {shown.see}"
                written.report.add((*one.path, *path), message, key=is_dotted, level="warning")


def _sample_hint(provider: str, types: Sequence[str]) -> str:
    """Return the hint at the samples of these types."""
    # An element of a batch may have another type than its sample.
    named = [each for each in types if each in sample_types(provider)]
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
    written: WrittenRoute, shown: _KnownEvents
) -> Iterator[tuple[Path, PathReading, bool]]:
    """Yield each path that a route reads: its place, the path, and whether it is a dotted path."""
    yield from _read_match(written.keys.get("match"), ("match",), shown)
    yield from _read_texts(written.texts, shown)


def _read_match(
    document: JSON, path: Path, shown: _KnownEvents
) -> Iterator[tuple[Path, PathReading, bool]]:
    if isinstance(document, list):
        for index, each in enumerate(document):
            yield from _read_match(each, (*path, index), shown)
        return
    for key, value in document.items() if isinstance(document, Mapping) else ():
        if key == "when":
            yield from _read_texts(walk_texts(value, (*path, key), is_expression=True), shown)
        elif key in CLAUSE_KEYS:
            yield from _read_match(value, (*path, key), shown)
        elif key != "event":
            yield (*path, key), follow_path(path_steps(key), shown.contexts, shown.is_free), True


def _read_texts(
    texts: Iterable[WrittenText], shown: _KnownEvents
) -> Iterator[tuple[Path, PathReading, bool]]:
    """Yield the paths that the expressions of texts read."""
    for each in texts:
        for expression in _expressions(each.text, is_expression=each.is_expression):
            yield from (
                (each.path, reading, False)
                for reading in expression.read(shown.contexts, shown.is_free)
            )


def _expressions(text: str, *, is_expression: bool) -> list[Expression]:
    if not is_expression:
        return [part for part in parse_template(text) if isinstance(part, Expression)]
    try:
        return [compile_expression(bare_expression(text))]
    except CompileError:  # the file is valid, so this is an unusual spelling
        return []
