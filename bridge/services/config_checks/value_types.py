"""The types that values of expressions are known to have: by a JSON Schema, or by samples."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.compile import Expression
from bridge.routing.functions.signature import type_of
from bridge.routing.matching.matcher import match_type
from bridge.routing.schemas.validator import Schema
from bridge.routing.templates import parse_template
from bridge.services.samples.events import sample_events

if TYPE_CHECKING:
    from bridge.routing.model import Route, Source

FILES_ROOT: Final = "files"
BODY_ROOTS: Final = ("body", "form")  # the same object for a form
_PATH: Final = re.compile(r'\s*(\w+)((?:\.\w+|\."[^"]+"|\[\d+\])*)\s*')
_STEPS: Final = re.compile(r'\.(\w+)|\."([^"]+)"|(\[\d+\])')


@dataclass(frozen=True, slots=True)
class KnownType:
    """The JSON type of a value, and where it is known from: `in the sample of GitHub issues`."""

    type: str
    origin: str


def find_value_type(text: str, route: Route, source: Source | None) -> KnownType | None:
    """Return the type of the value of a text that is one `${…}`, None where it is not known.

    It is known from the schema of the route or of the form, or where every sample of the route's
    events has the same one. The files of a form are not known.
    """
    expression = _read_lone(text)
    if expression is None or source is None:
        return None
    path = _PATH.fullmatch(expression.text)
    for document, name in _schemas(route, source):
        kind = None if path is None else _type_in_schema(document, path)
        if kind is not None:
            return KnownType(kind, f"by {name}")
    return _type_in_samples(expression, route, source)


def _read_lone(text: str) -> Expression | None:
    try:
        parts = parse_template(text)
    except CompileError:  # the file is valid, so this is an unusual spelling
        return None
    only = parts[0] if len(parts) == 1 else None
    return only if isinstance(only, Expression) else None


def _schemas(route: Route, source: Source) -> list[tuple[JSON, str]]:
    schemas: list[tuple[JSON, str]] = []
    if isinstance(route.payload_schema, Schema):
        schemas.append((route.payload_schema.document, "payload_schema"))
    if source.form is not None and source.form.schema_document is not None:
        schemas.append((source.form.schema_document, f"the schema of {source.name}"))
    return schemas


def _type_in_schema(document: JSON, path: re.Match[str]) -> str | None:
    """Return the only type that a schema allows at a path, as far as it says so directly."""
    if path[1] not in BODY_ROOTS:
        return None
    for name, quoted, index in _STEPS.findall(path[2]):
        if not isinstance(document, Mapping):
            return None
        members = document.get("properties")
        if index:
            document = document.get("items")
        else:
            document = members.get(name or quoted) if isinstance(members, Mapping) else None
    kind = document.get("type") if isinstance(document, Mapping) else None
    return kind if isinstance(kind, str) else None


def _type_in_samples(expression: Expression, route: Route, source: Source) -> KnownType | None:
    fitting = [
        (type_, roots) for type_, roots in sample_events(source) if match_type(route.types, type_)
    ]
    types = [type_of(value) for value in _evaluate(expression, [roots for _, roots in fitting])]
    if FILES_ROOT in expression.text or len(set(types)) != 1:
        return None
    names = [type_ for type_ in dict.fromkeys(type_ for type_, _ in fitting) if type_ is not None]
    is_one = len(names) < 2
    title = " ".join([source.provider.title, *(names if is_one else [])])
    return KnownType(types[0], f"in the {'sample' if is_one else 'samples'} of {title}")


def _evaluate(expression: Expression, contexts: Sequence[Mapping[str, JSON]]) -> list[JSON]:
    """Return the values that are not null; an expression that fails on a sample has none."""
    values = []
    for roots in contexts:
        try:
            value = expression(roots)
        except ExpressionError:
            continue
        if value is not None:
            values.append(value)
    return values
