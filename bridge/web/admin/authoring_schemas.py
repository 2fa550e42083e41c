"""JSON Schemas of the answers that help to write routes, by name."""

from __future__ import annotations

from typing import Final

from bridge.routing.model import Mode
from bridge.routing.schemas import drift
from bridge.services.records.json_schema import (
    COUNT,
    COUNT_BY_NAME,
    DIFF,
    FLAG,
    OBJECT,
    TEXT,
    TEXT_BY_NAME,
    TIME,
    Schema,
    list_of,
    nullable,
    record,
    ref,
    word,
)
from bridge.services.shadow_comparison import ShadowResult

_RESULTS: Final = tuple(one.value for one in ShadowResult)
_TYPES: Final = nullable(list_of(TEXT))
_EXTENT: Final[Schema] = {"complete": FLAG, "looked_until": nullable(TIME)}
_INFERRED: Final[Schema] = {
    "source": TEXT,
    "type": TEXT,
    "count": COUNT,
    "left_out": COUNT_BY_NAME,
    **_EXTENT,
}

AUTHORING_SCHEMAS: Final[dict[str, Schema]] = {
    "EventType": record(source=TEXT, type=nullable(TEXT), count=COUNT, first_at=TIME, last_at=TIME),
    "EventTypes": record(items=list_of(ref("EventType")), **_EXTENT),
    "InferredSchema": record(schema=OBJECT, **_INFERRED),
    "SchemaDrift": record(
        items=list_of(
            record(
                path=TEXT,
                change=word(drift.NEW, drift.GONE, drift.TYPE, drift.OPTIONAL),
                before=_TYPES,
                now=_TYPES,
            )
        ),
        **_INFERRED,
    ),
    "ShadowedEvent": record(
        event_id=TEXT,
        result=word(*_RESULTS),
        diff=nullable(DIFF),
        reason=nullable(TEXT),
    ),
    "ShadowPage": record(
        route=TEXT,
        live=TEXT,
        mode=nullable(word(*(one.value for one in Mode))),
        items=list_of(ref("ShadowedEvent")),
        summary=record(**dict.fromkeys(_RESULTS, COUNT)),
        examples=TEXT_BY_NAME,
        paths=COUNT_BY_NAME,
        next=nullable(TEXT),
        **_EXTENT,
    ),
}
