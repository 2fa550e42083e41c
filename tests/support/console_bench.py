"""A person at a console in a real browser, and the worker that carries operations out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from admin_client import lift_rates
from console_client import lift_login_rates
from fake_platform import FakePlatform
from records import make_delivery, make_event
from served_console import ServedConsole, serve_console
from signed_rejects import SECRET

from bridge.core.model import Delivery, Event, Status
from bridge.store.db.clock import DatabaseClock
from bridge.store.inbound import events
from bridge.store.queries import event_lookup
from bridge.worker.maintenance.operations import OperationRunner

if TYPE_CHECKING:
    from playwright.sync_api import Page

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


@contextmanager
def serve_bench_console(folder: Path, platform: FakePlatform) -> Iterator[ServedConsole]:
    """Serve a console with sources and a platform for each operation, at any rate."""
    with pytest.MonkeyPatch.context() as patch:
        lift_rates(patch)
        lift_login_rates(patch)
        with serve_console(folder, ROUTES % (platform.base_url, SECRET)) as served:
            yield served


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
