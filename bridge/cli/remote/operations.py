"""Operations on a bridge elsewhere: count, ask, agree, and print the outcome of each item.

A worker of the bridge carries them out, so that they go on if this machine is switched off.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Final

from bridge.cli.bridge.client import Bridge
from bridge.cli.bridge.transport import Shape
from bridge.cli.command_settings import command_timings
from bridge.cli.ui import output
from bridge.core.advice import name_command
from bridge.core.errors import BridgeError, InvalidRequest
from bridge.core.model import JSON, Status
from bridge.core.operations import OPEN_ITEMS, Operation, OperationState
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.json_record import expect_shape
from bridge.services.records.operation_records import OPERATION, STEP, read_state
from bridge.store.operations.actions import ItemResult

WAITING_SECONDS: Final = 5.0  # after which a note says that no worker has begun
ENDED_STATES: Final = (OperationState.DONE, OperationState.STOPPED, OperationState.EXPIRED)


class RemoteOperations:
    """Proposes an operation, agrees to it, and reads its outcomes. See `OperationDriver`."""

    def __init__(self, bridge: Bridge, body: Mapping[str, JSON]) -> None:
        self._bridge = bridge
        self._body = body
        self._proposed: Operation | None = None
        self._after = 0  # the number of the last item whose outcome is known

    def count(self) -> Shape:
        """Return the count of the items; nothing is stored."""
        return self._bridge.post("/operations", {**self._body, "mode": "dry_run"})

    def propose(self) -> Shape:
        """Have the bridge store the operation with its items, and return their count."""
        proposed = self._bridge.post("/operations", {**self._body, "mode": "propose"})
        self._proposed = OPERATION.parse(proposed)
        return proposed

    def begin(self) -> Operation:
        """Agree to the operation."""
        if self._proposed is None:
            raise BridgeError("nothing was proposed")
        self._bridge.post(f"/operations/{self._proposed.id}/agree")
        return self._proposed

    def resume(self, operation: Operation, rate: str | None) -> Operation:
        """Have a worker resume the operation, at its own rate."""
        if rate is not None:
            raise InvalidRequest("--rate: with --server, an operation is resumed at its own rate")
        shapes = self._bridge.list_whole_items(operation.id, outcome=OPEN_ITEMS, limit=1)
        self._after = next((STEP.parse(shape).number - 1 for shape in shapes), 0)
        self._bridge.post(f"/operations/{operation.id}/resume")
        return operation

    def follow(
        self,
        operation: Operation,
        rate: str | None,  # noqa: ARG002 - the worker has that of the operation
    ) -> Generator[Sequence[ItemResult]]:
        """Yield the outcome of each item that is left, once it is known."""
        outcome_count = operation.done + operation.refused
        for result in _wait_for_items(self._bridge, operation.id, outcome_count, self._after):
            yield (result,)

    def stop(self, operation: Operation) -> None:
        """Have the worker stop."""
        self._bridge.post(f"/operations/{operation.id}/stop")


def _wait_for_items(
    bridge: Bridge,
    id_: str,
    outcome_count: int,
    after: int,
) -> Iterator[ItemResult]:
    """Yield the outcome of each item behind the number `after`, once it is known.

    `outcome_count`: how many items have an outcome already. An erasure deletes items, so that
    their number tells nothing of how many there are. `BridgeError` where the operation was stopped.
    """
    pause = command_timings().server_poll_seconds
    waited = 0.0
    while True:
        shape = bridge.read_operation(id_)
        operation = OPERATION.parse(shape)
        state = read_state(shape)
        if operation.done + operation.refused > outcome_count:
            outcome_count = operation.done + operation.refused
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
            deliveries = [DELIVERY.parse(delivery) for delivery in shape["deliveries"]]
            result = ItemResult(
                id=item.item_id,
                problem=item.problem,
                was=item.was,
                became=None if item.became is None else Status(item.became),
                deliveries=deliveries,
                event_ids=[str(event_id) for event_id in shape["events"]],
            )
        yield item.number, result
