"""Bodies that arrive slowly hold no place for readers."""

from __future__ import annotations

from pathlib import Path

from admin_client import ADMIN_TOKEN, AdminClient
from slow_bodies import awaiting_bodies

from bridge.store.db.database import Database
from bridge.web.admin.limits import MAX_REQUESTS

BODY = b'{"command": "retry", "ids": ["dlv_none"], "mode": "dry_run"}'


def test_bodies_that_arrive_slowly_hold_no_place(sqlite: Database, tmp_path: Path) -> None:
    admin = AdminClient(sqlite, tmp_path)
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
    with awaiting_bodies(admin.app, "/admin/v1/operations", BODY, headers) as statuses:
        assert admin.get("/status").status_code == 200
    assert len(statuses) == MAX_REQUESTS
    assert set(statuses) == {200}
    assert admin.get("/status").status_code == 200
