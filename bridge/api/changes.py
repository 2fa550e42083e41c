"""The log line of a change that a request made."""

from __future__ import annotations

from bridge.api.context import ApiRequest
from bridge.core.audit import AuditAction
from bridge.system.logs import get_logger

log = get_logger()


def log_change(request: ApiRequest, change: AuditAction, subject: str | None) -> None:
    """Log a change of something that is no record of an event."""
    log.info(
        "admin_change",
        change=change.value,
        subject=subject,
        actor=request.actor,
        token=request.token,
    )
