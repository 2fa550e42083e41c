"""Back, reload and deep links of the console in real browsers: a page shows what its URL says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import browsers
import pytest
from browsers import LaunchedBrowser
from console_client import lift_login_rates
from records import make_delivery, make_event
from served_console import ServedConsole, serve_console

from bridge.core.model import Event
from bridge.store.inbound import events

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

FILTERED = "/events?source=github&type=issues"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedConsole]:
    with (
        pytest.MonkeyPatch.context() as patch,
        serve_console(tmp_path_factory.mktemp("console")) as served,
    ):
        lift_login_rates(patch)
        yield served


@pytest.fixture(scope="module", params=browsers.BROWSERS)
def launched(request: pytest.FixtureRequest, new_processes: None) -> Iterator[LaunchedBrowser]:
    with browsers.launch_browser(request.param) as launched:
        yield launched


@pytest.fixture
def context(launched: LaunchedBrowser) -> Iterator[BrowserContext]:
    context = launched.open_context()
    yield context
    context.close()


def test_back_reload_and_deep_links_keep_what_the_url_says(
    served: ServedConsole, context: BrowserContext
) -> None:
    event = add_event(served)
    page = context.new_page()
    said = browsers.record_errors(page)
    served.log_in(page, FILTERED)
    page.locator(f"#row-{event.id}").click()
    page.get_by_role("link", name="Explain").click()
    page.wait_for_url(f"{served.url}/events/{event.id}/explain")
    page.reload()
    assert page.get_by_role("heading", level=1).inner_text() == "github issues"
    page.go_back()
    page.wait_for_url(f"{served.url}/events/{event.id}")
    page.go_back()
    page.wait_for_url(f"{served.url}{FILTERED}")
    assert page.get_by_label("type").input_value() == "issues"
    assert page.locator(f"#row-{event.id}").is_visible()
    page.get_by_label("type").fill("push")
    page.get_by_role("button", name="Filter").click()  # leaves the empty fields out
    page.wait_for_url(f"{served.url}/events?*type=push*")
    page.go_back()
    page.wait_for_url(f"{served.url}{FILTERED}")
    page.locator("form.filters :disabled").first.wait_for(state="detached")
    assert page.get_by_label("type").input_value() == "issues"
    deep = context.new_page()
    deep.goto(f"{served.url}{FILTERED}")
    assert deep.locator(f"#row-{event.id}").is_visible()
    assert said == []


@pytest.mark.parametrize("way", ["reload", "back"])
def test_ticks_do_not_move_to_another_row(
    served: ServedConsole, context: BrowserContext, way: str
) -> None:
    """A browser fills fields in again by their place, and new events move the rows."""
    first = add_event(served)
    page = context.new_page()
    served.log_in(page, "/events?source=github")
    page.locator(f"input[name=id][value='{first.id}']").check()
    page.locator("#act select").select_option("all")
    later = add_event(served)
    if way == "reload":
        page.reload()
    else:
        page.goto(f"{served.url}/trends")
        page.go_back()
    page.locator(f"#row-{later.id}").wait_for()
    assert page.locator("input[name=id]:checked").count() == 0
    assert page.locator("#act select").input_value() == "ticked"


def add_event(served: ServedConsole) -> Event:
    event = make_event(None, now=time.time(), source="github")
    events.add(served.database, event, (make_delivery(event),), lambda *_: [])
    return event
