"""An independent model of adnanh/webhook 2.8.0: whether a request triggers a hook.

It follows the program, not flowbridge: a rule gives (value, error), and an error is `missing` (a
parameter that is not there) or `failed` (the program answers 500).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any

MISSING = "missing"
FAILED = "failed"


@dataclass(frozen=True)
class HookRequest:
    """A request: `payload` is sent as JSON."""

    payload: Any
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return json.dumps(self.payload).encode()


def triggers(hook: dict[str, Any], request: HookRequest) -> bool:
    """Tell whether the program runs the command."""
    rule = hook.get("trigger-rule")
    if rule is None:
        return True
    value, error = evaluate(rule, request, soft=hook.get("trigger-signature-soft-failures", False))
    return value and error in (None, MISSING)


def evaluate(rule: dict[str, Any], request: HookRequest, *, soft: bool) -> tuple[bool, str | None]:
    """Return the value of a rule, and its error."""
    if "and" in rule:
        return _all(rule["and"], request, soft=soft)
    if "or" in rule:
        return _any(rule["or"], request, soft=soft)
    if "not" in rule:
        value, error = evaluate(rule["not"], request, soft=soft)
        return not value, error
    return _match(rule["match"], request) if "match" in rule else (False, None)


def _all(rules: Any, request: HookRequest, *, soft: bool) -> tuple[bool, str | None]:
    for one in rules:
        value, error = evaluate(one, request, soft=soft)
        if error or not value:
            return False, error
    return True, None


def _any(rules: Any, request: HookRequest, *, soft: bool) -> tuple[bool, str | None]:
    for one in rules:
        value, error = evaluate(one, request, soft=soft)
        if error == FAILED and not (soft and "payload-h" in json.dumps(one)):
            return False, FAILED
        if value:
            return True, None
    return False, None


def _match(rule: dict[str, Any], request: HookRequest) -> tuple[bool, str | None]:
    text, error = _argument(rule["parameter"], request)
    if error:
        return False, error
    if rule["type"] == "value":
        return text == rule["value"], None
    if rule["type"] == "regex":
        return re.search(python_pattern(rule["regex"]), text, re.ASCII) is not None, None
    algorithm = rule["type"].rpartition("-")[2]
    proven = hmac.new(rule["secret"].encode(), request.body, algorithm).hexdigest()
    given = [part.removeprefix(f"{algorithm}=") for part in text.split(",")]
    return (True, None) if proven in given else (False, FAILED)


def _argument(parameter: dict[str, Any], request: HookRequest) -> tuple[str, str | None]:
    source, name = parameter["source"], parameter["name"]
    if source == "string":
        return name, None
    if source == "request":
        return "POST", None
    if source == "header":
        values: Any = {key.lower(): value for key, value in request.headers.items()}
        name = name.lower()
    else:
        values = request.query if source in ("url", "query") else request.payload
    return _dig(name, values)


def _dig(name: str, value: Any) -> tuple[str, str | None]:
    if value is None:
        return "", FAILED
    first, dot, rest = name.partition(".")
    if isinstance(value, dict):
        if name in value:
            return _text(value[name]), None
        if first in value and dot:
            return _dig(rest, value[first])
    if isinstance(value, list) and first.isdigit() and int(first) < len(value):
        found = value[int(first)]
        return _dig(rest, found) if dot else (_text(found), None)
    return "", MISSING


def _text(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def python_pattern(pattern: str) -> str:
    """Return a pattern of the tests as Python writes it."""
    parts = {"[[:alpha:]]": "[A-Za-z]", r"\z": r"\Z", r"\Qrefs/\E": "refs/", "$": r"\Z"}
    for go, python in parts.items():
        pattern = pattern.replace(go, python)
    return pattern


def sign(secret: str, algorithm: str, body: bytes) -> str:
    """Return the hexadecimal HMAC of a body."""
    return hmac.new(secret.encode(), body, getattr(hashlib, algorithm)).hexdigest()
