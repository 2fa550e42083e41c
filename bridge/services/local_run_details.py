"""One run of the local platform, with the delivery that started it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from bridge.core.errors import NotFound
from bridge.core.local_runs import LocalRun
from bridge.core.model import JSON
from bridge.core.times import iso
from bridge.store.local import runs
from bridge.store.queries import event_lookup

if TYPE_CHECKING:
    from bridge.store.db.database import Database

#: Keys that are null for a reader who may not see contents.
CONTENTS = ("inputs", "outputs", "log")


@dataclass(frozen=True, slots=True)
class LocalRunDetails:
    """A run, and the ids of the delivery and the event that started it; null for a run by hand."""

    run: LocalRun
    delivery_id: str | None = None
    event_id: str | None = None

    def as_json(self, *, with_contents: bool) -> dict[str, JSON]:
        """Return the run for a page; `inputs` are null where they are no JSON."""
        run = self.run
        shape: dict[str, Any] = {
            "run_id": run.id,
            "saved_item_id": run.saved_item_id,
            "state": run.state.value.lower(),
            "created_at": iso(run.created_at),
            "finished_at": iso(run.finished_at),
            "delivery_id": self.delivery_id,
            "event_id": self.event_id,
            "inputs": _parse(run.inputs),
            "outputs": dict(run.outputs),
            "log": list(run.log),
        }
        return shape if with_contents else shape | dict.fromkeys(CONTENTS)


def read_local_run(database: Database, run_id: str) -> LocalRunDetails:
    """Return a run of the local platform. Raises `NotFound`."""
    with database.read() as connection:
        run = runs.get(connection, run_id)
    if run is None:
        raise NotFound(f"the local platform has no run {run_id[:100]!r}: it may have been deleted")
    with suppress(NotFound):
        event_id, delivery_id = event_lookup.find(database, run.id, by_ending=False)
        return LocalRunDetails(run, delivery_id, event_id)
    return LocalRunDetails(run)


def _parse(text: str) -> JSON:
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(text)
    return None
