"""Each operation once in a real browser, with scripts and without, from a list or from a page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import browsers
import pytest
from browsers import LaunchedBrowser
from console_bench import Bench, serve_bench_console
from fake_platform import FakePlatform, FakeRun
from records import put
from served_console import ServedConsole
from signed_rejects import make_reject

from bridge.core.model import DeadKind, Delivery, RunState, Status
from bridge.store.inbound import rejects
from bridge.system.ids import reject_id


def store_dead(bench: Bench) -> Delivery:
    return bench.store(Status.DEAD, dead_kind=DeadKind.PLATFORM, reason="HTTP 401: no")


def retry_from_list(bench: Bench) -> None:
    one = store_dead(bench)
    bench.tick("/deliveries?status=dead", one.id, "Retry")
    bench.agree()
    assert bench.statuses(one) == ["queued"]


def retry_from_page(bench: Bench) -> None:
    one = store_dead(bench)
    bench.open(f"/events/{one.event_id}")
    bench.press("Retry")
    bench.agree()
    assert bench.statuses(one) == ["queued"]


def cancel_from_list(bench: Bench) -> None:
    one = bench.store(Status.QUEUED)
    bench.tick("/deliveries", one.id, "Cancel")
    bench.agree()
    assert bench.statuses(one) == ["cancelled"]


def cancel_from_page(bench: Bench) -> None:
    one = bench.store(Status.QUEUED)
    bench.open(f"/events/{one.event_id}")
    bench.press("Cancel")
    bench.agree()
    assert bench.statuses(one) == ["cancelled"]


def replay_from_list(bench: Bench) -> None:
    one = store_dead(bench)
    bench.tick("/events", one.event_id, "Replay")
    bench.agree()
    assert bench.statuses(one) == ["dead", "queued"]


def replay_from_page(bench: Bench) -> None:
    one = store_dead(bench)
    bench.open(f"/events/{one.event_id}")
    bench.press("Replay through triage")
    bench.agree()
    assert bench.statuses(one) == ["dead", "queued"]


def resolve_from_list(bench: Bench) -> None:
    one = bench.store(Status.UNKNOWN)
    bench.tick("/deliveries?status=unknown", one.id, "Give up")
    bench.agree()
    assert bench.statuses(one) == ["dead"]


def resolve_from_page(bench: Bench) -> None:
    one = bench.store(Status.UNKNOWN)
    bench.open("/unknown")
    bench.page.get_by_label(f"Id of the run of {one.id}").fill("a-run")
    bench.press("It ran")
    bench.agree()
    assert bench.statuses(one) == ["delivered"]


def store_reject(bench: Bench) -> str:
    one = make_reject(int(time.time() * 1000), id=reject_id(time.time()))
    one = replace(one, received_at=time.time())
    rejects.add(bench.database, one)
    return one.id


def readmit_from_list(bench: Bench) -> None:
    bench.tick("/rejects", store_reject(bench), "Readmit")
    bench.agree()


def readmit_from_page(bench: Bench) -> None:
    bench.open(f"/rejects/{store_reject(bench)}")
    bench.press("Readmit")
    bench.agree()


def release_from_list(bench: Bench) -> None:
    bench.tick("/events?spam=true", bench.store_form("too fast").id, "Release")
    bench.agree()


def release_from_page(bench: Bench) -> None:
    bench.open(f"/events/{bench.store_form('too fast').id}")
    bench.press("Release from spam")
    bench.agree()


def mark_as_spam_from_list(bench: Bench) -> None:
    bench.tick("/forms/contact", bench.store_form(None).id, "Mark as spam")
    bench.agree()


def mark_as_spam_from_page(bench: Bench) -> None:
    bench.open(f"/events/{bench.store_form(None).id}")
    bench.press("Mark as spam")
    bench.agree()


def end_a_run(bench: Bench) -> None:
    now = time.time()
    run = f"run-{now}"
    bench.platform.runs[run] = FakeRun(run, "echo", now, now + 600)
    one = bench.store(Status.DELIVERED, platform="gumloop")
    state = RunState.RUNNING.value
    put(bench.database, one.id, run_id=run, run_state=state, slot=True, delivered_at=now)
    bench.open(f"/runs?run_id={run}&platform=gumloop")
    bench.press("End this run")
    bench.page.get_by_text("terminated").first.wait_for()


def add_and_remove_a_token(bench: Bench) -> None:
    page = bench.page
    bench.open("/settings")
    page.get_by_label("Name", exact=True).fill("grafana")
    bench.press("Make the token")
    page.wait_for_url(f"{bench.url}/settings/tokens")
    assert re.search(r"\bfbt_\S{20}", page.locator("main").inner_text())
    bench.open("/settings")
    assert re.search(r"\bfbt_\S{20}", page.locator("main").inner_text()) is None
    page.locator(".tokens summary").first.click()
    bench.press("End grafana")
    page.get_by_text("None. The token of the settings").wait_for()


def learn(bench: Bench) -> None:
    bench.open("/sources/asana")
    bench.press("Wait for the secret")
    bench.page.get_by_text("waits for the secret").wait_for()
    bench.press("Stop waiting")
    bench.page.get_by_text("closed", exact=True).wait_for()


OPERATIONS: tuple[Callable[[Bench], None], ...] = (
    retry_from_list,
    retry_from_page,
    cancel_from_list,
    cancel_from_page,
    replay_from_list,
    replay_from_page,
    resolve_from_list,
    resolve_from_page,
    readmit_from_list,
    readmit_from_page,
    release_from_list,
    release_from_page,
    mark_as_spam_from_list,
    mark_as_spam_from_page,
    end_a_run,
    add_and_remove_a_token,
    learn,
)


@pytest.fixture(scope="module")
def launched(request: pytest.FixtureRequest, new_processes: None) -> Iterator[LaunchedBrowser]:
    with browsers.launch_browser(request.param) as launched:
        yield launched


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with FakePlatform(api_key="a-key-of-a-test") as platform:
        yield platform


@pytest.fixture
def served(platform: FakePlatform, tmp_path: Path) -> Iterator[ServedConsole]:
    with serve_bench_console(tmp_path, platform) as served:
        yield served


@pytest.mark.parametrize(
    ("launched", "javascript"),
    # Playwright cannot click in a Firefox without scripts.
    [("chromium", True), ("chromium", False), ("firefox", True)],
    indirect=["launched"],
)
def test_each_operation(
    launched: LaunchedBrowser, served: ServedConsole, platform: FakePlatform, javascript: bool
) -> None:
    context = launched.open_context(scripts=javascript)
    bench = Bench(served, context.new_page(), platform)
    bench.log_in(bench.page)
    for operation in OPERATIONS:
        operation(bench)
    context.close()


@pytest.mark.parametrize("launched", browsers.BROWSERS, indirect=True)
def test_an_operation_by_keys_without_scripts(
    launched: LaunchedBrowser, served: ServedConsole, platform: FakePlatform
) -> None:
    context = launched.open_context(scripts=False)
    bench = Bench(served, context.new_page(), platform)
    one = store_dead(bench)
    page = bench.page
    bench.log_in(page, "/deliveries?status=dead")
    page.locator(f"input[name=id][value='{one.id}']").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Retry", exact=True).first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{bench.url}/operations/act_*")
    proposal = page.url
    page.locator("form.agree button.primary").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != proposal)
    assert bench.runner.run_once() == 1
    assert bench.statuses(one) == ["queued"]
    context.close()
