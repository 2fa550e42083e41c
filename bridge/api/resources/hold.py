"""The hold of all starts."""

from __future__ import annotations

import time
from typing import Final

from bridge.api.bodies import RequestBody, body_schema, text
from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint
from bridge.core.audit import AuditAction
from bridge.core.scopes import Scope
from bridge.services.audit import new_entry
from bridge.services.records.bridge_records import HOLD
from bridge.store.queue import hold

MAX_REASON_CHARS: Final = 500
HOLD_BODY: Final = RequestBody("HoldRequest", body_schema(reason=text(MAX_REASON_CHARS)))


def show_hold(context: ApiContext, _request: ApiRequest) -> Answer:
    """Return the hold of starts, null where there is none, and how many deliveries wait."""
    with context.database.read() as connection:
        present = hold.read_hold(connection)
        waiting = hold.count_held(connection, present.since if present else 0.0)
    return HOLD.write((present, waiting))


def begin_hold(context: ApiContext, request: ApiRequest) -> Answer:
    """Stop starting flows on all machines; an existing hold stays as it is."""
    reason = request.body.get("reason") or f"held by {request.actor}"
    entry = new_entry(AuditAction.HOLD_BEGUN, request.by, reason)
    context.database.write(lambda connection: hold.begin(connection, reason, time.time(), entry))
    context.log_change(request, AuditAction.HOLD_BEGUN, None)
    return show_hold(context, request)


def release_hold(context: ApiContext, request: ApiRequest) -> Answer:
    """Release the starts; workers continue within seconds."""
    entry = new_entry(AuditAction.HOLD_RELEASED, request.by)
    if context.database.write(lambda connection: hold.release(connection, entry)):
        context.log_change(request, AuditAction.HOLD_RELEASED, None)
    return show_hold(context, request)


ENDPOINTS: Final = (
    Endpoint(
        path="/hold",
        summary="The hold of starts, and how many deliveries wait.",
        answer=show_hold,
        schema="Hold",
        scope=Scope.ADMIN,
    ),
    *(
        Endpoint(
            method=method,
            path="/hold",
            summary="Stops starting flows, as `flowbridge db hold`.",
            answer=begin_hold,
            body=HOLD_BODY,
            schema="Hold",
            scope=Scope.ADMIN,
            successor=successor,
        )
        for method, successor in (("PUT", ""), ("POST", "PUT /hold"))
    ),
    *(
        Endpoint(
            method=method,
            path=path,
            summary="Releases the starts, as `flowbridge db release`.",
            answer=release_hold,
            schema="Hold",
            scope=Scope.ADMIN,
            successor=successor,
        )
        for method, path, successor in (
            ("DELETE", "/hold", ""),
            ("POST", "/hold/release", "DELETE /hold"),
        )
    ),
)
