"""The audit log: list it, and record exports in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.api.context import ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ListAnswer, OpenedList
from bridge.api.parameters import ACTION, BEFORE, LIMIT, SINCE, Parameter
from bridge.core.audit import AuditAction, AuditEntry
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.services import audit, lists
from bridge.services.records.bridge_records import AUDIT_ENTRY

HIDDEN: Final = "…"


@ListAnswer
def list_audit(context: ApiContext, request: ApiRequest) -> OpenedList[AuditEntry]:
    """List the entries of the audit log, newest first."""

    def describe(entries: Sequence[AuditEntry]) -> list[JSON]:
        return [AUDIT_ENTRY.write(entry) for entry in entries]

    values = request.values
    items = lists.list_audit(context.database, since=values["since"], action=values["action"])
    return OpenedList(name="audit", items=items, describe=describe)


def record_export(context: ApiContext, request: ApiRequest, endpoint: Endpoint) -> None:
    """Record that a whole list is exported, with its filters but for those that quote payloads."""
    path = endpoint.path
    for name, value in request.ids.items():
        path = path.replace(f"{{{name}}}", value)
    subject = describe_export(path, endpoint.parameters, request.texts)
    audit.record(context.database, AuditAction.EXPORTED, request.by, subject)


def describe_export(
    path: str, parameters: Sequence[Parameter], texts: Mapping[str, Sequence[str]]
) -> str:
    """Return a list with its filters for the audit log, without texts that quote payloads."""
    hidden = {parameter.name for parameter in parameters if parameter.reads_contents}
    filters = "&".join(
        f"{name}={HIDDEN if name in hidden else value}"
        for name, values in sorted(texts.items())
        for value in values
    )
    return f"{path}?{filters}" if filters else path


ENDPOINTS: Final = (
    Endpoint(
        path="/audit",
        summary="Logins, changes, exports and downloads, newest first, as `flowbridge audit`.",
        answer=list_audit,
        schema="AuditEntryList",
        scope=Scope.ADMIN,
        parameters=(SINCE, ACTION, LIMIT, BEFORE),
        has_contents=True,
        streams=True,
    ),
)
