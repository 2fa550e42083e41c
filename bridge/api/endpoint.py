"""One row of the table of endpoints, and the lists that endpoints answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, Final, Generic, TypeVar

from bridge.api.bodies import RequestBody
from bridge.api.context import BYTES, Answer, ApiContext, ApiRequest
from bridge.api.parameters import Parameter
from bridge.api.selection import read_page_request, read_start
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.services.lists import ItemList
from bridge.system.cpu_affinity import switch_often

T = TypeVar("T")
NO_CONTENT: Final = 204
LIST: Final = "List"  # ends the name of the schema of a list
Chunks = Iterator[Sequence[JSON]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedList(Generic[T]):
    """A list as one request reads it. `name` is that of its cursors, and `describe` returns the
    JSON of its items. `add_keys` returns further keys of a page of these items.
    """

    name: str
    items: ItemList[T]
    describe: Callable[[Sequence[T]], list[JSON]]
    add_keys: Callable[[Sequence[T]], Mapping[str, JSON]] = lambda _: {}


class ListAnswer(Generic[T]):
    """Answers a list, a page at a time or whole. Decorate the function that opens it."""

    __name__: str

    def __init__(self, open_list: Callable[[ApiContext, ApiRequest], OpenedList[T]]) -> None:
        self._open = open_list
        update_wrapper(self, open_list)

    def __call__(self, context: ApiContext, request: ApiRequest) -> Answer:
        """Return a page."""
        opened = self._open(context, request)
        page = opened.items.read_page(read_page_request(context, opened.name, request))
        return page.as_json_of(opened.describe(page.items), **opened.add_keys(page.items))

    def stream(self, context: ApiContext, request: ApiRequest) -> Chunks:
        """Yield all items by chunks, at most `limit`; 0 is no limit."""
        for part in self.read_parts(context, request):
            yield part["items"]

    def read_parts(self, context: ApiContext, request: ApiRequest) -> Iterator[dict[str, Any]]:
        """Yield all items by chunks, each with the further keys of a page."""
        opened = self._open(context, request)
        before = read_start(context, opened.name, request)
        for items in opened.items.read_chunks(before=before, limit=request.values["limit"]):
            yield {"items": opened.describe(items), **opened.add_keys(items)}


@dataclass(frozen=True, slots=True)
class ReadingTool:
    """What an AI agent should know of an endpoint that it may read, beside its summary.

    `rest`: how to get what an answer cut off, empty where only a person can.
    """

    title: str
    advice: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path with its method; two endpoints may share a path. `GET` also answers `HEAD`.

    `path` has its variable parts in braces, as in `/events/{id}`. `scope` is needed to use it.
    `schema` names the schema of the answer, null for raw bytes, and for 204: a record, or the list
    of a record as `EventList`. `list_keys`: further keys of a list.
    `media_types`: those that raw bytes may have.
    `status` is the status of the answer; `more_answers` names the schemas of `StatusAnswer`s with
    other statuses. `more_problems`: statuses of problems that its method and path do not imply.
    Without `body` the body must be empty. `repeat` returns the answer to a request with an
    `Idempotency-Key` that was sent before, which is not counted. `has_contents`: an answer may
    contain contents of payloads. `streams`: the whole list is answered as NDJSON too. `waits`: an
    answer may wait for changes, rather than compute. `tool`: see `ReadingTool`; its name is that of
    the function. `successor`: the method and path that replace an endpoint of an earlier version,
    which still answers.
    """

    path: str
    summary: str
    answer: Callable[[ApiContext, ApiRequest], Answer]
    schema: str | None
    media_types: tuple[str, ...] = (BYTES,)
    scope: Scope = Scope.READ
    parameters: tuple[Parameter, ...] = ()
    has_contents: bool = False
    streams: bool = False
    method: str = "GET"
    body: RequestBody | None = None
    status: int = 200
    more_answers: Mapping[int, str] = field(default_factory=dict)
    more_problems: tuple[int, ...] = ()
    repeat: Callable[[ApiContext, ApiRequest], Answer | None] | None = None
    waits: bool = False
    tool: ReadingTool | None = None
    successor: str = ""
    list_keys: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether a request may change something."""
        return self.method != "GET"

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.answer.__name__

    def answer_request(self, context: ApiContext, request: ApiRequest) -> Answer:
        """Return the answer. While it is computed, threads that receive need not wait for long."""
        with nullcontext() if self.waits else switch_often():
            return self.answer(context, request)

    def stream(self, context: ApiContext, request: ApiRequest) -> Chunks:
        """Yield the whole list by chunks. Only where it `streams`."""
        answer: Any = self.answer
        chunks: Chunks = answer.stream(context, request)
        return chunks
