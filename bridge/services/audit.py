"""The audit log: make and record its entries.

An entry is stored in the transaction of its change. Pass `new_entry` to the function of the store
that makes the change; use `record` for an action that changes nothing in the store.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bridge.core.audit import AuditAction, AuditActor, AuditEntry, clean_text
from bridge.core.errors import BridgeError, StoreError
from bridge.services.operations.execution import find_audit_actor, name_actor
from bridge.services.store_access import open_store
from bridge.store import audit as stored
from bridge.system.ids import audit_id
from bridge.system.logs import get_logger

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database

log = get_logger()


def new_entry(
    action: AuditAction, by: AuditActor | None = None, subject: str | None = None
) -> AuditEntry:
    """Return an entry of this moment. `by`: null for the user of this machine."""
    now = time.time()
    actor = AuditActor(name_actor(None)) if by is None else by
    return AuditEntry(
        id=audit_id(now),
        at=now,
        actor=clean_text(actor.name),
        action=action.value,
        subject=None if subject is None else clean_text(subject),
        client=None if actor.client is None else clean_text(actor.client),
    )


def record(
    database: Database, action: AuditAction, by: AuditActor, subject: str | None = None
) -> None:
    """Record an action that may not happen without its entry, such as an export.

    Raises `StoreError` where the entry cannot be stored: refuse the action then.
    """
    stored.add_alone(database, new_entry(action, by, subject))


def record_done(
    database: Database, action: AuditAction, by: AuditActor, subject: str | None = None
) -> None:
    """Record an action that has happened. An entry that cannot be stored is logged instead."""
    try:
        record(database, action, by, subject)
    except StoreError as error:
        log.error("audit_failed", action=action.value, actor=by.name, error=str(error))


def record_command(settings: Settings, action: AuditAction, subject: str) -> None:
    """Record an action of a command, if there is a store, as `record_done` does."""
    by = find_audit_actor(settings)
    try:
        with open_store(settings) as database:
            if database is not None:
                record_done(database, action, by, subject)
    except (BridgeError, OSError) as error:
        log.error("audit_failed", action=action.value, actor=by.name, error=str(error))


def record_login(
    database: Database, by: AuditActor, *, accepted: bool, subject: str | None = None
) -> None:
    """Record a login, accepted or refused. A full disk locks no person out.

    `by`: the name of the token, or that of the way of the login where it was refused.
    """
    action = AuditAction.LOGIN if accepted else AuditAction.LOGIN_REFUSED
    record_done(database, action, by, subject)
