"""The commands of operations: a table of what each selects and takes, and of its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.model import Status
from bridge.core.operations import THEN, Operation, are_deliveries
from bridge.core.text import choose_noun
from bridge.services.operations.pacing import parse_rate

MAX_REASON_CHARS: Final = 200
REJECT_FILTERS: Final = ("source", "since")
SPAM_FILTERS: Final = ("source", "reason", "since", "until")


class ItemKind(StrEnum):
    """Kinds of records that a command is carried out on."""

    DELIVERIES = "deliveries"
    EVENTS = "events"
    REJECTS = "rejects"
    RECORDS = "records"  #: events and rejects


_SINGULARS: Final = {
    ItemKind.DELIVERIES: "delivery",
    ItemKind.EVENTS: "event",
    ItemKind.REJECTS: "reject",
    ItemKind.RECORDS: "record",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationWords:
    """The words of a command, or of one outcome of `resolve`.

    `verb` stands behind the number of items ("3 events to replay"), `done` behind those that are
    done ("3 replayed"), and `title` before it ("Replay 3 events"). `effect` says what is done to
    each item, and `undo` how a person takes it back, empty where there is no way.
    """

    verb: str
    done: str
    title: str
    effect: str
    undo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCommand:
    """A command of an operation.

    `items`: the records that it is carried out on. `options`: the keys of `how` that it takes.
    `filters`: the only filters that it takes, none for ids alone; null for those of the list.
    `outcomes`: its words for each value of the option `to`. `of_deliveries`: for deliveries, where
    its items are events. `complete` adds to the options that were given those that follow from
    the command.
    """

    name: str
    items: ItemKind
    words: OperationWords
    options: tuple[str, ...] = ()
    outcomes: Mapping[str, OperationWords] = field(default_factory=dict)
    of_deliveries: OperationWords | None = None
    filters: tuple[str, ...] | None = None
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


def _complete_retry(how: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**how, "to": Status.QUEUED.value}


def _complete_cancel(how: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"reason": "cancelled by a person", **how, "to": Status.CANCELLED.value}


def _complete_resolve(how: Mapping[str, Any]) -> Mapping[str, Any]:
    to = how["to"]
    reason = None if to == Status.QUEUED.value else f"resolved as {to} by a person"
    return {"reason": reason, **how}


def _complete_replay(how: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**how, "routes": THEN if how.get("routes") == THEN else None}


_ROUTES_NOW: Final = "by the routes.yaml that is in force then."
_UNDO_REPLAY: Final = "Until the new deliveries are sent, cancel takes them back."
_REPLAY: Final = OperationWords(
    verb="replay",
    done="replayed",
    title="Replay",
    effect=f"Each event is planned again, and gets new deliveries {_ROUTES_NOW}",
    undo=_UNDO_REPLAY,
)
_RESOLVE: Final = OperationWords(
    verb="resolve",
    done="resolved",
    title="Resolve",
    effect="A person decides what became of each delivery whose start is unknown.",
)
_OUTCOMES: Final = {
    "delivered": replace(
        _RESOLVE,
        title="Record as started:",
        effect="Each delivery becomes delivered: its call started a run, and nothing is sent.",
    ),
    "queued": replace(
        _RESOLVE,
        title="Send again:",
        effect=(
            "Each delivery is queued again, since its call started no run. If there is a run after"
            " all, the flow runs twice."
        ),
    ),
    "dead": replace(
        _RESOLVE,
        title="Give up",
        effect="Each delivery becomes dead, and is not sent.",
        undo="Retry queues it again.",
    ),
}
RESOLUTIONS: Final = tuple(_OUTCOMES)
#: Those that a worker carries out.
COMMANDS: Final = {
    command.name: command
    for command in (
        OperationCommand(
            name="retry",
            items=ItemKind.DELIVERIES,
            words=OperationWords(
                verb="retry",
                done="retried",
                title="Retry",
                effect="Each delivery is queued again, and sent with the inputs that it has.",
                undo="Until one is sent, cancel takes it back.",
            ),
            options=("rate",),
            complete=_complete_retry,
        ),
        OperationCommand(
            name="cancel",
            items=ItemKind.DELIVERIES,
            words=OperationWords(
                verb="cancel",
                done="cancelled",
                title="Cancel",
                effect="A cancelled delivery is not sent. What waits behind it goes on.",
                undo="Retry queues it again.",
            ),
            options=("reason", "rate"),
            complete=_complete_cancel,
        ),
        OperationCommand(
            name="resolve",
            items=ItemKind.DELIVERIES,
            words=_RESOLVE,
            options=("to", "run_id", "force", "reason", "rate"),
            outcomes=_OUTCOMES,
            complete=_complete_resolve,
        ),
        OperationCommand(
            name="replay",
            items=ItemKind.EVENTS,
            words=_REPLAY,
            options=("through", "routes", "rate"),
            of_deliveries=replace(
                _REPLAY,
                effect=(
                    "The event of each delivery is planned again, through the route of the delivery"
                    f" alone, and gets a new delivery {_ROUTES_NOW}"
                ),
            ),
            complete=_complete_replay,
        ),
        OperationCommand(
            name="spam release",
            items=ItemKind.EVENTS,
            words=OperationWords(
                verb="release",
                done="released",
                title="Release",
                effect="Each event loses its mark as spam, is planned, and starts its flows.",
            ),
            options=("rate",),
            filters=SPAM_FILTERS,
        ),
        OperationCommand(
            name="spam mark",
            items=ItemKind.EVENTS,
            words=OperationWords(
                verb="mark as spam",
                done="marked as spam",
                title="Mark as spam:",
                effect="Each event is marked as spam, and its waiting deliveries are cancelled.",
                undo="Release takes the mark away.",
            ),
            options=("rate",),
            filters=(),
        ),
        OperationCommand(
            name="readmit",
            items=ItemKind.REJECTS,
            words=OperationWords(
                verb="readmit",
                done="readmitted",
                title="Readmit",
                effect=(
                    "Each request is verified again by the current routes.yaml, as of the time when"
                    " it arrived. Those that pass become events and start their flows."
                ),
            ),
            options=("rate",),
            filters=REJECT_FILTERS,
        ),
    )
}
#: Done by the command line alone, on the bridge's own machine.
ERASE: Final = OperationCommand(
    name="erase",
    items=ItemKind.RECORDS,
    words=OperationWords(
        verb="erase", done="erased", title="Erase", effect="Contents are deleted for good."
    ),
)
_ALL: Final = {**COMMANDS, ERASE.name: ERASE}


def find_words(command: str, ids: Sequence[str] = (), to: str | None = None) -> OperationWords:
    """Return the words of a command. `ids`: some of its items. `to`: the outcome of `resolve`."""
    row = _find_row(command)
    if row.of_deliveries is not None and are_deliveries(ids):
        return row.of_deliveries
    return row.outcomes.get(to or "", row.words)


def count_items(command: str, count: int, ids: Sequence[str] = ()) -> str:
    """Return a number of a command's items in words: `2 events`. `ids`: some of them."""
    return f"{count} {name_items(command, count, ids)}"


