"""The routes as written in routes.yaml: the place of each key, and texts with expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from bridge.config.problems import Path, Position, Report
from bridge.core.model import JSON

if TYPE_CHECKING:
    from bridge.routing.model import Config

_KEYS = ("when", "inputs", "order_by", "debounce")


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A text of a route and its path in the route.

    `is_expression`: all of it is one expression; otherwise only its `${…}` are.
    """

    path: Path
    text: str
    is_expression: bool


@dataclass(frozen=True, slots=True)
class WrittenRoute:
    """A route as written. `texts`: of the keys that may hold expressions, except `match`."""

    index: int
    keys: Mapping[str, Any]
    texts: tuple[WrittenText, ...]

    @property
    def path(self) -> Path:
        """The path of the route in the file."""
        return ("routes", self.index)


@dataclass(frozen=True, slots=True)
class WrittenRoutes:
    """The routes by name, and a report that knows the place of each key."""

    report: Report
    routes: Mapping[str, WrittenRoute] = field(default_factory=dict)


def read_routes(config: Config) -> WrittenRoutes:
    """Read the routes of the configuration's files.

    The files were checked before, so the report has none of their problems.
    """
    from bridge.config.includes import read_document

    if not config.files:
        return WrittenRoutes(Report(""))
    report = Report(config.files[0])
    document, _ = read_document(FilePath(config.files[0]), report)
    return list_routes(report.file, document, report.places)


def list_routes(
    file: str, document: Mapping[str, Any], places: Mapping[Path, Position]
) -> WrittenRoutes:
    """Return the routes of a checked document. `places`: the position of each path."""
    report = Report(file, dict(places))
    report.name_routes(document)
    return WrittenRoutes(
        report,
        {
            route["name"]: _read_route(index, route)
            for index, route in enumerate(document.get("routes") or [])
        },
    )


def walk_texts(document: JSON, path: Path, *, is_expression: bool) -> Iterator[WrittenText]:
    """Yield the texts of a part of a route."""
    if isinstance(document, str):
        yield WrittenText(path, document, is_expression)
    elif isinstance(document, (Mapping, list)):
        for key, value in (
            document.items() if isinstance(document, Mapping) else enumerate(document)
        ):
            if path != ("debounce",) or key == "key":
                yield from walk_texts(value, (*path, key), is_expression=is_expression)


def _read_route(index: int, route: Mapping[str, Any]) -> WrittenRoute:
    texts = (
        text
        for key in _KEYS
        for text in walk_texts(route.get(key), (key,), is_expression=key != "inputs")
    )
    return WrittenRoute(index, route, tuple(texts))
