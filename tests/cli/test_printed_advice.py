"""The commands that `status` and `show` advise work as they are printed, and end the advice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from command_line import run
from fake_platform import FakePlatform
from printed_advice import follow, read_next_steps, read_problems
from records import make_delivery, make_event, put
from signed_rejects import SECRET, make_reject

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.local_runs import LocalFlow
from bridge.core.model import DeadKind, Delivery
from bridge.delivery.next_steps import Need, find_need
from bridge.monitoring.conditions import CONDITIONS
from bridge.services.rejects import describe_next_step
from bridge.store.backup.age import record_attempt
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.local import flows as local_flows
from bridge.store.queries import event_lookup
from bridge.store.queue import hold
from bridge.store.tables import schema
from bridge.worker.maintenance.jobs import JobContext, check_flow_inputs

ROUTES: Final = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: a-secret-of-github-0123456789}}
routes: [{name: triage, on: github issues, flow: local/echo, inputs: {n: "${body.n}"}}]
"""
PLATFORM: Final = "gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: '{url}', timeout: 5s}}"
#: Conditions whose advice no test follows, and why.
BY_HAND: Final = {
    "nothing_runs": "starts processes",
    "no_worker": "starts processes",
    "no_receiver": "starts processes",
    "config_held": "a person restarts it",
    "config_not_taken": "a person restarts it",
    "flows_unusable": "a person corrects flows.py",
    "no_secret": "a person sets a value in .env",
    "no_credentials": "a person sets a value in .env",
    "credentials_refused": "a person sets a value in .env",
    "disk_full": "a person makes room",
    "disk_low": "a person makes room",
    "files_full": "a person raises a limit",
    "daily_bytes_full": "a person raises a limit",
    "certificate_urgent": "a person renews it",
    "certificate": "a person renews it",
    "clock_skew": "a person sets a clock",
    "circuit_open": "it is called again automatically",
    "platform_full": "a person looks at the platform",
    "queue_late": "its command says why, which has many answers",
    "unknown": "a person decides",
    "silence": "a person looks at the sender",
    "flood": "it ends by itself",
}


def add_delivery(store: Database, **state: Any) -> Delivery:
    """Add an event with a delivery in this state."""
    now = time.time()
    event = make_event(now=now, body=orjson.dumps({"n": 1}))
    delivery = make_delivery(event, now=now)
    events.add(store, event, [delivery], lambda *_: [])
    put(store, delivery.id, **state)
    return delivery


def add_ended(store: Database, **state: Any) -> Delivery:
    """Add a delivery that has ended in this state."""
    now = time.time()
    delivered = {"delivered_at": now} if state["status"] == "delivered" else {}
    return add_delivery(store, **state, **delivered, finished_at=now)


def add_failed_backup(_store: Database, folder: Path) -> None:
    (folder / ".env").write_text("FLOWBRIDGE_BACKUP=daily\n")
    settings = load_settings({"FLOWBRIDGE_BACKUP": "daily"}, secrets=False)
    with suppress(OSError), record_attempt(settings):
        raise OSError("no such folder")


def hold_starts(store: Database, _folder: Path) -> None:
    store.write(lambda connection: hold.begin(connection, "a test", time.time()))


def name_missing_flow(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("local/echo", "local/gone"))
    echo = LocalFlow(id="echo", workbook="flows", description="", takes_any=True)
    store.write(lambda connection: local_flows.replace(connection, [echo], time.time()))
    add_delivery(store, flow="local/gone", saved_item_id="gone")


def add_late_start(store: Database, _folder: Path) -> None:
    delivery = add_delivery(store, attempts=1)
    with store.engine.begin() as connection:
        connection.execute(
            schema.attempt.insert().values(
                delivery_id=delivery.id,
                number=1,
                started_at=time.time(),
                finished_at=time.time(),
                outcome="unknown",
                run_id="r1",
                late_at=time.time(),
            )
        )


def add_rejects(store: Database, _folder: Path) -> None:
    for number in range(1, 4):
        rejects.add(store, make_reject(number, received_at=time.time()))


def add_many_rejects(store: Database, _folder: Path) -> None:
    add_delivery(store)
    for number in range(1, 22):
        rejects.add(store, make_reject(number, received_at=time.time()))


def break_routes(_store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("local/echo", "loca/echo"))


def write_routes(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)


def correct_secret(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("a-secret-of-github-0123456789", SECRET))


@dataclass(frozen=True)
class Situation:
    """A state that raises a condition. `repair`: what a person does before the commands."""

    name: str
    condition: str
    make: Callable[[Database, Path], object]
    repair: Callable[[Path], object] = write_routes


def ended(**state: Any) -> Callable[[Database, Path], object]:
    return lambda store, _: add_ended(store, **state)


