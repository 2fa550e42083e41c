"""Endpoints that help to write routes: event types, schemas of bodies, and shadow routes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.core.scopes import Scope
from bridge.web.admin import authoring_answers
from bridge.web.admin.endpoint_row import Endpoint
from bridge.web.admin.limits import RateKind
from bridge.web.admin.parameters import (
    BEFORE,
    LIMIT,
    SINCE,
    SOURCE,
    TIME_DOC,
    UNTIL,
)

NAMED_SOURCE: Final = replace(SOURCE, doc="The source of the events.", is_required=True)
EVENT_TYPE: Final = replace(
    SOURCE, name="type", doc="The event type; `*` matches anything.", is_required=True
)
LIVE_ROUTE: Final = replace(
    SOURCE,
    name="live",
    doc="The route to compare with; by default the only one that the shadow route may replace.",
)
SHADOW_SINCE: Final = replace(
    SINCE, doc=f"Only since this time: {TIME_DOC}; the last 7 days by default."
)
SHADOW_PARAMETERS: Final = (LIVE_ROUTE, SHADOW_SINCE, UNTIL, LIMIT, BEFORE)

AUTHORING_ENDPOINTS: Final = (
    Endpoint(
        path="/types",
        summary="The event types that were seen, with counts, as `flowbridge types --json`.",
        answer=authoring_answers.list_types,
        schema="EventTypes",
        parameters=(SOURCE,),
    ),
    Endpoint(
        path="/types/schema",
        summary="A JSON Schema of the bodies of a type, as `flowbridge types --schema`.",
        answer=authoring_answers.show_schema,
        schema="InferredSchema",
        scope=Scope.BODIES,
        parameters=(NAMED_SOURCE, EVENT_TYPE),
        more_problems=(404,),
        has_contents=True,
    ),
    Endpoint(
        method="POST",
        path="/types/drift",
        summary="What is new or gone since a schema that is sent, as `flowbridge types --drift`.",
        answer=authoring_answers.compare_schema,
        body="DriftRequest",
        schema="SchemaDrift",
        more_problems=(404,),
        scope=Scope.BODIES,
        rate=RateKind.OPERATIONS,
        has_contents=True,
    ),
    Endpoint(
        path="/routes/{name}/shadow",
        summary="The deliveries of a shadow route beside those of a live one, newest event first.",
        answer=authoring_answers.compare_shadow,
        schema="ShadowPage",
        parameters=SHADOW_PARAMETERS,
        has_contents=True,
    ),
)
