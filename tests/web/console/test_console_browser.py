"""The console in real browsers: login, pages in each look, axe-core, keys, and a hostile payload.

tests/support/browsers.py says which browsers, and what to set.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import browsers
import pytest
from browsers import IS_WHOLE_MATRIX, PHONE_WIDTH, SCHEMES, WIDTHS, LaunchedBrowser, Scheme
from console_client import lift_login_rates
from console_records import SHOWN_PATHS, fill_path, store_shown_records
from fake_platform import FakePlatform
from records import make_delivery, make_event
from served_console import ServedConsole, add_gumloop, serve_console

from bridge.core.errors import StoreError
from bridge.core.model import DeadKind, Delivery, Event, Status
from bridge.core.scopes import Scope
from bridge.store.inbound import events

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

#: What Chromium logs of a page that is answered with 404.
NOT_FOUND = "Failed to load resource"
HOSTILE = "<script>document.title='run'</script><img src=x onerror=\\\"document.title='run'\\\">"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedConsole]:
    with (
        pytest.MonkeyPatch.context() as patch,
        FakePlatform() as gumloop,
        serve_console(tmp_path_factory.mktemp("console"), add_gumloop(gumloop.base_url)) as served,
    ):
        lift_login_rates(patch)
        served.ids = store_shown_records(served.database, HOSTILE)
        yield served


@pytest.fixture(scope="module", params=browsers.BROWSERS)
def launched(request: pytest.FixtureRequest, new_processes: None) -> Iterator[LaunchedBrowser]:
    with browsers.launch_browser(request.param) as launched:
        yield launched


@pytest.fixture
def browser(launched: LaunchedBrowser) -> Browser:
    """Chromium: for tests of what Playwright can do with it only."""
    if launched.name != "chromium":
        pytest.skip("Playwright has no clipboard, clock or time zone for Firefox")
    return launched.start_chromium()


@pytest.fixture
def page(launched: LaunchedBrowser) -> Iterator[Page]:
    """A page of a phone. An error that it logs, such as a blocked script, fails the test."""
    context = launched.open_context(PHONE_WIDTH)
    found = context.new_page()
    said = browsers.record_errors(found)
    yield found
    context.close()
    assert said == []


def test_a_ticket_in_the_url_logs_in_and_is_forgotten(served: ServedConsole, page: Page) -> None:
    page.goto(f"{served.url}/login?next=/console/events#{served.ticket()}")
    page.wait_for_url(f"{served.url}/events")
    assert "fbc_" not in page.evaluate("JSON.stringify([location.href, history.length])")
    page.get_by_label("Session of ann@here").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{served.url}/login")


def test_it_works_without_javascript(served: ServedConsole, launched: LaunchedBrowser) -> None:
    """By keys, which Playwright can send to a Firefox without scripts too."""
    context = launched.open_context(scripts=False)
    try:
        page = context.new_page()
        served.log_in(page, "/events?source=github")
        assert page.locator("[data-zone]").is_hidden()  # a script would show it
        advice = page.get_by_text("Tick the rows to act on")
        assert advice.is_hidden()
        follow(page.get_by_role("button", name="Replay").first)
        page.wait_for_url(f"{served.url}/events?source=github#nothing-ticked")
        assert advice.is_visible()
        page.get_by_label("type").focus()
        page.keyboard.type("issues")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{served.url}/events?*type=issues*")
        event = served.ids["events"]
        follow(page.locator(f"#row-{event}"))  # tests of another browser have added events
        page.wait_for_url(f"{served.url}/events/{event}")
        assert page.get_by_role("heading", level=1).inner_text() == "github issues"
        follow(page.get_by_role("link", name="Explain").first)
        page.wait_for_url(f"{served.url}/events/evt_*/explain")
        assert page.get_by_text("matches").first.is_visible()
    finally:
        context.close()


def follow(link: Locator) -> None:
    """Follow a link by keys."""
    link.focus()
    link.page.keyboard.press("Enter")


def test_a_link_with_a_token_does_not_log_in(served: ServedConsole, page: Page) -> None:
    """Anyone with a token could else have others work in their session."""
    page.goto(f"{served.url}/login#fb_0123456789abcdef0123456789abcdef0123456789a")
    assert page.url.partition("#")[0] == f"{served.url}/login"
    assert page.get_by_role("textbox").first.input_value() == ""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_fit_each_width_and_axe_finds_nothing(
    served: ServedConsole, launched: LaunchedBrowser, scheme: Scheme
) -> None:
    """Each page in one scheme on a phone; with FLOWBRIDGE_BROWSER_MATRIX=all each in every look."""
    context = launched.open_context(PHONE_WIDTH, scheme=scheme)
    page = context.new_page()
    said = browsers.record_errors(page)
    page.goto(f"{served.url}/login")
    assert page.evaluate(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    found = find_problems(page, f"{launched.name}-login-{scheme}")
    page.goto(f"{served.url}/login#{served.ticket()}")
    page.wait_for_url(f"{served.url}/")
    shown = SHOWN_PATHS if IS_WHOLE_MATRIX else SHOWN_PATHS[SCHEMES.index(scheme) :: len(SCHEMES)]
    for path in shown:
        page.goto(f"{served.url}{fill_path(path, served.ids)}")
        assert page.get_by_role("heading", level=1).count() == 1, path
        name = f"{launched.name}{path}-{scheme}".translate(str.maketrans("/?", "--", "<>"))
        found += find_problems(page, name)
        assert page.title() != "run", path
    context.close()
    said = [text for text in said if not text.startswith(NOT_FOUND)]
    assert found + said == [], "\n".join(map(str, found + said))


def test_links_of_an_operation_are_large_enough_on_a_wide_screen(
    served: ServedConsole, launched: LaunchedBrowser
) -> None:
    context = launched.open_context(WIDTHS[-1], scheme="light")
    page = context.new_page()
    page.goto(f"{served.url}/login#{served.ticket()}")
    page.wait_for_url(f"{served.url}/")
    page.goto(f"{served.url}{fill_path('/operations/<agreed_operations>', served.ids)}")
    links = page.locator(".items .why a")
    boxes = [links.nth(number).bounding_box() for number in range(links.count())]
    assert len(boxes) == 2 and all(box and box["height"] >= 24 for box in boxes)
    assert browsers.find_violations(page) == []
    context.close()


def find_problems(page: Page, name: str) -> list[object]:
    """Return how far the open page scrolls sideways at each width, and what axe-core finds."""
    found: list[object] = []
    for width in WIDTHS if IS_WHOLE_MATRIX else WIDTHS[:1]:
        page.set_viewport_size({"width": width, "height": browsers.HEIGHT})
        assert page.evaluate("innerWidth") == width
        browsers.take_picture(page, f"console-{name}-{width}")
        problems = [*browsers.measure_overflow(page), *browsers.find_violations(page)]
        found += [(name, width, one) for one in problems]
    return found


def test_a_value_of_a_payload_is_copied_and_becomes_a_clause(
    served: ServedConsole, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        event = served.ids["events"]
        ticket = served.ticket(Scope.READ, Scope.BODIES)
        page.goto(f"{served.url}/login?next=/console/events/{event}#{ticket}")
        page.wait_for_url(f"{served.url}/events/{event}")
        leaf = page.locator("#payload ~ .panel .leaf").first
        leaf.hover()
        leaf.get_by_role("link", name="use").click()
        box = page.locator("#value")
        box.get_by_role("button", name="Copy").first.click()
        page.locator("[data-done]").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == "body.action"
        assert page.evaluate("document.activeElement.closest('#value') !== null")
        browsers.take_picture(page, "console-value-1280")
        assert browsers.find_violations(page) == []
        page.set_viewport_size({"width": PHONE_WIDTH, "height": 800})
        browsers.take_picture(page, "console-value-360")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_WIDTH
        box.get_by_role("link", name="Use as clause").first.click()
        page.wait_for_url(f"{served.url}/playground?**")
        assert (
            "body.action: opened" in page.get_by_role("textbox", name="routes.yaml").input_value()
        )
        browsers.take_picture(page, "console-clause-360")
        assert browsers.find_violations(page) == []
        page.get_by_role("button", name="Try it").click()
        page.locator("#difference").wait_for()
        browsers.take_picture(page, "console-trial-360")
        assert browsers.find_violations(page) == []
        assert browsers.measure_overflow(page) == []
        page.go_back()
        page.goto(f"{served.url}/events/{event}/request")
        header = page.locator("dl.headers dd").first
        header.hover()
        header.get_by_role("link", name="use").click()
        page.locator("#value").get_by_text("headers.").first.wait_for()
        browsers.take_picture(page, "console-header-360")
    finally:
        context.close()


def test_a_large_count_of_a_cause_stays_on_one_line(
    tmp_path: Path, launched: LaunchedBrowser
) -> None:
    with serve_console(tmp_path) as served:
        dead = [make_dead(number) for number in range(1000)]
        events.add_all(served.database, dead, lambda *_: [])
        context = launched.open_context(PHONE_WIDTH)
        page = context.new_page()
        served.log_in(page, "/causes")
        count = page.locator(".cause-head .count")
        assert count.inner_text() == "1,000"
        box, line = count.bounding_box(), count.evaluate("one => getComputedStyle(one).lineHeight")
        assert box is not None and box["height"] < 1.5 * float(line.removesuffix("px"))
        assert browsers.measure_overflow(page) == []
        context.close()


def make_dead(number: int) -> tuple[Event, tuple[Delivery, ...]]:
    """Return an event with a delivery whose platform refused it."""
    event = make_event(f"dead-{number}", now=time.time(), source="github")
    dead = make_delivery(event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM)
    return event, (replace(dead, reason="HTTP 500: no", finished_at=time.time()),)


@pytest.fixture
def phone_page(served: ServedConsole, browser: Browser) -> Iterator[Page]:
    """A page of a phone, with a session."""
    context = browser.new_context(viewport={"width": PHONE_WIDTH, "height": 800})
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        served.log_in(page)
        yield page
    finally:
        context.close()


@contextmanager
def failing_store(served: ServedConsole) -> Iterator[None]:
    """Let each read of the store fail."""

    def fail(*_: object) -> None:
        raise StoreError("it is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(served.database), "read", fail)
        yield


def test_a_page_of_a_store_that_does_not_answer_tries_again(
    served: ServedConsole, phone_page: Page
) -> None:
    page = phone_page
    page.clock.install()
    url = f"{served.url}/events?source=github"
    with failing_store(served):
        page.goto(url)
        browsers.take_picture(page, "console-retry-360")
        note = page.locator("[data-wait]")
        for seconds in (2, 4, 8):
            note.get_by_text(f"in {seconds} s").wait_for()
            page.clock.run_for(seconds * 1000)
        note.get_by_text("in 16 s").wait_for()
        assert page.get_by_role("link", name="Try again").get_attribute("href") in url
    page.clock.run_for(16_000)
    page.get_by_role("heading", name="Events").wait_for()
    assert page.url == url
    assert page.get_by_label("source").input_value() == "github"


def test_times_stay_local_where_the_browser_stores_nothing(
    served: ServedConsole, browser: Browser
) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        page.add_init_script(
            "Object.defineProperty(window, 'localStorage', {get() { throw new Error('off') }})"
        )
        served.log_in(page)
        page.goto(f"{served.url}/events/{served.ids['events']}")
        time_ = page.locator("main time").first
        assert "UTC" in time_.inner_text()
        page.get_by_label("Session of ann@here").click()
        page.get_by_role("button", name="Show local times").click()
        assert "GMT+9" in time_.inner_text()
        page.evaluate(
            """() => {
            const time = document.querySelector("main time");
            time.outerHTML = time.outerHTML.replace(/>.*</, ">12:00:00 UTC<"); // as a part has it
            const detail = { target: document.body, xhr: { getResponseHeader: () => null } };
            document.body.dispatchEvent(new CustomEvent("htmx:afterSwap", { detail }));
            }"""
        )
        assert "GMT+9" in time_.inner_text()
    finally:
        context.close()


def test_keys_search_go_to_pages_and_move_in_lists(
    served: ServedConsole, launched: LaunchedBrowser
) -> None:
    context = launched.open_context()
    try:
        page = context.new_page()
        page.goto(f"{served.url}/login?next=/console/events#{served.ticket()}")
        page.wait_for_url(f"{served.url}/events")
        keys = page.keyboard
        keys.press("j")
        assert page.evaluate("document.activeElement.className") == "row"
        keys.press("x")
        assert page.locator(".tick input").first.is_checked()
        keys.press("?")
        assert page.get_by_role("dialog", name="Keys").is_visible()
        labels = page.locator("dialog dd").all_inner_texts()
        assert labels[-10:] == [
            *("Overview", "Events", "Deliveries", "Causes", "Unknown"),
            *("Rejects", "Forms", "Sources", "Trends", "Operations"),
        ]
        assert browsers.find_violations(page) == []
        keys.press("Escape")
        keys.press("/")
        keys.type("gd?j")  # typed into the field, and nothing else
        assert page.get_by_role("searchbox").input_value() == "gd?j"
        assert page.url == f"{served.url}/events"
        keys.press("Escape")
        newest = page.locator("a.row").first.get_attribute("href")
        keys.press("j")
        keys.press("Enter")
        page.wait_for_url(f"**{newest}")
        keys.type("gt")
        page.wait_for_url(f"{served.url}/trends")
        page.goto(f"{served.url}/settings")
        page.get_by_role("button", name="Turn the keys off").click()
        page.goto(f"{served.url}/events")
        keys.press("j")
        keys.press("/")
        assert page.evaluate("document.activeElement === document.body")
    finally:
        context.close()


def test_live_parts(served: ServedConsole, page: Page) -> None:
    """One login for all of them: a console tries few in a minute."""
    page.goto(f"{served.url}/login?next=/console/events#{served.ticket()}")
    page.wait_for_url(f"{served.url}/events")
    check_pill(served, page)
    check_tail(served, page)
    check_numbers(served, page)


def check_pill(served: ServedConsole, page: Page) -> None:
    """A new event is announced, and rows keep their place until it is loaded."""
    first = page.locator(f"a.row[href$='{served.ids['events']}']")
    place = first.bounding_box()
    event = add_event(served)
    page.evaluate("htmx.trigger('#new', 'poll')")
    pill = page.get_by_role("link", name="1 new")
    pill.wait_for()
    browsers.take_picture(page, "console-pill")
    assert browsers.find_violations(page) == []
    assert first.bounding_box() == place
    assert page.locator(f"a.row[href$='{event.id}']").count() == 0
    pill.click()
    page.locator(f"a.row[href$='{event.id}']").wait_for()


def check_tail(served: ServedConsole, page: Page) -> None:
    page.goto(f"{served.url}/tail")
    event = add_event(served)
    page.locator(f"#row-{event.id}").wait_for()  # without a click
    assert browsers.find_violations(page) == []
    page.get_by_role("button", name="Pause").click()
    later = add_event(served)
    page.evaluate("htmx.trigger('#tail', 'poll')")
    assert page.locator(f"#row-{later.id}").count() == 0
    page.get_by_role("button", name="Go on").click()
    page.locator(f"#row-{later.id}").wait_for()


def check_numbers(served: ServedConsole, page: Page) -> None:
    page.goto(f"{served.url}/")
    page.evaluate("document.querySelector('#numbers').dataset.seen = '1'")
    link = page.locator("#numbers .tiles a").first
    link.focus()
    link.evaluate("one => { one.dataset.old = '1' }")
    with page.expect_response(lambda one: one.request.headers.get("hx-request") == "true") as said:
        page.evaluate("htmx.trigger('#numbers', 'poll')")
    assert said.value.status == 200
    page.locator("#numbers [data-old]").wait_for(state="detached")
    assert page.locator("#numbers[data-seen] .tiles li").count() > 3
    assert link.evaluate("one => one === document.activeElement")


def test_a_page_says_that_it_is_no_longer_updated(served: ServedConsole, phone_page: Page) -> None:
    page = phone_page
    for path, part in (("/tail", "#tail"), ("/events", "#new"), ("/", "#numbers")):
        page.goto(f"{served.url}{path}")
        note = page.get_by_role("status").filter(has_text="Not updated")
        assert note.count() == 0
        with failing_store(served):
            page.evaluate(f"htmx.trigger('{part}', 'poll')")
            note.wait_for()
            assert browsers.find_violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_WIDTH
        page.evaluate(f"htmx.trigger('{part}', 'poll')")
        note.wait_for(state="hidden")
    page.goto(f"{served.url}/tail")
    page.context.clear_cookies()  # as where another page ends the session
    page.evaluate("htmx.trigger('#tail', 'poll')")
    note.get_by_role("link", name="Reload").click()
    page.wait_for_url(f"{served.url}/login?next=%2Fconsole%2Ftail")


def add_event(served: ServedConsole) -> Event:
    event = make_event(None, now=time.time(), source="github")
    events.add(served.database, event, (make_delivery(event),), lambda *_: [])
    return event
