"""Suggest clauses of `match` that a value of an event fulfils. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.routing.expressions.paths import Steps, write_path
from bridge.routing.matching.matcher import path_steps

#: Of a text that a clause compares; of a longer one it only says that there is one.
MAX_COMPARED_CHARS: Final = 200
MAX_CLAUSE_PATH_CHARS: Final = 1000
#: What routes.yaml does not allow in `match`.
_PLACEHOLDER: Final = re.compile(r"\$\{\s*(env|file):")
_INTEGERS: Final = range(-(2**63), 2**64)  # that YAML is read as


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedClause:
    """A clause of `match` that is true for the event.

    `word` names its kind: `element`, `equal` or `exists`. `label` says when it is true.
    """

    word: str
    label: str
    clause: Mapping[str, JSON]


def suggest_clauses(path: Steps, value: JSON) -> list[SuggestedClause]:
    """Return the clauses for the value at a path of an event, the likeliest first.

    None for a path that is too long.
    """
    if len(write_path(path)) > MAX_CLAUSE_PATH_CHARS:
        return []
    suggestions = []
    if _is_comparable(value):
        if (element := _write_element(path, value)) is not None:
            suggestions.append(SuggestedClause(word="element", label="any element", clause=element))
        suggestions.append(
            SuggestedClause(word="equal", label="the same value", clause=_write_equal(path, value))
        )
    if isinstance(value, list) and value and _is_comparable(value[0]):
        contains = _write_element((*path, 0), value[0])
        if contains is not None:
            suggestions.append(
                SuggestedClause(word="element", label="any element", clause=contains)
            )
    is_set = value is not None
    label = "any value" if is_set else "no value"
    suggestions.append(
        SuggestedClause(word="exists", label=label, clause=_write_exists(path, is_set))
    )
    return suggestions


def write_dotted(path: Steps) -> str | None:
    """Return a path as a key of `match`; null where one of its names cannot be part of a key."""
    text = write_path(path, dotted=True)
    try:
        steps = path_steps(text)
    except CompileError:
        return None
    return text if text.isprintable() and steps == tuple(map(str, path)) else None


def _is_comparable(value: JSON) -> bool:
    """Return whether a clause can have the value: a short text of one line, a number, a boolean."""
    if isinstance(value, str):
        is_short = len(value) <= MAX_COMPARED_CHARS and value.isprintable()
        return is_short and _PLACEHOLDER.search(value) is None
    if isinstance(value, int):
        return value in _INTEGERS
    return isinstance(value, float)


def _write_equal(path: Steps, value: JSON) -> dict[str, JSON]:
    dotted = write_dotted(path)
    if dotted is not None:
        return {dotted: value}
    return {"when": f"{write_path(path)} == {_write_literal(value)}"}


def _write_exists(path: Steps, is_set: bool) -> dict[str, JSON]:
    dotted = write_dotted(path)
    if dotted is not None:
        return {dotted: {"exists": is_set}}
    return {"when": f"{write_path(path)} {'!=' if is_set else '=='} `null`"}


def _write_element(path: Steps, value: JSON) -> dict[str, JSON] | None:
    """Return the clause that an element of a list, at any place, has the value."""
    indexes = [number for number, step in enumerate(path) if isinstance(step, int)]
    if len(indexes) != 1:
        return None
    at = indexes[0]
    if at < len(path) - 1:
        test = f"{write_path(path[at + 1 :])} == {_write_literal(value)}"
        return {"when": f"{write_path(path[:at])}[?{test}]"}
    dotted = write_dotted(path[:at])
    return None if dotted is None else {dotted: {"contains": value}}


def _write_literal(value: JSON) -> str:
    if isinstance(value, str) and "'" not in value and "\\" not in value:
        return f"'{value}'"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return "`{}`".format(json.dumps(value).replace("`", "\\u0060"))
