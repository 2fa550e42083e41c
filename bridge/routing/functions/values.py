"""Truth and equality of JSON values, as expressions define them. Pure."""

from __future__ import annotations

from bridge.core.model import JSON


def is_true(value: JSON) -> bool:
    """Return whether JMESPath treats `value` as true.

    False are null, false, and an empty text, array or object; 0 is true.
    """
    return not (
        value is None or value is False or (isinstance(value, (str, list, dict)) and not value)
    )


def equal(left: JSON, right: JSON) -> bool:
    """Return whether two JSON values are equal: 1 equals 1.0 but not true, at any depth."""
    stack = [(left, right)]
    while stack:
        a, b = stack.pop()
        if isinstance(a, bool) or isinstance(b, bool):
            if a is not b:
                return False
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            stack.extend(zip(a, b, strict=True))
        elif isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            stack.extend((value, b[key]) for key, value in a.items())
        elif a != b:
            return False
    return True


def identity_of(value: JSON) -> object:
    """Return a hashable that is equal exactly for equal JSON values.

    Numbers are texts: Python's hash of a number is the same in every process, so a sender could
    choose numbers that collide, and sets of them would take quadratic time.
    """
    if isinstance(value, dict):
        return ("object", frozenset((key, identity_of(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("array", tuple(map(identity_of, value)))
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return ("number", str(value)) if isinstance(value, (int, float)) else value
