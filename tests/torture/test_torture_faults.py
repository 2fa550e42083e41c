"""The faults of the crash test: their order, their limits, and the impossible ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import required
from serving import until

from bridge.config.settings import load_settings
from bridge.core.errors import SettingsError
from bridge.store.db.database import Database
from bridge.system.linux_process import adopt_orphans
from bridge.torture import call_gate, faults, inflight_faults
from bridge.torture.broker import Broker
from bridge.torture.clock import CLOCK_KINDS
from bridge.torture.nodes import STARTUP_SECONDS, Node
from bridge.torture.plan import (
    CLOSING_SECONDS,
    FAULT_DESCRIPTIONS,
    MIN_DRAIN_SECONDS,
    Plan,
    check_plan,
    list_impossible,
)
from bridge.torture.processes import Service, list_children
from bridge.worker.celery.app import make_publisher

NO_PROCESS = 2**22 + 1  # beyond every process id
KINDS_HERE = ["receiver", "worker", "lapse", "clock"]


def env() -> Any:
    return SimpleNamespace(random=Random(1), done=Counter())


def test_each_kind_is_scheduled_first_and_again_until_it_has_occurred() -> None:
    one = env()
    order = faults.schedule_faults(KINDS_HERE, one)
    first = list(islice(order, 4))
    assert first[0] == "lapse" and sorted(first) == sorted(KINDS_HERE)
    one.done.update(set(KINDS_HERE) - {"clock"})  # it was not possible at that moment
    # in the remaining first rounds
    assert list(islice(order, 2)) == ["clock", "clock"]
    assert Counter(islice(order, 4 + 4)).keys() == set(KINDS_HERE)


def test_without_kinds_the_schedule_is_empty() -> None:
    assert list(faults.schedule_faults([], env())) == []


@pytest.mark.parametrize("minutes", [1.5, 2.0, 60.0])
def test_the_load_is_extended_for_missing_kinds_and_leaves_enough_time_for_the_drain(
    minutes: float,
) -> None:
    plan = Plan(minutes=minutes)
    assert (
        plan.load_seconds
        <= plan.max_load_seconds
        <= plan.total_seconds - MIN_DRAIN_SECONDS - CLOSING_SECONDS
    )


@pytest.mark.usefixtures("new_processes")
def test_a_pause_during_calls_takes_no_time_of_the_drain(sqlite: Database, tmp_path: Path) -> None:
    """Others may take over its calls late, or not at all: after a step of the clock, say."""
    waits: list[float] = []
    other = SimpleNamespace(processes={"work": SimpleNamespace(pids=[])})
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as worker:
        node = SimpleNamespace(
            processes={"work": SimpleNamespace(pids=[worker.pid])}, gate=tmp_path / "gate"
        )
        one = SimpleNamespace(
            **vars(env()),
            nodes=[node, node, node, other],  # with this seed the first one is chosen
            broker=None,
            plan=Plan(minutes=2),
            load=SimpleNamespace(queue_types=lambda types: None),
            kills=Counter(),
            remaining=lambda total: total - 76.0,
            query=lambda ask: ask(sqlite),
            wait=waits.append,
            wait_until=lambda condition, seconds, every=0.0: waits.append(seconds),
        )
        inflight_faults.pause_during_calls(one)
        worker.kill()
    assert waits == [inflight_faults.QUEUE_SECONDS, 3.0, 3.0]


ATTEMPTS: dict[tuple[str, int], str] = {("dlv-1", 1): "seldom1", ("dlv-2", 1): "sole2"}
OLDER: dict[tuple[str, int], str] = {("dlv-0", 1): "held"}


@pytest.mark.parametrize(
    ("moments", "attempts", "pending", "is_done"),
    [
        (call_gate.MOMENTS, OLDER | ATTEMPTS, {}, True),
        (call_gate.MOMENTS, OLDER | ATTEMPTS, OLDER, True),
        (["send"], OLDER | ATTEMPTS, {}, False),
        (["write"], OLDER | ATTEMPTS, {}, False),
        (call_gate.MOMENTS, OLDER | ATTEMPTS, {("dlv-2", 1): "sole2"}, False),
        (call_gate.MOMENTS, OLDER | ATTEMPTS, None, False),
        (call_gate.MOMENTS, OLDER, {}, False),
        (call_gate.MOMENTS, None, {}, False),
    ],
)
def test_a_pause_during_calls_counts_if_both_moments_are_met_and_all_calls_are_taken_over(
    tmp_path: Path,
    moments: list[str],
    attempts: dict[tuple[str, int], str] | None,
    pending: dict[tuple[str, int], str] | None,
    is_done: bool,
) -> None:
    gate = tmp_path / "gate"
    node = SimpleNamespace(processes={"work": SimpleNamespace(pids=[NO_PROCESS])}, gate=gate)
    answers = iter([OLDER, attempts, pending])
    arena = SimpleNamespace(
        **vars(env()),
        nodes=[node],
        broker=None,
        plan=Plan(minutes=2),
        load=SimpleNamespace(queue_types=lambda types: None),
        kills=Counter(),
        remaining=lambda total: total,
        query=lambda ask: next(answers),
        wait=lambda seconds: None,
        wait_until=lambda condition, seconds, every=0.0: gate.write_text("\n".join(moments)),
    )
    assert inflight_faults.pause_during_calls(arena) is is_done
    assert not gate.exists() and list(answers) == []


@pytest.mark.parametrize(
    ("plan", "no"),
    [
        (Plan(), {"database", "lapse", "celery", "broker"}),
        (Plan(database_url="postgresql://x/y"), {"disk", "lapse", "celery", "broker"}),
        (Plan(database_url="postgresql://x/y", nodes=2), {"disk", "celery", "broker"}),
        (Plan(database_url="postgresql://x/y", nodes=2, engine="celery"), {"disk"}),
    ],
)
def test_impossible_kinds_are_listed_and_refused_with_only(
    plan: Plan, no: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.torture.clock.LIBRARY_FOLDERS", ())
    no = no | set(CLOCK_KINDS)
    assert set(list_impossible(plan)) == no and plan.kinds == tuple(FAULT_DESCRIPTIONS)
    for kind in sorted(no):
        with pytest.raises(SettingsError, match=f"--only {kind}: "):
            check_plan(Plan(only=("web", kind), database_url=plan.database_url, nodes=plan.nodes))


@pytest.mark.usefixtures("new_processes")
def test_the_broker_returns_how_many_messages_it_loses(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        required.skip("REDIS", "there is no redis-server")
    broker = Broker(tmp_path, os.environ)
    assert (broker.count_messages(), broker.flush()) == (0, 0)  # it does not run
    broker.start()
    try:
        publish = make_publisher(
            load_settings(
                {
                    "FLOWBRIDGE_ENGINE": "celery",
                    "FLOWBRIDGE_BROKER_URL": broker.url,
                    "FLOWBRIDGE_DATABASE_URL": "postgresql://x/y",
                    "FLOWBRIDGE_SECRET_KEY": "k" * 32,
                }
            )
        )

        def published() -> bool:
            try:
                publish("dlv-1", "w:1")
            except Exception:
                return False
            return True

        until(published, 60, "it takes a message")
        publish("dlv-2", "w:1")
        assert (
            broker.count_messages(),
            broker.flush(),
            broker.count_messages(),
            broker.flush(),
        ) == (2, 2, 0, 0)
    finally:
        broker.kill()


@pytest.mark.usefixtures("new_processes")
def test_only_a_process_that_has_just_started_may_die_of_sigterm(tmp_path: Path) -> None:
    node = Node(0, tmp_path, os.environ, 1, ["web"])
    deaf = node.processes["web"]
    deaf.command[1:] = ["-c", "print('up', flush=True); input()"]
    for age, code in ((0.0, 0), (STARTUP_SECONDS, -signal.SIGTERM)):
        deaf.start()
        until(
            lambda: deaf.log.exists() and deaf.log.read_text().count("up") == deaf.starts,
            60,
            "it runs",
        )
        deaf.started_at -= age
        assert node.stop() == [code]


TAKES_OVER = """
import os, signal, socket, sys, time
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
def give_way(*_):
    if os.fork() == 0:
        if (pid := os.fork()) == 0:
            time.sleep(9999)
        notify.send(f"STATUS=so so\\nMAINPID={pid}".encode())
        os._exit(0)
    os.wait()
