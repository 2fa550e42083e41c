"""alerts test: it waits for the result, and says of each route whether its notification was
delivered, or why not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result as Ran
from command_line import lines, run
from processes import call
from records import make_delivery, make_event
from servers import Misbehaving, respond
from serving import Bridge

from bridge.core.model import RunState, Status
from bridge.services.notification_results import find_result
from bridge.store.db.database import Database

HEAD = """
version: 1
platforms: {{local: {{type: local}}, pager: {{type: http, url: "{url}/alerts"}}}}
routes:
"""
ROUTE = "  - {{name: {name}, on: flowbridge alert.*, inputs: {{seconds: 0}}, flow: {flow}{more}}}\n"


def routes(*named: tuple[str, str, str], url: str = "http://127.0.0.1:9") -> str:
    return HEAD.format(url=url) + "".join(
        ROUTE.format(name=name, flow=flow, more=more) for name, flow, more in named
    )


@pytest.fixture(scope="module")
def pager() -> Iterator[Misbehaving]:
    with Misbehaving() as server:
        server.script("/alerts", *[respond(403, b"{}")] * 50)
        yield server


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    with Bridge(
        tmp_path_factory.mktemp("alerts"), "serve", routes=routes(("tell", "local/echo", ""))
    ) as bridge:
        yield bridge


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that waits, where nothing is to be waited for."""

    def sleep(_seconds: float) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr("bridge.services.notification_results.time.sleep", sleep)


def alerts_test(bridge: Bridge, pager: Misbehaving, *named: tuple[str, str, str]) -> Any:
    (bridge.folder / "routes.yaml").write_text(routes(*named, url=pager.url))
    return call(bridge.folder, "alerts", "test", "--timeout", "300", environ=bridge.environ)


def test_a_notification_that_is_delivered_is_said_with_its_flow(
    serving: Bridge, pager: Misbehaving
) -> None:
    result = alerts_test(
        serving, pager, ("tell", "local/echo", ""), ("quiet", "local/echo", ", mode: shadow")
    )
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "notified      tell → local/echo",
        "not notified  quiet → local/echo: its route is in mode shadow, so nothing is sent",
    ]
    assert result.stderr == "Waiting for the result, at most 300 s…\n"


def test_one_that_is_not_delivered_says_why_and_where_to_look(
    serving: Bridge, pager: Misbehaving
) -> None:
    result = alerts_test(
        serving,
        pager,
        ("tell", "local/echo", ""),
        ("breaks", "local/fail", ""),
        ("page", "pager/alert", ""),
    )
    assert result.returncode == 1
    good, bad, refused = result.stdout.splitlines()
    assert refused.startswith("not notified  page → pager/alert: dead: ") and "403" in refused
    assert good == "notified      tell → local/echo"
    assert bad.startswith("not notified  breaks → local/fail: its run failed: ") and len(bad) > 60
    assert re.search(r"\nSee why: flowbridge show \w{8}\n\Z", result.stderr)


def test_a_result_follows_from_status_and_run() -> None:
    event = make_event("1")
    dead = replace(make_delivery(event), status=Status.DEAD, reason="HTTP 403")
    assert (find_result(dead).is_notified, find_result(dead).detail) == (False, "dead: HTTP 403")
    assert find_result(replace(dead, status=Status.DELIVERED)).is_notified is True
    running = find_result(replace(dead, status=Status.DELIVERED, run_state=RunState.RUNNING))
    assert (running.is_notified, running.detail) == (None, "its run is running")
    waiting = find_result(replace(dead, status=Status.QUEUED, reason="the connection was refused"))
    assert (waiting.is_notified, waiting.detail) == (None, "the connection was refused")


def ran(folder: Path, text: str, *options: str) -> Ran:
    (folder / "routes.yaml").write_text(text)
    return run("alerts", "test", *options)


def test_without_a_worker_it_says_so_and_what_comes_next(
    store: Database, folder: Path, no_sleep: None
) -> None:
    result = ran(folder, routes(("tell", "local/echo", "")), "--timeout", "0")
    assert result.exit_code == 1
    assert (
        result.stdout
        == "no result     tell → local/echo: no worker is running; next step: flowbridge serve,"
        " or flowbridge work\n"
    )
    assert re.fullmatch(
        r"Deliveries without a result continue. See them: flowbridge show \w{8}\n", result.stderr
    )


def test_without_a_worker_it_says_that_before_it_waits(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.services.notification_results.time.sleep", interrupt)
    result = ran(folder, routes(("tell", "local/echo", "")))
    assert (result.exit_code, result.stdout) == (130, "")
    waiting, so_far, parting = result.stderr.splitlines()
    assert waiting == "Waiting for the result, at most 30 s…"
    assert so_far == "So far no worker is running; next step: flowbridge serve, or flowbridge work"
    assert re.fullmatch(r"The test continues. Result: flowbridge show \w{8}", parting)


def test_what_a_person_has_to_change_is_not_waited_for(
    store: Database, folder: Path, no_sleep: None
) -> None:
    result = ran(folder, routes(("tell", "local/echo", ", mode: paused")))
    assert (result.exit_code, result.stdout) == (
        1,
        "no result     tell → local/echo: the route 'tell' is paused\n",
    )


def test_a_test_that_only_shadow_routes_take_notifies_no_one(
    store: Database, folder: Path, no_sleep: None
) -> None:
    result = ran(folder, routes(("tell", "local/echo", ", mode: shadow")))
    assert (
        result.exit_code == 1
        and "not notified  tell" in result.stdout
        and "See why: " in result.stderr
    )


def test_no_wait_plans_it_and_says_where_its_result_is(
    store: Database, folder: Path, no_sleep: None
) -> None:
    result = ran(folder, routes(("tell", "local/echo", "")), "--no-wait")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(r"1 delivery planned. Result: flowbridge show \w{8}\n", result.stdout)


def test_json_is_the_event_with_its_deliveries(
    store: Database, folder: Path, no_sleep: None
) -> None:
    (event,) = lines(ran(folder, routes(("tell", "local/echo", "")), "--no-wait", "--json"))
    assert (event["type"], [one["route"] for one in event["deliveries"]]) == (
        "alert.test",
        ["tell"],
    )
