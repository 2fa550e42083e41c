"""Convoy's filters, as conditions of a route. Pure.

The meaning is that of Convoy's pkg/flatten and pkg/compare. Payload and filter are flattened to
dotted keys; `$` in a key is any index of a list. A plain value also passes where the value is a
list that contains it. Convoy leaves out a clause whose key the payload does not have, if another
clause passes; here, every clause must pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.core.model import JSON
from bridge.services.importers.filter_operators import CONVOY_OPERATORS, equals
from bridge.services.importers.filter_places import FilterPlace, find_in_list
from bridge.services.importers.filter_spots import FilterSpot
from bridge.services.importers.hook_references import NotCarried
from bridge.services.importers.model import FindingLog
from bridge.services.importers.payload_shapes import PayloadShapes
from bridge.services.importers.rule_clauses import Condition, both, either

MAX_WILDCARDS: Final = 3  # in one key, as Convoy allows
MAX_FILTER_CLAUSES: Final = 400
WILDCARD: Final = "$"


def read_convoy_filter(
    root: str, schema: JSON, log: FindingLog, shapes: PayloadShapes, *, is_part: bool = False
) -> Condition:
    """Return the condition that a part of the request passes a filter. Raises `NotCarried` if a
    part of the filter cannot be carried.

    `root`: body, headers or query. `is_part`: the filter has other clauses, read by themselves.
    """
    if not isinstance(schema, dict):
        raise NotCarried("a filter of Convoy is an object")
    spot = FilterSpot((root,), FilterPlace((root,)), log, shapes)
    return _test_all(spot, schema, is_part=is_part)


def _test_all(spot: FilterSpot, schema: Mapping[str, Any], *, is_part: bool = False) -> Condition:
    """Return the condition that all clauses of a filter pass."""
    parts: list[Condition] = []
    for key in ("$or", "$and"):
        if key in schema:
            parts.append(_join_filters(spot.at(key), key, schema[key]))
    clauses = _flatten({key: schema[key] for key in schema if key not in ("$or", "$and")}, "")
    if len(clauses) > MAX_FILTER_CLAUSES:
        raise NotCarried(f"a filter of more than {MAX_FILTER_CLAUSES} clauses")
    if len({path for path, _ in clauses}) < len(clauses):
        raise NotCarried("a key is there twice, and Convoy reads only one of the two")
    is_lone = len(clauses) + len(parts) == 1 and not is_part
    for path, test in clauses:
        if is_lone and test == {"$exist": False}:
            raise NotCarried("Convoy never matches `$exist: false` that stands alone")
        parts.append(_test_path(spot, path, test))
    if len(parts) > 1:
        spot.log.doubt(
            "Convoy leaves out a clause whose key is missing if another one passes; here every"
            " clause must pass"
        )
    return both(parts)


def _join_filters(spot: FilterSpot, key: str, value: JSON) -> Condition:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise NotCarried(f"`{key}` needs a list of filters")
    if len(value) > MAX_FILTER_CLAUSES:
        raise NotCarried(f"a list of more than {MAX_FILTER_CLAUSES} filters")
    found = [_test_all(spot.at(number), one) for number, one in enumerate(value)]
    return either(found) if key == "$or" else both(found)


def _flatten(value: JSON, path: str) -> list[tuple[str, JSON]]:
    """Return the clauses of a filter by dotted path: a value, or an object of operators."""
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        pairs = [(str(number), one) for number, one in enumerate(value) if isinstance(one, dict)]
    elif isinstance(value, dict) and not _is_operators(value) and (value or not path):
        pairs = list(value.items())
    else:
        return [(path, value)]
    found: list[tuple[str, JSON]] = []
    for key, one in pairs:
        if key.startswith("$") and not key.startswith("$."):
            raise NotCarried(
                f"`{key[:20]}` is no operator that Convoy reads at {path or 'the top'}"
            )
        found += _flatten(one, f"{path}.{key}" if path else key)
    return found


def _is_operators(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(key in CONVOY_OPERATORS for key in value)


def _test_path(spot: FilterSpot, path: str, test: JSON) -> Condition:
    """Return the condition that the values at a path pass; `$` in it is any element of a list."""
    parts = path.split(".")
    if "" in parts or any(WILDCARD in part and part != WILDCARD for part in parts):
        raise NotCarried(f"the key {path[:60]!r} has no counterpart")
    if parts[-1] == WILDCARD or parts.count(WILDCARD) > MAX_WILDCARDS:
        raise NotCarried(f"Convoy refuses `$` at the end of a key, and more than {MAX_WILDCARDS}")
    if WILDCARD in parts and spot.path[0] != "body":
        raise NotCarried("Convoy never matches `$` outside of the body")
    return _follow(spot, parts, test)


def _follow(spot: FilterSpot, parts: list[str], test: JSON) -> Condition:
    for number, part in enumerate(parts):
        if part == WILDCARD:
            if test == {"$exist": False}:
                raise NotCarried("Convoy never matches `$exist: false` inside of a list")
            inner = _follow(spot.element().at(part), parts[number + 1 :], test)
            return find_in_list(spot.place, inner)
        spot = spot.below(part)
    return _test_value(spot, test)


def _test_value(spot: FilterSpot, test: JSON) -> Condition:
    if isinstance(test, dict):
        if not test:
            raise NotCarried("an empty object tests nothing")
        return both([_test_operator(spot.at(name), name, one) for name, one in test.items()])
    if test is None or isinstance(test, list):
        raise NotCarried("Convoy never matches a plain null or list; `$in` and `$eq` do")
    spot.check_secret(test)
    spot.log.carry(f"a clause on {spot.name}")
    return spot.test_each(lambda inner: equals(inner.place, _as_text(spot, test)))


def _test_operator(spot: FilterSpot, name: str, value: JSON) -> Condition:
    if spot.is_text and name in ("$gt", "$gte", "$lt", "$lte"):
        raise NotCarried("a header or query parameter is a text, and it is ordered as a number")
    spot.check_secret(value)
    row = CONVOY_OPERATORS[name]
    found = row.make(spot.place, _as_text(spot, value))
    doubt = row.doubt(value)
    if doubt is None:
        spot.log.carry(f"a clause on {spot.name}")
    else:
        spot.log.doubt(f"a clause on {spot.name}: {doubt}")
    return found


def _as_text(spot: FilterSpot, value: JSON) -> JSON:
    """Return a value as a header or query parameter has it: Convoy reads 5 and "5" as equal."""
    if spot.is_text and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value
