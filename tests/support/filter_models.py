"""Independent models of two filter languages: whether a payload passes a filter.

They follow the programs, not flowbridge: simple-json-match 1.3.0 of Hookdeck, and pkg/flatten with
pkg/compare of Convoy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any


class Undefined:
    """A key that is not there."""


class UnsupportedTypes(Exception):
    """An operator has no result for these types."""


UNDEFINED = Undefined()
Indexes = tuple[int, ...]  # of the elements around


# -- Hookdeck


def hookdeck_passes(value: Any, schema: Any) -> bool:
    """Tell whether Hookdeck lets a value pass."""
    return _matches(value, schema, value, ())


def _matches(value: Any, schema: Any, root: Any, at: Indexes) -> bool:
    if schema is None:
        return False  # the library reads a key of null, and catches its own error
    if isinstance(schema, dict) and schema.get("$not"):
        denied = _matches(value, schema["$not"], root, at)
        if len(schema) == 1 or denied:
            return not denied
    if not isinstance(value, dict | Undefined):
        return _fits(value, schema, value, at)
    if value is UNDEFINED or not isinstance(schema, dict | list):
        return False
    keys = schema.items() if isinstance(schema, dict) else enumerate(schema)
    return all(_key_fits(value, key, one, root, at) for key, one in keys if key != "$not")


def _key_fits(value: Mapping[Any, Any], key: Any, schema: Any, root: Any, at: Indexes) -> bool:
    if key == "$or" and isinstance(schema, list):
        return any(_matches(value, one, root, at) for one in schema)
    if key == "$and" and isinstance(schema, list):
        return all(_matches(value, one, root, at) for one in schema)
    found = value.get(key, UNDEFINED)
    if found is UNDEFINED and not (isinstance(schema, dict) and schema.get("$exist") is False):
        return False
    return _fits(found, schema, root, at)


def _fits(value: Any, schema: Any, root: Any, at: Indexes) -> bool:
    """Tell whether a value that is under a key fits, or an element of it."""
    operators = [key for key in schema if key in OPERATORS] if isinstance(schema, dict) else []
    if isinstance(value, list):
        return _list_fits(value, schema, operators, root, at)
    if not isinstance(schema, dict | list):
        return not isinstance(value, dict | Undefined) and loosely_equal(value, schema)
    if isinstance(schema, dict) and isinstance(schema.get("$or"), list):
        return any(_matches(value, one, root, at) for one in schema["$or"])
    if isinstance(schema, dict) and schema.get("$ref"):
        return _fits(value, _refer(root, schema["$ref"], at), root, at)
    if operators:
        return all(_operate(key, value, _compared(schema[key], root, at)) for key in operators)
    return isinstance(value, dict) and _matches(value, schema, root, at)


def _list_fits(value: list[Any], schema: Any, operators: list[str], root: Any, at: Indexes) -> bool:
    if operators:
        return all(_operate(key, value, schema[key]) for key in operators)

    def has(wanted: Any) -> bool:
        """Tell whether an element fits."""
        return any(_fits(one, wanted, root, (*at, place)) for place, one in enumerate(value))

    return all(map(has, schema)) if isinstance(schema, list) else has(schema)


def _compared(value: Any, root: Any, at: Indexes) -> Any:
    has_reference = isinstance(value, dict) and "$ref" in value
    return _refer(root, value["$ref"], at) if has_reference else value


def _refer(root: Any, path: str, at: Indexes) -> Any:
    for index in at:
        path = path.replace("$index", str(index), 1)
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(root, list):
            root = root[int(step)] if step.isdigit() and int(step) < len(root) else None
        else:
            root = root.get(step) if isinstance(root, dict) else None
    return root


def loosely_equal(one: Any, other: Any) -> bool:
    """Compare two values that are no lists or objects as `==` of JavaScript does."""
    if one is None or other is None:
        return one is other
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    left, right = _number(one), _number(other)
    return left is not None and left == right


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            return float(value.strip() or 0)
        except ValueError:
            return None
    return float(value)


def _operate(name: str, value: Any, compared: Any) -> bool:
    try:
        return OPERATORS[name](value, compared)
    except UnsupportedTypes:
        return False


def _same(value: Any, compared: Any) -> bool:
    if isinstance(value, dict | list) or isinstance(compared, dict | list):
        return json.dumps(value) == json.dumps(compared)
    return loosely_equal(value, compared)


def _is_in(value: Any, compared: Any) -> bool:
    if isinstance(value, dict | list | Undefined) or isinstance(compared, bool | dict | None):
        raise UnsupportedTypes
    if isinstance(compared, list):
        if not all(isinstance(one, str | float | int) for one in compared):
            raise UnsupportedTypes
        return any(type(one) is type(value) and one == value for one in compared)
    if not isinstance(value, str):
        raise UnsupportedTypes
    return str(compared) in value


def _affix(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def found(value: Any, compared: Any) -> bool:
        texts = compared if isinstance(compared, list) else [compared]
        if not isinstance(value, str) or not all(isinstance(one, str) for one in texts):
            raise UnsupportedTypes
        return any(test(value, one) for one in texts)

    return found


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def found(value: Any, compared: Any) -> bool:
        for one in (value, compared):
            if isinstance(one, bool) or not isinstance(one, str | int | float):
                raise UnsupportedTypes
        if isinstance(value, str) and isinstance(compared, str):
            return test(value, compared)
        left, right = _number(value), _number(compared)
        return left is not None and right is not None and test(left, right)

    return found


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _same,
    "$neq": lambda value, compared: not _same(value, compared),
    "$in": _is_in,
    "$nin": lambda value, compared: not _is_in(value, compared),
    "$startsWith": _affix(str.startswith),
    "$endsWith": _affix(str.endswith),
    "$gt": _ordered(lambda one, other: one > other),
    "$gte": _ordered(lambda one, other: one >= other),
    "$lt": _ordered(lambda one, other: one < other),
    "$lte": _ordered(lambda one, other: one <= other),
    "$exist": lambda value, compared: (value is not UNDEFINED) is compared,
}


# -- Convoy


class FailedFilter(Exception):
    """Convoy reports an error, and delivers nothing."""


def convoy_passes(payload: Any, schema: Mapping[str, Any], *, ignores_missing: bool = True) -> bool:
    """Tell whether Convoy delivers a payload.

    `ignores_missing`: it leaves out a clause whose key is missing, if another clause passes.
    """
    try:
        return _compare(flatten(payload), schema, ignores_missing=ignores_missing)
    except FailedFilter:
        return False


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Return the values of a payload by dotted path; a list of plain values is one value."""
    is_plain = isinstance(value, list) and (not value or not isinstance(value[0], dict | list))
    if isinstance(value, list) and not is_plain:
        pairs = [(str(number), one) for number, one in enumerate(value) if isinstance(one, dict)]
    elif isinstance(value, dict) and value:
        pairs = list(value.items())
    else:
        return {path: value} if path else {}
    found: dict[str, Any] = {}
    for key, one in pairs:
        found |= flatten(one, f"{path}.{key}" if path else key)
    return found


