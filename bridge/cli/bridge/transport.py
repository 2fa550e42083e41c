"""What carries the requests of a command to a bridge, and its answers back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Protocol

from bridge.core.model import JSON
from bridge.services.records.json_record import UNREADABLE, UnreadableAnswer

if TYPE_CHECKING:
    from bridge.core.operations import Operation
    from bridge.services.exports import SubmissionList
    from bridge.store.operations.actions import ItemResult

MAX_CURSOR_CHARS: Final = 100
PAGE_ITEMS: Final = 500
#: Query parameters: pairs of a name and a text.
Query = list[tuple[str, str]]
Shape = Mapping[str, JSON]


class OperationDriver(Protocol):
    """Counts the items of an operation, and carries it out."""

    def count(self) -> Shape:
        """Return the count of the items; nothing is stored."""

    def propose(self) -> Shape:
        """Return the count that a person is asked about."""

    def begin(self) -> Operation:
        """Begin the operation, with exactly the items that were proposed."""

    def resume(self, operation: Operation, rate: str | None) -> Operation:
        """Resume an operation that was stopped or interrupted. `rate`: another one than its own."""

    def follow(self, operation: Operation, rate: str | None) -> Generator[Sequence[ItemResult]]:
        """Yield the outcomes of the items that are left, in their order."""

    def stop(self, operation: Operation) -> None:
        """Stop an operation that goes on without the command."""


class Transport(Protocol):
    """Carries requests to the API of a bridge.

    A path is that of an endpoint, with quoted parts. `NotFound` where there is no such record,
    `InvalidRequest` for a value that is not valid, another `BridgeError` for anything else. `url`:
    where people reach the API and the console.
    """

    poll_seconds: float

    @property
    def url(self) -> str:
        """The URL of the private listener."""

    def get(self, path: str, query: Query | None = None) -> Shape:
        """Return the JSON object of an answer."""

    def get_bytes(self, path: str, max_bytes: int, query: Query | None = None) -> bytes:
        """Return an answer that is no JSON object, of at most about so many bytes."""

    def post(self, path: str, body: JSON | None = None) -> Shape:
        """Change something, in the name of the actor of this machine, and return the answer."""

    def delete(self, path: str) -> None:
        """Delete a record, in the name of the actor of this machine."""

    def list_pages(
        self,
        path: str,
        query: Query,
        limit: int,
        *,
        page_limit: int = PAGE_ITEMS,
        before: str | None = None,
    ) -> Iterator[Shape]:
        """Yield the parts of a list of at most `limit` items (0: all), each with its `items`.

        `page_limit`: of one page, where the list is read by pages. The list begins after the
        cursor, or the record, `before`.
        """

    def open_submissions(self, query: Query) -> AbstractContextManager[SubmissionList | None]:
        """Open the submissions of forms, oldest first; None where nothing is stored yet."""

    def drive(self, body: Mapping[str, JSON]) -> OperationDriver:
        """Return what carries out an operation. `body`: that of a request to begin it."""

    def explain_unset(self, source: str | None) -> Iterator[str]:
        """Yield which sources store no rejects because a secret is not set; of all, or of one."""

    def find_mode_place(self, route: str) -> str | None:
        """Return where `mode` of a route is written, as FILE:LINE; None if it is not known here."""

    def read_learned_secret(self, source: str) -> str | None:
        """Return the secret that a source received, or why it cannot be read; None elsewhere."""

    def explain_empty(self, what: str, source: str | None = None) -> str:
        """Return what to print where nothing is stored, such as no `events` of a source."""


def follow_pages(
    get: Callable[[str, Query], Shape],
    path: str,
    query: Query,
    limit: int,
    page_limit: int,
    before: str | None,
) -> Iterator[Shape]:
    """Yield the pages of a list by its cursors, until there is no further one.

    `get` returns a page; the others are those of `Transport.list_pages`. `UnreadableAnswer` also
    for a cursor that came before: the list would have no end.
    """
    size = ("limit", str(min(limit, page_limit) if limit else page_limit))
    used = {before}
    while True:
        page = get(path, [*query, size, *([] if before is None else [("before", before)])])
        following = page.get("next")
        items = page.get("items")
        is_list = isinstance(items, list) and all(isinstance(item, dict) for item in items)
        is_cursor = isinstance(following, str) and 0 < len(following) <= MAX_CURSOR_CHARS
        is_new = following is None or (is_cursor and following not in used)
        if not is_list or not is_new:
            raise UnreadableAnswer(UNREADABLE)
        yield page
        if following is None:
            return
        before = following
        used.add(before)
