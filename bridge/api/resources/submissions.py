"""Submissions of forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bridge.api.context import ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ListAnswer, OpenedList
from bridge.api.parameters import (
    BEFORE,
    OLDEST,
    ORDER,
    SUBMISSION_LIMIT,
    filter_parameters,
    with_limit,
)
from bridge.api.problems import ApiProblem
from bridge.api.selection import read_filters
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.services.exports import ExportedSubmission, SubmissionItems
from bridge.services.records.submission_records import SUBMISSION
from bridge.store.queries.filters import Filters


@ListAnswer
def list_all_submissions(
    context: ApiContext, request: ApiRequest
) -> OpenedList[ExportedSubmission]:
    """List the submissions of all forms that match, newest or oldest first; without spam if none is
    asked for.
    """
    filters = read_filters(context, request)
    return OpenedList(
        name="submissions",
        items=SubmissionItems(
            context.database,
            context.load_sources(),
            replace(filters, spam=bool(filters.spam)),
            oldest_first=request.values["order"] == OLDEST,
        ),
        describe=_describe,
    )


@ListAnswer
def list_submissions(context: ApiContext, request: ApiRequest) -> OpenedList[ExportedSubmission]:
    """List the submissions of a form, newest first, without spam."""
    source = request.ids["source"]
    sources = context.config().sources
    if source not in sources:
        raise ApiProblem("not_found", f"routes.yaml has no source {source[:100]!r}")
    if sources[source].form is None:
        raise ApiProblem("not_found", f"the source {source[:100]!r} is no form")
    return OpenedList(
        name=f"submissions of {source}",
        items=SubmissionItems(context.database, sources, Filters(source=source, spam=False)),
        describe=_describe,
    )


def _describe(submissions: Sequence[ExportedSubmission]) -> list[JSON]:
    return [SUBMISSION.write(submission) for submission in submissions]


ENDPOINTS: Final = (
    Endpoint(
        path="/submissions",
        summary="The submissions of all forms, newest first, as `flowbridge export`.",
        answer=list_all_submissions,
        schema="SubmissionList",
        scope=Scope.BODIES,
        parameters=(*with_limit(filter_parameters(of_events=True), SUBMISSION_LIMIT), ORDER),
        has_contents=True,
        streams=True,
    ),
    Endpoint(
        path="/submissions/{source}",
        summary="The submissions of a form, newest first, without spam.",
        answer=list_submissions,
        schema="SubmissionList",
        scope=Scope.BODIES,
        parameters=(SUBMISSION_LIMIT, BEFORE),
        has_contents=True,
    ),
)
