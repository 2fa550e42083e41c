"""A run that a person names for an unknown delivery: refused with the same words, and noted with
the same words, by the terminal here and elsewhere, the admin API, the console and agents.
"""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest
import requests
from agent_records import open_session
from both_ways import BothWays, serve_both_ways
from console_client import OWN_PAGE
from fake_platform import FakePlatform
from records import make_delivery, make_event, put

from bridge.core.model import Delivery, Status
from bridge.store.inbound import events
from bridge.store.operations import operation_records

ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "{url}"}}
  away: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "http://127.0.0.1:9"}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: first, on: github issues, mode: paused, inputs: {{n: "${{body.n}}"}}, flow: gumloop/echo}}
"""
WAYS = ("terminal", "remote terminal", "admin API", "console", "agent")
NUMBERS = count(1)
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{96})"')


@pytest.fixture(scope="module")
def platform() -> Iterator[FakePlatform]:
    with FakePlatform() as platform:
        yield platform


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, platform: FakePlatform, new_processes: None
) -> Iterator[BothWays]:
    routes = ROUTES.format(url=platform.base_url)
    with serve_both_ways(tmp_path_factory.mktemp("both"), "web", routes=routes) as both:
        yield both


@pytest.fixture
def both(served: BothWays) -> BothWays:
    """The bridge, with a token of this test: each may begin only some operations a second."""
    served.token = served.add_token(f"operator-{next(NUMBERS)}", "operator")
    return served


def add_unknown(both: BothWays, platform: str = "gumloop") -> Delivery:
    """Store an event whose only delivery has an unknown outcome."""
    event = make_event(now=time.time())
    state = {"status": Status.UNKNOWN, "platform": platform, "on_unknown": "hold"}
    delivery = make_delivery(event, "first", **state)
    events.add(both.bridge.database, event, [delivery], lambda *_: [])
    return delivery


def resolve(both: BothWays, way: str, delivery: Delivery, run_id: str) -> str:
    """Propose that a delivery started a run, and return everything that a person reads."""
    arguments = ("resolve", delivery.id, "--as", "delivered", "--run-id", run_id)
    if way in ("terminal", "remote terminal"):
        run = both.local if way == "terminal" else both.remote
        done = run(*arguments, "--dry-run")
        return done.stdout + done.stderr
    if way == "console":
        return resolve_in_console(both, delivery, run_id)
    how = {"to": "delivered", "run_id": run_id}
    body = {"command": "resolve", "ids": [delivery.id], "how": how}
    if way == "agent":
        with open_session(both, both.token) as session:
            answer = session.call_tool("propose_operation", body)
        return answer.text
    return json.dumps(post(both, {**body, "mode": "dry_run"}))


def post(both: BothWays, body: Mapping[str, Any]) -> Any:
    url = f"{both.server}/admin/v1/operations"
    bearer = {"Authorization": f"Bearer {both.token}"}
    return requests.post(url, json=body, headers=bearer, timeout=60).json()


def resolve_in_console(both: BothWays, delivery: Delivery, run_id: str) -> str:
    """Send the form of the page of unknown deliveries, and return the page that answers."""
    url = f"{both.server}/console"
    with requests.Session() as browser:
        browser.headers.update(OWN_PAGE)
        answer = browser.post(f"{url}/login", data={"token": both.token}, timeout=60)
        csrf = CSRF.search(browser.get(f"{url}/find?q=zz", timeout=60).text)
        assert csrf is not None, answer.text[:3000]
        form = {"csrf": csrf[1], "id": delivery.id, "run_id": run_id}
        answer = browser.post(f"{url}/unknown", data=form, timeout=60)
    return html.unescape(answer.text)


def count_operations(both: BothWays) -> int:
    return len(list(operation_records.list_operations(both.bridge.database)))


@pytest.mark.parametrize("way", WAYS)
def test_a_run_of_another_delivery_is_refused_by_every_way(
    both: BothWays, platform: FakePlatform, way: str
) -> None:
    run_id = platform.begin("echo")
    owner = add_unknown(both)
    put(both.bridge.database, owner.id, status="delivered", run_id=run_id)
    delivery = add_unknown(both)
    before = count_operations(both)
    expected = f"he run {run_id} belongs to the delivery {owner.id} (route first)"
    assert expected in resolve(both, way, delivery, run_id)
    assert count_operations(both) == before, "an operation without items"


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_the_platform_does_not_have_is_refused_by_every_way(
    both: BothWays, way: str
) -> None:
    delivery = add_unknown(both)
    expected = "latform gumloop has no run 'R9': HTTP 404 not_found: run not found"
    assert expected in resolve(both, way, delivery, "R9")


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_was_not_looked_up_is_noted_by_every_way(both: BothWays, way: str) -> None:
    delivery = add_unknown(both, "away")
    expected = "the run was not looked up: 127.0.0.1: the connection was refused"
    assert expected in resolve(both, way, delivery, "R1")


def test_the_note_is_stored_with_the_operation(both: BothWays) -> None:
    delivery = add_unknown(both, "away")
    how = {"to": "delivered", "run_id": "R1"}
    body = {"command": "resolve", "ids": [delivery.id], "how": how, "mode": "propose"}
    [note] = post(both, body)["notes"]
    assert note == "the run was not looked up: 127.0.0.1: the connection was refused"
    listed = json.loads(both.remote("operations", "--json").stdout.splitlines()[0])
    assert listed["notes"] == [note]
    both.token = both.add_token("without-contents", "read,act")
    assert post(both, body)["notes"] == ["the run was not looked up"], "it may quote an answer"
