"""JSON Schemas of the answers of the admin API, by name: those of records, and of lists of them.

Every key of a record is always present, unless it is optional. Contents are null for a token
without the scope `bodies`.
"""

from __future__ import annotations

from typing import Final

from bridge.api import problems
from bridge.services.records import (
    bridge_records,
    comparison_records,
    config_records,
    delivery_records,
    event_records,
    explanation_records,
    flow_records,
    operation_records,
    report_records,
    status_records,
    submission_records,
)
from bridge.services.records.json_record import JsonRecord
from bridge.services.records.json_schema import (
    FLAG,
    TEXT,
    Schema,
    list_of,
    page_of,
    record,
    ref,
    with_screen,
)
from bridge.web.admin import endpoints

RECORDS: Final[dict[str, JsonRecord[object]]] = {
    value.name: value
    for module in (
        endpoints,
        problems,
        bridge_records,
        comparison_records,
        config_records,
        delivery_records,
        event_records,
        explanation_records,
        flow_records,
        operation_records,
        report_records,
        status_records,
        submission_records,
    )
    for value in vars(module).values()
    if isinstance(value, JsonRecord) and value.name
}
_PAGES: Final = (
    "Delivery",
    "Event",
    "Reject",
    "Operation",
    "OperationItem",
    "Found",
    "Submission",
    "AuditEntry",
)
_LISTS: Final = (
    *("Condition", "Explanation", "Alert", "Source", "Route", "Platform", "FlowInput", "Token"),
)


def _list(name: str, **more: Schema) -> Schema:
    return record(items=list_of(ref(name)), **more)


SCHEMAS: Final[dict[str, Schema]] = {
    **{name: value.schema for name, value in RECORDS.items()},
    **{f"{name}Page": page_of(name) for name in _PAGES},
    **{f"{name}s": _list(name) for name in _LISTS},
    "Alerts": with_screen(_list("Alert")),
    "DeliveryPage": with_screen(page_of("Delivery")),
    "Flows": _list("Flow", complete=FLAG, problems=list_of(TEXT)),
    "Runs": _list("Run", complete=FLAG),
    "Configs": _list("Config", complete=FLAG),
    "Changes": _list("Change", next=TEXT),
}
