"""The bridge of another machine, read from its admin API. See `services.bridge_reader`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from bridge.cli.remote.changes import RemoteChanges
from bridge.cli.remote.client import PAGE_ITEMS, PAGE_REJECTS, AdminClient, Query
from bridge.cli.remote.request_parts import quote_id, write_filters, write_page_size
from bridge.core.errors import NotFound
from bridge.core.model import JSON, OWN_SOURCE_NAME
from bridge.services.bridge_reader import CauseList, Chosen, NamedShape, Shape
from bridge.services.operations import name_actor
from bridge.services.records.event_records import EVENT_DETAILS
from bridge.services.records.json_record import expect_shape
from bridge.system.ids import EVENT_PREFIXES, REJECT_PREFIX

if TYPE_CHECKING:
    from bridge.services.exports import SubmissionList
    from bridge.services.saved_files import EventFiles

ACTOR_VARIABLE: Final = "FLOWBRIDGE_ACTOR"
NEWEST_EVENTS: Final = 20  # of a page that is searched for the newest event of a sender
ITEM_EXTRAS: Final = ("events", "deliveries")  # of items, which `operations show` does not print
SCREEN: Final[Query] = [("screen", "true")]


class RemoteBridge:
    """Reads a bridge through its admin API.

    `actor_prefix` stands before the name of the actor that is recorded with a change.
    """

    def __init__(self, client: AdminClient, actor_prefix: str = "") -> None:
        self._client = client
        self._actor_prefix = actor_prefix

    def read_status(self) -> Shape:
        """Return the status, as `status --json`."""
        return self._client.get("/status")

    def list_events(self, chosen: Chosen, limit: int) -> Iterator[Shape]:
        """Yield events with their deliveries."""
        return self._list("/events", write_filters(chosen), limit)

    def list_deliveries(
        self, chosen: Chosen, limit: int, *, with_screen: bool
    ) -> Iterator[tuple[Shape, Shape]]:
        """Yield deliveries, each with the advice that only a screen shows."""
        query = write_filters(chosen) + (SCREEN if with_screen else [])
        pages = self._client.list_pages("/deliveries", query + write_page_size(limit))
        found = (pair for page in pages for pair in _pair_screens(page, with_screen=with_screen))
        return islice(found, limit or None)

    @contextmanager
    def open_submissions(self, chosen: Chosen, limit: int) -> Iterator[SubmissionList]:
        """Yield the form submissions, oldest first."""
        from bridge.cli.remote.submissions import open_submissions

        query: Query = [*write_filters(chosen), ("limit", str(limit))]
        with open_submissions(self._client, query) as found:
            yield found

    def follow_changes(self, chosen: Chosen) -> RemoteChanges:
        """Return a reader of the changes from now on. Its first ones are deliveries in flight."""
        return RemoteChanges(self._client, write_filters(chosen))

    def read_record(self, id_: str | None, *, with_screen: bool) -> NamedShape:
        """Return the event or the reject that an id names; None names the newest event."""
        if id_ is None:
            newest, alert_id = self._find_newest()
            return NamedShape(self._read_event(newest, with_screen=with_screen), alert_id=alert_id)
        if id_.startswith(REJECT_PREFIX):
            return self._read_reject(id_)
        try:
            return NamedShape(self._read_event(id_, with_screen=with_screen))
        except NotFound:
            if id_.startswith(EVENT_PREFIXES):
                raise
            with suppress(NotFound):
                return self._read_reject(id_)
            raise

    def find_files(self, id_: str | None) -> EventFiles | None:
        """Return the files of the event that an id names; None where it names a reject."""
        from bridge.cli.remote.event_files import describe_files

        record = self.read_record(id_, with_screen=False)
        if record.is_reject:
            return None
        return describe_files(self._client, EVENT_DETAILS.parse(record.shape), record.alert_id)

    def list_alerts(self) -> Shape:
        """Return the open alerts as `items`, and what a screen shows as `screen`."""
        return self._client.get("/alerts", SCREEN)

    def explain(self, id_: str | None, *, when: str, route: str | None) -> Sequence[Shape]:
        """Return the explanations of an event, or of the events in a reject, each with `screen`."""
        query = [*write_filters({"routes": when, "route": route}), *SCREEN]
        id_ = self._find_newest()[0] if id_ is None else id_
        try:
            if not id_.startswith(REJECT_PREFIX):
                return [self._client.get(f"/events/{quote_id(id_)}/explain", query)]
        except NotFound:
            if id_.startswith(EVENT_PREFIXES) or not self._is_reject(id_):
                raise
        found = self._client.get(f"/rejects/{quote_id(id_)}/explain", query)
        with expect_shape():
            return list(found["items"])

    def list_rejects(
        self, *, source: str | None, since: float | None, limit: int
    ) -> Iterator[Shape]:
        """Yield rejects, each with its diagnosis."""
        query = write_filters({"source": source, "since": since})
        return self._list("/rejects", query, limit, most=PAGE_REJECTS)

    def list_operations(
        self, *, since: float | None, unfinished: bool, limit: int
    ) -> Iterator[Shape]:
        """Yield operations."""
        query = write_filters({"since": since, "unfinished": unfinished or None})
        return self._list("/operations", query, limit)

    def read_operation(self, id_: str) -> Shape:
        """Return an operation."""
        return self._client.get(f"/operations/{quote_id(id_)}")

    def read_trial(self, id_: str) -> Shape:
        """Return a trial, with its result once it has ended."""
        return self._client.get(f"/trials/{quote_id(id_)}")

    def stop_operation(self, id_: str) -> Shape:
        """Stop an operation that a worker carries out, and return it."""
        return self.post(f"/operations/{quote_id(id_)}/stop", None)

    def list_items(self, id_: str, *, outcome: str | None, limit: int) -> Iterator[Shape]:
        """Yield the items of an operation in their order."""
        for one in self.list_whole_items(id_, outcome=outcome, limit=limit):
            yield {name: value for name, value in one.items() if name not in ITEM_EXTRAS}

    def list_whole_items(
        self, id_: str, *, outcome: str | None = None, limit: int = 0, after: int = 0
    ) -> Iterator[Shape]:
        """Yield the items of an operation behind the number `after`, each with its deliveries."""
        query = write_filters({"outcome": outcome})
        before = str(after) if after > 0 else None
        return self._list(f"/operations/{quote_id(id_)}/items", query, limit, before=before)

    def post(self, path: str, body: JSON | None) -> dict[str, JSON]:
        """Change something, in the name of the actor of this machine."""
        return self._client.post(path, body, self._name_actor())

    def delete(self, path: str) -> None:
        """Delete a record, in the name of the actor of this machine."""
        self._client.delete(path, self._name_actor())

    def _name_actor(self) -> dict[str, str]:
        """Return the header with the actor of this machine."""
        actor = self._actor_prefix + name_actor(os.environ.get(ACTOR_VARIABLE, ""))
        shown = actor.encode().decode("latin-1") if actor.isprintable() else ""
        return {"X-Flowbridge-Actor": shown} if shown else {}

    def describe(self, chosen: Chosen) -> dict[str, JSON]:
        """Return the filters of a command as those of an operation."""
        found: dict[str, JSON] = {}
        for name, text in write_filters(chosen):
            found[name] = [*found.get(name, []), text] if name == "where" else text
        return found

    def list_audit(self, *, since: float | None, action: str | None, limit: int) -> Iterator[Shape]:
        """Yield entries of the audit log."""
        return self._list("/audit", write_filters({"since": since, "action": action}), limit)

    def read_causes(self, chosen: Chosen) -> CauseList:
        """Return the causes of dead deliveries, the most frequent first."""
        found = self._client.get("/causes", write_filters(chosen))
        with expect_shape():
            return CauseList(list(found["items"]), found["read_until"])

    def read_trend(
        self, name: str, *, since: float, step: int | None, only: Mapping[str, str]
    ) -> Sequence[Shape]:
        """Return the points of a trend, oldest first."""
        asked = {"name": name, "since": since, **only}
        query = write_filters(asked) + ([] if step is None else [("step", f"{step}s")])
        found = self._client.get("/trends", query)
        with expect_shape():
            return list(found["items"])

    def explain_unset(self, source: str | None) -> Iterator[str]:  # noqa: ARG002 - the protocol
        """Yield nothing: the status names secrets that are not set."""
        return iter(())

    def explain_empty(self, what: str) -> str:
        """Return that nothing is stored there."""
        return f"No {what} on {self._client.server} yet."

    def _list(
        self,
        path: str,
        query: Query,
        limit: int,
        most: int = PAGE_ITEMS,
        before: str | None = None,
    ) -> Iterator[Shape]:
        pages = self._client.list_pages(path, query + write_page_size(limit, most), before)
        return islice((one for page in pages for one in page["items"]), limit or None)

    def _read_event(self, id_: str, *, with_screen: bool) -> Shape:
        return self._client.get(f"/events/{quote_id(id_)}", SCREEN if with_screen else [])

    def _is_reject(self, id_: str) -> bool:
        with suppress(NotFound):
            return bool(self._read_reject(id_))
        return False

    def _read_reject(self, id_: str) -> NamedShape:
        return NamedShape(self._client.get(f"/rejects/{quote_id(id_)}"), is_reject=True)

    def _find_newest(self) -> tuple[str, str | None]:
        """Return the id of the newest event of a sender, and that of a newer alert."""
        newest: str | None = None
        pages = self._client.list_pages("/events", write_page_size(NEWEST_EVENTS))
        for one in (one for page in pages for one in page["items"]):
            with expect_shape():
                id_ = str(one["id"])
                if one["source"] != OWN_SOURCE_NAME:
                    return id_, newest
            newest = newest or id_
        if newest is None:
            raise NotFound("no event is stored yet")
        return newest, None


def _pair_screens(page: Mapping[str, JSON], *, with_screen: bool) -> Iterator[tuple[Shape, Shape]]:
    with expect_shape():
        screens = page["screen"] if with_screen else {}
        pairs = [(one, screens.get(one["id"], {})) for one in page["items"]]
    yield from pairs
