"""A fast check that accepts most valid values without jsonschema. Pure.

Nearly every payload is valid, and the library takes some hundred steps in Python to find that out.
`compile_acceptor` compiles the common keywords into closures that return True only if the library
would find no error. The library decides all other cases, such as a doubtful number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from bridge.core.model import JSON

Accept = Callable[[JSON], bool]

#: The Python types of the values that orjson reads. An integer may be written 5.0: the library
#: decides that case.
PYTHON_TYPES: Mapping[str, frozenset[type]] = {
    "object": frozenset([dict]),
    "array": frozenset([list]),
    "string": frozenset([str]),
    "integer": frozenset([int]),
    "number": frozenset([int, float]),
    "boolean": frozenset([bool]),
    "null": frozenset([type(None)]),
}
NUMBER_TYPES = PYTHON_TYPES["number"]
ANNOTATIONS = frozenset(
    [
        "$schema",
        "$comment",
        "$defs",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
    ]
)


class _UnknownKeyword(Exception):
    """A keyword that this module does not compile."""


def compile_acceptor(document: dict[str, Any]) -> Accept | None:
    """Compile a schema of draft 2020-12, or return None if it uses another keyword."""
    try:
        return _compile(document)
    except _UnknownKeyword:
        return None


def _compile(schema: Any) -> Accept:
    if isinstance(schema, bool):
        return lambda _: schema
    checks = [
        KEYWORDS[keyword](value, schema) for keyword, value in schema.items() if keyword in KEYWORDS
    ]
    if not ANNOTATIONS.union(KEYWORDS).issuperset(schema):
        raise _UnknownKeyword
    if len(checks) == 1:
        return checks[0]

    def every(value: JSON) -> bool:
        for check in checks:  # noqa: SIM110 - a generator costs more than the checks
            if not check(value):
                return False
        return True

    return every


def _type(names: Any, _schema: Any) -> Accept:
    allowed = frozenset().union(
        *(PYTHON_TYPES[name] for name in ([names] if isinstance(names, str) else names))
    )
    return lambda value: type(value) in allowed


def _enum(members: list[Any], _schema: Any) -> Accept:
    texts = frozenset(member for member in members if isinstance(member, str))
    none = None in members
    return lambda value: value in texts if type(value) is str else value is None and none


def _required(names: list[str], _schema: Any) -> Accept:
    needed = frozenset(names)
    return lambda value: type(value) is not dict or needed <= value.keys()


def _properties(schemas: dict[str, Any], _schema: Any) -> Accept:
    rows = [(name, _compile(schema)) for name, schema in schemas.items()]

    def check(value: JSON) -> bool:
        if type(value) is dict:
            for name, accept in rows:
                if name in value and not accept(value[name]):
                    return False
        return True

    return check


def _additional(inner: Any, schema: Any) -> Accept:
    property_names = frozenset(schema.get("properties", ()))
    accept = _compile(inner)
    return lambda value: (
        type(value) is not dict
        or all(accept(value[name]) for name in value.keys() - property_names)
    )


def _items(inner: Any, schema: Any) -> Accept:
    if "prefixItems" in schema:
        raise _UnknownKeyword
    accept = _compile(inner)
    return lambda value: type(value) is not list or all(map(accept, value))


def _every(schemas: list[Any], _schema: Any) -> Accept:
    accept = [_compile(schema) for schema in schemas]
    return lambda value: all(acceptor(value) for acceptor in accept)


def _some(schemas: list[Any], _schema: Any) -> Accept:
    accept = [_compile(schema) for schema in schemas]
    return lambda value: any(acceptor(value) for acceptor in accept)


def _size(
    kind: type[str | list[Any] | dict[str, Any]], fits: Callable[[Any, Any], bool]
) -> Callable[[Any, Any], Accept]:
    return lambda limit, _schema: (
        lambda value: not isinstance(value, kind) or fits(len(value), limit)
    )


def _number(fits: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Accept]:
    return lambda limit, _schema: (
        lambda value: type(value) not in NUMBER_TYPES or fits(value, limit)
    )


#: keyword -> (its value, its schema) -> the check. Only keywords that narrow the valid values, and
#: none that inverts a result (`not`, `oneOf`, `if`): so a part that is not accepted never makes the
#: whole accepted.
KEYWORDS: Mapping[str, Callable[[Any, Any], Accept]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda member, schema: _enum([member], schema),
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "allOf": _every,
    "anyOf": _some,
    "minLength": _size(str, operator.ge),
    "maxLength": _size(str, operator.le),
    "minItems": _size(list, operator.ge),
    "maxItems": _size(list, operator.le),
    "minProperties": _size(dict, operator.ge),
    "maxProperties": _size(dict, operator.le),
    "minimum": _number(operator.ge),
    "maximum": _number(operator.le),
    "exclusiveMinimum": _number(operator.gt),
    "exclusiveMaximum": _number(operator.lt),
}
