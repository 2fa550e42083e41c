"""The table of endpoints of the admin API. Routes and OpenAPI document follow from it."""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.services.filter_values import parse_excerpt
from bridge.web.admin import (
    explain_answers,
    operation_lists,
    operation_resources,
    resources,
    streams,
)
from bridge.web.admin.authoring_endpoints import AUTHORING_ENDPOINTS
from bridge.web.admin.context import BYTES
from bridge.web.admin.endpoint_row import Endpoint
from bridge.web.admin.limits import RateKind
from bridge.web.admin.parameter_reader import Parameter
from bridge.web.admin.parameters import (
    BEFORE,
    EXPLAINED_ROUTE,
    EXPLAINED_ROUTES,
    LIMIT,
    OUTCOME,
    PLACE,
    REJECT_LIMIT,
    SCREEN,
    SINCE,
    SOURCE,
    TREND_PARAMETERS,
    UNFINISHED,
    filter_parameters,
)
from bridge.web.admin.resource_endpoints import RESOURCE_ENDPOINTS
from bridge.web.admin.trial_endpoints import TRIAL_ENDPOINTS
from bridge.web.admin.upkeep_endpoints import UPKEEP_ENDPOINTS

CAUSE_FILTERS: Final = tuple(
    one
    for one in filter_parameters(of_events=False)
    if one.name in ("source", "route", "type", "dead_kind", "since", "until")
)
QUERY: Final = Parameter(
    name="q",
    doc="An id or its beginning, a sender's id, or (with the scope `bodies`) text in a body.",
    parse=parse_excerpt,
    is_required=True,
)

ENDPOINTS: Final = (
    Endpoint(
        path="/",
        summary="The version, the public URL, the scopes of the token, and links.",
        answer=resources.describe_api,
        schema="Api",
    ),
    Endpoint(
        path="/status",
        summary="Processes, queue, failures and problems, as `flowbridge status --json`.",
        answer=resources.show_status,
        schema="Status",
    ),
    Endpoint(
        path="/conditions",
        summary="The conditions that need attention, each with the next step.",
        answer=resources.list_conditions,
        schema="Conditions",
    ),
    Endpoint(
        path="/events",
        summary=(
            "Events with their deliveries, newest first. Without `source`, `route` and `type`,"
            " flowbridge's own alerts are left out."
        ),
        answer=resources.list_events,
        schema="EventPage",
        parameters=filter_parameters(of_events=True),
        has_contents=True,
        stream=streams.stream_events,
    ),
    Endpoint(
        path="/events/{id}",
        summary="One event with its deliveries, attempts and operations.",
        answer=resources.show_event,
        schema="EventDetails",
        parameters=(SCREEN,),
        has_contents=True,
    ),
    Endpoint(
        path="/events/{id}/body",
        summary="The raw body of an event; with `at`, the value at a place of it, as JSON.",
        answer=resources.show_body,
        schema=None,
        media_types=(BYTES, "application/json"),
        scope=Scope.BODIES,
        parameters=(PLACE,),
        has_contents=True,
    ),
    Endpoint(
        path="/events/{id}/files/{sha256}",
        summary="A file of an event, which came with a form, by its SHA-256.",
        answer=resources.show_file,
        schema=None,
        scope=Scope.BODIES,
        has_contents=True,
    ),
    Endpoint(
        path="/events/{id}/explain",
        summary="What each route does with an event, clause by clause, as `explain --json`.",
        answer=explain_answers.explain_event,
        schema="Explanation",
        scope=Scope.BODIES,
        parameters=(EXPLAINED_ROUTE, EXPLAINED_ROUTES, SCREEN),
        has_contents=True,
    ),
    Endpoint(
        path="/deliveries",
        summary="Deliveries, newest first.",
        answer=resources.list_deliveries,
        schema="DeliveryPage",
        parameters=(*filter_parameters(of_events=False), SCREEN),
        has_contents=True,
        stream=streams.stream_deliveries,
    ),
    Endpoint(
        path="/deliveries/{id}",
        summary="One delivery with its attempts.",
        answer=resources.show_delivery,
        schema="DeliveryDetails",
        has_contents=True,
    ),
    Endpoint(
        path="/rejects",
        summary="Requests that failed verification, newest first, each with a diagnosis.",
        answer=resources.list_rejects,
        schema="RejectPage",
        parameters=(SOURCE, SINCE, REJECT_LIMIT, BEFORE),
        has_contents=True,
        stream=streams.stream_rejects,
    ),
    Endpoint(
        path="/rejects/{id}",
        summary="One reject with its request.",
        answer=resources.show_reject,
        schema="RejectDetails",
        has_contents=True,
    ),
    Endpoint(
        path="/rejects/{id}/explain",
        summary="What each route would do with the events in a reject, as `explain --json`.",
        answer=explain_answers.explain_reject,
        schema="Explanations",
        scope=Scope.BODIES,
        parameters=(EXPLAINED_ROUTE, EXPLAINED_ROUTES, SCREEN),
        has_contents=True,
    ),
    Endpoint(
        path="/operations",
        summary="Operations that people ran, newest first.",
        answer=operation_lists.list_operations,
        schema="OperationPage",
        parameters=(SINCE, UNFINISHED, LIMIT, BEFORE),
        has_contents=True,
        stream=streams.stream_operations,
    ),
    Endpoint(
        path="/operations/{id}",
        summary="One operation and its progress.",
        answer=operation_lists.show_operation,
        schema="Operation",
        has_contents=True,
    ),
    Endpoint(
        path="/operations/{id}/items",
        summary="The items of an operation, in their order, each with its outcome.",
        answer=operation_lists.list_operation_items,
        schema="OperationItemPage",
        parameters=(OUTCOME, LIMIT, BEFORE),
        has_contents=True,
        stream=streams.stream_operation_items,
    ),
    Endpoint(
        method="POST",
        path="/operations",
        summary="Counts the items of an operation, proposes it, or begins it.",
        answer=operation_resources.begin_operation,
        repeat=operation_resources.repeat_operation,
        body="OperationRequest",
        status=201,
        schema="Operation",
        more_answers={200: "OperationCount", 202: "Operation"},
        scope=Scope.ACT,
        rate=RateKind.OPERATIONS,
        has_contents=True,
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/operations/{{id}}/{word}",
            summary=summary,
            answer=answer,
            status=status,
            schema="Operation",
            scope=Scope.ACT,
            rate=RateKind.OPERATIONS,
            has_contents=True,
        )
        for word, status, answer, summary in (
            ("agree", 202, operation_resources.agree, "Agrees to a proposed operation."),
            ("stop", 200, operation_resources.stop, "Stops an operation."),
            ("resume", 202, operation_resources.resume, "Resumes a stopped operation."),
        )
    ),
    Endpoint(
        path="/causes",
        summary="Dead deliveries by cause, the most frequent first.",
        answer=resources.list_causes,
        schema="Causes",
        parameters=CAUSE_FILTERS,
    ),
    Endpoint(
        path="/trends",
        summary="Numbers over time of one trend, oldest first.",
        answer=resources.list_trend,
        schema="TrendPage",
        parameters=TREND_PARAMETERS,
    ),
    Endpoint(
        path="/find",
        summary="Records by id, by a sender's id, or by text in the body.",
        answer=resources.find,
        schema="FoundPage",
        parameters=(QUERY, BEFORE),
        has_contents=True,
    ),
    *RESOURCE_ENDPOINTS,
    *AUTHORING_ENDPOINTS,
    *UPKEEP_ENDPOINTS,
    *TRIAL_ENDPOINTS,
)
