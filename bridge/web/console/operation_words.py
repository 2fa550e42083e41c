"""The request of an operation in words: its filters, options and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.core.units import write_time

#: Between a command and its outcome in a form, as in `resolve:queued`.
OUTCOME_MARK: Final = ":"


#: Keys of a request that are no options of its command.
_SHOWN_ELSEWHERE: Final = ("filters", "names", "to", "rate")
_RESOLUTIONS: Final = {
    "delivered": "it ran",
    "queued": "it did not run: send again",
    "dead": "give up",
}


def describe_request(command: str, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the filters and options of an operation, as names and values for people.

    A value that the session may not read is shown as hidden.
    """
    filters = asked.get("filters") or {}
    pairs = [(name, _as_text(name, value)) for name, value in filters.items()]
    if command == "resolve" and "to" in asked:
        pairs.append(("as", _RESOLUTIONS.get(asked["to"], str(asked["to"]))))
    options = {name: value for name, value in asked.items() if name not in _SHOWN_ELSEWHERE}
    pairs += [(name.replace("_", " "), _as_text(name, value)) for name, value in options.items()]
    return pairs


def list_names(asked: Mapping[str, Any]) -> Sequence[str]:
    """Return the first of the ids that were named."""
    names = asked.get("names")
    return [str(one) for one in names] if isinstance(names, list) else []


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return "hidden"
    if name in ("since", "until") and isinstance(value, int | float):
        return write_time(value, "%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "yes" if value is True else str(value)
