"""The bridge of this machine, read from its store. See `services.bridge_reader`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bridge.cli.options import make_filters, require_existing, say_search_size
from bridge.cli.usable_config import load_sources
from bridge.core.audit import AuditAction
from bridge.core.errors import ConfigError, NotFound, StoreError
from bridge.core.times import iso
from bridge.services.bridge_reader import CauseList, ChangeShape, Chosen, NamedShape, Shape
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.event_records import EVENT
from bridge.services.records.operation_records import OPERATION, STEP
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.operations import Operation
    from bridge.core.status import Overview
    from bridge.services.change_feed import ChangeFeed
    from bridge.services.exports import SubmissionList
    from bridge.services.rejects import RejectReview
    from bridge.services.saved_files import EventFiles
    from bridge.store.db.database import Database
    from bridge.store.queries.event_lookup import EventHistory

NO_STORE = "nothing has been received yet"


@dataclass(frozen=True, slots=True)
class LocalChanges:
    """Reads changes from the store. See `services.bridge_reader`."""

    database: Database
    feed: ChangeFeed
    poll_seconds: float = 0.3

    def read_changes(self) -> Iterator[ChangeShape]:
        """Yield new events, and deliveries whose state changed."""
        from bridge.services.change_feed import describe_change

        for at, change in self.feed.read_changes():
            yield describe_change(self.database, at, change)


@dataclass
class LocalBridge:
    """Reads a bridge from its store, if there is one.

    `config`: the routes.yaml that the command line names.
    """

    config: str | None
    settings: Settings
    database: Database | None

    def read_status(self) -> Shape:
        """Return the status, as `status --json`."""
        from bridge.services.status_report import read_status

        return read_status(self.settings, self.database).as_json()

    def list_events(self, chosen: Chosen, limit: int) -> Iterator[Shape]:
        """Yield events with their deliveries."""
        from bridge.store.queries import events

        wanted = make_filters(**chosen).without_own
        self._check(chosen)
        if self.database is None:
            return
        say_search_size(self.database, wanted, of_deliveries=False)
        for event, deliveries in events.list_events(self.database, wanted, limit):
            yield EVENT.write(event, deliveries=deliveries)

    def list_deliveries(
        self, chosen: Chosen, limit: int, *, with_screen: bool
    ) -> Iterator[tuple[Shape, Shape]]:
        """Yield deliveries, each with the advice that only a screen shows."""
        from bridge.services.delivery_rows import DeliveryScreens
        from bridge.store.queries import events

        wanted = make_filters(**chosen)
        self._check(chosen)
        if self.database is None:
            return
        say_search_size(self.database, wanted, of_deliveries=True)
        screens = DeliveryScreens(self.database)
        for one in events.list_deliveries(self.database, wanted, limit):
            yield DELIVERY.write(one), screens.describe(one) if with_screen else {}

    @contextmanager
    def open_submissions(self, chosen: Chosen, limit: int) -> Iterator[SubmissionList | None]:
        """Yield the form submissions, oldest first, and record the export."""
        from bridge.services.audit import record_done
        from bridge.services.exports import Submissions
        from bridge.services.operations import find_audit_actor

        if self.database is None:
            yield None
            return
        self._check(chosen)
        wanted = make_filters(**chosen)
        say_search_size(self.database, wanted, of_deliveries=False)
        subject = f"submissions of {chosen['source']}" if chosen["source"] else "submissions"
        by = find_audit_actor(self.settings)
        record_done(self.database, AuditAction.EXPORTED, by, subject)
        yield Submissions(self.database, load_sources(self.settings), wanted, limit)

    def follow_changes(self, chosen: Chosen) -> LocalChanges:
        """Return a reader of the changes from now on. Its first ones are deliveries in flight."""
        from bridge.services.change_feed import ChangeFeed

        wanted = make_filters(**chosen)
        if self.database is None:
            raise StoreError("the database was removed")
        self._check(chosen)
        return LocalChanges(self.database, ChangeFeed(self.database, wanted))

    def read_record(self, id_: str | None, *, with_screen: bool) -> NamedShape:
        """Return the event or the reject that an id names; None names the newest event."""
        from bridge.services.event_details import find_record

        if self.database is None:
            missing = "" if id_ is None else f"no event, delivery or run has the id {id_!r}: "
            raise NotFound(f"{missing}{NO_STORE}")
        record = find_record(self.database, id_)
        if record.reject is not None:
            found = self._review.diagnose(record.reject)
            return NamedShape(found.as_json(whole=True), is_reject=True)
        if record.found is None:
            raise NotFound(NO_STORE)
        shape = self._describe_event(self.database, record.found, with_screen=with_screen)
        return NamedShape(shape, alert_id=record.alert_id)

    def find_files(self, id_: str | None) -> EventFiles | None:
        """Return the files of the event that an id names; None where it names a reject."""
        from bridge.services.event_details import find_record
        from bridge.services.saved_files import EventFiles, read_stored
        from bridge.store.blobs import BlobStore

        if self.database is None:
            raise NotFound(NO_STORE)
        record = find_record(self.database, id_)
        if record.found is None:
            return None
        event = record.found.event
        read = read_stored(BlobStore.of(self.settings))
        return EventFiles(event.id, event.files, read, record.alert_id)

    def list_alerts(self) -> Shape:
        """Return the open alerts as `items`, and what a screen shows as `screen`."""
        from bridge.services.alert_list import list_alerts

        if self.database is None:
            screen = {"notifies": True, "works": False, "ends": {}}
            return {"items": [], "screen": screen}
        return list_alerts(self.database, self._read_overview)

    def list_rejects(
        self, *, source: str | None, since: float | None, limit: int
    ) -> Iterator[Shape]:
        """Yield rejects, each with its diagnosis."""
        review = self._review
        self._check({"source": source})
        if self.database is not None:
            for one in review.list_rejects(self.database, source=source, since=since, limit=limit):
                yield one.as_json()

    def list_operations(
        self, *, since: float | None, unfinished: bool, limit: int
    ) -> Iterator[Shape]:
        """Yield operations."""
        from bridge.services.operation_control import are_starts_held
        from bridge.store.operations import operation_records

        if self.database is not None:
            found = operation_records.list_operations(
                self.database, since=since, unfinished=unfinished, limit=limit
            )
            is_held = are_starts_held(self.database)
            for one in found:
                yield _describe_operation(one, is_held=is_held)

    def read_operation(self, id_: str) -> Shape:
        """Return an operation."""
        from bridge.services.operation_control import are_starts_held

        database, one = self._find_operation(id_)
        return _describe_operation(one, is_held=are_starts_held(database))

    def stop_operation(self, id_: str) -> Shape:
        """Stop an operation that a worker carries out, and return it."""
        from bridge.services.operation_control import are_starts_held, stop_operation

        database, one = self._find_operation(id_)
        is_held = are_starts_held(database)
        return _describe_operation(stop_operation(database, one, token=None), is_held=is_held)

    def list_items(self, id_: str, *, outcome: str | None, limit: int) -> Iterator[Shape]:
        """Yield the items of an operation in their order."""
        from bridge.store.operations import operation_records

        database, one = self._find_operation(id_)
        found = operation_records.list_items(database, one, outcome=outcome, limit=limit)
        yield from map(STEP.write, found)

    def list_audit(self, *, since: float | None, action: str | None, limit: int) -> Iterator[Shape]:
        """Yield entries of the audit log."""
        from bridge.services.records.bridge_records import AUDIT_ENTRY
        from bridge.store.audit import list_entries

        if self.database is not None:
            found = list_entries(self.database, since=since, action=action, limit=limit)
            yield from map(AUDIT_ENTRY.write, found)

    def read_causes(self, chosen: Chosen) -> CauseList:
        """Return the causes of dead deliveries, the most frequent first."""
        from bridge.services.dead_causes import group_by_cause

        wanted = make_filters(**chosen)
        self._check(chosen)
        if self.database is None:
            return CauseList(())
        report = group_by_cause(self.database, wanted)
        return CauseList([one.as_json() for one in report.groups], iso(report.read_until))

    def read_trend(
        self, name: str, *, since: float, step: int | None, only: Mapping[str, str]
    ) -> Sequence[Shape]:
        """Return the points of a trend, oldest first."""
        from bridge.services.trends import read_trends

        found = read_trends(self.database, name, since, time.time(), step, only)
        if not found.has_numbers:
            self._check(only)
        return [found.as_json(one) for one in found.points]

    def explain_empty(self, what: str) -> str:
        """Return how to send a first event."""
        host = self.settings.public_url or self.settings.bound_url
        return (
            f"No {what} yet.\nStart `flowbridge serve`, then send one:"
            f" flowbridge sample {self._any_source()} --to {host}"
        )

    def explain_unset(self, source: str | None) -> Iterator[str]:
        """Yield which sources store no rejects because a secret is not set; of all, or of one."""
        for one in self._review.config.sources.values():
            if one.missing is not None and source in (None, one.name):
                which = f"{one.name} that no other secret verifies" if one.secrets else one.name
                yield (
                    f"Requests to source {which} are answered 503 and not stored, since its secret"
                    f" cannot be read: {one.missing}.\nNext: set it in .env; no restart is needed."
                )

    @cached_property
    def _review(self) -> RejectReview:
        from bridge.cli.reject_review import make_review

        return make_review(self.config, to_look=True)

    def _read_overview(self) -> Overview:
        from bridge.monitoring.status import read_overview

        return read_overview(self.settings, self.database)

    def _any_source(self) -> str:
        """Return the name of a source for a sample; "form" where there is none to be read."""
        with suppress(ConfigError):
            return next(iter(load_present(self.settings).sources), "form")
        return "form"

    def _check(self, chosen: Chosen) -> None:
        require_existing(self.settings, self.database, **chosen)

    def _describe_event(
        self, database: Database, found: EventHistory, *, with_screen: bool
    ) -> Shape:
        from bridge.services.event_details import read_event_details
        from bridge.services.event_screen import describe_screen

        details = read_event_details(database, self.settings, found, with_reasons=with_screen)
        return details.as_json() | ({"screen": describe_screen(details)} if with_screen else {})

    def _find_operation(self, id_: str) -> tuple[Database, Operation]:
        from bridge.store.operations import operation_records

        if self.database is None:
            raise NotFound("nothing was received yet: there is no database")
        return self.database, operation_records.find(self.database, id_)


def _describe_operation(one: Operation, *, is_held: bool) -> Shape:
    return OPERATION.write(one, state=one.state(time.time(), is_held=is_held))
