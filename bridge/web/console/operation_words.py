"""Operations in words: what a command does to its items, and to which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.operations import are_deliveries
from bridge.core.plurals import pluralize
from bridge.core.times import write_time
from bridge.services.operation_commands import COMMANDS, ItemKind

#: Between a command and its outcome in a form, as in `resolve:queued`.
OUTCOME_MARK: Final = ":"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationWords:
    """The words of a command, of one outcome of `resolve`, or of a replay of deliveries.

    `verb` begins a title with the number of items. `effect` says what is done to each. `undo`: how
    a person takes it back, empty where there is no way.
    """

    verb: str
    effect: str
    undo: str = ""


WORDS: Final = {
    "retry": OperationWords(
        verb="Retry",
        effect="Each delivery is queued again, and sent with the inputs that it has.",
        undo="Until one is sent, cancel takes it back.",
    ),
    "cancel": OperationWords(
        verb="Cancel",
        effect="A cancelled delivery is not sent. What waits behind it goes on.",
        undo="Retry queues it again.",
    ),
    "replay:events": OperationWords(
        verb="Replay",
        effect=(
            "Each event is planned again, and gets new deliveries by the routes.yaml that is in"
            " force then."
        ),
        undo="Until the new deliveries are sent, cancel takes them back.",
    ),
    "replay:deliveries": OperationWords(
        verb="Replay",
        effect=(
            "The event of each delivery is planned again, through the route of the delivery alone,"
            " and gets a new delivery by the routes.yaml that is in force then."
        ),
        undo="Until the new deliveries are sent, cancel takes them back.",
    ),
    "resolve:delivered": OperationWords(
        verb="Record as started:",
        effect="Each delivery becomes delivered: its call started a run, and nothing is sent.",
    ),
    "resolve:queued": OperationWords(
        verb="Send again:",
        effect=(
            "Each delivery is queued again, since its call started no run. If there is a run after"
            " all, the flow runs twice."
        ),
    ),
    "resolve:dead": OperationWords(
        verb="Give up",
        effect="Each delivery becomes dead, and is not sent.",
        undo="Retry queues it again.",
    ),
    "spam release": OperationWords(
        verb="Release",
        effect="Each event loses its mark as spam, is planned, and starts its flows.",
    ),
    "spam mark": OperationWords(
        verb="Mark as spam:",
        effect="Each event is marked as spam, and its waiting deliveries are cancelled.",
        undo="Release takes the mark away.",
    ),
    "readmit": OperationWords(
        verb="Readmit",
        effect=(
            "Each request is verified again by the current routes.yaml, as of the time when it"
            " arrived. Those that pass become events and start their flows."
        ),
    ),
    "erase": OperationWords(verb="Erase", effect="Contents are deleted for good."),
}
_NOUNS: Final[Mapping[ItemKind | None, tuple[str, str]]] = {
    ItemKind.DELIVERIES: ("delivery", "deliveries"),
    ItemKind.EVENTS: ("event", "events"),
    ItemKind.REJECTS: ("reject", "rejects"),
}
#: Keys of a request that are no options of its command.
_SHOWN_ELSEWHERE: Final = ("filters", "names", "to", "rate")
_RESOLUTIONS: Final = {
    "delivered": "it ran",
    "queued": "it did not run: send again",
    "dead": "give up",
}


def find_words(command: str, asked: Mapping[str, Any], ids: Sequence[str]) -> OperationWords:
    """Return the words of a command with its options. `ids`: some of its items."""
    name = f"{command}{OUTCOME_MARK}{asked.get('to')}" if command == "resolve" else command
    if command == "replay":
        name += f":{_find_items(command, ids)}"
    return WORDS.get(name) or OperationWords(verb=f"{command.capitalize()}:", effect="")


def count_items(command: str, count: int | None, ids: Sequence[str]) -> str:
    """Return the number of items of a command, with their noun. `ids`: some of them."""
    one, many = _NOUNS.get(_find_items(command, ids), ("item", "items"))
    return pluralize(count or 0, one, many)


def _find_items(command: str, ids: Sequence[str]) -> ItemKind | None:
    """Return the kind of a command's items; those of a replay may be deliveries."""
    if command == "replay" and are_deliveries(ids):
        return ItemKind.DELIVERIES
    known = COMMANDS.get(command)
    return None if known is None else known.items


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
