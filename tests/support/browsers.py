"""A real browser for tests: Debian's Chromium through Playwright, and axe-core.

Where there is none, a test says why it skips; with FLOWBRIDGE_REQUIRE_BROWSER=1 that is a failure.
FLOWBRIDGE_FORM_MODULES names the node_modules that has axe-core; FLOWBRIDGE_SCREENSHOTS a folder in
which pictures of the pages are kept. With FLOWBRIDGE_BROWSER_MATRIX=all, pages of the console are
looked at in every width and colour scheme.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
REQUIRED = os.environ.get("FLOWBRIDGE_REQUIRE_BROWSER") == "1"
AXE = Path(os.environ.get("FLOWBRIDGE_FORM_MODULES", ""), "axe-core", "axe.min.js")
SCREENSHOTS = os.environ.get("FLOWBRIDGE_SCREENSHOTS", "")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser, or skip the test."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _skip("playwright is not installed")
    if not CHROMIUM:
        _skip("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


def _skip(why: str) -> None:
    if REQUIRED:
        pytest.fail(f"FLOWBRIDGE_REQUIRE_BROWSER=1, but {why}")
    pytest.skip(why)


def take_picture(page: Page, name: str) -> None:
    """Keep a picture of a page, where a folder for them is set."""
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS, f"{name}.png")), full_page=True)


def find_violations(page: Page) -> list[tuple[str, list[str]]]:
    """Return what axe-core finds on a page; nothing where there is no axe-core.

    The page's own policy lets no script in: axe comes in by the debugger, as a person with it
    could.
    """
    if not AXE.is_file():
        return []
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)
    assert len(found["passes"]) > 5
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
