"""Event types that were seen, and schemas of their bodies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from bridge.api.bodies import RequestBody, body_schema, text
from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import SOURCE
from bridge.api.problems import body_error, invalid_body, report_busy
from bridge.api.selection import check_known_names, look_up
from bridge.core.errors import UnknownName
from bridge.core.scopes import Scope
from bridge.routing.schemas.drift import compare_schemas
from bridge.routing.schemas.inference import MAX_SCHEMA_DEPTH
from bridge.services.events import event_types
from bridge.services.events.event_types import InferredSchema
from bridge.services.records.report_records import EVENT_TYPES, INFERRED_SCHEMA, SCHEMA_DRIFT

TURN_NAME: Final = "types"  # of the lock for one search at once
NAMED_SOURCE: Final = replace(SOURCE, doc="The source of the events.", is_required=True)
EVENT_TYPE: Final = replace(
    SOURCE, name="type", doc="The event type; `*` matches anything.", is_required=True
)
DRIFT_BODY: Final = RequestBody(
    "DriftRequest",
    body_schema(
        "source",
        "type",
        "schema",
        source=text(),
        type=text(),
        schema={"type": "object", "description": "An earlier schema of `/types/schema`."},
    ),
    depth=MAX_SCHEMA_DEPTH + 1,
)


def list_event_types(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the event types of the newest events, the latest first, as `types --json`."""
    check_known_names(context, request)
    source = request.values["source"]
    with _take_turn(context) as seconds:
        types = event_types.list_types(context.store, source, seconds=seconds)
    return EVENT_TYPES.write(types)


def infer_schema(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the schema of the bodies of a type, as `types --schema`."""
    check_known_names(context, request)
    return INFERRED_SCHEMA.write(_infer(context, request.values["source"], request.values["type"]))


def find_schema_drift(context: ApiContext, request: ApiRequest) -> Answer:
    """Return what is new or gone since a schema that is sent, as `types --drift`."""
    body = request.body
    try:
        context.check_names(source=body["source"])
    except UnknownName as error:
        raise invalid_body([body_error("/source", str(error), error.near, error.allowed)]) from None
    now = _infer(context, body["source"], body["type"])
    changes = compare_schemas(body["schema"], now.schema)
    return SCHEMA_DRIFT.write(now, items=changes)


def _infer(context: ApiContext, source: str, type_: str) -> InferredSchema:
    sources = context.load_sources()

    def infer(seconds: float) -> InferredSchema:
        return event_types.infer_schema(context.database, sources, source, type_, seconds=seconds)

    with _take_turn(context) as seconds:
        return look_up(lambda: infer(seconds))


@contextmanager
def _take_turn(context: ApiContext) -> Iterator[float]:
    """Take the only place for a search through event types, and yield its time limit."""
    with context.hold_lock(TURN_NAME) as is_held:
        if not is_held:
            raise report_busy("another request for event types is being answered on this machine")
        yield context.settings.timings.type_search_seconds


ENDPOINTS: Final = (
    Endpoint(
        path="/types",
        summary="The event types that were seen, with counts, as `flowbridge types --json`.",
        answer=list_event_types,
        tool=ReadingTool("Event types"),
        schema="EventTypeList",
        parameters=(SOURCE,),
    ),
    Endpoint(
        path="/types/schema",
        summary="A JSON Schema of the bodies of a type, as `flowbridge types --schema`.",
        answer=infer_schema,
        tool=ReadingTool("Schema of an event type"),
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
        answer=find_schema_drift,
        body=DRIFT_BODY,
        schema="SchemaDrift",
        more_problems=(404,),
        scope=Scope.BODIES,
        has_contents=True,
    ),
)
