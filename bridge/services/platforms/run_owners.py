"""A platform's list of runs, with the delivery that each run belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge.services.records.flow_records import RUN

if TYPE_CHECKING:
    from bridge.core.model import JSON
    from bridge.delivery.platforms.model import ListedRun
    from bridge.store.db.database import Database


def describe_owned_runs(
    database: Database | None,
    platform: str,
    runs: Sequence[ListedRun],
    *,
    with_contents: bool = True,
) -> list[dict[str, JSON]]:
    """Return runs in the shape of `flows runs --json`, each with its delivery, event and route.

    The three are null for a run that no stored delivery has, and without a store.
    """
    from bridge.store.queue.unknown_starts import RunOwner, find_run_owners

    owners: dict[str, RunOwner] = {}
    if database is not None:
        with database.read() as connection:
            owners = find_run_owners(connection, [run.id for run in runs], platform)
    return [
        RUN.write(
            run,
            with_contents=with_contents,
            platform=platform,
            delivery_id=owner and owner.delivery_id,
            event_id=owner and owner.event_id,
            route=owner and owner.route,
        )
        for run in runs
        for owner in (owners.get(run.id),)
    ]
