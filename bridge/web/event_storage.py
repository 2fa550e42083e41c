"""Store events for the receivers, as long as the disk has room for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.core.model import Delivery, Event
from bridge.ingest.forms.spam.dedup import Marks
from bridge.ingest.ports import Arrivals
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.db.disk_space import Room
from bridge.store.inbound import daily_bytes, events, form_files, submissions
from bridge.store.inbound.events import Added, Replan


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStorage:
    """Store events and submissions. `room` is None where the database is on another disk."""

    database: Database
    room: Room | None
    config: Callable[[], Config]

    def add(self, arrivals: Arrivals, replan: Replan) -> list[Added]:
        """Store the events of one request, and return once they are on disk."""
        source = self.config().source(arrivals[0][0].source)
        size = sum(len(event.body) for event, _ in arrivals)
        self._check_room(size, is_public=source is not None and source.is_public)
        if source is None or source.daily_bytes is None:
            return events.add_all(self.database, arrivals, replan)
        return daily_bytes.add_all(self.database, arrivals, replan, source.daily_bytes, time.time())

    def submit(
        self, event: Event, deliveries: Sequence[Delivery], marks: Marks, replan: Replan
    ) -> Added:
        """Store a form's submission once, and return once it is on disk."""
        self._check_room(len(event.body), is_public=True)
        return submissions.add(self.database, event, deliveries, marks, replan)

    def repeated(self, marks: Marks) -> Added | None:
        """Return the stored event that a submission repeats, and count the repetition."""
        return submissions.repeated(self.database, marks)

    def files_of(self, source: str) -> int:
        """Return how many bytes of files a source has stored."""
        return form_files.held_by(self.database, source)

    def stored_today(self, source: str, now: float) -> int:
        """Return how many bytes of bodies a source has stored today."""
        return daily_bytes.stored_by(self.database, source, now)

    def is_low(self) -> bool:
        """Return whether the disk has too little room for anything but events."""
        return self.room is not None and self.room.is_low()

    def _check_room(self, size: int, *, is_public: bool) -> None:
        if self.room is not None:
            self.room.check(size, is_public=is_public)
