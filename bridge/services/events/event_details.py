"""Details of one event, delivery or reject, as records for text and JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from bridge.core.advice import Advice, name_command
from bridge.core.errors import ConfigError, NotFound
from bridge.core.model import JSON, Delivery, Event, Reject
from bridge.core.operations import Operation, OperationStep
from bridge.delivery.next_steps import DeliveryContext, find_need, find_steps, is_retried
from bridge.delivery.wait_context import Wait
from bridge.services.explain.route_reasons import NO_REASONS, RouteReasons, find_reasons
from bridge.services.planned_configs import PlannedConfigs, find_changed
from bridge.services.records.delivery_records import DELIVERY_DETAILS
from bridge.services.records.event_records import EVENT_DETAILS
from bridge.services.usable_config import load_present
from bridge.store.inbound import rejects
from bridge.store.operations import operation_records
from bridge.store.queries import event_lookup, wait_facts
from bridge.store.queries.event_lookup import EventHistory
from bridge.system.ids import EVENT_PREFIXES, REJECT_PREFIX

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database


@dataclass(frozen=True, slots=True)
class NamedRecord:
    """The record that an id names: a reject, or an event with its deliveries. The other is None.

    `alert_id`: an alert of flowbridge itself that is newer, if no id was given.
    """

    reject: Reject | None = None
    found: EventHistory | None = None
    alert_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetails:
    """One event with its deliveries, their attempts, and the reasons for their states.

    By delivery `waits` has its wait, and `behind` how many deliveries wait for it. `operations` are
    those on the event and its deliveries. `reasons`: why routes did not match and inputs are
    missing. `changed`: the deliveries whose route has changed since, `removed`: those whose route
    the configuration no longer has. `several`: those whose route
    started several flows. `at`: the time of reading. `confirm_seconds`: see `find_settling_steps`.
    """

    found: EventHistory
    waits: Mapping[str, Wait] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)
    operations: Sequence[tuple[Operation, OperationStep]] = ()
    reasons: RouteReasons = NO_REASONS
    changed: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()
    at: float = 0.0
    confirm_seconds: float = 0.0

    @property
    def event(self) -> Event:
        """The event."""
        return self.found.event

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """The deliveries of the event."""
        return self.found.deliveries

    @property
    def asked_for(self) -> Delivery | None:
        """The delivery that was named by its id or its run's id, None if the event was named."""
        return next(
            (delivery for delivery in self.deliveries if delivery.id == self.found.delivery_id),
            None,
        )

    def next_steps(self, delivery: Delivery) -> Sequence[Advice]:
        """Return the next steps for a delivery, a line each; none where none is needed."""
        wait = self.waits.get(delivery.id)
        missing = self.reasons.missing.get(delivery.id, ())
        context = DeliveryContext(
            is_misspelt=any(missing_input.is_misspelt for missing_input in missing),
            is_changed=delivery.id in self.changed,
            is_removed=delivery.id in self.removed,
            is_replaced=self._is_replaced(delivery),
            has_several_flows=delivery.id in self.several,
            obstacle=wait.obstacle if wait is not None else None,
        )
        return find_steps(delivery, context, self.at, self.confirm_seconds)

    def _is_replaced(self, delivery: Delivery) -> bool:
        """Return whether a replay made a later delivery; one of the same time is another flow's."""
        after = takewhile(lambda later: later.id != delivery.id, reversed(self.deliveries))
        return any(
            later.route == delivery.route and later.created_at != delivery.created_at
            for later in after
        )

    def as_json(self, *, with_contents: bool = True) -> dict[str, JSON]:
        """Return the details in the shape of `show --json`."""
        return EVENT_DETAILS.write(
            self.event,
            with_contents=with_contents,
            deliveries=[
                DELIVERY_DETAILS.write(
                    delivery,
                    with_contents=with_contents,
                    attempt_list=self.found.attempts.get(delivery.id, ()),
                    waits_for=self.waits.get(delivery.id),
                )
                for delivery in self.deliveries
            ],
            operations=self.operations,
        )


def find_record(database: Database, text: str | None) -> NamedRecord:
    """Return the record with an id, or an unambiguous part of one: of an event, a delivery, a run
    or a reject. None names the newest event of a sender.

    Raises `NotFound` where none has such an id, or several have.
    """
    alert_id = None
    if text is None:
        newest = event_lookup.newest_event(database)
        if newest is None:
            raise NotFound(
                f"no event is stored yet; `{name_command('events')}` says how to send one"
            )
        text, alert_id = newest.event_id, newest.alert_id
    if text.startswith(REJECT_PREFIX):
        return NamedRecord(reject=rejects.get(database, text))
    try:
        return NamedRecord(found=event_lookup.show(database, text), alert_id=alert_id)
    except NotFound:
        if text.startswith(EVENT_PREFIXES):
            raise
        with suppress(NotFound):
            return NamedRecord(reject=rejects.get(database, text))
        raise


def read_event_details(
    database: Database, settings: Settings, history: EventHistory, *, with_reasons: bool = True
) -> EventDetails:
    """Return the details of an event that was found.

    `with_reasons`: also evaluate the current routes, to explain why routes did not match and inputs
    are missing. Where routes.yaml cannot be used, the details that depend on it are left out.
    """
    now = time.time()
    planned = PlannedConfigs(database)
    retried = [delivery for delivery in history.deliveries if is_retried(delivery)]
    config = None
    if any(
        delivery.status in wait_facts.WAITING_STATUSES or find_need(delivery)
        for delivery in history.deliveries
    ):
        with suppress(ConfigError):
            config = load_present(settings)
    return EventDetails(
        found=history,
        waits=wait_facts.find_waits(database, history.deliveries, config, now),
        behind={
            delivery.id: wait_facts.count_blocked_behind(database, delivery)
            for delivery in history.deliveries
            if delivery.holds_key
        },
        operations=operation_records.operations_on(
            database, [history.event.id, *(delivery.id for delivery in history.deliveries)]
        ),
        reasons=find_reasons(history, settings) if with_reasons else NO_REASONS,
        several=frozenset(
            delivery.id for delivery in retried if planned.has_several_flows(delivery)
        ),
        changed=frozenset() if config is None else find_changed(planned, config, retried),
        removed=frozenset(
            delivery.id
            for delivery in history.deliveries
            if config is not None and delivery.route not in config.route_names
        ),
        at=now,
        confirm_seconds=settings.timings.reconcile_confirm_seconds,
    )
