"""JSON Schemas of the answers about the parts of a bridge, by name."""

from __future__ import annotations

from typing import Final

from bridge.ingest.planned_deliveries import PlanChange
from bridge.services.records.bridge_records import ALERT, AUDIT_ENTRY, HOLD, NEW_TOKEN, TOKEN
from bridge.services.records.delivery_records import UNKNOWN
from bridge.services.records.flow_records import (
    FLOW,
    FLOW_INPUT,
    KILLED_RUN,
    RUN,
    RUN_REPORT,
    STARTED_RUN,
)
from bridge.services.records.json_schema import (
    ANY,
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
    page_of,
    record,
    ref,
    with_optional,
    with_screen,
    word,
)
from bridge.services.records.status_records import PLATFORM, ROUTE, ROUTE_DETAILS, SOURCE
from bridge.services.trials.results import STATES

_TEXTS: Final = list_of(TEXT)
_PROBLEM: Final[Schema] = {
    "level": word("error", "warning"),
    "file": TEXT,
    "line": COUNT,
    "column": COUNT,
    "path": TEXT,
    "message": TEXT,
    "shown": TEXT,
}
_CHANGE: Final = record(
    event_id=TEXT,
    route=TEXT,
    change=word(*(one.value for one in PlanChange)),
    diff=DIFF,
)
_TRIAL_COUNTS: Final = {"same": COUNT, "changed": COUNT, "new": COUNT, "lost": COUNT, "dead": COUNT}
_TRIAL_RESULT: Final = record(
    problems=list_of(record(**_PROBLEM)),
    events=COUNT,
    summary=record(**_TRIAL_COUNTS, skipped=COUNT),
    routes=list_of(
        record(route=TEXT, **_TRIAL_COUNTS, example=nullable(_CHANGE), reason=nullable(TEXT))
    ),
    skipped=COUNT_BY_NAME,
    changes=list_of(_CHANGE),
    changes_complete=FLAG,
    complete=FLAG,
)
_CONFIG: Final[Schema] = {"hash": TEXT, "seen_at": TIME, "current": FLAG}

RESOURCE_SCHEMAS: Final[dict[str, Schema]] = {
    "Alert": ALERT.schema,
    "Alerts": with_screen(record(items=list_of(ref("Alert")))),
    "Source": SOURCE.schema,
    "Sources": record(items=list_of(ref("Source"))),
    "Route": ROUTE.schema,
    "Routes": record(items=list_of(ref("Route"))),
    "RouteDetails": ROUTE_DETAILS.schema,
    "Platform": PLATFORM.schema,
    "Platforms": record(items=list_of(ref("Platform"))),
    "Flow": FLOW.schema,
    "Flows": record(items=list_of(ref("Flow")), complete=FLAG, problems=_TEXTS),
    "FlowInput": FLOW_INPUT.schema,
    "FlowInputs": record(items=list_of(ref("FlowInput"))),
    "Run": RUN.schema,
    "Runs": record(items=list_of(ref("Run")), complete=FLAG),
    "Config": record(**_CONFIG),
    "Configs": record(items=list_of(ref("Config")), complete=FLAG),
    "ConfigDetails": record(
        **_CONFIG,
        config=OBJECT,
        schemas=TEXT_BY_NAME,
    ),
    "ConfigDiff": record(
        before=TEXT,
        after=TEXT,
        items=list_of(
            record(path=TEXT, change=word("added", "removed", "changed"), before=ANY, after=ANY)
        ),
        complete=FLAG,
    ),
    "ConfigCheck": record(
        config=TEXT,
        valid=FLAG,
        config_hash=nullable(TEXT),
        sources=nullable(COUNT),
        routes=nullable(COUNT),
        flows=nullable(COUNT),
        platforms=nullable(COUNT),
        problems=list_of(record(**_PROBLEM)),
        notes=list_of(TEXT),
    ),
    "Trial": record(
        id=TEXT,
        state=word(*STATES),
        created_at=TIME,
        ended_at=nullable(TIME),
        error=nullable(TEXT),
        result=nullable(
            with_optional(
                _TRIAL_RESULT,
                explanations=list_of(ref("Explanation")),
                explanations_complete=FLAG,
            )
        ),
    ),
    "Submission": record(
        received_at=TIME, id=TEXT, source=TEXT, type=nullable(TEXT), fields=OBJECT
    ),
    "SubmissionPage": page_of("Submission"),
    "Evidence": UNKNOWN.schema,
    "Change": record(
        kind=word("event", "delivery"),
        at=TIME,
        event=nullable(ref("Event")),
        delivery=nullable(ref("Delivery")),
    ),
    "Changes": record(items=list_of(ref("Change")), next=TEXT),
    "Token": TOKEN.schema,
    "Tokens": record(items=list_of(ref("Token"))),
    "NewToken": NEW_TOKEN.schema,
    "AuditEntry": AUDIT_ENTRY.schema,
    "AuditEntryPage": page_of("AuditEntry"),
    "Hold": HOLD.schema,
    "Learning": record(
        source=TEXT, path=TEXT, until=nullable(TIME), learned_at=nullable(TIME), ask=TEXT
    ),
    "StartedRun": record(**STARTED_RUN.properties, notes=_TEXTS, hint=nullable(TEXT)),
    "RunReport": RUN_REPORT.schema,
    "KilledRun": KILLED_RUN.schema,
}
