"""The commands of operations that a worker carries out: a table of what each selects and takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.model import Status
from bridge.services.operation_kinds import THEN
from bridge.services.pacing import parse_rate

RESOLUTIONS: Final = ("delivered", "queued", "dead")
ROUTE_CHOICES: Final = ("now", THEN)
MAX_REASON_CHARS: Final = 200
REJECT_FILTERS: Final = ("source", "since")
SPAM_FILTERS: Final = ("source", "reason", "since", "until")


class ItemKind(StrEnum):
    """Kinds of records that a command is carried out on."""

    DELIVERIES = "deliveries"
    EVENTS = "events"
    REJECTS = "rejects"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCommand:
    """A command of an operation.

    `items`: the records that it is carried out on. `options`: the keys of `how` that it takes.
    `filters`: the only filters that it takes, none for ids alone; null for those of the list.
    `complete` returns the options as they are stored, from those that were given.
    """

    name: str
    items: ItemKind
    options: tuple[str, ...]
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


COMMANDS: Final = {
    one.name: one
    for one in (
        OperationCommand(
            name="retry",
            items=ItemKind.DELIVERIES,
            options=("rate",),
            complete=_complete_retry,
        ),
        OperationCommand(
            name="cancel",
            items=ItemKind.DELIVERIES,
            options=("reason", "rate"),
            complete=_complete_cancel,
        ),
        OperationCommand(
            name="resolve",
            items=ItemKind.DELIVERIES,
            options=("to", "run_id", "force", "reason", "rate"),
            complete=_complete_resolve,
        ),
        OperationCommand(
            name="replay",
            items=ItemKind.EVENTS,
            options=("through", "routes", "rate"),
            complete=_complete_replay,
        ),
        OperationCommand(
            name="spam release", items=ItemKind.EVENTS, options=("rate",), filters=SPAM_FILTERS
        ),
        OperationCommand(name="spam mark", items=ItemKind.EVENTS, options=("rate",), filters=()),
        OperationCommand(
            name="readmit", items=ItemKind.REJECTS, options=("rate",), filters=REJECT_FILTERS
        ),
    )
}


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
