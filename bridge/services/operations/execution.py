"""Operations on stored events and deliveries: begin one, do its items, and resume it.

An operation stores all its items before it does the first, so it can be interrupted anywhere.
"""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.core.audit import AuditActor
from bridge.core.errors import BridgeError, NotFound
from bridge.core.model import JSON
from bridge.core.units import iso
from bridge.services.operations.pacing import Pacer
from bridge.services.records.delivery_records import DELIVERY

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.operations import ClientRequest, Operation
    from bridge.store.db.database import Database
    from bridge.store.operations.actions import ItemResult
    from bridge.store.operations.log import OperationHandler
    from bridge.store.operations.replay import ReplayHandler

#: Ids that a stored request repeats. Of more, they are in the items of the operation alone.
MAX_STORED_IDS: Final = 100
TIME_FILTERS: Final = ("since", "until")


@dataclass(frozen=True, slots=True)
class ReplaySelection:
    """The events of a replay. By reason: how many others are left out, and how many of `ids` it
    will refuse. `by_route` and `by_status`: how many deliveries it makes. `skipped`: by route, how
    many events have deliveries of it, but are not planned through it.
    """

    ids: Sequence[str]
    left_out: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    by_route: Mapping[str, int] = field(default_factory=dict)
    by_status: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, JSON]:
        """Return the events left out and refused, in the shape of `replay --dry-run --json`."""
        return {"left_out": dict(self.left_out), "refused": dict(self.refused)}


def find_actor(settings: Settings) -> str:
    """Return the actor: FLOWBRIDGE_ACTOR, else the user and the name of the machine."""
    return name_actor(settings.actor)


def find_audit_actor(settings: Settings) -> AuditActor:
    """Return the actor of a command for the audit log."""
    return AuditActor(find_actor(settings))


def name_actor(name: str | None) -> str:
    """Return the given name of the actor, else the user and the name of the machine."""
    if name:
        return name
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def describe_request(
    body: Mapping[str, Any], filters: Mapping[str, Any] | None, how: Mapping[str, Any]
) -> dict[str, JSON]:
    """Return a request as it is stored with its operation: a body that can be sent again.

    `filters` are the values of those in the body: times are stored as they were meant then.
    """
    ids = body.get("ids", ())
    request: dict[str, JSON] = {"command": body["command"]}
    if 0 < len(ids) <= MAX_STORED_IDS:
        request["ids"] = list(ids)
    if filters is not None:
        request["filters"] = {
            name: (iso(filters[name]) or text) if name in TIME_FILTERS else text
            for name, text in body["filters"].items()
        }
    request |= {name: body[name] for name in ("list", "limit") if body.get(name)}
    return request | {"how": dict(how)}


def select_replay(
    database: Database,
    replaying: ReplayHandler,
    ids: Sequence[str],
    *,
    is_named: bool,
    advance: Callable[[int], None] = lambda _: None,
) -> ReplaySelection:
    """Plan the events without storing anything, and return those that will be replayed.

    Events that a person named (`is_named`) are never left out: the replay refuses those that it
    cannot plan. `advance` gets how many more events were planned.

    The replay plans them again: the ids of its deliveries depend on the operation, events or routes
    may change before a person confirms, and the plans of all events may not fit into memory.
    """
    from bridge.store.operations.replay_forecast import forecast_replay

    forecast = forecast_replay(database, replaying, ids, time.time(), advance)
    made = {
        "by_route": forecast.by_route,
        "by_status": forecast.by_status,
        "skipped": forecast.skipped,
    }
    if is_named:
        return ReplaySelection(
            ids, refused=Counter(forecast.left_out) + Counter(forecast.refused), **made
        )
    return ReplaySelection(forecast.ids, forecast.left_out, forecast.refused, **made)


def begin_operation(
    database: Database,
    command: str,
    ids: Sequence[str],
    *,
    actor: str,
    request: Mapping[str, JSON],
    client: ClientRequest | None = None,
) -> Operation:
    """Store an operation with all its items, and return it. No item is done yet.

    `request`: the body that `POST /operations` takes. `client` sent it over HTTP, and a worker
    carries it out; where the same request was stored meanwhile, its operation is returned.
    """
    from bridge.store.operations import log
    from bridge.system.ids import operation_id

    now = time.time()
    return log.begin(
        database,
        operation_id(now),
        command=command,
        actor=actor,
        request=request,
        ids=ids,
        now=now,
        client=client,
    )


def find_resumable(database: Database, id_: str) -> Operation:
    """Return an operation by its id or an unambiguous part of it. `left` is 0 where it has ended.

    `NotFound` where there is none; `BridgeError` where it ended before all its items were stored.
    """
    from bridge.store.operations import operation_records

    operation = operation_records.find(database, id_)
    if operation.count is None:
        raise BridgeError(
            f"{operation.id} was interrupted while it stored its items: nothing was done; run the"
            " command again"
        )
    if not operation.is_agreed:
        raise BridgeError(f"{operation.id} is only proposed: agree to it over the admin API first")
    return operation


def resume_operation(database: Database, operation: Operation, *, actor: str) -> Operation:
    """Store that an actor resumes an operation, and return it. `NotFound` where it was deleted."""
    from bridge.store.operations import control

    resumed = control.resume(database, operation, actor, time.time())
    if resumed is None:
        raise NotFound(f"{operation.id} was deleted meanwhile, since it is old")
    return resumed


def do_items(
    database: Database, operation: Operation, doing: OperationHandler[Any], rate: str | None = None
) -> Generator[list[ItemResult]]:
    """Do the items that are left, no faster than `rate`, and yield the outcomes of each commit.

    An outcome has a `problem` where the item was refused. The iterator may be dropped anywhere, and
    another process may do items of the same operation: no item is done twice.
    """
    from bridge.store.operations import log

    pacer = Pacer(rate)
    left = operation.left
    while left > 0:
        results = log.advance(database, operation, doing, time.time(), pacer.wait(log.BATCH_ITEMS))
        if not results:  # another process has done the rest
            return
        pacer.count_done(len(results))
        left -= len(results)
        yield results


def outcome_json(operation_id: str | None, result: ItemResult) -> dict[str, JSON]:
    """Return the outcome of one item, in the shape of `--json` of every operation."""
    return {
        "act": operation_id,
        "id": result.id,
        "ok": result.problem is None,
        "problem": result.problem,
        "was": result.was,
        "events": list(result.event_ids),
        "deliveries": [DELIVERY.write(delivery) for delivery in result.deliveries],
    }
