"""The daily comparison of flows with flows.lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run
from fake_platform import FakePlatform

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.circuit_state import Circuit
from bridge.monitoring.flow_changes import (
    CHECK_SECONDS,
    STATE_FILE,
    FlowChanges,
    list_flow_changes,
    load_flow_changes,
    store_flow_changes,
)
from bridge.monitoring.status import read_overview
from bridge.store.db.database import Database
from bridge.store.queue.throttling import write_circuits
from bridge.worker.maintenance.jobs import LONG_JOBS, JobContext, check_flow_inputs

ROUTES = """version: 1
platforms:
  gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "{url}", timeout: 5s}}
sources: {{github: {{provider: github, secret: "${{env:GH}}"}}}}
routes:
  - {{name: a, on: github, inputs: {{title: "${{body.t}}", labels: x}}, flow: gumloop/echo}}
"""


@pytest.fixture
def platform(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatform]:
    monkeypatch.setenv("GH", "s" * 40)
    with FakePlatform() as one:
        (folder / "routes.yaml").write_text(ROUTES.format(url=one.base_url))
        yield one


def check(store: Database, folder: Path) -> dict[str, str]:
    """Run the job, and return the stored changes."""
    settings = load_settings({"GH": "s" * 40}, secrets=False)
    config = load(settings.config, settings.environ)
    check_flow_inputs(JobContext(settings, config, store, time.time(), threading.Event()))
    return dict(list_flow_changes(folder / "data"))


def make_due(folder: Path) -> None:
    known = load_flow_changes(folder / "data")
    assert known is not None
    earlier = replace(known, checked_at=known.checked_at - CHECK_SECONDS)
    store_flow_changes(folder / "data", earlier)


def test_it_is_one_of_the_jobs() -> None:
    assert "flow_inputs" in {one.name for one in LONG_JOBS}


def test_without_a_lock_nothing_is_asked(
    store: Database, platform: FakePlatform, folder: Path
) -> None:
    assert check(store, folder) == {} and load_flow_changes(folder / "data") is None


def test_a_change_is_found_once_a_day_and_ends_with_a_new_lock(
    store: Database, platform: FakePlatform, folder: Path
) -> None:
    assert run("check", "--live", "--lock").exit_code == 0
    assert check(store, folder) == {}
    platform.flows["echo"] = ["titel", "labels"]
    assert check(store, folder) == {}, "it was checked today"
    make_due(folder)
    assert check(store, folder) == {
        "gumloop/echo": "the inputs of the flow `gumloop/echo` changed since flows.lock: `title` is"
        " gone, `titel` is new"
    }
    settings = load_settings({"GH": "s" * 40}, secrets=False)
    assert list(read_overview(settings, store).flow_changes) == ["gumloop/echo"]
    assert run("check", "--live", "--lock").exit_code == 0
    assert check(store, folder) == {}, "another lock is compared at once"


def test_a_flow_that_was_deleted_is_a_change(
    store: Database, platform: FakePlatform, folder: Path
) -> None:
    assert run("check", "--live", "--lock").exit_code == 0
    del platform.flows["echo"]
    assert check(store, folder) == {
        "gumloop/echo": "the flow `gumloop/echo` does not exist any more"
    }


def test_without_an_answer_the_earlier_result_stays(
    store: Database, platform: FakePlatform, folder: Path
) -> None:
    assert run("check", "--live", "--lock").exit_code == 0
    platform.flows["echo"] = ["title"]
    found = check(store, folder)
    assert len(found) == 1
    platform.api_key = "another"
    make_due(folder)
    assert check(store, folder) == found


def test_a_lock_that_is_removed_ends_it(
    store: Database, platform: FakePlatform, folder: Path
) -> None:
    assert run("check", "--live", "--lock").exit_code == 0
    platform.flows["echo"] = ["title"]
    assert check(store, folder)
    (folder / "flows.lock").unlink()
    assert check(store, folder) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"checked_at": 1, "lock": "", "changes": []}'])
def test_a_broken_state_file_is_no_result(folder: Path, text: str) -> None:
    (folder / STATE_FILE).write_text(text)
    assert load_flow_changes(folder) is None and list_flow_changes(folder) == {}


def test_a_result_is_read_as_it_was_stored(folder: Path) -> None:
    found = FlowChanges(1.5, "a", {"p/f": "changed"})
    store_flow_changes(folder, found)
    assert load_flow_changes(folder) == found


def test_a_platform_whose_circuit_is_open_is_not_asked(
    store: Database, platform: FakePlatform, folder: Path
) -> None:
    assert run("check", "--live", "--lock").exit_code == 0
    platform.flows["echo"] = ["title"]
    opened = Circuit(platform="gumloop", failures=5, open_until=time.time() + 600)
    store.write(lambda one: write_circuits(one, {}, {"gumloop": opened}, time.time()))
    assert check(store, folder) == {}
    store.write(lambda one: write_circuits(one, {"gumloop": opened}, {"gumloop": None}, 0.0))
    make_due(folder)
    assert len(check(store, folder)) == 1
