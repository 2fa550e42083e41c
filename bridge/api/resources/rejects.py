"""Rejects: requests that failed verification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ListAnswer, OpenedList, ReadingTool
from bridge.api.explain import explain_reject
from bridge.api.parameters import (
    BEFORE,
    EXPLAINED_ROUTE,
    EXPLAINED_ROUTES,
    REJECT_LIMIT,
    SCREEN,
    SINCE,
    SOURCE,
)
from bridge.api.selection import check_known_names, look_up
from bridge.core.model import JSON, Reject
from bridge.core.scopes import Scope
from bridge.services import lists
from bridge.services.rejects import DiagnosedReject
from bridge.store.inbound import rejects


@ListAnswer
def list_rejects(context: ApiContext, request: ApiRequest) -> OpenedList[Reject]:
    """List rejects, newest first, each with the diagnosis of its failure."""
    check_known_names(context, request)
    describe = _make_view(context, request)

    def describe_all(items: Sequence[Reject]) -> list[JSON]:
        return [describe(reject) for reject in items]

    values = request.values
    items = lists.list_rejects(context.database, source=values["source"], since=values["since"])
    return OpenedList(name="rejects", items=items, describe=describe_all)


def show_reject(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one reject with its request, as `show --json`."""
    reject = look_up(lambda: rejects.get(context.database, request.ids["id"]))
    return _make_view(context, request, whole=True)(reject)


def _make_view(
    context: ApiContext, request: ApiRequest, *, whole: bool = False
) -> Callable[[Reject], dict[str, JSON]]:
    """Return the function that describes rejects."""
    review = context.make_reject_review()

    def describe(reject: Reject) -> dict[str, JSON]:
        diagnosed = (
            review.diagnose(reject) if request.with_contents else DiagnosedReject(reject, ())
        )
        return diagnosed.as_json(whole=whole, with_contents=request.with_contents)

    return describe


ENDPOINTS: Final = (
    Endpoint(
        path="/rejects",
        summary="Requests that failed verification, newest first, each with a diagnosis.",
        answer=list_rejects,
        tool=ReadingTool(
            "Requests that failed verification",
            advice="A reject can start nothing, and nothing proves who sent it.",
            rest="show_reject returns one reject.",
        ),
        schema="RejectList",
        parameters=(SOURCE, SINCE, REJECT_LIMIT, BEFORE),
        has_contents=True,
        streams=True,
    ),
    Endpoint(
        path="/rejects/{id}",
        summary="One reject with its request.",
        answer=show_reject,
        tool=ReadingTool("One reject"),
        schema="RejectDetails",
        has_contents=True,
    ),
    Endpoint(
        path="/rejects/{id}/explain",
        summary="What each route would do with the events in a reject, as `explain --json`.",
        answer=explain_reject,
        schema="ExplanationList",
        scope=Scope.BODIES,
        parameters=(EXPLAINED_ROUTE, EXPLAINED_ROUTES, SCREEN),
        has_contents=True,
    ),
)
