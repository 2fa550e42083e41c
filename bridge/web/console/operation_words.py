"""The request of an operation in words: its filters, options and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from bridge.core.units import write_time
from bridge.services.records.json_record import require_time

#: Between a command and its outcome in a form, as in `resolve:queued`.
OUTCOME_MARK: Final = ":"
MAX_SHOWN_IDS: Final = 5  # of those that a request named


#: Options of a command that its page shows in words.
_SHOWN_ELSEWHERE: Final = ("to", "rate")
_RESOLUTIONS: Final = {
    "delivered": "it ran",
    "queued": "it did not run: send again",
    "dead": "give up",
}


def describe_request(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the filters and options of an operation, as names and values for people.

    A value that the session may not read is shown as hidden.
    """
    filters = request.get("filters") or {}
    pairs = [(name, _as_text(name, value)) for name, value in filters.items()]
    how = request.get("how") or {}
    if "to" in how:
        pairs.append(("as", _RESOLUTIONS.get(how["to"], str(how["to"]))))
    options = {name: request[name] for name in ("list", "limit") if name in request}
    options |= {name: value for name, value in how.items() if name not in _SHOWN_ELSEWHERE}
    pairs += [(name.replace("_", " "), _as_text(name, value)) for name, value in options.items()]
    return pairs


def list_ids(request: Mapping[str, Any]) -> Sequence[str]:
    """Return the first of the ids that were named."""
    ids = request.get("ids")
    return [str(id_) for id_ in ids[:MAX_SHOWN_IDS]] if isinstance(ids, list) else []


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return "hidden"
    if name in ("since", "until"):
        with suppress(ValueError):  # a time outside the calendar is stored as it was written
            return write_time(require_time(value), "%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "yes" if value is True else str(value)
