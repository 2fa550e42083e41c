"""Wait reasons of routes: why the oldest delivery of each queue is not sent yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.delivery.wait_context import Wait
from bridge.store.queries import wait_facts
from bridge.store.queries.selection_counts import read_deliveries

if TYPE_CHECKING:
    from bridge.core.status import Overview
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

MAX_QUEUES: Final = 10  # the oldest


def find_queue_waits(
    database: Database, config: Config | None, overview: Overview, *, route: str | None = None
) -> dict[tuple[str, str], Wait]:
    """Return why the oldest delivery of each queue waits, by route and platform.

    Only of the `MAX_QUEUES` queues whose oldest deliveries wait longest; `route`: of those of this
    route.
    """
    queues = [queue for queue in overview.queue if route in (None, queue.route)]
    oldest = sorted(queues, key=lambda queue: queue.oldest_at)[:MAX_QUEUES]
    stored = read_deliveries(database, [queue.oldest_id for queue in oldest])
    waits = wait_facts.find_waits(database, stored.values(), config, overview.at)
    return {
        (queue.route, queue.platform): waits[queue.oldest_id]
        for queue in oldest
        if queue.oldest_id in waits
    }