def name_items(command: str, count: int = 0, ids: Sequence[str] = ()) -> str:
    """Return the noun for a number of a command's items. `ids`: some of them."""
    row = _find_row(command)
    is_of_deliveries = row.of_deliveries is not None and are_deliveries(ids)
    items = ItemKind.DELIVERIES if is_of_deliveries else row.items
    return choose_noun(count, _SINGULARS[items], items)


def _find_row(command: str) -> OperationCommand:
    """Return the row of a command; an operation of a newer version may have one without a row."""
    words = OperationWords(verb=command, done="done", title=f"{command.capitalize()}:", effect="")
    return _ALL.get(command) or OperationCommand(name=command, items=ItemKind.RECORDS, words=words)


def complete_options(operation: Operation) -> Mapping[str, Any]:
    """Return the options of an operation, complete, as its handler takes them."""
    command = _ALL.get(operation.command)
    return operation.options if command is None else command.complete(operation.options)


def check_options(command: OperationCommand, how: Mapping[str, Any], count_ids: int) -> None:
    """Raise `OptionError` for an option that the command does not take, or that contradicts the
    others. `count_ids`: how many ids are given.
    """
    for name in how:
        if name not in command.options:
            raise OptionError(name, f"`{command.name}` has no such option", command.options)
    if command.name == "resolve" and "to" not in how:
        raise OptionError("to", "it is missing: the outcome", RESOLUTIONS)
    if "run_id" in how and (how["to"] != Status.DELIVERED.value or count_ids != 1):
        raise OptionError("run_id", "it needs `to: delivered` and exactly one id")
    if "reason" in how and how.get("to") == Status.QUEUED.value:
        raise OptionError("reason", "a delivery that is queued again has no reason")
    if "rate" in how:
        try:
            parse_rate(how["rate"])
        except ValueError as error:
            raise OptionError("rate", str(error)) from None


class OptionError(InvalidRequest):
    """An option of a command is not valid."""

    def __init__(self, option: str, message: str, allowed: tuple[str, ...] = ()) -> None:
        self.option = option
        self.allowed = allowed
        super().__init__(message)
