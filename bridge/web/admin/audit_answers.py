"""The audit log over the admin API: list it, and record exports and downloads in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.core.audit import AuditAction
from bridge.services import audit, list_streams, lists
from bridge.services.records.bridge_records import AUDIT_ENTRY
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.request_selection import page_request, page_start
from bridge.web.admin.streams import Records

if TYPE_CHECKING:
    from bridge.web.admin.endpoint_row import Endpoint
    from bridge.web.admin.parameter_reader import Parameter

HIDDEN: Final = "…"


def list_audit(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of the audit log."""
    page = lists.page_audit(
        context.database,
        page_request(context, "audit", asked),
        since=asked.values["since"],
        action=asked.values["action"],
    )
    return page.as_json(AUDIT_ENTRY.write)


def stream_audit(context: AdminContext, asked: AdminRequest) -> Records:
    """Yield the entries of the audit log, newest first."""
    chunks = list_streams.stream_audit(
        context.database,
        since=asked.values["since"],
        action=asked.values["action"],
        before=page_start(context, "audit", asked),
        limit=asked.values["limit"],
    )
    for entries in chunks:
        yield [AUDIT_ENTRY.write(one) for one in entries]


def record_export(context: AdminContext, asked: AdminRequest, endpoint: Endpoint) -> None:
    """Record that a whole list is exported, with its filters but for those that quote payloads."""
    path = endpoint.path
    for name, value in asked.ids.items():
        path = path.replace(f"{{{name}}}", value)
    subject = describe_export(path, endpoint.parameters, asked.texts)
    audit.record(context.database, AuditAction.EXPORTED, asked.by, subject)


def describe_export(
    path: str, parameters: Sequence[Parameter], texts: Mapping[str, Sequence[str]]
) -> str:
    """Return a list with its filters for the audit log, without texts that quote payloads."""
    hidden = {one.name for one in parameters if one.reads_contents}
    filters = "&".join(
        f"{name}={HIDDEN if name in hidden else value}"
        for name, values in sorted(texts.items())
        for value in values
    )
    return f"{path}?{filters}" if filters else path
