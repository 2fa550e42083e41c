"""Every page of the console over a store in which every text of strangers is hostile."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from admin_client import lift_rates
from console_client import ConsoleClient
from console_records import DOWNLOADS, OPENED_PAGES, fill_path
from hostile_records import (
    FORBIDDEN,
    HIDDEN_CHARS,
    HOSTILE,
    store_hostile_records,
    write_routes,
)

from bridge.config.loader import load
from bridge.store.db.database import Database
from bridge.store.queries import configs

#: A page that a person waits for. Most take a tenth of a second; it is a limit for a slow machine.
MAX_SECONDS = 20


class PageCheck(HTMLParser):
    """Collects what no page of the console has: code in it, and addresses that are code."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            is_code = name.startswith("on") or name in ("style", "srcdoc")
            is_code = is_code or (
                (value or "").strip().lower().startswith("javascript:")
                and (name in ("href", "src", "action", "formaction", "xlink:href"))
            )
            if is_code:
                self.wrong.append((tag, name, value))
        if tag in ("iframe", "object", "embed", "base") or (
            tag == "script" and not dict(attrs).get("src")
        ):
            self.wrong.append((tag, "", None))


@pytest.fixture
def console(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleClient:
    lift_rates(monkeypatch)
    (tmp_path / "hostile.yaml").write_text(write_routes())
    config = load(tmp_path / "hostile.yaml", {}, strict_secrets=False)
    client = ConsoleClient(database, tmp_path, config)
    configs.remember_config(database, config.hash, config.canonical, time.time())
    client.log_in()
    return client


def test_pages_of_hostile_records_are_whole_and_escaped(console: ConsoleClient) -> None:
    made = store_hostile_records(console.database)
    paths = [fill_path(one.path, ids) for ids in made for one in OPENED_PAGES]
    paths += ["/runs?run_id=kHostile", "/events?spam=true", "/settings", "/platforms/local/flows"]
    html = [check_page(console, path) for path in dict.fromkeys(paths)]
    assert sum("window.ran" in one for one in html) > 20


def test_hostile_query_strings_are_named_and_escaped(console: ConsoleClient) -> None:
    store_hostile_records(console.database)
    for page in (one for one in OPENED_PAGES if "<" not in one.path):
        for name in ("q", "source", "type", "since", "before", "run_id", "flow", "where", HOSTILE):
            check_page(console, page.path, **{name: HOSTILE[:1500]})


def test_hostile_paths_are_not_found(console: ConsoleClient) -> None:
    for page in (one for one in OPENED_PAGES if "<" in one.path):
        text = HOSTILE.replace("/", "")[:300]
        ids = dict.fromkeys((page.path.split("/")[1],), text.replace("\\", ""))
        answer = console.get(fill_path(page.path, ids))
        assert answer.status_code in (303, 400, 404), page.path
        check_html(answer.text, page.path)


def check_page(console: ConsoleClient, path: str, **query: str) -> str:
    """Open a page, and return its text."""
    began = time.monotonic()
    answer = console.get(path, **({"query_string": query} if query else {}))
    took = time.monotonic() - began
    where = (path[:100], [*query][:1], answer.status_code)
    assert answer.status_code in (200, 303, 400, 404, 409), (where, answer.text[:2000])
    assert took < MAX_SECONDS, where
    if answer.mimetype == "text/html":
        check_html(answer.text, where)
        assert len(answer.data) < 4 * 1024 * 1024, where
    elif answer.status_code == 200:
        assert path.partition("?")[0].endswith(DOWNLOADS), where
        assert answer.headers["Content-Disposition"].startswith("attachment"), where
        assert answer.headers["Content-Security-Policy"].startswith("sandbox"), where
    return answer.text


def check_html(html: str, where: object) -> None:
    """It is a page without code of strangers, and without characters that hide text."""
    assert [one for one in FORBIDDEN if one in html] == [], where
    assert [one for one in HIDDEN_CHARS if one in html] == [], where
    parser = PageCheck()
    parser.feed(html)
    assert parser.wrong == [], where
