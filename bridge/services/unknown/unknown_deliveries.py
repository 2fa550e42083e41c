"""Deliveries whose outcome is unknown: the evidence, and the commands that settle them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.advice import Advice, Command, advise, name_command
from bridge.core.errors import ConfigError, NotFound
from bridge.core.model import JSON, Attempt, Delivery, Event, Status
from bridge.delivery.next_steps import DeliveryContext, Need, find_need, find_settling_steps
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.services.events.delivery_states import describe_status
from bridge.services.records.delivery_records import UNKNOWN
from bridge.services.selection import Selection, select_names
from bridge.services.unknown.run_evidence import describe_missing_look, describe_search, find_run_id
from bridge.services.usable_config import load_present
from bridge.store.inbound import events
from bridge.store.queries import event_lookup, wait_facts
from bridge.store.queries.events import read_listed_events
from bridge.store.queries.selection_counts import read_deliveries

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.delivery.wait_context import Wait
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

#: The values of `resolve --as`, each with when it is right.
SETTLING_COMMANDS: Final = (
    (Status.DELIVERED, "if it ran"),
    (Status.QUEUED, "if it did not"),
    (Status.DEAD, "to give up"),
)


@dataclass(frozen=True, slots=True)
class UnknownDelivery:
    """One delivery with the facts about its start; its event is without body and headers.

    `lost`: the call without an answer. `wait`: what it waits for. `at`: the time of reading.
    `confirm_seconds`: see `find_settling_steps`. `has_runs`: whether its platform has run ids, True
    if the platform is not known. Its status shows whether it was settled since it was selected.
    """

    event: Event
    delivery: Delivery
    lost: Attempt | None
    wait: Wait | None
    at: float
    confirm_seconds: float
    has_runs: bool

    @property
    def evidence(self) -> list[tuple[str, str]]:
        """What is known of the search for its run, as pairs; see `describe_search`."""
        return describe_search(self.delivery, self._known().obstacle)

    @property
    def not_looked(self) -> str:
        """Why the platform's list of runs was not read for the last attempt."""
        return describe_missing_look(self.delivery, self._known().obstacle)

    @property
    def commands(self) -> list[tuple[Command, str]]:
        """The commands that settle the delivery, each with when it is right.

        There are none where flowbridge settles it. While flowbridge still looks for the run, a
        command needs --force.
        """
        if find_need(self.delivery, self._known()) is not Need.DECISION:
            return []
        run = {"run_id": find_run_id(self.delivery.evidence)} if self.has_runs else {}
        force = {} if self.delivery.look_at is None else {"force": True}
        options_of = {Status.DELIVERED: run}
        return [
            (
                name_command(
                    "resolve", self.delivery.id, as_=status, **options_of.get(status, {}), **force
                ),
                when,
            )
            for status, when in SETTLING_COMMANDS
        ]

    @property
    def place_to_look(self) -> Advice:
        """The command that lists the runs of the flow, or where a run without an id shows."""
        delivery = self.delivery
        if not self.has_runs:
            return Advice(f"the service behind {delivery.platform}, which has no list of runs")
        return advise(name_command("flows runs", f"{delivery.platform}/{delivery.saved_item_id}"))

    @property
    def next_steps(self) -> Sequence[Advice]:
        """The next steps, a line each."""
        return find_settling_steps(
            self.delivery, self._known().obstacle, self.at, self.confirm_seconds
        )

    def as_json(self, *, with_contents: bool = True) -> dict[str, JSON]:
        """Return it in the shape of `resolve --json`: the delivery's keys, and its evidence."""
        return UNKNOWN.write(
            self.delivery,
            with_contents=with_contents,
            attempt=self.lost,
            commands=[command.line for command, _ in self.commands],
        )

    def _known(self) -> DeliveryContext:
        return DeliveryContext(obstacle=self.wait.obstacle if self.wait is not None else None)


def select_named_unknown(database: Database, names: Sequence[str]) -> Selection:
    """Select unknown deliveries by name. A name of an event selects all its unknown deliveries."""
    return select_names(names, lambda name: _unknown_of(database, name))


def read_unknown(database: Database, id_: str, config: Config | None) -> UnknownDelivery:
    """Read a delivery with its evidence. Raises `NotFound`; see `read_unknown_deliveries`."""
    deliveries = read_unknown_deliveries(database, [id_], config)
    if not deliveries:
        raise NotFound(f"no delivery has the id {id_!r}")
    return deliveries[id_]


def read_unknown_deliveries(
    database: Database, ids: Sequence[str], config: Config | None
) -> dict[str, UnknownDelivery]:
    """Read deliveries with their evidence, by id in the order of `ids`, without deleted ones.

    Without `config` their waits lack reasons of routes.yaml.
    """
    stored = read_deliveries(database, ids)
    events_by_id = read_listed_events(
        database, [*{stored_delivery.event_id for stored_delivery in stored.values()}]
    )
    attempts = event_lookup.read_attempts(database, [*stored])
    now = time.time()
    waits = wait_facts.find_waits(database, stored.values(), config, now)
    deliveries = {}
    for id_ in ids:
        delivery = stored.get(id_)
        if delivery is None or delivery.event_id not in events_by_id:
            continue
        platform = None if config is None else config.platforms.get(delivery.platform)
        lost = [attempt for attempt in attempts[id_] if attempt.run_id is None][-1:]
        deliveries[id_] = UnknownDelivery(
            event=events_by_id[delivery.event_id],
            delivery=delivery,
            lost=lost[0] if lost else None,
            wait=waits.get(id_),
            at=now,
            confirm_seconds=database.timings.reconcile_confirm_seconds,
            has_runs=platform is None or PLATFORMS[platform.type].has_runs,
        )
    return deliveries


def load_config_if_usable(settings: Settings) -> Config | None:
    """Return the configuration of the files, None where they cannot be used."""
    with suppress(ConfigError):
        return load_present(settings)
    return None


def _unknown_of(database: Database, name: str) -> list[str]:
    event_id, delivery_id = event_lookup.find(database, name)
    deliveries = events.deliveries_of(database, [event_id])[event_id]
    named = [delivery for delivery in deliveries if delivery_id in (None, delivery.id)]
    unknown = [delivery.id for delivery in named if delivery.status is Status.UNKNOWN]
    if not unknown:
        stands = ", ".join(describe_status(delivery) for delivery in named) or "without a delivery"
        raise NotFound(f"it is {stands}: only one whose outcome is unknown is resolved")
    return unknown
