"""Infer a JSON Schema 2020-12 from the bodies of events. Pure.

A `Shape` holds what is known of the values at one place. Merging shapes is commutative,
associative and idempotent, so a schema does not depend on the order of the bodies, and a further
body can only make it accept more. No value is part of a schema, only types and the names of keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

from bridge.core.model import JSON
from bridge.routing.schemas.validator import DRAFT

MAX_SHAPE_DEPTH: Final = 20  # levels of objects and lists; deeper values may be anything
#: Levels of JSON of a schema: `properties` and the member for each level, and a list inside.
MAX_SCHEMA_DEPTH: Final = 2 * MAX_SHAPE_DEPTH + 2
MAX_NAMED_KEYS: Final = 200  # of one object; with more, its keys are data rather than names
MAX_KEY_CHARS: Final = 200  # of a name; an object with a longer key has data as its keys
MAX_SCHEMA_PARTS: Final = 5_000  # subschemas of one schema; a larger one is cut at a lower depth

#: In the order in which a schema lists them.
_TYPES: Final = ("null", "boolean", "integer", "number", "string", "array", "object")


@dataclass(frozen=True, slots=True)
class Shape:
    """The types of the values at one place.

    `keys`: the shape of each key of objects, and `required` those that every object has. `others`:
    the shape of all values of objects with too many keys, in place of `keys`. `items`: the shape of
    all elements of lists; null if every list was empty. `is_open`: the values nest too deep to be
    described.
    """

    types: frozenset[str] = frozenset()
    keys: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] | None = None
    others: Shape | None = None
    items: Shape | None = None
    is_open: bool = False


def shape_of(value: JSON, depth: int = 0) -> Shape:
    """Return the shape of one value."""
    if depth > MAX_SHAPE_DEPTH:
        return Shape(is_open=True)
    if isinstance(value, dict):
        return _bounded(
            Shape(
                types=frozenset({"object"}),
                keys={key: shape_of(member, depth + 1) for key, member in value.items()},
                required=frozenset(value),
            )
        )
    if isinstance(value, list):
        items = merge_all(shape_of(element, depth + 1) for element in value) if value else None
        return Shape(types=frozenset({"array"}), items=items)
    return Shape(types=frozenset({_type_of(value)}))


def merge_shapes(first: Shape, second: Shape) -> Shape:
    """Return the shape of the values of both."""
    keys = dict(first.keys)
    for key, shape in second.keys.items():
        keys[key] = merge_shapes(keys[key], shape) if key in keys else shape
    return _bounded(
        Shape(
            types=first.types | second.types,
            keys=keys,
            required=_common(first.required, second.required),
            others=_merge_optional(first.others, second.others),
            items=_merge_optional(first.items, second.items),
            is_open=first.is_open or second.is_open,
        )
    )


def merge_all(shapes: Iterable[Shape]) -> Shape:
    """Return the shape of the values of all."""
    return reduce(merge_shapes, shapes, Shape())


def write_schema(shape: Shape, title: str = "") -> dict[str, JSON]:
    """Return the JSON Schema of a shape, with its keys in alphabetical order."""
    depth = MAX_SHAPE_DEPTH
    while depth > 1 and _count_parts(shape, depth) > MAX_SCHEMA_PARTS:
        depth -= 1
    head: dict[str, JSON] = {"$schema": DRAFT}
    if title:
        head["title"] = title
    return head | _write(shape, depth)


def _bounded(shape: Shape) -> Shape:
    """Return a shape whose keys are merged into `others`, if they are too many or too long to be
    names.
    """
    are_names = len(shape.keys) <= MAX_NAMED_KEYS and all(
        len(key) <= MAX_KEY_CHARS for key in shape.keys
    )
    if shape.others is None and are_names:
        return shape
    others = merge_all(shape.keys.values())
    return Shape(
        types=shape.types,
        required=frozenset(),
        others=others if shape.others is None else merge_shapes(shape.others, others),
        items=shape.items,
        is_open=shape.is_open,
    )


def _type_of(value: JSON) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number"


def _common(first: frozenset[str] | None, second: frozenset[str] | None) -> frozenset[str] | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _merge_optional(first: Shape | None, second: Shape | None) -> Shape | None:
    if first is None or second is None:
        return second if first is None else first
    return merge_shapes(first, second)


def _count_parts(shape: Shape, depth: int) -> int:
    """Return how many subschemas a shape has down to a depth."""
    if depth <= 0:
        return 1
    inner = [*shape.keys.values(), shape.others, shape.items]
    return 1 + sum(_count_parts(part, depth - 1) for part in inner if part is not None)


def _write(shape: Shape, depth: int) -> dict[str, JSON]:
    if shape.is_open or not shape.types or depth <= 0:
        return {}
    types = [type_name for type_name in _TYPES if type_name in shape.types]
    if "number" in types and "integer" in types:
        types.remove("integer")
    schema: dict[str, JSON] = {"type": types[0] if len(types) == 1 else types}
    if shape.keys:
        schema["properties"] = {
            key: _write(shape.keys[key], depth - 1) for key in sorted(shape.keys)
        }
    if shape.required:
        schema["required"] = sorted(shape.required)
    if shape.others is not None:
        schema["additionalProperties"] = _write(shape.others, depth - 1)
    if shape.items is not None:
        schema["items"] = _write(shape.items, depth - 1)
    return schema
