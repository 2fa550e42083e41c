"""Queries with bytes that are not UTF-8: any client may send them, and none is an error of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_client import ConsoleClient

from bridge.config.loader import load
from bridge.store.db.database import Database
from bridge.web.admin.endpoints import ENDPOINTS
from bridge.web.console.pages import PAGES

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  contact: {provider: form, page: {title: Contact}, files: true, spam: {token: required}}
"""
SPOILED = (
    "\xff",
    "a=\xff",
    "\xe9=\xed\xa0\x80",
    "%ff=%ed%a0%80",
    "token=\xff&preview=\xff",
    "\xff" * 300,
)
PUBLIC = (
    "/forms/contact",
    "/forms/contact/challenge",
    "/forms/contact/embed",
    "/files/x",
    "/healthz",
    "/readyz",
    "/metrics",
    "/nothing",
    "/api/v1/get_pl_run",
    "/api/v1/list_saved_items",
)


@pytest.fixture
def console(sqlite: Database, tmp_path: Path) -> ConsoleClient:
    path = tmp_path / "forms.yaml"
    path.write_text(ROUTES)
    return ConsoleClient(sqlite, tmp_path, load(path, {}))


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("query", SPOILED, ids=range(len(SPOILED)))
def test_a_spoiled_query_is_no_error_of_ours(
    console: ConsoleClient, query: str, capfd: pytest.CaptureFixture[str]
) -> None:
    console.log_in()
    paths = [*PUBLIC, "/console/login", *(f"/console{one.path}" for one in PAGES)]
    paths += [f"/admin/v1{one.path}" for one in ENDPOINTS]
    for path in paths:
        for method in ("GET", "POST"):
            answer = console.client.open(
                path, method=method, environ_overrides={"QUERY_STRING": query}
            )
            assert answer.status_code not in (500, 502), (method, path, answer.text)
    assert "Traceback" not in capfd.readouterr().err


def test_bytes_that_are_utf_8_are_read_as_their_characters(console: ConsoleClient) -> None:
    console.log_in()
    answer = console.get("/find", environ_overrides={"QUERY_STRING": "q=caf\xc3\xa9"})
    assert "café" in answer.text
