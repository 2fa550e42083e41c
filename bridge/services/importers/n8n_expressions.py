"""Expressions of n8n that read one value of the request. Pure."""

from __future__ import annotations

import re
from typing import Any

from bridge.services.importers.hook_references import NotCarried, Reference

_ROOT = re.compile(
    r"=\{\{\s*(?:\$json|\$node\[(?:\"[^\"]*\"|'[^']*')\]\.json"
    r"|\$\((?:\"[^\"]*\"|'[^']*')\)\.(?:item|first\(\)|last\(\))\.json)(?P<steps>[^{}]*?)\s*\}\}"
)
_STEP = re.compile(
    r"\??\.(?P<name>[A-Za-z_$][\w$]*)|(?:\?\.)?\[(?:\"(?P<double>[^\"\\]*)\"|'(?P<single>[^'\\]*)'"
    r"|(?P<index>[0-9]{1,6}))\]"
)


def is_expression(value: Any) -> bool:
    """Return whether n8n evaluates a parameter, rather than using it as it is."""
    return isinstance(value, str) and ("{{" in value or value.startswith("="))


def read_expression(text: Any) -> Reference:
    """Return the place that `{{ $json.body.x }}` names; `NotCarried` for another expression."""
    if isinstance(text, str) and text.strip() != text and _ROOT.fullmatch(text.strip()):
        raise NotCarried("n8n adds the spaces around the expression to its value")
    found = _ROOT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise NotCarried("it uses an expression other than a path below $json")
    steps: list[str] = []
    at = 0
    while at < len(found["steps"]):
        step = _STEP.match(found["steps"], at)
        if step is None:
            raise NotCarried("it uses an expression other than a path below $json")
        steps.append(next(one for one in step.groups() if one is not None))
        at = step.end()
    if len(steps) < 2 or steps[0] not in ("body", "headers", "query"):
        raise NotCarried("it reads something else than a value of body, headers or query")
    if steps[-1] == "length":
        raise NotCarried("it reads the length of a value")
    if steps[0] == "headers":
        return _read_header(".".join(steps[1:]))
    return Reference(tuple(steps))


def _read_header(name: str) -> Reference:
    if name != name.lower():
        raise NotCarried(f"n8n has the names of headers in lower case, so it never finds {name}")
    return Reference(("headers", name))
