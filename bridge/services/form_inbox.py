"""The inbox of a form: submissions with their fields, deliveries and files, newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON, Delivery, Event
from bridge.core.retention import is_content_deleted
from bridge.routing.schemas.keywords import is_email_address
from bridge.services.exports import Submissions, read_fields
from bridge.services.lists import ListPage, PageRequest, list_events
from bridge.services.operations.selection import limit_search
from bridge.services.usable_config import body_reader
from bridge.store.queries import events

if TYPE_CHECKING:
    from bridge.core.model import Body
    from bridge.routing.model import Source
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

#: Submissions of a download; the command `export` has no such limit.
MAX_DOWNLOADED_SUBMISSIONS: Final = 10_000
#: Fields that people fill in with their address, letters only, the first of which is used.
ADDRESS_FIELDS: Final = ("replyto", "email", "emailaddress", "youremail", "mail")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxSubmission:
    """A submission with its deliveries.

    `fields` is null where they are hidden, deleted or cannot be read. `reply_to`: the mail address
    of the person who sent it, null where no field has a valid one. `is_deleted`: whether its
    content was deleted; false where it is hidden.
    """

    event: Event
    deliveries: Sequence[Delivery]
    fields: Mapping[str, JSON] | None = None
    reply_to: str | None = None
    is_deleted: bool = False


class _Contents(TypedDict, total=False):
    """The values of an `InboxSubmission` that come from the body."""

    fields: Mapping[str, JSON]
    reply_to: str | None
    is_deleted: bool


def page_inbox(
    database: Database,
    sources: Mapping[str, Source],
    filters: Filters,
    request: PageRequest,
    *,
    with_contents: bool,
) -> ListPage[InboxSubmission]:
    """Return a page of the events of a form; without contents their fields are not read."""
    page = list_events(database, filters).read_page(request)
    contents: Mapping[str, _Contents] = {}
    if with_contents:
        ids = [event.id for event, _ in page.items]
        read = body_reader(sources)
        contents = {event.id: _read(event, read) for event in events.whole_events(database, ids)}
    rows = [
        InboxSubmission(event=event, deliveries=deliveries, **contents.get(event.id, {}))
        for event, deliveries in page.items
    ]
    return ListPage(rows, page.next, page.looked_until)


def make_field_test(
    text: str, sources: Mapping[str, Source], also: Callable[[Event], bool] | None = None
) -> Callable[[Event], bool]:
    """Return a function that says whether a field of a submission contains a text, in any case.

    `also` is another condition.
    """
    read = body_reader(sources)
    sought = text.casefold()

    def test(event: Event) -> bool:
        if also is not None and not also(event):
            return False
        fields = read_fields(event, read)
        return fields is not None and any(_contains(value, sought) for value in fields.values())

    return test


def select_download(
    database: Database, sources: Mapping[str, Source], filters: Filters
) -> Submissions:
    """Return the submissions that filters select, oldest first. Raises `InvalidRequest`."""
    limit = MAX_DOWNLOADED_SUBMISSIONS
    check = limit_search(database.timings.selection_seconds)
    submissions = Submissions(database, sources, filters, limit + 1, check)
    if submissions.event_count > limit:
        raise InvalidRequest(
            f"more than {limit:,} submissions match: use narrower filters, such as `since` and"
            " `until`, or `flowbridge export`, which has no limit"
        )
    return submissions


def find_reply_address(values: JSON) -> str | None:
    """Return the mail address in the fields of a submission, null where no field has a valid one.

    A field that asks for it by its name comes before one that only mentions it, as in `Work email`.
    """
    if not isinstance(values, dict):
        return None
    texts = {_plain(name): value for name, value in values.items() if isinstance(value, str)}
    named = [texts[name] for name in ADDRESS_FIELDS if name in texts]
    others = [text for name, text in texts.items() if "email" in name]
    return next(
        (address for address in map(str.strip, named + others) if is_email_address(address)), None
    )


def _read(event: Event, read: Callable[[Event], Body]) -> _Contents:
    body = read(event)
    fields = read_fields(event, lambda _: body)
    if fields is None:
        return {"is_deleted": is_content_deleted(event)}
    # the body of a form has `_replyto` too, which is no field
    return {
        "fields": fields,
        "reply_to": find_reply_address(body.value) or find_reply_address(fields),
    }


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalpha())


def _contains(value: JSON, sought: str) -> bool:
    if isinstance(value, dict):
        return any(_contains(child, sought) for child in value.values())
    if isinstance(value, list):
        return any(_contains(child, sought) for child in value)
    return value is not None and sought in str(value).casefold()
