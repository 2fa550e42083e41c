"""Functions on arrays and objects, and conditional functions. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.functions.signature import MAX_ITEMS, ExpressionReference, Function, type_of
from bridge.routing.functions.values import equal, identity_of, is_true

Lazy = Callable[[], JSON]


def _if(condition: Lazy, then: Lazy, otherwise: Lazy = lambda: None) -> JSON:
    return then() if is_true(condition()) else otherwise()


def _default(*choices: Lazy) -> JSON:
    for choice in choices:
        value = choice()
        if value is not None:
            return value
    return None


def _get(subject: JSON, key: str | int | float, otherwise: JSON = None) -> JSON:
    if isinstance(subject, dict):
        value = subject.get(key) if isinstance(key, str) else None
    elif isinstance(subject, list) and not isinstance(key, str) and key == int(key):
        value = subject[int(key)] if -len(subject) <= key < len(subject) else None
    else:
        value = None
    return otherwise if value is None else value


def _unique(items: list[JSON]) -> list[JSON]:
    seen: dict[object, JSON] = {}
    for item in items:
        seen.setdefault(identity_of(item), item)
    return list(seen.values())


def _contains(subject: str | list[JSON], search: JSON) -> bool:
    if isinstance(subject, str):
        return isinstance(search, str) and search in subject
    return any(equal(item, search) for item in subject)


def _merge(*objects: dict[str, JSON]) -> dict[str, JSON]:
    merged: dict[str, JSON] = {}
    for mapping in objects:
        merged.update(mapping)
    return merged


def _keyed(items: list[JSON], by: ExpressionReference, name: str) -> list[tuple[Any, JSON]]:
    keyed = [(by.apply(item), item) for item in items]
    kinds = {type_of(key) for key, _ in keyed}
    if not kinds <= {"number"} and not kinds <= {"string"}:
        raise ExpressionError(
            f"{name} needs keys that are all numbers or all strings, found"
            f" {' and '.join(sorted(kinds))}"
        )
    return keyed


def _sort_by(items: list[JSON], by: ExpressionReference) -> list[JSON]:
    return [item for _, item in sorted(_keyed(items, by, "sort_by"), key=lambda pair: pair[0])]


def _min_by(items: list[JSON], by: ExpressionReference) -> JSON:
    return min(_keyed(items, by, "min_by"), key=lambda pair: pair[0])[1] if items else None


def _max_by(items: list[JSON], by: ExpressionReference) -> JSON:
    return max(_keyed(items, by, "max_by"), key=lambda pair: pair[0])[1] if items else None


def _concat(*arrays: list[JSON]) -> list[JSON]:
    if sum(map(len, arrays)) > MAX_ITEMS:
        raise ExpressionError(f"an array of more than {MAX_ITEMS} elements")
    return [item for array in arrays for item in array]


_ORDERED = "array[number]|array[string]"

FUNCTIONS = (
    Function(
        "if",
        ("condition: any", "then: any", "else?: any"),
        "`then` if the condition is true, else `else` (default null).",
        "if(2 > 1, 'yes', 'no')",
        "yes",
        _if,
        lazy=True,
    ),
    Function(
        "default",
        ("x: any", "fallback*: any"),
        "The first argument that is not null.",
        "default(`null`, 'none')",
        "none",
        _default,
        lazy=True,
    ),
    Function(
        "coalesce",
        ("x: any", "fallback*: any"),
        "The same as default().",
        "coalesce(`null`, 0)",
        0,
        _default,
        lazy=True,
    ),
    Function(
        "not_null",
        ("x: any", "more*: any"),
        "The same as default().",
        "not_null(`null`, 'a')",
        "a",
        _default,
        lazy=True,
    ),
    Function(
        "get",
        ("from: object|array|null", "key: string|number", "fallback?: any"),
        "The value of a computed key, or of a key with a hyphen; null (or the fallback) if there is"
        " none.",
        "get({a: 1}, 'a')",
        1,
        _get,
    ),
    Function(
        "lookup",
        ("from: object|array|null", "key: string|number", "fallback?: any"),
        "The same as get().",
        "lookup({bug: 'P1'}, 'task', 'P3')",
        "P3",
        _get,
    ),
    Function(
        "first",
        ("items: array",),
        "The first element; null if there is none.",
        "first(['a', 'b'])",
        "a",
        lambda items: items[0] if items else None,
    ),
    Function(
        "last",
        ("items: array",),
        "The last element; null if there is none.",
        "last(['a', 'b'])",
        "b",
        lambda items: items[-1] if items else None,
    ),
    Function(
        "unique",
        ("items: array",),
        "The elements without duplicates, in order.",
        "unique(['b', 'a', 'b'])",
        ["b", "a"],
        _unique,
    ),
    Function(
        "concat",
        ("array: array", "more*: array"),
        "One array of all elements.",
        "concat(['a'], ['b'])",
        ["a", "b"],
        _concat,
    ),
    Function(
        "contains",
        ("in: array|string", "search: any"),
        "Whether an array has the element, or a text the substring.",
        "contains(['a', 'b'], 'a')",
        True,
        _contains,
    ),
    Function("keys", ("object: object",), "The keys of an object.", "keys({a: 1})", ["a"], list),
    Function(
        "values",
        ("object: object",),
        "The values of an object.",
        "values({a: 1})",
        [1],
        lambda value: list(value.values()),
    ),
    Function(
        "length",
        ("x: string|array|object",),
        "The number of characters, elements or keys.",
        "length('abc')",
        3,
        len,
    ),
    Function(
        "reverse",
        ("x: array|string",),
        "The elements, or the characters, in reverse order.",
        "reverse('abc')",
        "cba",
        lambda x: x[::-1],
    ),
    Function(
        "map",
        ("by: expression", "items: array"),
        "The expression's value for each element.",
        "map(&n, [{n: 1}])",
        [1],
        lambda by, items: [by.apply(item) for item in items],
    ),
    Function(
        "max",
        (f"items: {_ORDERED}",),
        "The greatest number or text; null if there is none.",
        "max([1, 3, 2])",
        3,
        lambda items: max(items, default=None),
    ),
    Function(
        "min",
        (f"items: {_ORDERED}",),
        "The least number or text; null if there is none.",
        "min([1, 3, 2])",
        1,
        lambda items: min(items, default=None),
    ),
    Function(
        "max_by",
        ("items: array", "by: expression"),
        "The element for which the expression is greatest.",
        "max_by([{n: 1}, {n: 2}], &n)",
        {"n": 2},
        _max_by,
    ),
    Function(
        "min_by",
        ("items: array", "by: expression"),
        "The element for which the expression is least.",
        "min_by([{n: 1}, {n: 2}], &n)",
        {"n": 1},
        _min_by,
    ),
    Function(
        "sort",
        (f"items: {_ORDERED}",),
        "The numbers or texts in order.",
        "sort([3, 1, 2])",
        [1, 2, 3],
        sorted,
    ),
    Function(
        "sort_by",
        ("items: array", "by: expression"),
        "The elements in the order of the expression's value.",
        "sort_by([{n: 2}, {n: 1}], &n)",
        [{"n": 1}, {"n": 2}],
        _sort_by,
    ),
    Function(
        "merge",
        ("object: object", "more*: object"),
        "One object of all keys; later ones take precedence.",
        "merge({a: 1}, {b: 2})",
        {"a": 1, "b": 2},
        _merge,
    ),
    Function(
        "to_array",
        ("x: any",),
        "An array unchanged; any other value as an array of one element.",
        "to_array('a')",
        ["a"],
        lambda x: x if isinstance(x, list) else [x],
    ),
    Function(
        "type",
        ("x: any",),
        "The JSON type: string, number, boolean, array, object or null.",
        "type('a')",
        "string",
        type_of,
    ),
)
