"""Starts without an answer, and the other attempts whose run theirs might be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, false, func, or_, select, text

from bridge.core.advice import name_command
from bridge.core.clock_reading import ClockReading
from bridge.core.model import Delivery, Status
from bridge.delivery.reconcile import EarlierLooks, Look, Rival, read_earlier_looks
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import attempt, delivery

# from attempts whose clocks cannot be compared, within which they may be of the same time
INCOMPARABLE_SECONDS: Final = 2 * 86400.0


@dataclass(frozen=True, slots=True)
class RunOwner:
    """The delivery that a run belongs to, with its event and its route."""

    delivery_id: str
    event_id: str
    route: str


@dataclass(frozen=True, slots=True)
class UnknownStart:
    """A delivery with an unknown outcome, and the number, time and clocks of its last attempt."""

    delivery: Delivery
    attempt: int
    began_at: float
    stored: ClockReading | None = None

    @property
    def clocks(self) -> ClockReading:
        """Return the clocks at the intent."""
        return self.stored or ClockReading(at=self.began_at)

    @property
    def before(self) -> EarlierLooks:
        """Return the findings of earlier searches."""
        return read_earlier_looks(self.delivery.evidence, self.attempt)


def read_unknown_start(
    connection: Connection, delivery_id: str, *, lock: bool = False
) -> UnknownStart | None:
    """Return a delivery with an unknown outcome and its last attempt; null for another status."""
    query = select(delivery).where(
        delivery.c.id == delivery_id, delivery.c.status == Status.UNKNOWN.value
    )
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    number = row.attempts + row.throttled
    mine = (attempt.c.delivery_id == delivery_id) & (attempt.c.number == number)
    begun = connection.execute(select(attempt).where(mine)).one_or_none()
    return (
        None
        if begun is None
        else UnknownStart(
            to_delivery(row, sealer_of(connection)), number, begun.started_at, read_clocks(begun)
        )
    )


def read_clocks(begun: Row[Any]) -> ClockReading:
    """Return the clocks of an attempt's intent; rows of an earlier version have only `at`."""
    return ClockReading(
        at=begun.started_at,
        boot_clock=begun.boot_clock,
        boot_id=begun.boot_id,
        host=begun.host,
        platform_at=begun.platform_at,
    )


def find_run_owners(
    connection: Connection, run_ids: Collection[str], platform: str | None = None
) -> dict[str, RunOwner]:
    """Return the deliveries that these runs belong to, by run.

    `platform`: only runs of deliveries of this one. Without it those of every platform, since one
    that was renamed has runs under both names.
    """
    if not run_ids:
        return {}
    columns = delivery.c.id, delivery.c.event_id, delivery.c.route
    of_delivery = select(delivery.c.run_id, *columns).where(delivery.c.run_id.in_(run_ids))
    of_attempt = (
        select(attempt.c.run_id, *columns)
        .join_from(attempt, delivery, attempt.c.delivery_id == delivery.c.id)
        .where(attempt.c.run_id.in_(run_ids))
    )
    of_platform = [] if platform is None else [delivery.c.platform == platform]
    # In this order: a retry moves the run of a delivery to its attempt.
    rows = [
        row
        for query in (of_delivery, of_attempt)
        for row in connection.execute(query.where(*of_platform))
    ]
    return {row.run_id: RunOwner(row.id, row.event_id, row.route) for row in reversed(rows)}


def find_run_conflict(
    connection: Connection, delivery_id: str, platform: str, run_id: str
) -> str | None:
    """Return why a run cannot be recorded for a delivery: it belongs to another one."""
    owner = find_run_owners(connection, [run_id], platform).get(run_id)
    if owner is None or owner.delivery_id == delivery_id:
        return None
    return (
        f"the run {run_id} belongs to the delivery {owner.delivery_id} (route {owner.route}):"
        f" `{name_command('show', owner.delivery_id)}`"
    )


def find_rivals(connection: Connection, start: UnknownStart, look: Look) -> tuple[Rival, ...]:
    """Return other attempts for the same flow whose unknown run may be of the same time window.

    An attempt whose run was never found counts, whatever the status of its delivery is now.
    """
    of = start.delivery
    same = (
        (delivery.c.platform == of.platform)
        & (delivery.c.saved_item_id == of.saved_item_id)
        & (delivery.c.id != of.id)
    )
    is_last = attempt.c.number == delivery.c.attempts + delivery.c.throttled
    # its run was named by hand
    is_found = or_(attempt.c.run_id.isnot(None), delivery.c.run_id.isnot(None) & is_last)
    both = (
        select(delivery.c.id, delivery.c.event_id)
        .join_from(delivery, attempt, attempt.c.delivery_id == delivery.c.id)
        .where(same)
    )
    near = _near(start.clocks, look.window.until - look.window.since)
    is_open = both.where(
        text("delivery.status = 'sending'"), attempt.c.outcome.is_(None), or_(*near)
    )
    open_ones = connection.execute(is_open).all()
    unknown = both.where(text("attempt.outcome = 'unknown'"), ~is_found)
    # a query for each index
    settled = {
        row.id: row for condition in near for row in connection.execute(unknown.where(condition))
    }
    return tuple(
        Rival(delivery_id=row.id, event_id=row.event_id, is_open=is_open)
        for rows, is_open in ((settled.values(), False), (open_ones, True))
        for row in rows
    )


def _near(clocks: ClockReading, width: float) -> list[ColumnElement[bool]]:
    """Return conditions for attempts that may have begun within `width` seconds of these clocks.

    A clock that was set in between hides that two attempts are close, so any common clock counts,
    or none at all. Each condition uses an index.
    """
    at = attempt.c.started_at
    days = max(INCOMPARABLE_SECONDS, width)
    of_one_boot = (
        (attempt.c.boot_id == clocks.boot_id) & (attempt.c.host == clocks.host)
        if clocks.boot_clock is not None
        else false()
    )
    has_platform_clock = (
        attempt.c.platform_at.isnot(None) if clocks.platform_at is not None else false()
    )
    by_wall = at.between(clocks.at - width, clocks.at + width)
    by_platform = attempt.c.platform_at.between(
        (clocks.platform_at or 0.0) - width, (clocks.platform_at or 0.0) + width
    )
    by_none = ~func.coalesce(of_one_boot, false()) & ~has_platform_clock
    within = at.between(clocks.at - days, clocks.at + days)
    near: list[ColumnElement[bool]] = [
        within & or_(by_wall, has_platform_clock & by_platform, by_none)
    ]
    if clocks.boot_clock is not None:
        by_boot = attempt.c.boot_clock.between(clocks.boot_clock - width, clocks.boot_clock + width)
        near.append(of_one_boot & by_boot & text("attempt.boot_clock IS NOT NULL"))
    return near
