"""A model of the conditions of n8n's IF and Filter nodes with strict types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def passes(row: Mapping[str, Any], body: Mapping[str, Any], *, is_sensitive: bool) -> bool:
    """Return what n8n's strict filter decides about a value of the right type."""
    operation, kind = row["operator"]["operation"], row["operator"]["type"]
    left, right = body.get(row["name"]), row["rightValue"]
    if operation in ("exists", "notExists"):
        return (left is not None) is (operation == "exists")
    if kind == "string":
        return text_passes(operation, left or "", right, is_sensitive=is_sensitive)
    if operation in ("empty", "notEmpty"):
        return (left is None) is (operation == "empty")
    if operation in ("true", "false"):
        return bool(left) is (operation == "true")
    if operation in ("equals", "notEquals"):
        return (left == right) is (operation == "equals")
    compare = {"gt": float.__gt__, "gte": float.__ge__, "lt": float.__lt__, "lte": float.__le__}
    return left is not None and compare[operation](float(left), float(right))


def text_passes(operation: str, left: str, right: str, *, is_sensitive: bool) -> bool:
    if operation in ("regex", "notRegex"):
        flags = 0 if is_sensitive else re.IGNORECASE
        return bool(re.search(right, left, flags)) is (operation == "regex")
    if not is_sensitive:
        left, right = left.lower(), right.lower()
    tests = {
        "equals": left == right,
        "contains": right in left,
        "startsWith": left.startswith(right),
        "endsWith": left.endswith(right),
        "empty": not left,
    }
    return (
        tests[operation]
        if operation in tests
        else not tests[operation[3:4].lower() + operation[4:]]
    )
