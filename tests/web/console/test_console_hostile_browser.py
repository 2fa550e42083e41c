"""The pages of a hostile store in a real browser: nothing runs, and nothing is wider than a phone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import browsers
import pytest
from browsers import BrowserName
from console_records import SHOWN_PAGES, fill_path
from hostile_records import MARKUP, store_hostile_records, write_routes
from served_console import ServedConsole, serve_console

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

#: A page that a person waits for, and its layout.
MAX_SECONDS = 30
#: Chromium logs each answer of 400 and 404.
NOT_FOUND = "Failed to load resource"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedConsole]:
    with serve_console(tmp_path_factory.mktemp("hostile"), write_routes()) as served:
        yield served


@pytest.fixture(scope="module")
def paths(served: ServedConsole) -> list[str]:
    made = store_hostile_records(served.database)
    paths = [fill_path(one.path, ids) for ids in made for one in SHOWN_PAGES]
    paths += ["/runs?run_id=kHostile", "/events?spam=true", "/events?source=<img src=x>"]
    return list(dict.fromkeys(paths))


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("name", browsers.BROWSERS)
def test_nothing_of_a_stranger_runs(
    served: ServedConsole, paths: list[str], name: BrowserName
) -> None:
    with browsers.launch_browser(name) as launched:
        page = launched.open_context(browsers.PHONE_WIDTH).new_page()
        opened = browsers.record_errors(page)
        page.add_init_script("window.ran = 0")
        page.on("dialog", lambda dialog: _dismiss(dialog, opened))
        page.on("popup", lambda one: opened.append(one.url))
        served.log_in(page)
        problems: list[object] = [one for path in paths for one in walk(served, page, path)]
        type_hostile_texts(served, page)
        problems += [one for one in opened if not one.startswith(NOT_FOUND)]
        assert problems == [], "\n".join(map(str, problems))


def _dismiss(dialog: Dialog, opened: list[str]) -> None:
    opened.append(dialog.message)
    dialog.dismiss()


def walk(served: ServedConsole, page: Page, path: str) -> list[tuple[str, object]]:
    """Open a page and every part of it that is folded; return what is wrong."""
    began = time.monotonic()
    answer = page.goto(f"{served.url}{path}")
    assert answer is not None
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    found: list[object] = [*browsers.measure_overflow(page)]
    if page.evaluate("ran"):
        found.append("a script ran")
    if time.monotonic() - began > MAX_SECONDS:
        found.append("slow")
    if answer.status not in (200, 400, 404):
        found.append(answer.status)
    if not page.url.startswith(served.url):
        found.append(page.url)
    return [(path[:120], one) for one in found]


def type_hostile_texts(served: ServedConsole, page: Page) -> None:
    """What a person pastes is shown again, and is text."""
    page.goto(f"{served.url}/events")
    page.get_by_role("searchbox").fill(MARKUP)
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url(f"{served.url}/find?q=*")
    page.goto(f"{served.url}/settings")
    page.get_by_label("Name", exact=True).fill(MARKUP[:100])
    page.get_by_role("button", name="Make the token").click()
    page.wait_for_url(f"{served.url}/settings/tokens")
    assert page.evaluate("ran") == 0
