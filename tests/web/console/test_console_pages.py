"""Every page of the console with every scope, and payloads that are hostile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console_client import ConsoleClient
from console_records import fill_path, store_records

from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.web.console.pages import PAGES

READ = (Scope.READ,)
READER = (Scope.READ, Scope.BODIES)
SECRET = "s3cret-c0ntent"
#: Texts that are code in HTML, hide or turn text around, or are no text at all.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "\x00\x1b[31m\x7f",
    "\u2028\ufeff",
)


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    return ConsoleClient(database, tmp_path)


def test_pages_open_with_their_scope_and_show_contents_with_bodies_only(
    console: ConsoleClient,
) -> None:
    ids = store_records(console.database, SECRET)
    for scopes in (READ, (Scope.READ, Scope.ACT), READER, (Scope.ADMIN,)):
        console.log_in(scopes)
        held = {*scopes, Scope.READ} if Scope.ADMIN not in scopes else set(Scope)
        for page in (one for one in PAGES if one.method == "GET"):
            answer = console.get(fill_path(page.path, ids))
            where = (page.path, scopes)
            assert (answer.status_code == 403) == (page.scope not in held), where
            assert answer.status_code in (200, 303, 403), where
            assert Scope.BODIES in held or SECRET not in answer.text, where


def test_no_form_works_without_its_scope(console: ConsoleClient) -> None:
    ids = store_records(console.database, SECRET)
    console.log_in(READ)
    for page in (one for one in PAGES if one.method != "GET"):
        assert page.scope in (Scope.ACT, Scope.ADMIN), page.path
        assert console.post(fill_path(page.path, ids)).status_code == 403, page.path


def test_the_rows_are_a_table_of_pages() -> None:
    assert len({(one.path, one.method) for one in PAGES}) == len(PAGES)
    labels = [one.label for one in PAGES if one.label is not None]
    assert len(set(labels)) == len(labels)
    assert [one.path for one in PAGES if one.label is not None and "<" in one.path] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(console: ConsoleClient, text: str) -> None:
    text = text.replace("\x00", "") if console.database.engine.dialect.name != "sqlite" else text
    ids = store_records(console.database, text, type=text, source="github")
    console.log_in()
    for page in (one for one in PAGES if one.method == "GET"):
        answer = console.get(fill_path(page.path, ids))
        assert answer.status_code in (200, 303), page.path
        if answer.mimetype == "application/octet-stream":
            assert answer.headers["Content-Disposition"].startswith("attachment; ")
            assert answer.headers["Content-Security-Policy"].startswith("sandbox; ")
            continue
        html = answer.text
        assert "<script>alert" not in html and "<img src=x" not in html, page.path
        assert "49" not in re.findall(r"note: (\d+)", html), page.path
        for char in "\u202e\x00\x1b\x7f\u2028\ufeff":
            assert char not in html, page.path
        assert 'href="javascript:' not in html, page.path
