"""Exports of form submissions, as records and as rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON, Event
from bridge.core.retention import is_content_deleted
from bridge.core.units import iso
from bridge.flows.ready.csv_format import format_cell, format_record
from bridge.routing.planner import read_form_fields
from bridge.services.lists import NEWEST, ListPage, PageRequest, list_events
from bridge.services.usable_config import body_reader
from bridge.store.queries import events
from bridge.store.queries.filters import Filters
from bridge.store.queries.oldest_events import read_oldest_first

if TYPE_CHECKING:
    from bridge.core.model import Body
    from bridge.routing.model import Source
    from bridge.store.db.database import Database

MAX_TABLE_COLUMNS: Final = 1000
SUBMISSION_COLUMNS: Final = ("received_at", "id", "source")  # the columns before the fields


@dataclass(frozen=True, slots=True)
class ExportedSubmission:
    """An event of a form, with its fields."""

    received_at: float | None
    id: str
    source: str
    type: str | None
    fields: Mapping[str, JSON]

    def about(self) -> dict[str, JSON]:
        """Return its time, id and source, by the names in `SUBMISSION_COLUMNS`."""
        values = (iso(self.received_at), self.id, self.source)
        return dict(zip(SUBMISSION_COLUMNS, values, strict=True))


class SubmissionList(Protocol):
    """Submissions, oldest first, that can be read several times.

    `left_out` counts events that are no submission, as far as that is known.
    """

    left_out: int

    def __iter__(self) -> Iterator[ExportedSubmission]:
        """Yield the submissions."""

    def read_once(self) -> Iterator[ExportedSubmission]:
        """Yield the submissions, each as soon as it is there. They are not read again."""


class Submissions:
    """The submissions among the events that filters select, oldest first.

    The events are selected once. Each iteration reads them again, in batches, and `left_out` counts
    those that are no submission, or whose body cannot be read or was deleted by `retention`.
    `check` is called before each part of the selection, and ends it by an exception.
    """

    def __init__(
        self,
        database: Database,
        sources: Mapping[str, Source],
        filters: Filters,
        limit: int = 0,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        self._database = database
        self._read = body_reader(sources)
        self._ids = events.event_ids(database, filters, limit, check)
        self.left_out = 0

    @property
    def event_count(self) -> int:
        """The number of events that were selected."""
        return len(self._ids)

    def __iter__(self) -> Iterator[ExportedSubmission]:
        self.left_out = 0
        for event in events.whole_events(self._database, self._ids):
            fields = read_fields(event, self._read)
            if fields is None:
                self.left_out += 1
            else:
                yield _make_submission(event, fields)

    def read_once(self) -> Iterator[ExportedSubmission]:
        """Yield the submissions."""
        return iter(self)


@dataclass(frozen=True, slots=True)
class SubmissionTable:
    """Submissions as a table with a column for each field, by first occurrence.

    There are at most `MAX_COLUMNS`; `field_count` is the number of all fields.
    """

    submissions: SubmissionList
    fields: tuple[str, ...]
    field_count: int

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns."""
        return (*SUBMISSION_COLUMNS, *self.fields)

    def rows(self) -> Iterator[list[JSON]]:
        """Yield the values of each submission, None where it lacks a field."""
        for submission in self.submissions:
            yield [
                *submission.about().values(),
                *(submission.fields.get(name) for name in self.fields),
            ]

    def csv_records(self) -> Iterator[bytes]:
        """Yield the header and then each submission, as records of a CSV file."""
        yield format_record(map(format_cell, self.header))
        for row in self.rows():
            yield format_record(map(format_cell, row))


def read_table(submissions: SubmissionList) -> SubmissionTable:
    """Read all submissions once for the names of their fields, and return their table."""
    names: dict[str, None] = {}
    for submission in submissions:
        names |= dict.fromkeys(submission.fields)
    return SubmissionTable(submissions, tuple(names)[:MAX_TABLE_COLUMNS], len(names))


@dataclass(frozen=True, slots=True)
class SubmissionItems:
    """The submissions among the events that filters select: a list of `services.lists`.

    `oldest_first`: its chunks begin with the oldest, after a search whose chunks are empty.
    """

    database: Database
    sources: Mapping[str, Source]
    filters: Filters
    oldest_first: bool = False

    def read_page(self, request: PageRequest = NEWEST) -> ListPage[ExportedSubmission]:
        """Return the submissions among the events of a page, newest first."""
        if self.oldest_first:
            raise InvalidRequest("only an NDJSON stream can begin with the oldest")
        page = list_events(self.database, self.filters).read_page(request)
        stored_events = events.whole_events(self.database, [event.id for event, _ in page.items])
        return ListPage(
            _read_submissions(self.sources, stored_events), page.next, page.looked_until
        )

    def read_chunks(
        self, *, before: int | None = None, limit: int = 0
    ) -> Iterator[Sequence[ExportedSubmission]]:
        """Yield the submissions among the newest `limit` events (0: all), by chunks."""
        if self.oldest_first:
            for chunk in read_oldest_first(self.database, self.filters, before=before, limit=limit):
                yield _read_submissions(self.sources, chunk)
            return
        for ids in events.event_id_chunks(self.database, self.filters, before=before, limit=limit):
            yield _read_submissions(self.sources, events.whole_events(self.database, ids))


def _make_submission(event: Event, fields: Mapping[str, JSON]) -> ExportedSubmission:
    return ExportedSubmission(event.received_at, event.id, event.source, event.type, fields)


def _read_submissions(
    sources: Mapping[str, Source], stored_events: Iterable[Event]
) -> list[ExportedSubmission]:
    read = body_reader(sources)
    return [
        _make_submission(event, fields)
        for event in stored_events
        if (fields := read_fields(event, read)) is not None
    ]


def read_fields(event: Event, read: Callable[[Event], Body]) -> dict[str, JSON] | None:
    """Return the fields of a submission; None for another event, or a body that cannot be read."""
    if is_content_deleted(event):
        return None
    body = read(event)
    fields = read_form_fields(event, body)
    return dict(fields) if fields is not None and body.problem is None else None
