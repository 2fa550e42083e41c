"""Storage of events and rejects for the receivers, while the disk has room."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bridge.core.model import Reject
from bridge.ingest.effects import PreparedRequest
from bridge.ingest.forms.room import StoredBytes
from bridge.ingest.forms.spam.dedup import SubmissionMarks
from bridge.ingest.ports import StoringFailed, StoringResult, StoringWaits
from bridge.store.db.database import Database
from bridge.store.db.disk_space import DiskSpaceGuard
from bridge.store.inbound import daily_bytes, events, network_bytes, rejects, submissions
from bridge.store.inbound.arrivals import AddedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStorage:
    """Store events and rejects. `room` is None where the database is on another machine."""

    database: Database
    room: DiskSpaceGuard | None

    def add(self, prepared: PreparedRequest) -> Sequence[AddedEvent]:
        """Store the events of one request, and return once they are on disk."""
        source = prepared.source
        arrivals = prepared.arrivals
        self._check_room(prepared)
        if prepared.marks is not None:
            [(event, deliveries)] = arrivals
            return [
                submissions.add(self.database, event, deliveries, prepared.marks, prepared.replan)
            ]
        if source.daily_bytes is None:
            return events.add_all(self.database, arrivals, prepared.replan)
        return daily_bytes.add_all(
            self.database, arrivals, prepared.replan, source.daily_bytes, time.time()
        )

    def add_each(
        self, requests: Sequence[PreparedRequest], *, waits: bool = True
    ) -> list[StoringResult]:
        """Store the events of several requests in as few commits as possible.

        Without `waits`, raises `CommitWaits` where the commit would wait.
        """
        results: dict[int, StoringResult] = {}
        gathered: list[int] = []
        has_room = self._has_room(requests)
        for place, prepared in enumerate(requests):
            if prepared.marks is not None or prepared.source.daily_bytes is not None:
                # it counts in the same transaction
                results[place] = StoringWaits(partial(self.add, prepared))
                continue
            try:
                if not has_room:
                    self._check_room(prepared)
                gathered.append(place)
            except Exception as error:
                results[place] = StoringFailed(error)
        together = [(requests[place].arrivals, requests[place].replan) for place in gathered]
        added = events.add_each(self.database, together, waits=waits)
        results.update(zip(gathered, added, strict=True))
        return [results[place] for place in range(len(requests))]

    def _check_room(self, prepared: PreparedRequest) -> None:
        """Raise `Refused` or `StoreError` where the disk is nearly full."""
        if self.room is not None:
            is_public = prepared.source.is_public or prepared.marks is not None
            self.room.check(_size_of(prepared), is_public=is_public)

    def _has_room(self, requests: Sequence[PreparedRequest]) -> bool:
        """Return whether the disk has room for all of the requests, whatever their sources are."""
        return self.room is None or not self.room.is_low(
            sum(map(_size_of, requests)), is_public=True
        )

    def add_reject(self, reject: Reject) -> None:
        """Store a copy of a request that failed verification."""
        rejects.add(self.database, reject)

    def repeated(self, marks: SubmissionMarks) -> AddedEvent | None:
        """Return the stored event that a submission repeats, and count the repetition."""
        return submissions.count_repeat(self.database, marks)

    def stored(self, source: str, network: int | None, now: float) -> StoredBytes:
        """Return how many bytes a form has stored, and a network of its senders."""
        return network_bytes.stored_bytes(self.database, source, network, now)

    def is_low(self) -> bool:
        """Return whether the disk has too little room for anything but events."""
        return self.room is not None and self.room.is_low()


def _size_of(prepared: PreparedRequest) -> int:
    """Return the bytes of the bodies of a request."""
    return sum(len(event.body) for event, _ in prepared.arrivals)