SITUATIONS: Final = (
    Situation(
        "platform",
        "dead",
        ended(status="dead", dead_kind=DeadKind.PLATFORM.value, reason="HTTP 403"),
    ),
    Situation(
        "config",
        "dead",
        ended(status="dead", dead_kind=DeadKind.OURS.value, reason="no such input"),
    ),
    Situation("run", "runs_failing", ended(status="delivered", run_id="r1", run_state="failed")),
    Situation("backup", "backup", add_failed_backup),
    Situation("hold", "starts_held", hold_starts),
    Situation(
        "no platform",
        "platform_missing",
        lambda store, _: add_delivery(store, flow="gone/echo", platform="gone"),
    ),
    Situation("no flow", "flow_missing", name_missing_flow),
    Situation("late", "late_start", add_late_start),
    Situation("secret", "rejects", add_rejects, correct_secret),
    Situation("many rejects", "rejects", add_many_rejects, correct_secret),
    Situation("routes", "config_unusable", break_routes),
)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.name)
def test_advised_commands_end_the_advice(
    store: Database, folder: Path, situation: Situation
) -> None:
    write_routes(folder)
    situation.make(store, folder)
    advice = read_problems(store)[situation.condition]
    situation.repair(folder)
    printed = follow(advice)
    if situation.condition == "rejects":  # the command prints the next one
        (step,) = {
            describe_next_step(reject)
            for reject in rejects.list_rejects(store, source=None, since=None, limit=0)
        }
        assert step is not None and f"Next: {step}\n" in printed
        follow(step)
    assert situation.condition not in read_problems(store)


def test_an_advised_cancel_spares_deliveries_of_another_platform(
    store: Database, folder: Path
) -> None:
    write_routes(folder)
    waiting = add_delivery(store, flow="gone/echo", platform="gone")
    healthy = add_delivery(store)
    advice = read_problems(store)["platform_missing"]
    printed = follow(advice)
    listed = {row["id"]: row["platform"] for row in map(json.loads, printed.splitlines())}
    assert listed == {waiting.id: "gone", healthy.id: "local"}
    assert run("cancel", waiting.id, "--yes").exit_code == 0
    assert "platform_missing" not in read_problems(store)
    assert show(healthy.id)["status"] == "queued"


def test_a_changed_flow_is_accepted_as_advised(store: Database, folder: Path) -> None:
    with FakePlatform() as platform:
        (folder / "routes.yaml").write_text(
            ROUTES.replace("local: {type: local}", PLATFORM.format(url=platform.base_url)).replace(
                "local/echo", "gumloop/echo"
            )
        )
        platform.flows["echo"] = ["n"]
        result = run("check", "--live", "--lock")
        assert result.exit_code == 0, result.output
        platform.flows["echo"] = ["n", "more"]
        check_flows(store)
        follow(read_problems(store)["flow_changed"])
        check_flows(store)
    assert "flow_changed" not in read_problems(store)


def check_flows(store: Database) -> None:
    """Run the daily comparison of flows with flows.lock."""
    settings = load_settings({}, secrets=False)
    config = load(settings.config, settings.environ)
    check_flow_inputs(JobContext(settings, config, store, time.time(), threading.Event()))


def show(delivery_id: str) -> dict[str, Any]:
    """Return a delivery as `show --json` prints it."""
    deliveries = json.loads(run("show", delivery_id, "--json").stdout)["deliveries"]
    return next(one for one in deliveries if one["id"] == delivery_id)


@pytest.mark.parametrize(
    ("need", "state", "verb"),
    [
        (Need.PARKED, {"status": "dead", "dead_kind": DeadKind.OURS.value}, "replay"),
        (Need.DEAD, {"status": "dead", "dead_kind": DeadKind.PLATFORM.value}, "retry"),
        (Need.DEAD, {"status": "dead", "dead_kind": DeadKind.PLATFORM.value}, "replay"),
        (Need.FAILED, {"status": "delivered", "run_id": "r1", "run_state": "failed"}, "retry"),
        (Need.FAILED, {"status": "delivered", "run_id": "r1", "run_state": "failed"}, "replay"),
        (Need.GIVEN_UP, {"status": "dead", "dead_kind": DeadKind.PERSON.value}, "retry"),
    ],
)
def test_the_next_steps_of_a_delivery_end_them(
    store: Database, folder: Path, need: Need, state: dict[str, Any], verb: str
) -> None:
    write_routes(folder)
    delivery = add_ended(store, reason="HTTP 403", **state)
    steps = read_next_steps(store, delivery.id)
    assert find_need(event_lookup.show(store, delivery.id).deliveries[0]) is need
    follow(next(step for step in steps if step.commands[0].operation == verb))
    waiting = [
        one
        for one in event_lookup.show(store, delivery.event_id).deliveries
        if one.status == "queued"
    ]
    assert len(waiting) == 1
    assert verb == "replay" or waiting[0].id == delivery.id
    assert not any(step.commands for step in read_next_steps(store, delivery.id))


def test_every_condition_has_a_situation_or_is_for_a_person() -> None:
    followed = {situation.condition for situation in SITUATIONS} | {"flow_changed"}
    assert not followed & set(BY_HAND)
    assert followed | set(BY_HAND) == set(CONDITIONS)
