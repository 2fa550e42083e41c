"""Each operation once in a real browser, with scripts and without, from a list or from a page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import browsers
import pytest
from admin_client import lift_rates
from fake_platform import FakePlatform, FakeRun
from records import make_delivery, make_event, put
from served_console import ServedConsole, serve_console
from signed_rejects import SECRET, make_reject

from bridge.core.model import DeadKind, Delivery, Event, RunState, Status
from bridge.store.db.clock import DatabaseClock
from bridge.store.inbound import events, rejects
from bridge.store.queries import event_lookup
from bridge.system.ids import reject_id
from bridge.worker.maintenance.operations import OperationRunner

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROUTES = """
version: 1
platforms:
  local: {type: local}
  gumloop: {type: gumloop, api_key: a-key-of-a-test, user_id: fake-user, base_url: "%s"}
sources:
  github: {provider: github, secret: %s}
  asana: {provider: asana}
  contact: {provider: form}
routes:
  - {name: triage, on: github issues, inputs: {title: x}, flow: local/echo}
"""


class Bench(ServedConsole):
    """A served console, the page of a person, and the worker that carries operations out."""

    def __init__(self, served: ServedConsole, page: Page, platform: FakePlatform) -> None:
        self.__dict__.update(vars(served))
        self.page = page
        self.platform = platform
        self.runner = OperationRunner(
            served.console.settings,
            lambda: served.config,
            served.database,
            DatabaseClock(served.database),
        )

    def open(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def tick(self, path: str, id_: str, name: str) -> None:
        """Tick one row of a list, and press a button of its bar."""
        self.open(path)
        self.page.locator(f"input[name=id][value='{id_}']").check()
        self.press(name)

    def agree(self) -> None:
        """Agree to the operation that the page asks about, and have it carried out."""
        self.page.wait_for_url(f"{self.url}/operations/act_*")
        self.page.locator("form.agree button.primary").click()
        self.page.wait_for_load_state()
        assert self.runner.run_once() == 1
        self.page.reload()
        assert self.page.get_by_text("1 of 1").first.is_visible(), self.page.url

    def store(self, status: Status, **changes: object) -> Delivery:
        event = make_event(now=time.time(), config_hash=self.config.hash)
        one = make_delivery(event, status=status, now=time.time(), **changes)
        events.add(self.database, event, (one,), lambda *_: [])
        return one

    def store_form(self, spam: str | None) -> Event:
        event = make_event(
            now=time.time(),
            source="contact",
            provider="form",
            type="submission",
            spam=spam,
            body=b'{"name": "Ann"}',
            config_hash=self.config.hash,
        )
        events.add(self.database, event, (), lambda *_: [])
        return event

    def statuses(self, one: Delivery) -> list[str]:
        found = event_lookup.show(self.database, one.event_id)
        return sorted(each.status.value for each in found.deliveries)


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
def browser() -> Iterator[Browser]:
    with browsers.open_browser() as launched:
        yield launched


@pytest.mark.parametrize("javascript", [True, False])
def test_each_operation(
    browser: Browser,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    javascript: bool,
) -> None:
    lift_rates(monkeypatch)
    folder = tmp_path_factory.mktemp("console")
    with FakePlatform(api_key="a-key-of-a-test") as platform:
        routes = ROUTES % (platform.base_url, SECRET)
        with serve_console(folder, routes) as served:
            context = browser.new_context(java_script_enabled=javascript)
            context.set_default_timeout(30_000)
            bench = Bench(served, context.new_page(), platform)
            bench.log_in(bench.page)
            for operation in OPERATIONS:
                operation(bench)
            context.close()
