"""Operations that a worker carries out: find repeated requests, agree, stop and resume."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bridge.core.advice import name_command
from bridge.core.errors import BridgeError
from bridge.core.operations import WORKER, Operation, OperationState
from bridge.core.units import iso
from bridge.services.operations.commands import COMMANDS

if TYPE_CHECKING:
    from bridge.store.db.database import Database


class OperationConflict(BridgeError):
    """The state of an operation does not allow this."""


class KeyReused(BridgeError):
    """An `Idempotency-Key` was sent with another request before."""


def find_repeated(database: Database, token: str, key: str, digest: str) -> Operation | None:
    """Return the operation that a token began with the same key and body, null where it did not.

    Raises `KeyReused` for another body. An operation that ended while it stored its items does not
    count.
    """
    from bridge.store.operations import control, operation_records

    operation = operation_records.find_by_key(database, token, key)
    if operation is None:
        return None
    if operation.request_digest != digest:
        raise KeyReused(f"this Idempotency-Key began {operation.id}, with another body")
    age = time.time() - operation.created_at
    if operation.count is None and age > database.timings.selection_stored_seconds:
        control.release_key(database, operation)
        return None
    return operation


def agree_to_operation(
    database: Database, operation: Operation, token: str, rate: str | None = None
) -> Operation:
    """Agree to a proposal with the token that proposed it, and return the operation.

    Raises `OperationConflict`. Of several that agree at once, one succeeds. `rate`: that of its
    items from now on, such as `20/s`; without it the proposal's own.
    """
    from bridge.store.operations import control, operation_records

    now = time.time()
    paced = (
        None if rate is None else {**operation.request, "how": {**operation.options, "rate": rate}}
    )
    agreed = control.agree(database, operation, token, now, paced)
    if agreed is None:
        raise OperationConflict(
            _why_not_agreed(operation_records.get(database, operation.seq), token)
        )
    return agreed


def _why_not_agreed(operation: Operation, token: str | None) -> str:
    if operation.proposed_until is None:
        return f"{operation.id} needs no agreement"
    if operation.token != token:
        return (
            f"{operation.id} was proposed with another token: only that one can agree to it, or"
            " withdraw it"
        )
    if operation.agreed_at is not None:
        return f"{operation.id} was agreed to at {iso(operation.agreed_at)}"
    if operation.count is None:
        return f"{operation.id} has not stored all its items: propose it again"
    return (
        f"since {iso(operation.proposed_until)} {operation.id} can no longer be agreed to:"
        " propose it again"
    )


def stop_operation(database: Database, operation: Operation, token: str | None) -> Operation:
    """Stop an operation after the batch that a worker is at, or withdraw a proposal of `token`.

    Without a token any proposal is withdrawn. Raises `OperationConflict`.
    """
    from bridge.store.operations import control, operation_records

    now = time.time()
    if operation.finished_at is not None:
        raise OperationConflict(f"{operation.id} ended at {iso(operation.finished_at)}")
    if not operation.is_agreed:
        withdrawn = control.withdraw(database, operation, token, now)
        current = operation_records.get(database, operation.seq)
        if not withdrawn:
            raise OperationConflict(
                _why_not_agreed(current, operation.token if token is None else token)
            )
        return current
    if operation.driver != WORKER:
        raise OperationConflict(f"a command carries out {operation.id}: end that command")
    return control.stop(database, operation, now)


def resume_stopped(database: Database, operation: Operation, actor: str) -> Operation:
    """Let a worker carry out the rest of a stopped operation. Raises `OperationConflict`."""
    from bridge.store.operations import control

    now = time.time()
    if operation.finished_at is not None:
        raise OperationConflict(f"{operation.id} ended at {iso(operation.finished_at)}")
    if not operation.is_agreed:
        raise OperationConflict(f"{operation.id} is only proposed: agree to it")
    if operation.count is None:
        raise OperationConflict(f"{operation.id} was interrupted while it stored its items")
    if operation.command not in COMMANDS:
        raise OperationConflict(f"resume {operation.id} with `{name_command('operations resume')}`")
    if operation.state(now) is not OperationState.STOPPED:
        if operation.driver != WORKER:
            raise OperationConflict(f"a command is carrying out {operation.id}")
        return operation
    resumed = control.resume(database, operation, actor, now, by_worker=True)
    if resumed is None:
        raise OperationConflict(f"{operation.id} was deleted meanwhile, since it is old")
    return resumed


def are_starts_held(database: Database) -> bool:
    """Return whether starts are on hold, so that workers carry out no operation."""
    from bridge.store.queue.hold import read_hold

    with database.read() as connection:
        return read_hold(connection) is not None
