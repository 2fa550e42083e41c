"""The commands that `status` and `show` advise work as they are printed, and end the advice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from command_line import run
from fake_platform import FakePlatform
from printed_advice import follow, read_next_steps, read_problems, read_report
from records import make_delivery, make_event, put
from signed_rejects import SECRET, make_reject

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.advice import Command, name_command
from bridge.core.circuit_state import Circuit
from bridge.core.local_runs import LocalFlow
from bridge.core.model import OWN_SOURCE_NAME, DeadKind, Delivery, Order
from bridge.core.status import ClockStep, Overview, RunCounts
from bridge.delivery.next_steps import STEPS, Need, find_need
from bridge.monitoring.conditions import CONDITIONS, find_notes, find_problems
from bridge.monitoring.refused_submissions import find_spam_step
from bridge.services.events.event_steps import SUBSCRIBE, find_unmatched_step
from bridge.services.events.event_steps import find_spam_step as find_spam_step_of_event
from bridge.services.rejects import describe_next_step
from bridge.services.unknown.unknown_deliveries import read_unknown
from bridge.store.backup.age import record_attempt
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.local import flows as local_flows
from bridge.store.queries import configs, event_lookup
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
    "certificate_urgent": "a person renews it",
    "certificate": "a person renews it",
    "circuit_open": "it is called again automatically",
    "silence": "a person looks at the sender",
    "flood": "it ends by itself",
}


def add_delivery(store: Database, **state: Any) -> Delivery:
    """Add an event with a delivery in this state."""
    now = time.time()
    body = state.pop("body", orjson.dumps({"n": 1}))
    event = make_event(now=now, body=body)
    planned = {name: state.pop(name) for name in PLANNED if name in state}
    delivery = make_delivery(event, now=now, **planned)
    events.add(store, event, [delivery], lambda *_: [])
    if state:
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


#: Fields of a delivery that are set when it is planned; others are put into its row.
PLANNED: Final = ("config_hash", "order")
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
    steps = {
        describe_next_step(reject)
        for reject in rejects.list_rejects(store, source=None, since=None, limit=0)
    }
    printed = follow(advice)
    for step in steps:  # which `rejects` prints too
        assert step is not None and f"Next: {step}\n" in printed
        assert {command.line for command in step.commands} <= {
            command.line for command in advice.commands
        }
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


def plan_misspelt(store: Database, folder: Path) -> Delivery:
    """Add a delivery that is dead since its route names a path that is not in the event."""
    (folder / "routes.yaml").write_text(ROUTES.replace("body.n", "body.issue.titel"))
    body = orjson.dumps({"n": 1, "issue": {"title": "a"}})
    return add_ended(store, body=body, status="dead", dead_kind=DeadKind.PLATFORM.value)


def plan_with_other_config(store: Database, folder: Path) -> Delivery:
    """Add a delivery that is dead, whose route has changed since it was planned."""
    (folder / "routes.yaml").write_text(ROUTES.replace("{n: ", "{number: "))
    then = load(folder / "routes.yaml", {})
    configs.remember_config(store, then.hash, then.canonical, time.time())
    write_routes(folder)
    dead = DeadKind.PLATFORM.value
    return add_ended(store, status="dead", dead_kind=dead, config_hash=then.hash)


@pytest.mark.parametrize(
    ("need", "plan"),
    [(Need.MISSPELT, plan_misspelt), (Need.CHANGED, plan_with_other_config)],
)
def test_a_replay_by_changed_routes_ends_the_steps(
    store: Database, folder: Path, need: Need, plan: Callable[[Database, Path], Delivery]
) -> None:
    delivery = plan(store, folder)
    first, *_ = read_next_steps(store, delivery.id)
    assert len(STEPS[need].one[0]) == len(first.parts)
    assert [command.operation for command in first.commands] == ["replay"]
    write_routes(folder)
    follow(first)
    again = event_lookup.show(store, delivery.event_id).deliveries[-1]
    assert (again.status, again.inputs) == ("queued", {"n": 1})
    assert read_next_steps(store, delivery.id) == []


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("delivered", "delivered"), ("queued", "queued"), ("dead", "dead")],
)
def test_a_decision_ends_its_advice(
    store: Database, folder: Path, outcome: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_BIND", "127.0.0.1:1")
    write_routes(folder)
    delivery = add_delivery(store, status="unknown", attempts=1, reason="no answer")
    (step,) = read_next_steps(store, delivery.id)
    (problem,) = read_problems(store)["unknown"].commands
    unknown = read_unknown(store, delivery.id, None)
    printed = follow([*step.commands, problem])
    assert printed.count(delivery.id + "\n") == 2
    for command, when in unknown.commands:
        assert f"{when.ljust(14)}{command.line}\n" in printed
    follow(command for command, _ in unknown.commands if command.filters["as"] == outcome)
    assert show(delivery.id)["status"] == status
    assert "unknown" not in read_problems(store)
    assert not any(
        command.operation == "resolve"
        for step in read_next_steps(store, delivery.id)
        for command in step.commands
    )


def test_the_runs_of_an_unknown_delivery_are_listed_as_advised(
    store: Database, folder: Path
) -> None:
    delivery = add_delivery(store, flow="gumloop/echo", platform="gumloop", status="unknown")
    with FakePlatform() as platform:
        (folder / "routes.yaml").write_text(
            ROUTES.replace("local: {type: local}", PLATFORM.format(url=platform.base_url)).replace(
                "local/echo", "gumloop/echo"
            )
        )
        place = read_unknown(store, delivery.id, None).place_to_look
        assert f"look at       {place}\n" in run("resolve", delivery.id).stdout
        follow(place)


def hold_delivery(store: Database, folder: Path) -> tuple[Delivery, list[Command]]:
    hold_starts(store, folder)
    return add_delivery(store), [name_command("db release")]


def miss_flow(store: Database, _folder: Path) -> tuple[Delivery, list[Command]]:
    echo = LocalFlow(id="echo", workbook="flows", description="", takes_any=True)
    store.write(lambda connection: local_flows.replace(connection, [echo], time.time()))
    delivery = add_delivery(store, flow="local/gone", saved_item_id="gone")
    again = name_command("replay", delivery.event_id, through="triage")
    return delivery, [name_command("cancel", delivery.id), again]


@pytest.mark.parametrize("wait", [hold_delivery, miss_flow])
def test_the_commands_of_a_wait_reason_end_the_wait(
    store: Database,
    folder: Path,
    wait: Callable[[Database, Path], tuple[Delivery, list[Command]]],
) -> None:
    other = "routes: [{name: other, on: github issues, flow: local/echo, inputs: {}}, "
    (folder / "routes.yaml").write_text(ROUTES.replace("routes: [", other))
    delivery, commands = wait(store, folder)
    before = show(delivery.id)["waits_for"]
    assert all(command.line in before["detail"] for command in commands)
    follow(commands)
    deliveries = event_lookup.show(store, delivery.event_id).deliveries
    assert {delivery.route for delivery in deliveries} == {"triage"}
    after = deliveries[-1]
    assert after.status == "queued"
    assert show(after.id)["waits_for"]["kind"] != before["kind"]


def test_a_cancel_releases_the_deliveries_behind_it(store: Database, folder: Path) -> None:
    write_routes(folder)
    order = Order(key="acme/repo", blocks=True)
    head = add_ended(
        store, order=order, status="dead", dead_kind=DeadKind.PLATFORM.value, holds_key=False
    )
    behind = add_delivery(store, order=order)
    assert show(behind.id)["status"] == "blocked"
    step = read_next_steps(store, head.id)[-1]
    assert step.commands[0].operation == "cancel"
    follow(step)
    assert show(behind.id)["status"] == "queued"
    assert not any(step.commands for step in read_next_steps(store, head.id))


def test_spam_is_released_as_advised(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        ROUTES.replace("sources: {", "sources: {contact: {provider: form}, ")
    )
    event = make_event(source="contact", provider="form", type=None, now=time.time(), spam="a link")
    events.add(store, event, [], lambda *_: [])
    advice = find_spam_step("contact")
    assert advice.sentence in " ".join(run("status").stdout.split())
    assert event.id in follow(advice)
    step = find_spam_step_of_event(event)
    assert step is not None and f"next          {step}\n" in run("show", event.id).stdout
    follow(step)
    assert f"next          {step}\n" not in run("show", event.id).stdout
    assert advice.sentence not in " ".join(run("status").stdout.split())


def test_an_event_without_a_route_is_planned_again_as_advised(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("github issues", "github push"))
    event = make_event(now=time.time())
    events.add(store, event, [], lambda *_: [])
    step = find_unmatched_step(event)
    assert f"next          {step}\n" in run("show", event.id).stdout
    write_routes(folder)
    follow(step)
    assert f"next          {step}\n" not in run("show", event.id).stdout
    assert len(event_lookup.show(store, event.id).deliveries) == 1


def test_an_alert_without_a_route_leads_to_a_route(store: Database, folder: Path) -> None:
    write_routes(folder)
    event = make_event(source=OWN_SOURCE_NAME, provider=OWN_SOURCE_NAME, type="alert.raised")
    events.add(store, event, [], lambda *_: [])
    assert SUBSCRIBE.sentence in run("show", event.id).stdout
    assert "on: flowbridge alert.*" in follow(SUBSCRIBE)


@dataclass(frozen=True)
class Shown:
    """A problem whose advice names a command that shows something."""

    condition: str
    state: Mapping[str, Any]
    change: Callable[[Overview, float], Overview] = lambda overview, _: overview


SHOWN: Final = (
    Shown("queue_late", {"due_at": 0.0}),
    Shown(
        "platform_full",
        {"due_at": 0.0},
        lambda overview, _: replace(
            overview,
            platforms=[
                replace(platform, circuit=Circuit(platform=platform.name, allowance=1))
                for platform in overview.platforms
            ],
        ),
    ),
    Shown(
        "clock_skew",
        {"status": "unknown"},
        lambda overview, now: replace(overview, clock_step=ClockStep(at=now, seconds=90.0)),
    ),
    Shown(
        "daily_bytes_full",
        {},
        lambda overview, _: replace(
            overview,
            sources=[
                replace(source, stored_today=99, daily_bytes=100) for source in overview.sources
            ],
        ),
    ),
    Shown(
        "runs_failing",
        {"status": "delivered", "run_id": "r1", "run_state": "failed"},
        lambda overview, now: replace(
            overview, runs_ended={"triage": RunCounts(ended=1, failed=1, received_at=now)}
        ),
    ),
)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.condition)
def test_a_command_that_only_shows_says_what_the_advice_promises(
    store: Database, folder: Path, shown: Shown
) -> None:
    write_routes(folder)
    delivery = add_delivery(store, **shown.state)
    overview = shown.change(read_report(store).overview, time.time())
    (advice,) = (
        problem.do for problem in find_problems(overview) if problem.condition == shown.condition
    )
    printed = follow(command for command in advice.commands if not command.operation)
    assert delivery.id in printed or delivery.event_id in printed


def test_the_help_of_alerts_shows_a_route(store: Database, folder: Path) -> None:
    write_routes(folder)
    hold_starts(store, folder)
    (note,) = (note for note in find_notes(read_report(store).overview) if "alerts" in note)
    assert f"({name_command('alerts', help=True)} shows such a route)" in note
    assert "on: flowbridge alert.*" in run("alerts", "--help").stdout


def test_every_condition_has_a_situation_or_is_for_a_person() -> None:
    situations = (*SITUATIONS, *SHOWN)
    followed = {situation.condition for situation in situations} | {"flow_changed", "unknown"}
    assert not followed & set(BY_HAND)
    assert followed | set(BY_HAND) == set(CONDITIONS)
