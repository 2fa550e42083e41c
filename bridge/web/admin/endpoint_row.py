"""One row of the table of endpoints of the admin API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from bridge.core.scopes import Scope
from bridge.system.cpu_affinity import switch_often
from bridge.web.admin.context import BYTES, AdminContext, AdminRequest, Answer
from bridge.web.admin.limits import RateKind
from bridge.web.admin.parameter_reader import Parameter
from bridge.web.admin.streams import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path with its method; two endpoints may share a path. `GET` also answers `HEAD`.

    `path` has its variable parts in braces, as in `/events/{id}`. `scope` is needed to use it.
    `schema` names the schema of the answer in `schemas`, null for raw bytes, and for 204.
    `media_types`: those that raw bytes may have.
    `status` is the status of the answer; `more_answers` names the schemas of `StatusAnswer`s with
    other statuses. `more_problems`: statuses of problems that its method and path do not imply.
    `body` names the schema of the request's body in `request_schemas`; without one
    the body must be empty. `rate`: the requests that it is counted with. `repeat` returns the
    answer to a request with an `Idempotency-Key` that was sent before, which is not counted.
    `has_contents`: an answer may contain contents of payloads. `stream` yields all records of a
    list by chunks, for NDJSON; null for an endpoint that does not stream. `waits`: an answer may
    wait for changes, rather than compute.
    """

    path: str
    summary: str
    answer: Callable[[AdminContext, AdminRequest], Answer]
    schema: str | None
    media_types: tuple[str, ...] = (BYTES,)
    scope: Scope = Scope.READ
    parameters: tuple[Parameter, ...] = ()
    has_contents: bool = False
    stream: Callable[[AdminContext, AdminRequest], Records] | None = None
    method: str = "GET"
    body: str | None = None
    status: int = 200
    more_answers: Mapping[int, str] = field(default_factory=dict)
    more_problems: tuple[int, ...] = ()
    rate: RateKind = RateKind.READS
    repeat: Callable[[AdminContext, AdminRequest], Answer | None] | None = None
    waits: bool = False

    def answer_request(self, context: AdminContext, asked: AdminRequest) -> Answer:
        """Return the answer. While it is computed, threads that receive need not wait for long."""
        with nullcontext() if self.waits else switch_often():
            return self.answer(context, asked)
