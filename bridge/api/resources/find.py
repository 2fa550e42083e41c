"""The search for records by anything that a person may have."""

from __future__ import annotations

from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import BEFORE, Parameter
from bridge.api.selection import read_page_request
from bridge.services.filter_values import parse_excerpt
from bridge.services.record_search import search_records
from bridge.services.records.report_records import FOUND

QUERY: Final = Parameter(
    name="q",
    doc="An id or its beginning, a sender's id, or (with the scope `bodies`) text in a body.",
    parse=parse_excerpt,
    is_required=True,
)


def find_records(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the records that an id, a sender's id or a text in a body names."""
    page = search_records(
        context.database,
        request.values["q"],
        list(context.config().sources),
        read_page_request(context, "find", request),
        in_bodies=request.with_contents,
    )
    return page.as_json(FOUND.write)


ENDPOINTS: Final = (
    Endpoint(
        path="/find",
        summary="Records by id, by a sender's id, or by text in the body.",
        answer=find_records,
        tool=ReadingTool("Find by id or text"),
        schema="FoundList",
        parameters=(QUERY, BEFORE),
        has_contents=True,
    ),
)