def flatten_filter(value: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return the clauses of a filter by dotted path."""
    found: dict[str, Any] = {}
    for key, one in value.items():
        inside = f"{path}.{key}" if path else key
        if key in ("$or", "$and") or not isinstance(one, dict) or any(k[0] == "$" for k in one):
            found[inside] = one
        else:
            found |= flatten_filter(one, inside)
    return found


def _compare(flat: Mapping[str, Any], schema: Mapping[str, Any], *, ignores_missing: bool) -> bool:
    passed = []
    clauses = flatten_filter(schema)
    for path, test in clauses.items():
        if path in ("$or", "$and"):
            inner = [_compare(flat, one, ignores_missing=ignores_missing) for one in test]
            passed.append(any(inner) if path == "$or" else all(inner))
            continue
        if "$." in path:
            pattern = re.compile(re.escape(path).replace(r"\$", "[0-9]+"))
            found = [_test(flat[key], test) for key in flat if pattern.fullmatch(key)]
            passed.append(any(found))
        elif path in flat:
            passed.append(_test(flat[path], test))
        elif not ignores_missing:
            passed.append(test == {"$exist": False})
    return all(passed) if passed else not clauses


def _test(value: Any, test: Any) -> bool:
    if isinstance(test, dict):
        return all(CONVOY_TESTS[name](value, one) for name, one in test.items())
    return test in value if isinstance(value, list) else value == test


def _need_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FailedFilter
    return value


def _listed(value: Any, compared: Any) -> bool:
    if isinstance(compared, list):
        return value in compared
    if not isinstance(value, list):
        raise FailedFilter
    return compared in value


def _searched(value: Any, pattern: str) -> bool:
    if not isinstance(value, str):
        raise FailedFilter
    return re.search(pattern, value) is not None


CONVOY_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, compared: value == compared,
    "$neq": lambda value, compared: value != compared,
    "$gt": lambda value, compared: _need_number(value) > compared,
    "$gte": lambda value, compared: _need_number(value) >= compared,
    "$lt": lambda value, compared: _need_number(value) < compared,
    "$lte": lambda value, compared: _need_number(value) <= compared,
    "$in": _listed,
    "$nin": lambda value, compared: not _listed(value, compared),
    "$exist": lambda _value, compared: compared is True,
    "$regex": _searched,
}
