"""Hookdeck's filters, as conditions of a route. Pure.

The meaning is that of simple-json-match, Hookdeck's library. A filter tests keys of an object, all
of which must exist. A plain value or an object also passes where the value is a list with such an
element; an operator tests the value as a whole. Under a key, `$or` decides alone, and `$and` and
`$not` pass objects only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from bridge.core.model import JSON
from bridge.importers.filter_operators import (
    HOOKDECK_OPERATORS,
    NULL_IS_MISSING,
    ORDER_SIGNS,
    equals,
    exists,
    is_one_of,
)
from bridge.importers.filter_places import FilterPlace, find_in_list, is_object
from bridge.importers.filter_spots import FilterSpot
from bridge.importers.hook_references import NotCarried
from bridge.importers.model import FindingLog
from bridge.importers.payload_shapes import PayloadShapes
from bridge.importers.rule_clauses import (
    FALSE,
    Condition,
    Leaf,
    both,
    either,
    neither,
)

MAX_ALTERNATIVES: Final = 400
_LOGIC: Final = frozenset({"$or", "$and", "$not", "$ref"})


def read_hookdeck_filter(
    root: str, schema: JSON, log: FindingLog, shapes: PayloadShapes
) -> Condition:
    """Return the condition that a part of the request passes a filter. Raises `NotCarried` if a
    part of the filter cannot be carried.

    `root`: body, headers or query.
    """
    spot = FilterSpot((root,), FilterPlace((root,)), log, shapes)
    return _test_object(spot, schema) if has_keys(schema) else _test_value(spot, schema)


def read_hookdeck_key(
    root: str, key: str, schema: JSON, log: FindingLog, shapes: PayloadShapes
) -> Condition:
    """Return the condition that one key of a filter passes; all of them must."""
    return _test_object(FilterSpot((root,), FilterPlace((root,)), log, shapes), {key: schema})


def has_keys(schema: JSON) -> TypeGuard[dict[str, Any]]:
    """Return whether a filter tests keys of an object, and not the value itself."""
    return isinstance(schema, dict) and not (schema and set(schema) <= set(HOOKDECK_OPERATORS))


def _test_object(spot: FilterSpot, schema: Mapping[str, Any]) -> Condition:
    """Return the condition that each key of an object passes."""
    parts: list[Condition] = []
    for key, value in schema.items():
        if key in ("$or", "$and", "$not"):
            parts.append(_join_objects(spot.at(key), key, value))
        elif key.startswith("$"):
            raise NotCarried(f"`{key[:20]}` beside keys of an object never matches at Hookdeck")
        else:
            parts.append(_test_key(spot.below(key), value))
    return both(parts)


def _join_objects(spot: FilterSpot, key: str, value: JSON) -> Condition:
    """Return `$or`, `$and` and `$not` of an object."""
    if key == "$not":
        if not isinstance(value, dict) or not value:
            raise NotCarried("`$not` needs an object with keys here")
        return neither(_test_object(spot, value))
    if not isinstance(value, list) or not all(isinstance(clause, dict) for clause in value):
        raise NotCarried(f"`{key}` needs a list of objects here")
    _check_count(value)
    conditions = [_test_object(spot.at(number), clause) for number, clause in enumerate(value)]
    return either(conditions) if key == "$or" else both(conditions)


def _test_key(spot: FilterSpot, schema: JSON) -> Condition:
    if isinstance(schema, dict) and schema.get("$exist") is False and len(schema) > 1:
        raise NotCarried("beside `$exist: false`, no other condition can be met")
    return _test_value(spot, schema)


def _test_value(spot: FilterSpot, schema: JSON) -> Condition:
    """Return the condition that the value passes, or an element of it."""
    if isinstance(schema, dict):
        return _test_schema(spot, schema)
    if isinstance(schema, list):
        return _contains_all(spot, schema)
    if schema is None:  # an expression does not find null in a list
        return _is_literal(spot, schema)
    return spot.test_each(lambda inner: _is_literal(inner, schema))


def _test_schema(spot: FilterSpot, schema: Mapping[str, Any]) -> Condition:
    """Return the condition that the value passes an object: operators, alternatives, or keys of its
    own.
    """
    if "$or" in schema:
        return _test_alternatives(spot, schema)
    if set(schema) == {"$ref"}:
        return _compare_places(spot.at("$ref"), "$eq", schema["$ref"])
    operators = [key for key in schema if key in HOOKDECK_OPERATORS]
    if operators:
        _refuse_others(schema, operators)
        return both([_test_operator(spot.at(key), key, schema[key]) for key in operators])
    if schema and set(schema) <= {"$and", "$not"} and not _has_fields(schema):
        raise NotCarried(
            "Hookdeck's library never matches `$and` and `$not` of plain values under a key; write"
            " operators beside each other, or `$not` around the key"
        )
    return spot.test_each(lambda inner: _is_object_with(inner, schema))


def _is_object_with(spot: FilterSpot, schema: Mapping[str, Any]) -> Condition:
    guard = [] if spot.is_known_object else [is_object(spot.place)]
    return both([*guard, _test_object(spot, schema)])


def _has_fields(schema: Mapping[str, Any]) -> bool:
    """Return whether `$and` and `$not` have filters of objects only."""
    joined = schema.get("$and", [])
    if not isinstance(joined, list):
        return False
    listed = [*joined, *([schema["$not"]] if "$not" in schema else [])]
    return bool(listed) and all(
        isinstance(clause, dict) and clause and not any(key.startswith("$") for key in clause)
        for clause in listed
    )


def _refuse_others(schema: Mapping[str, Any], allowed: list[str]) -> None:
    others = [key for key in schema if key not in allowed]
    if others:
        raise NotCarried(
            f"beside `{allowed[0]}`, Hookdeck's library does not read `{others[0][:40]}`"
        )


# -- leaves


def _is_literal(spot: FilterSpot, value: JSON) -> Condition:
    spot.check_secret(value)
    if value is None:
        spot.log.doubt(f"a clause on {spot.name}: {NULL_IS_MISSING}")
    else:
        spot.log.carry(f"a clause on {spot.name}")
    return equals(spot.place, _as_text(spot, value))


def _as_text(spot: FilterSpot, value: JSON) -> JSON:
    """Return a value as a header or query parameter has it."""
    if spot.is_text and isinstance(value, bool):
        raise NotCarried("a header or query parameter is a text, never true or false")
    if spot.is_text and isinstance(value, int | float):
        return str(value)
    return value


def _contains_all(spot: FilterSpot, schema: list[Any]) -> Condition:
    """Return the condition that the value is a list, with an element for each filter."""
    if not schema or spot.is_text:
        raise NotCarried("it compares with an empty list, or a text with a list")
    _check_count(schema)
    inner = spot.element()
    return both(
        [
            find_in_list(spot.place, _test_value(inner.at(number), element_filter))
            for number, element_filter in enumerate(schema)
        ]
    )


def _test_operator(spot: FilterSpot, name: str, value: JSON) -> Condition:
    if isinstance(value, dict) and "$ref" in value:
        return _compare_places(spot.at("$ref"), name, value["$ref"])
    if spot.is_text and name in ORDER_SIGNS and not isinstance(value, str):
        raise NotCarried("a header or query parameter is a text, and it is ordered as a number")
    spot.check_secret(value)
    row = HOOKDECK_OPERATORS[name]
    is_exact = name == "$exist" or isinstance(value, list)  # no text is equal to a listed number
    condition = row.make(spot.place, value if is_exact else _as_text(spot, value))
    doubt = row.doubt(value)
    if doubt is None or (spot.is_text and value is not None and name in ("$in", "$nin", "$neq")):
        spot.log.carry(f"a clause on {spot.name}")
    else:
        spot.log.doubt(f"a clause on {spot.name}: {doubt}")
    return condition


def _compare_places(spot: FilterSpot, name: str, reference: JSON) -> Condition:
    """Return the comparison of the value with another one of the same part."""
    place, other = spot.place, spot.refer(reference)
    here, elsewhere = place.expression, other.expression
    if name in ORDER_SIGNS:
        test = f"type({here}) == type({elsewhere}) && {here} {ORDER_SIGNS[name]} {elsewhere}"
    elif name in ("$eq", "$neq"):
        test = f"{here} {'==' if name == '$eq' else '!='} {elsewhere}"
    else:
        raise NotCarried(f"`{name}` with a `$ref` has no counterpart")
    spot.log.doubt(
        f"a comparison of {spot.name} with {elsewhere}: both as a whole, also where one is a list"
    )
    return both([Leaf("when", f"{here} != `null`"), Leaf("when", test)])


# -- alternatives


def _test_alternatives(spot: FilterSpot, schema: Mapping[str, Any]) -> Condition:
    """Return `$or` under a key, which decides alone."""
    listed = schema["$or"]
    if not isinstance(listed, list) or not listed:
        raise NotCarried("`$or` needs a list")
    _check_count(listed)
    if set(schema) == {"$or", "$exist"} and schema["$exist"] is True:
        spot.log.at("$exist").doubt("beside `$or`, Hookdeck's library reads it for lists only")
    else:
        _refuse_others(schema, ["$or"])
    return spot.test_each(lambda inner: _either_of(inner.at("$or"), listed))


def _either_of(spot: FilterSpot, listed: list[Any]) -> Condition:
    plain = [_as_text(spot, value) for value in listed if not isinstance(value, dict | list | None)]
    conditions: list[Condition] = [is_one_of(spot.place, plain)] if plain else []
    for number, alternative in enumerate(listed):
        at = spot.at(number)
        if isinstance(alternative, dict):
            conditions.append(_test_alternative(at, alternative))
        elif isinstance(alternative, list):
            raise NotCarried("a list under `$or` never matches a value")
        elif alternative is None:
            at.log.doubt("left out: Hookdeck's library never matches null under `$or`")
        else:
            at.check_secret(alternative)
            at.log.carry(f"a clause on {spot.name}")
    return either(conditions)


def _test_alternative(spot: FilterSpot, schema: Mapping[str, Any]) -> Condition:
    """Return the condition that a value that is no list passes an object under `$or`."""
    keys = set(schema)
    if keys == {"$not"}:
        inner = schema["$not"]
        denied = (
            _test_alternative(spot.at("$not"), inner)
            if isinstance(inner, dict)
            else _either_of(spot.at("$not"), [inner])
        )
        return both([exists(spot.place), neither(denied)])
    if keys == {"$or"} and isinstance(schema["$or"], list):
        return _either_of(spot.at("$or"), schema["$or"])
    if keys and keys <= set(HOOKDECK_OPERATORS):
        if any(isinstance(value, dict) and "$ref" in value for value in schema.values()):
            raise NotCarried("Hookdeck's library does not follow `$ref` under `$or`")
        return both([_test_operator(spot.at(key), key, value) for key, value in schema.items()])
    if keys & (_LOGIC | set(HOOKDECK_OPERATORS)) and not keys <= {"$and", "$not"}:
        raise NotCarried("operators beside keys under `$or` have no counterpart")
    if keys <= {"$and", "$not"} and not _has_fields(schema):
        raise NotCarried("Hookdeck's library never matches `$and` of plain values under a key")
    return _is_object_with(spot, schema) if schema else FALSE


def _check_count(listed: list[Any]) -> None:
    if len(listed) > MAX_ALTERNATIVES:
        raise NotCarried(f"a list of more than {MAX_ALTERNATIVES} conditions")