signal.signal(signal.SIGUSR2, give_way)
print("up", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def _adopting() -> Iterator[None]:
    adopt_orphans()
    yield
    adopt_orphans(yes=False)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.usefixtures("_adopting")
def test_a_process_that_takes_over_becomes_the_service_and_ends_with_it(tmp_path: Path) -> None:
    service = Service("one", [sys.executable, "-c", TAKES_OVER], tmp_path, os.environ)
    for number in (1, 2):  # no process of the first round is left in the second
        service.start()
        until(
            lambda: service.log.exists() and service.log.read_text().count("up") == number,  # noqa: B023
            60,
            "it runs",
        )
        first = service.pid
        os.kill(first, signal.SIGUSR2)
        until(lambda: service.pid not in (0, first), 60, "another")  # noqa: B023
        assert (service.replacements, [one.pid for one in service.replaced]) == ([], [first])
        assert service.wait(0.0) is None
        os.kill(service.pid, signal.SIGKILL)
        until(lambda: service.pid == 0, 60, "its end")
        assert service.wait(0.0) is None, "the first one has not ended"
    service.terminate()
    assert service.wait(60.0) == -signal.SIGTERM
    service.kill()
    assert not {pid for pid in list_children(os.getpid()) if os.getsid(pid) == service.session}
