"""Tests of the local platform's store: runs with their cap and end, flows, and files."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from records import NOW, make_local_run

from bridge.core.errors import RunLimitReached
from bridge.core.local_runs import Input, LocalFile, LocalFlow, LocalRun, LocalState, RunResult
from bridge.core.timings import TIMINGS
from bridge.store.db.database import Database
from bridge.store.local import flows as local_flows
from bridge.store.local import runs
from bridge.store.local.platform_store import LocalPlatformStore

DONE = RunResult(state=LocalState.DONE, outputs={"a": 1}, log=("so",))


@pytest.fixture
def kept(database: Database) -> LocalPlatformStore:
    return LocalPlatformStore(database, lambda: None)


def claim(
    database: Database, limit: int = 9, now: float = NOW, lease: str = "w", cap: int | None = None
) -> list[str]:
    return [run.id for run in database.write(lambda c: runs.claim(c, limit, now, lease, cap))]


def finish(database: Database, run: LocalRun, result: RunResult = DONE, lease: str = "w") -> bool:
    return database.write(lambda c: runs.finish(c, run.id, result, NOW + 1, lease))


def state(kept: LocalPlatformStore, run: LocalRun) -> tuple[str, tuple[str, ...]]:
    found = kept.get(run.id)
    assert found is not None
    return found.state.value, found.log


def test_a_start_over_the_cap_is_refused_until_a_run_is_over(
    database: Database, kept: LocalPlatformStore
) -> None:
    first = kept.start(make_local_run(idempotency_key="k"), 2)
    second = kept.start(make_local_run(), 2)
    with pytest.raises(RunLimitReached, match="at most 2"):
        kept.start(make_local_run(), 2)
    assert kept.start(make_local_run(idempotency_key="k"), 2).id == first.id, (
        "the same start gives the same run, however full it is"
    )
    claim(database)
    kept.kill(first.id, NOW)
    with pytest.raises(RunLimitReached):
        kept.start(make_local_run(), 2)
    finish(database, second)
    kept.start(make_local_run(), 2)


def test_of_many_starts_at_once_no_more_than_the_cap_get_in(
    database: Database, kept: LocalPlatformStore
) -> None:
    results: list[bool] = []

    def start() -> None:
        try:
            kept.start(make_local_run(), 5)
            results.append(True)
        except RunLimitReached:
            results.append(False)

    threads = [threading.Thread(target=start) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results.count(True), results.count(False)) == (5, 15)


def test_no_more_runs_than_the_cap_are_under_way_whoever_executes_them(
    database: Database, kept: LocalPlatformStore
) -> None:
    ids = [kept.start(make_local_run()).id for _ in range(5)]
    assert claim(database, lease="a", cap=3, limit=2) == ids[:2]
    assert claim(database, lease="b", cap=3) == ids[2:3]
    assert claim(database, lease="b", cap=3) == []


def test_a_queued_run_is_terminated_at_once_and_a_running_one_when_it_has_ended(
    database: Database, kept: LocalPlatformStore
) -> None:
    first = kept.start(make_local_run())
    second = kept.start(make_local_run())
    claim(database, limit=1)
    assert [kept.kill(one.id, NOW).state for one in (first, second)] == [
        "TERMINATING",
        "TERMINATED",
    ]  # type: ignore[union-attr]
    assert kept.kill("unheard-of", NOW) is None
    with database.read() as connection:
        assert (runs.list_terminating(connection, "w"), runs.list_terminating(connection, "x")) == (
            [first.id],
            [],
        )
    assert not finish(database, first, lease="another")
    assert finish(database, first)
    assert state(kept, first) == ("TERMINATED", ("so",))
    assert state(kept, second) == ("TERMINATED", (runs.NOT_STARTED_NOTE,))
    assert kept.kill(first.id, NOW + 9).finished_at == NOW + 1, "what is over stays as it is"  # type: ignore[union-attr]


def test_what_a_dead_worker_left_is_failed_terminated_or_queued_again(
    database: Database, kept: LocalPlatformStore
) -> None:
    flows = [
        LocalFlow(id="again", workbook="flows.py", idempotent=True),
        LocalFlow(id="once", workbook="flows.py"),
    ]
    database.write(lambda c: local_flows.replace(c, flows, NOW))
    once = kept.start(make_local_run("once"))
    again = kept.start(make_local_run("again"))
    killed = kept.start(make_local_run("again"))
    claim(database)
    database.write(
        lambda c: runs.extend_leases(
            c,
            "w",
            NOW + 1,
            [once.id, again.id, killed.id],
            {once.id: '["line"]', again.id: '["line"]'},
        )
    )
    kept.kill(killed.id, NOW)
    assert database.write(lambda c: runs.abandon_running(c, NOW + 1 + TIMINGS.lease_seconds)) == []
    assert set(
        database.write(lambda c: runs.abandon_running(c, NOW + 1.1 + TIMINGS.lease_seconds))
    ) == {once.id, again.id, killed.id}
    assert state(kept, once) == (
        "FAILED",
        ("line", "The run was interrupted: the worker that executed it died."),
    )
    assert state(kept, killed)[0] == "TERMINATED"
    text = f"The run was interrupted: the worker that executed it died. {runs.RUN_AGAIN_NOTE}"
    assert state(kept, again) == ("QUEUED", ("line", text))
    for _ in range(runs.MAX_STARTS - 1):
        assert claim(database) == [again.id]
        database.write(lambda c: runs.interrupt(c, [again.id], runs.WORKER_DIED, NOW))
    assert state(kept, again)[0] == "FAILED", "it is not begun for ever"


def test_runs_that_were_never_begun_go_back_to_where_they_stood(
    database: Database, kept: LocalPlatformStore
) -> None:
    first, second, third = (kept.start(make_local_run()) for _ in range(3))
    claim(database, limit=2)
    kept.kill(second.id, NOW)
    database.write(lambda c: runs.return_to_queue(c, [first.id, second.id, third.id], "w", NOW))
    assert [state(kept, one)[0] for one in (first, second, third)] == [
        "QUEUED",
        "TERMINATED",
        "QUEUED",
    ]
    assert claim(database) == [first.id, third.id]


def test_the_newest_runs_are_those_of_the_flow_and_the_user(kept: LocalPlatformStore) -> None:
    mine = [kept.start(make_local_run()) for _ in range(4)]
    kept.start(make_local_run(user_id="another"))
    kept.start(make_local_run("other"))
    large = kept.start(make_local_run(inputs='{"a": 1}', body='{"a": 1}'))
    mine = [*mine[1:], large]
    found = kept.newest(["echo", "none"], "u", 3)
    assert (found["echo"][0].inputs, found["echo"][0].body) == ("{}", None), "they are not read"
    assert {name: [one.id for one in listed] for name, listed in found.items()} == {
        "echo": [one.id for one in reversed(mine[1:])],
        "none": [],
    }


def test_flows_are_replaced_and_keep_the_time_they_were_first_seen(
    database: Database, kept: LocalPlatformStore
) -> None:
    greet = LocalFlow(
        id="greet",
        workbook="flows.py",
        description="Greets.",
        inputs=(Input("name", "str", False, ["x"], "file"),),
        takes_any=True,
        idempotent=True,
        time_limit=1.5,
        memory=2**20,
    )
    database.write(
        lambda c: local_flows.replace(c, [greet, LocalFlow(id="gone", workbook="flows.py")], NOW)
    )
    database.write(
        lambda c: local_flows.replace(
            c, [replace(greet, description="Hi."), LocalFlow(id="a", workbook="b")], NOW + 5
        )
    )
    assert [(one.id, one.created_at) for one in kept.flows()] == [("a", NOW + 5), ("greet", NOW)]
    assert kept.flow("greet") == replace(greet, description="Hi.", created_at=NOW)
    assert kept.flow("gone") is None


def test_a_file_is_known_by_user_run_and_name(kept: LocalPlatformStore) -> None:
    file = LocalFile(user_id="u", name="a.txt", sha256="0" * 64, size=3, created_at=NOW)
    for one in (
        file,
        replace(file, run_id="r", size=4),
        replace(file, user_id="v"),
        replace(file, size=9),
    ):
        kept.keep_file(one)
    assert (kept.file("u", "a.txt").size, kept.file("u", "a.txt", "r").size) == (9, 4)  # type: ignore[union-attr]
    assert kept.file("u", "b.txt") is None
