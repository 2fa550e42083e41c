"""Readmit rejects: verify them again, and store those that pass as events, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, select, update

from bridge.core.errors import BadSignature, BridgeError
from bridge.core.model import Delivery, Reject
from bridge.ingest.diagnosis import explain_failure
from bridge.ingest.effects import PreparedRequest
from bridge.ingest.rejects import prepare_readmission
from bridge.providers.signatures.key_source import KeySource
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import duplicates, events
from bridge.store.inbound.arrivals import AddedEvent, Arrival, Replan
from bridge.store.inbound.rejects import to_reject
from bridge.store.operations.actions import ItemResult
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery, to_json
from bridge.store.tables.schema import delivery, reject

#: When a reject was readmitted, and the JSON of its events, by its id.
Readmitted = Mapping[str, tuple[float | None, str | None]]
#: After which a reject that an earlier version marked as readmitted, without events, is free again.
STALE_CLAIM_SECONDS: Final = 60.0
NO_REJECT: Final = "no such reject"
ALREADY_READMITTED: Final = "it was readmitted already"
BEING_READMITTED: Final = "another process is readmitting it"
VERIFICATION_FAILED: Final = "verifying it again failed with an unexpected error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadmissionPlan:
    """The result of verifying a reject again, not stored yet.

    `problem`: why it stays a reject. `prepared`: its events; null for a test of the URL, too.
    """

    id: str
    problem: str | None = None
    prepared: PreparedRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadmitHandler:
    """Verifies rejects with a configuration, at the time of their arrival.

    Those that pass become events, in the transaction that marks the reject as readmitted. `config`
    has everything that a receiver verifies with. `new_id` returns the id of an event that arrived
    at a time.
    """

    config: Config
    keys: KeySource
    new_id: Callable[[float], str]

    def prepare(
        self, database: Database, ids: Sequence[str], _now: float, /
    ) -> list[ReadmissionPlan]:
        """Verify the rejects and plan their events; only reads the database."""
        with database.read() as connection:
            rows = connection.execute(select(reject).where(reject.c.id.in_(ids))).all()
        rejects = {row.id: to_reject(row, database.sealer) for row in rows}
        return [
            ReadmissionPlan(id=id_, problem=NO_REJECT)
            if id_ not in rejects
            else self._plan(rejects[id_])
            for id_ in ids
        ]

    def _plan(self, rejected: Reject) -> ReadmissionPlan:
        if rejected.event_ids:
            return ReadmissionPlan(id=rejected.id, problem=ALREADY_READMITTED)
        try:
            prepared = prepare_readmission(
                rejected, self.config, new_id=self.new_id, keys=self.keys
            )
        except BadSignature:
            problem = explain_failure(rejected, self.config, self.keys)
            return ReadmissionPlan(id=rejected.id, problem=problem)
        except BridgeError as error:
            return ReadmissionPlan(id=rejected.id, problem=str(error))
        except Exception as fault:  # a bug with one reject must not stop the operation
            problem = f"{VERIFICATION_FAILED} ({type(fault).__name__})"
            return ReadmissionPlan(id=rejected.id, problem=problem)
        return ReadmissionPlan(id=rejected.id, prepared=prepared)

    def carry_out(
        self, connection: Connection, prepared: Sequence[ReadmissionPlan], now: float, /
    ) -> list[ItemResult]:
        """Store the events of the rejects that are not readmitted yet."""
        arrivals = _arrivals_of(prepared)
        duplicates.lock_arrivals(connection, arrivals, rejects=[plan.id for plan in prepared])
        rows = _read_rows(connection, prepared)
        plans = [plan if plan.problem else _check(plan, rows, now) for plan in prepared]
        arrivals = _arrivals_of(plans)
        stored = events.add_within(connection, arrivals)
        added = {
            event.id: added_event
            for ((event, _), _), added_event in zip(arrivals, stored, strict=True)
        }
        results = [_to_result(plan, added, now, connection) for plan in plans]
        return _with_stored_deliveries(connection, results)


def _arrivals_of(
    plans: Sequence[ReadmissionPlan],
) -> list[tuple[Arrival, Replan]]:
    return [
        (arrival, plan.prepared.replan)
        for plan in plans
        if plan.prepared is not None
        for arrival in plan.prepared.arrivals
    ]


def _read_rows(connection: Connection, prepared: Sequence[ReadmissionPlan]) -> Readmitted:
    """Return when each reject was readmitted, and as which events."""
    columns = reject.c
    query = select(columns.id, columns.readmitted_at, columns.event_ids)
    rows = connection.execute(query.where(columns.id.in_([plan.id for plan in prepared])))
    return {row.id: (row.readmitted_at, row.event_ids) for row in rows}


def _check(plan: ReadmissionPlan, rows: Readmitted, now: float) -> ReadmissionPlan:
    """Refuse a reject that was deleted or readmitted meanwhile."""
    if plan.id not in rows:
        return ReadmissionPlan(id=plan.id, problem=NO_REJECT)
    at, event_ids = rows[plan.id]
    if at is None:
        return plan
    if event_ids is not None:
        return ReadmissionPlan(id=plan.id, problem=ALREADY_READMITTED)
    is_claimed = at >= now - STALE_CLAIM_SECONDS
    return ReadmissionPlan(id=plan.id, problem=BEING_READMITTED) if is_claimed else plan


def _to_result(
    plan: ReadmissionPlan,
    added: Mapping[str, AddedEvent],
    now: float,
    connection: Connection,
) -> ItemResult:
    if plan.problem is not None:
        return ItemResult(id=plan.id, problem=plan.problem)
    arrivals = () if plan.prepared is None else plan.prepared.arrivals
    stored = [added[event.id] for event, _ in arrivals]
    ids = tuple(dict.fromkeys(added_event.event_id for added_event in stored))
    connection.execute(
        update(reject)
        .where(reject.c.id == plan.id)
        .values(readmitted_at=now, event_ids=to_json(list(ids)))
    )
    deliveries = [new_delivery for made in stored for new_delivery in made.deliveries]
    return ItemResult(id=plan.id, event_ids=ids, deliveries=deliveries)


def _with_stored_deliveries(
    connection: Connection, results: Sequence[ItemResult]
) -> list[ItemResult]:
    """Return results with their deliveries as stored: a trigger may have blocked or merged them."""
    ids = [new_delivery.id for result in results for new_delivery in result.deliveries]
    if not ids:
        return list(results)
    sealer = sealer_of(connection)
    rows = connection.execute(select(delivery).where(delivery.c.id.in_(ids)))
    stand: dict[str, Delivery] = {row.id: to_delivery(row, sealer) for row in rows}
    return [
        replace(result, deliveries=[stand[new_delivery.id] for new_delivery in result.deliveries])
        for result in results
    ]
