"""Compare two JSON Schemas of a body: the keys and types that are new or gone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.model import JSON

MAX_DRIFT_DEPTH: Final = 60  # levels of a schema that are compared
NEW: Final = "new"
GONE: Final = "gone"
TYPE: Final = "type"
OPTIONAL: Final = "optional"


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference at a path such as `body.items[].name`.

    `change`: the key is `new` or `gone`, its `type` changed, or it became `optional`. `before` and
    `now` are the types, or null.
    """

    path: str
    change: str
    before: JSON = None
    now: JSON = None


def compare_schemas(before: JSON, now: JSON) -> list[SchemaChange]:
    """Return the differences from an earlier schema to the present one, by path.

    A type of the earlier schema that is absent now is no change: it may come again.
    """
    return sorted(_compare("body", before, now, MAX_DRIFT_DEPTH), key=lambda change: change.path)


def _compare(path: str, before: JSON, now: JSON, depth: int) -> Iterator[SchemaChange]:
    if not isinstance(before, Mapping) or not isinstance(now, Mapping) or depth == 0:
        return
    earlier = _types(before)
    added = [type_name for type_name in _types(now) if type_name not in earlier]
    if "number" in earlier and "integer" in added:
        added.remove("integer")
    if earlier and added:
        yield SchemaChange(path, TYPE, earlier, _types(now))
    old = _mapping(before, "properties")
    new = _mapping(now, "properties")
    required = [_names(schema) for schema in (before, now)]
    for key in sorted({*old, *new}):
        inner = f"{path}.{key}"
        if key not in old:
            yield SchemaChange(inner, NEW, None, _types(new[key]))
        elif key not in new:
            yield SchemaChange(inner, GONE, _types(old[key]), None)
        else:
            if key in required[0] and key not in required[1]:
                yield SchemaChange(inner, OPTIONAL, _types(old[key]), _types(new[key]))
            yield from _compare(inner, old[key], new[key], depth - 1)
    yield from _compare(f"{path}[]", before.get("items"), now.get("items"), depth - 1)
    yield from _compare(
        f"{path}.*",
        before.get("additionalProperties"),
        now.get("additionalProperties"),
        depth - 1,
    )


def _types(schema: JSON) -> list[str]:
    types = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(types, str):
        return [types]
    return (
        [type_name for type_name in types if isinstance(type_name, str)]
        if isinstance(types, list)
        else []
    )


def _mapping(schema: Mapping[str, JSON], key: str) -> Mapping[str, JSON]:
    value = schema.get(key)
    return value if isinstance(value, Mapping) else {}


def _names(schema: Mapping[str, JSON]) -> frozenset[str]:
    required = schema.get("required")
    return (
        frozenset(name for name in required if isinstance(name, str))
        if isinstance(required, list)
        else frozenset()
    )
