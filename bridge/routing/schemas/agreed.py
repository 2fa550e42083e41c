"""jsonschema-rs (extra `fast`) for the schemas on which it and jsonschema are known to agree. Pure."""

from __future__ import annotations

from typing import Any

from bridge.core.model import JSON
from bridge.routing.schemas import plain
from bridge.routing.schemas.plain import Accept
from bridge.routing.schemas.walk import parts

AGREED = plain.ANNOTATIONS.union(
    plain.KEYWORDS,
    [
        "$ref",
        "propertyNames",
        "dependentRequired",
        "prefixItems",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
    ],
)


def accepts(document: dict[str, Any]) -> Accept | None:
    """Return jsonschema-rs's verdict on a schema of draft 2020-12, where it is installed and both
    engines agree on all its keywords.
    """
    for _, schema, _ in parts(document):
        if not AGREED.issuperset(schema) or not _is_plain(schema.get("$ref"), document):
            return None
    try:
        import jsonschema_rs

        is_valid: Accept = jsonschema_rs.Draft202012Validator(document).is_valid
        return is_valid
    except (ImportError, ValueError):
        return None


def _is_plain(reference: JSON, document: dict[str, Any]) -> bool:
    """Return whether a reference is none, or leads to a place in `document` that refers no further:
    no recursion.
    """
    if reference is None:
        return True
    target: Any = document
    if (
        not isinstance(reference, str)
        or not reference.startswith("#/")
        or "~" in reference
        or "%" in reference
    ):
        return False
    for step in reference[2:].split("/"):
        target = target.get(step) if isinstance(target, dict) else None
    return isinstance(target, dict) and not any("$ref" in schema for _, schema, _ in parts(target))
