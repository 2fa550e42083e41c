"""Operations on a bridge elsewhere: count, ask, agree, and print the outcome of each item.

A worker of the bridge carries them out, so that they go on if this machine is switched off.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from bridge.cli.actions.confirmation import (
    MAX_EXAMPLES,
    confirm_operation,
    say_notes,
    say_problems,
    say_still_refused,
    warn_of_repetition,
)
from bridge.cli.actions.request import OperationRequest
from bridge.cli.actions.run import OutcomePrinter
from bridge.cli.bridge.client import Bridge
from bridge.cli.command_settings import command_timings
from bridge.cli.remote.connection import open_remote
from bridge.cli.ui import output
from bridge.cli.ui.run_progress import INTERRUPTED
from bridge.core.advice import name_command
from bridge.core.errors import BridgeError
from bridge.core.model import JSON, Status
from bridge.core.operations import OPEN_ITEMS, Operation, OperationState
from bridge.services.operation_commands import count_items, find_words, name_items
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.json_record import expect_shape
from bridge.services.records.operation_records import OPERATION, STEP, read_state
from bridge.store.operations.actions import ItemResult

WAITING_SECONDS: Final = 5.0  # after which a note says that no worker has begun
ENDED_STATES: Final = (OperationState.DONE, OperationState.STOPPED, OperationState.EXPIRED)


def run_remote_operation(
    server: str, command: str, names: Sequence[str], asked: OperationRequest, how: Mapping[str, Any]
) -> None:
    """Run a command's operation on the bridge at a URL; exits with 1 if an item was refused.

    `names`: ids of its items; without ids, the filters of the request select them.
    """
    if asked.limit:
        raise click.UsageError("--limit works on the bridge's own machine only, not with --server")
    options = {**how, "rate": asked.rate}
    request: dict[str, JSON] = {
        "command": command,
        "how": {name: value for name, value in options.items() if value},
    }
    with open_remote(server, Bridge) as bridge:
        request |= {"ids": list(names)} if names else {"filters": bridge.describe(asked.chosen)}
        found = bridge.post("/operations", request | {"mode": "dry_run"})
        with expect_shape():
            is_empty = not found["examples"] and not found["problems"]
            if command == "readmit":
                say_still_refused(sum(found["left_out"].values()))
        if asked.dry_run:
            say_problems((one.id, one.problem or "") for one in _problems(found))
            _confirm(command, found, asked)
        elif is_empty:
            verb = find_words(command).verb
            output.say(f"No matching {name_items(command)} to {verb}.")
        elif not found["examples"]:
            printer = OutcomePrinter(command, None, asked, 0)
            printer.end(_problems(found))
        else:
            proposed = bridge.post("/operations", request | {"mode": "propose"})
            if _confirm(command, proposed, asked):
                one = OPERATION.parse(proposed)
                bridge.post(f"/operations/{one.id}/agree", None)
                _follow(bridge, one, asked, _problems(proposed))


def resume_remote_operation(server: str, id_: str, asked: OperationRequest) -> None:
    """Resume an operation on the bridge at a URL, and print the outcomes of the items left."""
    if asked.rate is not None:
        raise click.UsageError("--rate: with --server, an operation is resumed at its own rate")
    with open_remote(server, Bridge) as bridge:
        one = OPERATION.parse(bridge.read_operation(id_))
        if one.chosen is None:
            raise BridgeError(f"{one.id} was interrupted while it stored its items")
        if not one.left:
            output.say(f"{one.id} is finished: no items are left.")
            return
        verb = find_words(one.command).verb
        shapes = bridge.list_whole_items(one.id, outcome=OPEN_ITEMS, limit=MAX_EXAMPLES)
        items = [STEP.parse(shape) for shape in shapes]
        left = count_items(one.command, one.left, [item.item_id for item in items])
        if confirm_operation(f"{left} of {one.chosen} left to {verb}", one.left, asked):
            after = items[0].number - 1 if items else 0
            bridge.post(f"/operations/{one.id}/resume", None)
            _follow(bridge, one, asked, [], after)


def _confirm(command: str, counted: Mapping[str, JSON], asked: OperationRequest) -> bool:
    with expect_shape():
        count = int(counted["count"])
        examples = [str(id_) for id_ in counted["examples"]]
        if command == "replay":
            warn_of_repetition(int(counted["went_already"]), examples)
        say_notes(map(str, counted.get("notes") or ()))  # a bridge of an earlier version has none
        more = {"left_out": counted["left_out"], "refused": {}} if command == "replay" else {}
    text = f"{count_items(command, count, examples)} to {find_words(command).verb}"
    return confirm_operation(text, count, asked, more)


def _problems(counted: Mapping[str, JSON]) -> list[ItemResult]:
    with expect_shape():
        return [ItemResult(id=one["id"], problem=one["problem"]) for one in counted["problems"]]


def _follow(
    bridge: Bridge,
    one: Operation,
    asked: OperationRequest,
    problems: list[ItemResult],
    after: int = 0,
) -> None:
    """Print the outcome of each item behind the number `after`, in the order of the items."""
    printer = OutcomePrinter(one.command, one.id, asked, one.left)
    done = one.done + one.refused
    try:
        for result in _wait_for_items(bridge, one.id, done, after):
            printer.add(result)
    except KeyboardInterrupt:
        bridge.post(f"/operations/{one.id}/stop", None)
        resume = name_command("operations resume", one.id)
        output.say(f"Stopped. `{resume}` continues with the rest")
        sys.exit(INTERRUPTED)
    printer.end(problems)


def _wait_for_items(
    bridge: Bridge,
    id_: str,
    known: int,
    after: int,
) -> Iterator[ItemResult]:
    """Yield the outcome of each item behind the number `after`, once it is known.

    `known`: how many items have an outcome already. An erasure deletes items, so that their number
    tells nothing of how many there are. `BridgeError` where the operation was stopped.
    """
    pause = command_timings().server_poll_seconds
    waited = 0.0
    while True:
        shape = bridge.read_operation(id_)
        one = OPERATION.parse(shape)
        state = read_state(shape)
        if one.done + one.refused > known:
            known = one.done + one.refused
            for number, result in _read_results(bridge, id_, after):
                after = number
                yield result
        elif state in ENDED_STATES:
            break
        elif state == OperationState.WAITING and waited < WAITING_SECONDS <= waited + pause:
            output.say(f"{id_} waits for a worker: `{name_command('status')}` says why")
        time.sleep(pause)
        waited += pause
    if state != OperationState.DONE:
        resume = name_command("operations resume", id_)
        raise BridgeError(f"{id_} was stopped: `{resume}` continues with the rest")


def _read_results(bridge: Bridge, id_: str, after: int) -> Iterator[tuple[int, ItemResult]]:
    """Yield the number and the outcome of each item behind the number `after`, up to one without
    outcome.
    """
    for shape in bridge.list_whole_items(id_, after=after):
        item = STEP.parse(shape)
        if item.outcome is None:
            return
        with expect_shape():
            deliveries = [DELIVERY.parse(one) for one in shape["deliveries"]]
            result = ItemResult(
                id=item.item_id,
                problem=item.problem,
                was=item.was,
                became=None if item.became is None else Status(item.became),
                deliveries=deliveries,
                event_ids=[str(one) for one in shape["events"]],
            )
        yield item.number, result
