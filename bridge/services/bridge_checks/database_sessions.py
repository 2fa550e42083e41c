"""The check of doctor that connections to the database are sessions of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bridge.core.errors import StoreError
from bridge.services.bridge_checks.findings import CheckFinding

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def find_shared_sessions(settings: Settings) -> Iterator[CheckFinding]:
    """Yield a finding where a pooler shares sessions, or the database cannot be asked."""
    from bridge.store.db.database import Database
    from bridge.store.db.session_check import check_sessions

    database = Database.of(settings)
    try:
        check_sessions(database)
    except StoreError as error:
        yield CheckFinding("database", "-", "error", str(error))
    finally:
        database.close()
