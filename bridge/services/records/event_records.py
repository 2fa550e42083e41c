"""Events and rejects as JSON. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final

from bridge.core.model import JSON, Delivery, Event, FormFile, Reject
from bridge.core.operations import Operation, OperationStep
from bridge.services.records.delivery_records import DELIVERY, DELIVERY_DETAILS, to_label
from bridge.services.records.json_record import (
    COUNT,
    COUNT_OR_NULL,
    FLAG,
    HIDDEN_TEXT,
    HIDDEN_TEXT_BY_NAME,
    NAME,
    NAME_OR_NULL,
    NAMES,
    SCREEN,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    Shape,
    as_written,
    list_of,
    to_empty,
    to_null,
    unparsed,
    word_of,
)
from bridge.services.records.operation_records import STEP


def _write_text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _write_base64(body: bytes) -> str | None:
    return b64encode(body).decode() if _write_text(body) is None else None


def _parse_body(shape: Shape) -> Mapping[str, Any]:
    if (text := shape["body"]) is not None:
        return {"body": text.encode()}
    return {"body": b64decode(shape["body_base64"] or "")}


def _blank(reason: JSON, _reject: object) -> str:
    from bridge.delivery.causes import blank_text  # commands see contents, and do without it

    return blank_text(reason)


#: A request as it arrived. The body is text, or null beside `body_base64` if it is not UTF-8.
_HEADERS: Final = Key("headers", HIDDEN_TEXT_BY_NAME, hide=to_null)
_QUERY_STRING: Final = Key("query_string", HIDDEN_TEXT, hide=to_null)
_BODY: Final = (
    Key("body", TEXT_OR_NULL, get=lambda request: _write_text(request.body), hide=to_null),
    Key("body_base64", TEXT_OR_NULL, get=lambda request: _write_base64(request.body), hide=to_null),
)

FILE: Final = JsonRecord(
    "",
    FormFile,
    Key("field", HIDDEN_TEXT, hide=to_null),
    Key("name", HIDDEN_TEXT, hide=to_null),
    Key("type", NAME),
    Key("size", COUNT),
    Key("sha256", HIDDEN_TEXT, hide=to_null),
)
_EVENT: Final = (
    Key("id", NAME),
    Key("source", NAME),
    Key("provider", NAME),
    Key("type", NAME_OR_NULL),
    Key("provider_id", NAME_OR_NULL),
    Key("received_at", TIME),
    Key("problem", TEXT_OR_NULL, hide=to_label),
    Key("config_hash", NAME),
    Key("body_sha256", NAME),
    Key("same_body_as", NAME_OR_NULL),
    Key("duplicates", COUNT),
    Key("sender_retry", COUNT_OR_NULL),
    Key("files", list_of(FILE.type)),
    Key("spam", TEXT_OR_NULL, hide=to_label),
    Key("client", TEXT_OR_NULL, hide=to_null),
)
EVENT: Final = JsonRecord(
    "Event",
    Event,
    *_EVENT,
    Key("deliveries", list_of(DELIVERY.type), is_given=True),
    rest={"headers": {}, "query_string": "", "body": b""},
)
OPERATION_ON_EVENT: Final[JsonRecord[tuple[Operation, OperationStep]]] = JsonRecord(
    "",
    unparsed,
    Key("id", NAME, get=lambda pair: pair[0].id),
    Key("command", NAME, get=lambda pair: pair[0].command),
    Key("actor", NAME, get=lambda pair: pair[0].actor),
    Key("item", STEP.type, get=lambda pair: pair[1]),
)
#: Everything that is stored of an event. `screen` is what the command line shows of it.
EVENT_DETAILS: Final = JsonRecord(
    "EventDetails",
    Event,
    *_EVENT,
    Key("deliveries", as_written(list_of(DELIVERY_DETAILS.type)), is_given=True),
    _HEADERS,
    _QUERY_STRING,
    *_BODY,
    Key("operations", list_of(OPERATION_ON_EVENT.type), is_given=True),
    SCREEN,
    parse_rest=_parse_body,
)
#: A change that `/tail` answers. Contents are hidden before it is written.
CHANGE: Final[JsonRecord[Event | Delivery]] = JsonRecord(
    "Change",
    unparsed,
    Key("kind", word_of(str, ("event", "delivery")), is_given=True),
    Key("at", TIME, is_given=True),
    Key("event", as_written(EVENT.type.or_null()), is_given=True),
    Key("delivery", as_written(DELIVERY.type.or_null()), is_given=True),
)
REJECT: Final = JsonRecord(
    "Reject",
    Reject,
    Key("id", NAME),
    Key("source", NAME),
    Key("provider", NAME),
    Key("received_at", TIME),
    Key("reason", TEXT, hide=_blank),
    Key("diagnosis", TEXTS, hide=to_empty, is_given=True),
    Key("client", TEXT_OR_NULL, hide=to_null),
    Key("size", COUNT),
    Key("cut", FLAG),
    Key("readmitted_at", TIME_OR_NULL),
    Key("events", NAMES, "event_ids"),
    rest={"method": "", "path": "", "headers": {}, "query_string": "", "url": "", "body": b""},
)
REJECT_DETAILS: Final = REJECT.extend(
    "RejectDetails",
    Key("method", NAME),
    Key("path", HIDDEN_TEXT, hide=to_null),
    _QUERY_STRING,
    _HEADERS,
    *_BODY,
    rest={"url": ""},
    parse_rest=_parse_body,
)
