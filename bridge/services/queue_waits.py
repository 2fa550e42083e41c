"""Wait reasons of routes: why the oldest delivery of each queue is not sent yet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bridge.core.errors import NotFound
from bridge.delivery.wait_context import Wait
from bridge.store.inbound import events
from bridge.store.queries import event_lookup, wait_facts

if TYPE_CHECKING:
    from bridge.core.status import Overview
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

MAX_QUEUES: Final = 10  # the oldest; each takes a few reads


def find_queue_waits(
    database: Database, config: Config | None, overview: Overview, *, route: str | None = None
) -> dict[tuple[str, str], Wait]:
    """Return why the oldest delivery of each queue waits, by route and platform.

    Only of the `MAX_QUEUES` queues whose oldest deliveries wait longest; `route`: of those of this
    route.
    """
    found = {}
    queues = [one for one in overview.queue if route in (None, one.route)]
    oldest = sorted(queues, key=lambda one: one.oldest_at)[:MAX_QUEUES]
    for queue in oldest:
        with suppress(NotFound):  # deleted since the overview was read
            event_id, _ = event_lookup.find(database, queue.oldest_id)
            deliveries = events.deliveries_of(database, [event_id])[event_id]
            named = [one for one in deliveries if one.id == queue.oldest_id]
            wait = wait_facts.find_waits(database, named, config, overview.at)
            if queue.oldest_id in wait:
                found[queue.route, queue.platform] = wait[queue.oldest_id]
    return found
