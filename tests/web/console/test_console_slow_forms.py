"""Forms that arrive slowly hold no place for readers, and forms of many fields are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_client import OWN_PAGE, ConsoleClient
from slow_bodies import awaiting_bodies

from bridge.store.db.database import Database
from bridge.web.console.application import MAX_FORM_FIELDS

FORM_TYPE = "application/x-www-form-urlencoded"
FORM = b"token=unknown"


@pytest.mark.parametrize(
    ("path", "is_logged_in"), [("/login", False), ("/logout", True), ("/playground", True)]
)
def test_forms_that_arrive_slowly_hold_no_place(
    database: Database, tmp_path: Path, path: str, is_logged_in: bool
) -> None:
    console = ConsoleClient(database, tmp_path)
    headers = {**OWN_PAGE, "Content-Type": FORM_TYPE}
    if is_logged_in:
        headers["Cookie"] = console.log_in().headers["Set-Cookie"].partition(";")[0]
    with awaiting_bodies(console.app, f"/console{path}", FORM, headers):
        assert console.get("/login").status_code == 200
    assert console.get("/login").status_code == 200


@pytest.mark.parametrize("path", ["/playground", "/operations"])
def test_a_form_of_many_fields_is_refused(database: Database, tmp_path: Path, path: str) -> None:
    console = ConsoleClient(database, tmp_path)
    console.log_in()
    names = [f"a{number}" for number in range(MAX_FORM_FIELDS)]
    assert console.post(path, dict.fromkeys(names, "")).status_code == 413
    assert console.post(path, dict.fromkeys(names[1:], "")).status_code != 413
