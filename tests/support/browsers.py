"""Real browsers for tests: Debian's Chromium and Firefox through Playwright, and axe-core.

Playwright speaks WebDriver BiDi with Firefox. Where a browser is missing, a test says why it skips;
with FLOWBRIDGE_REQUIRE_BROWSER that is a failure. FLOWBRIDGE_FORM_MODULES names the node_modules
that has axe-core; FLOWBRIDGE_SCREENSHOTS a folder for pictures of the pages. With
FLOWBRIDGE_BROWSER_MATRIX=all, pages of the console are opened in every width and colour scheme.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import required

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

BrowserName = Literal["chromium", "firefox"]
Scheme = Literal["light", "dark"]
BROWSERS: tuple[BrowserName, ...] = get_args(BrowserName)
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
PROGRAMS = {"chromium": ("chromium", "chromium-browser"), "firefox": ("firefox-esr", "firefox")}
PHONE_WIDTH = 360
WIDTHS = (PHONE_WIDTH, 768, 1280)
HEIGHT = 800
WAIT_MS = 60_000
IS_WHOLE_MATRIX = os.environ.get("FLOWBRIDGE_BROWSER_MATRIX") == "all"
AXE = Path(os.environ.get("FLOWBRIDGE_FORM_MODULES", ""), "axe-core", "axe.min.js")
SCREENSHOTS = os.environ.get("FLOWBRIDGE_SCREENSHOTS", "")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Firefox itself logs no violation of a page's policy where Playwright reads.
LOG_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', one =>
    console.error('blocked: ' + one.violatedDirective + ' ' + one.blockedURI));
"""
#: It asks for `emulation.setMediaFeaturesOverride`, which Firefox ESR 153 does not have.
FIREFOX_LACKS = (1, 65)
#: `layout.css.prefers-color-scheme.content-override` of Firefox
FIREFOX_SCHEMES: dict[Scheme, int] = {"dark": 0, "light": 1}


class LaunchedBrowser:
    """A browser of tests: it starts with its first page."""

    def __init__(self, playwright: Playwright, name: BrowserName, program: str) -> None:
        self.name = name
        self._playwright = playwright
        self._program = program
        self._started: dict[object, Browser] = {}

    def open_context(
        self, width: int = 1280, *, scheme: Scheme = "light", scripts: bool = True
    ) -> BrowserContext:
        """Open a window without cookies, in a colour scheme, with or without scripts."""
        size = {"width": width, "height": HEIGHT}
        if self.name == "firefox":
            context = self._start_firefox(scheme, scripts).new_context(viewport=size)
        else:
            context = self.start_chromium().new_context(
                viewport=size,
                color_scheme=scheme,
                reduced_motion="reduce",
                java_script_enabled=scripts,
            )
        context.set_default_timeout(WAIT_MS)
        return context

    def start_chromium(self) -> Browser:
        """Return the process of Chromium."""
        if None not in self._started:
            self._started[None] = self._playwright.chromium.launch(
                executable_path=self._program, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
        return self._started[None]

    def _start_firefox(self, scheme: Scheme, scripts: bool) -> Browser:
        """Return a process with these settings: Playwright cannot change them for one page."""
        if (scheme, scripts) not in self._started:
            self._started[scheme, scripts] = self._playwright.firefox.launch(
                channel="moz-firefox",  # not a build of Playwright's own
                executable_path=self._program,
                firefox_user_prefs={
                    "layout.css.prefers-color-scheme.content-override": FIREFOX_SCHEMES[scheme],
                    "ui.prefersReducedMotion": 1,
                    "javascript.enabled": scripts,
                },
            )
        return self._started[scheme, scripts]

    def close(self) -> None:
        """End its processes."""
        for one in self._started.values():
            one.close()


@contextmanager
def launch_browser(name: BrowserName) -> Iterator[LaunchedBrowser]:
    """Find a browser and lend it, or skip the test."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        required.skip("BROWSER", "playwright is not installed")
    if name == "firefox" and read_playwright_version() >= FIREFOX_LACKS:
        required.skip(
            "BROWSER",
            "Firefox lacks what this Playwright asks it for: pip install 'playwright==1.64.*'",
        )
    program = next(filter(None, map(shutil.which, PROGRAMS[name])), None)
    if program is None:
        required.skip("BROWSER", f"there is no {name} on the PATH")
    with sync_playwright() as playwright:
        launched = LaunchedBrowser(playwright, name, program)
        try:
            yield launched
        finally:
            launched.close()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium, or skip the test."""
    with launch_browser("chromium") as launched:
        yield launched.start_chromium()


def read_playwright_version() -> tuple[int, ...]:
    """Return the version of Playwright, such as (1, 64)."""
    return tuple(map(int, version("playwright").split(".")[:2]))


def record_errors(page: Page) -> list[str]:
    """Return a list that gets each error of scripts, and each violation of the page's policy."""
    said: list[str] = []
    page.add_init_script(LOG_VIOLATIONS)
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def take_picture(page: Page, name: str) -> None:
    """Keep a picture of a page of Chromium, where a folder for them is set.

    Playwright adds a style to a page of Firefox for that, which the policy of the page refuses.
    """
    browser = page.context.browser
    if SCREENSHOTS and browser is not None and browser.browser_type.name == "chromium":
        page.screenshot(path=str(Path(SCREENSHOTS, f"{name}.png")), full_page=True)


def measure_overflow(page: Page) -> list[str]:
    """Return how wide a page is, if it is wider than its window."""
    wide, window = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    return [f"{wide} px, in a window of {window} px"] if wide > window else []


def find_violations(page: Page) -> list[tuple[str, list[str]]]:
    """Return what axe-core finds on a page; nothing where there is no axe-core.

    The page's own policy lets no script in: axe comes in by the debugger, as a person with it
    could.
    """
    if not AXE.is_file():
        return []
    if not page.evaluate("typeof axe === 'object'"):  # the page was loaded since
        page.evaluate(f"{AXE.read_text()}; null")
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)
    assert len(found["passes"]) > 5
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
