"""Fields from the name-value pairs of a form: lists, `a[]`, and nested `a[b]`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from bridge.core.errors import FieldFault, Refused

Fields = dict[str, Any]
MAX_NESTING: Final = 10  # levels, as in a[b][c]
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_MAX_SHOWN_CHARS: Final = 60  # of a name in an answer


class _Values(list[Any]):
    """The values of one name. `listed`: it is a list even with one value."""

    listed = False

    def plain(self) -> Any:
        return list(self) if self.listed or len(self) > 1 else self[0]


def gather_fields(pairs: Iterable[tuple[str, Any]], *, nested: bool) -> Fields:
    """Return the fields in the order of their first values.

    Raises `Refused` if names contradict each other or are nested too deeply.
    """
    top: Fields = {}
    for name, value in pairs:
        path, listed = _path(name, nested)
        values = _place(top, path, name)
        values.append(value)
        values.listed = values.listed or listed
    return {name: _plain(value) for name, value in top.items()}


def shorten_name(name: str) -> str:
    """Return a field's name, shortened for an answer."""
    return name if len(name) <= _MAX_SHOWN_CHARS else name[: _MAX_SHOWN_CHARS - 1] + "…"


def _path(name: str, nested: bool) -> tuple[list[str], bool]:
    listed = name.endswith("[]") and len(name) > 2
    name = name[:-2] if listed else name
    match = _NAME.fullmatch(name) if nested else None
    if match is None:
        return [name], listed
    steps = [match[1], *match[2][1:-1].split("][")]
    if len(steps) > MAX_NESTING:
        raise _wrong(name, FieldFault("nests_too_deep", limit=MAX_NESTING))
    if "" in steps:
        raise _wrong(name, FieldFault("nests_unclear"))
    return steps, listed


def _place(fields: Fields, path: list[str], name: str) -> _Values:
    for step in path[:-1]:
        fields = fields.setdefault(step, {})
        if not isinstance(fields, dict):
            raise _wrong(name, FieldFault("sent_both_ways"))
    values = fields.setdefault(path[-1], _Values())
    if not isinstance(values, _Values):
        raise _wrong(name, FieldFault("sent_both_ways"))
    return values


def _plain(value: Any) -> Any:
    """Return the final value; an object with the members 0, 1, 2… becomes a list."""
    if isinstance(value, _Values):
        return value.plain()
    members = {name: _plain(member) for name, member in value.items()}
    positions = [str(number) for number in range(len(members))]
    return (
        [members[position] for position in positions]
        if members.keys() == set(positions)
        else members
    )


def _wrong(name: str, fault: FieldFault) -> Refused:
    return Refused(422, "invalid", "some fields are invalid", fields={shorten_name(name): fault})
