"""The client that commands talk to: what they ask a bridge, whichever transport carries it.

Answers are the JSON of the API. Commands print from that only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from bridge.cli.bridge.changes import ChangeTail
from bridge.cli.bridge.request_parts import quote_id, write_filters
from bridge.cli.bridge.transport import PAGE_ITEMS, Query, Shape, Transport
from bridge.core.errors import InvalidRequest, NotFound
from bridge.core.model import JSON, OWN_SOURCE_NAME
from bridge.services.records.event_records import EVENT_DETAILS
from bridge.services.records.json_record import expect_shape
from bridge.system.ids import EVENT_PREFIXES, REJECT_PREFIX

if TYPE_CHECKING:
    from bridge.services.exports import SubmissionList
    from bridge.services.saved_files import EventFiles

PAGE_REJECTS: Final = 20  # each is diagnosed
ITEM_EXTRAS: Final = ("events", "deliveries")  # of items, which `operations show` does not print
SCREEN: Final[Query] = [("screen", "true")]


#: Filters of events and deliveries, by the names of the command's arguments.
Chosen = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NamedRecord:
    """The JSON of the record that an id names: an event with its deliveries, or a reject.

    `alert_id`: an alert of flowbridge itself that is newer, if no id was given.
    """

    shape: Shape
    is_reject: bool = False
    alert_id: str | None = None


@dataclass(frozen=True, slots=True)
class CauseList:
    """The causes of dead deliveries. `looked_until`: since when they were read, null for all."""

    items: Sequence[Shape]
    looked_until: str | None = None


class Bridge:
    """Asks the API of a bridge. `limit` 0 is no limit. Each list has the newest first."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def get(self, path: str, parameters: Chosen | None = None) -> Shape:
        """Return what an endpoint answers.

        `parameters`: its parameters, by the names of options.
        """
        return self.transport.get(path, write_filters(parameters or {}))

    def post(self, path: str, body: JSON | None = None) -> Shape:
        """Change something, in the name of the actor of this machine."""
        return self.transport.post(path, body)

    def read_status(self) -> Shape:
        """Return the status, as `status --json`."""
        return self.transport.get("/status")

    def list_events(self, filters: Chosen, limit: int) -> Iterator[Shape]:
        """Yield events with their deliveries."""
        return self._list("/events", write_filters(filters), limit)

    def list_deliveries(
        self, filters: Chosen, limit: int, *, with_screen: bool
    ) -> Iterator[tuple[Shape, Shape]]:
        """Yield deliveries, each with the advice that only a screen shows."""
        query = write_filters(filters) + (SCREEN if with_screen else [])
        pages = self.transport.list_pages("/deliveries", query, limit)
        pairs = (pair for page in pages for pair in _pair_screens(page, with_screen=with_screen))
        return islice(pairs, limit or None)

    def open_submissions(
        self, filters: Chosen, limit: int
    ) -> AbstractContextManager[SubmissionList | None]:
        """Open the submissions among the newest `limit` events, oldest first.

        None where nothing is stored yet.
        """
        query: Query = [*write_filters(filters), ("limit", str(limit))]
        return self.transport.open_submissions(query)

    def follow_changes(self, filters: Chosen) -> ChangeTail:
        """Return a reader of the changes from now on. Its first ones are deliveries in flight."""
        return ChangeTail(self.transport, write_filters(filters))

    def read_record(self, id_: str | None, *, with_screen: bool) -> NamedRecord:
        """Return the event or the reject that an id names; None names the newest event."""
        if id_ is None:
            newest, alert_id = self._find_newest()
            return NamedRecord(self._read_event(newest, with_screen=with_screen), alert_id=alert_id)
        if id_.startswith(REJECT_PREFIX):
            return self._read_reject(id_)
        try:
            return NamedRecord(self._read_event(id_, with_screen=with_screen))
        except NotFound:
            if id_.startswith(EVENT_PREFIXES):
                raise
            with suppress(NotFound):
                return self._read_reject(id_)
            raise

    def find_files(self, id_: str | None) -> EventFiles | None:
        """Return the files of the event that an id names; None where it names a reject."""
        from bridge.cli.bridge.event_files import describe_files

        record = self.read_record(id_, with_screen=False)
        if record.is_reject:
            return None
        return describe_files(self.transport, EVENT_DETAILS.parse(record.shape), record.alert_id)

    def list_alerts(self) -> Shape:
        """Return the open alerts as `items`, and what a screen shows as `screen`."""
        return self.transport.get("/alerts", SCREEN)

    def explain(self, id_: str | None, *, when: str, route: str | None) -> Sequence[Shape]:
        """Return the explanations of an event, or of the events in a reject, each with `screen`."""
        query = [*write_filters({"routes": when, "route": route}), *SCREEN]
        id_ = self._find_newest()[0] if id_ is None else id_
        try:
            if not id_.startswith(REJECT_PREFIX):
                return [self.transport.get(f"/events/{quote_id(id_)}/explain", query)]
        except NotFound:
            if id_.startswith(EVENT_PREFIXES) or not self._is_reject(id_):
                raise
        reply = self.transport.get(f"/rejects/{quote_id(id_)}/explain", query)
        with expect_shape():
            return list(reply["items"])

    def list_rejects(
        self, *, source: str | None, since: float | None, limit: int
    ) -> Iterator[Shape]:
        """Yield rejects, each with its diagnosis."""
        query = write_filters({"source": source, "since": since})
        return self._list("/rejects", query, limit, page_limit=PAGE_REJECTS)

    def list_operations(
        self, *, since: float | None, unfinished: bool, limit: int
    ) -> Iterator[Shape]:
        """Yield operations."""
        query = write_filters({"since": since, "unfinished": unfinished or None})
        return self._list("/operations", query, limit)

    def read_operation(self, id_: str) -> Shape:
        """Return an operation."""
        return self.transport.get(f"/operations/{quote_id(id_)}")

    def read_trial(self, id_: str) -> Shape:
        """Return a trial, with its result once it has ended."""
        return self.transport.get(f"/trials/{quote_id(id_)}")

    def stop_operation(self, id_: str) -> Shape:
        """Stop an operation that a worker carries out, and return it."""
        return self.transport.post(f"/operations/{quote_id(id_)}/stop", None)

    def list_items(self, id_: str, *, outcome: str | None, limit: int) -> Iterator[Shape]:
        """Yield the items of an operation in their order."""
        for item in self.list_whole_items(id_, outcome=outcome, limit=limit):
            yield {name: value for name, value in item.items() if name not in ITEM_EXTRAS}

    def list_whole_items(
        self, id_: str, *, outcome: str | None = None, limit: int = 0, after: int = 0
    ) -> Iterator[Shape]:
        """Yield the items of an operation behind the number `after`, each with its deliveries."""
        query = write_filters({"outcome": outcome})
        before = str(after) if after > 0 else None
        return self._list(f"/operations/{quote_id(id_)}/items", query, limit, before=before)

    def describe(self, filters: Chosen) -> dict[str, JSON]:
        """Return the filters of a command as those of an operation."""
        operation_filters: dict[str, JSON] = {}
        for name, text in write_filters(filters):
            operation_filters[name] = (
                [*operation_filters.get(name, []), text] if name == "where" else text
            )
        return operation_filters

    def list_audit(self, *, since: float | None, action: str | None, limit: int) -> Iterator[Shape]:
        """Yield entries of the audit log."""
        return self._list("/audit", write_filters({"since": since, "action": action}), limit)

    def read_causes(self, filters: Chosen) -> CauseList:
        """Return the causes of dead deliveries, the most frequent first."""
        reply = self.transport.get("/causes", write_filters(filters))
        with expect_shape():
            return CauseList(list(reply["items"]), reply["looked_until"])

    def list_types(self, source: str | None) -> Shape:
        """Return the event types of the newest events."""
        return self.transport.get("/types", write_filters({"source": source}))

    def infer_schema(self, source: str, type_: str) -> Shape:
        """Return the schema of the bodies of a type. `NotFound` where there is none to read."""
        query = write_filters({"source": source, "type": type_})
        return self.transport.get("/types/schema", query)

    def compare_shadow(
        self, new: str, live: str | None, *, since: float, until: float | None
    ) -> Iterator[Shape]:
        """Yield the pages of a comparison, newest first.

        `InvalidRequest` for routes that cannot be compared.
        """
        query = write_filters({"live": live, "since": since, "until": until})
        try:
            yield from self.transport.list_pages(f"/routes/{quote_id(new)}/shadow", query, 0)
        except NotFound as error:
            raise InvalidRequest(str(error)) from None

    def read_trend(
        self, name: str, *, since: float, step: int | None, only: Mapping[str, str]
    ) -> Shape:
        """Return the points of a trend as `items`, oldest first, and when a new bridge has some."""
        filters = {"name": name, "since": since, **only}
        query = write_filters(filters) + ([] if step is None else [("step", f"{step}s")])
        return self.transport.get("/trends", query)

    def _list(
        self,
        path: str,
        query: Query,
        limit: int,
        page_limit: int = PAGE_ITEMS,
        before: str | None = None,
    ) -> Iterator[Shape]:
        pages = self.transport.list_pages(path, query, limit, page_limit=page_limit, before=before)
        return islice((shape for page in pages for shape in page["items"]), limit or None)

    def _read_event(self, id_: str, *, with_screen: bool) -> Shape:
        return self.transport.get(f"/events/{quote_id(id_)}", SCREEN if with_screen else [])

    def _is_reject(self, id_: str) -> bool:
        with suppress(NotFound):
            return bool(self._read_reject(id_))
        return False

    def _read_reject(self, id_: str) -> NamedRecord:
        return NamedRecord(self.transport.get(f"/rejects/{quote_id(id_)}"), is_reject=True)

    def _find_newest(self) -> tuple[str, str | None]:
        """Return the id of the newest event of a sender, and that of a newer alert."""
        of_senders = next(self.list_events({}, 1), None)
        alert = next(self.list_events({"source": OWN_SOURCE_NAME}, 1), None)
        newest = of_senders or alert
        if newest is None:
            raise NotFound(self.transport.explain_empty("events"))
        with expect_shape():
            is_newer = alert is not None and alert["received_at"] > newest["received_at"]
            return str(newest["id"]), str(alert["id"]) if alert and is_newer else None


def _pair_screens(page: Mapping[str, JSON], *, with_screen: bool) -> Iterator[tuple[Shape, Shape]]:
    with expect_shape():
        screens = page["screen"] if with_screen else {}
        pairs = [(shape, screens.get(shape["id"], {})) for shape in page["items"]]
    yield from pairs
