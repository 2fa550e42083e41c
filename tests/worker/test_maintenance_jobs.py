"""Upkeep that is done by itself or on demand: errands, pruning, giving room back, holding starts,
and looking whether all is well.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from hypothesis import given
from hypothesis import strategies as st
from query_plans import record_plans
from records import NOW, make_delivery, make_event, put
from serving import until
from sqlalchemy import insert, text
from stepped_clocks import Clocks, clocks

from bridge.config.loader import load
from bridge.config.settings import Settings, load_settings
from bridge.core.errors import Refused, StoreError
from bridge.core.model import Order
from bridge.core.status import BackupStatus
from bridge.core.timings import Timings
from bridge.core.units import DAY, MIB
from bridge.monitoring.status import read_overview
from bridge.routing.model import Config, Platform
from bridge.store import clock_steps
from bridge.store.backup import age, archive, extraction, files
from bridge.store.blobs import BlobStore
from bridge.store.db import disk_space, vacuum
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import checkup, sessions
from bridge.store.queries import configs
from bridge.store.queue import heartbeats, hold
from bridge.store.tables import schema
from bridge.system.http_client import HttpClient
from bridge.system.wakeup import Wake
from bridge.worker.clock_skew import HostClocks
from bridge.worker.maintenance import jobs
from bridge.worker.maintenance.jobs import LONG_JOBS, JobContext, LongJob, LongJobs, make_scheduler
from bridge.worker.maintenance.scheduler import Scheduler
from bridge.worker.worker import Worker

__all__ = ["clocks"]
CONFIG = Config(sources={}, routes=(), flows={}, platforms={}, hash="c" * 64, canonical="{}")


def settings_in(folder: Path, **environ: str) -> Settings:
    return load_settings(
        {"FLOWBRIDGE_DATA": str(folder), "FLOWBRIDGE_SECRET_KEY": "k" * 32, **environ}
    )


def old(database: Database, count: int = 1, now: float | None = None, body: bytes = b"x") -> None:
    """Keep events of a hundred days ago."""
    at = (time.time() if now is None else now) - 100 * DAY
    events.add_all(
        database, [(make_event(None, now=at, body=body), ()) for _ in range(count)], lambda *_: []
    )


def count(database: Database, table: str = "event") -> int:
    with database.read() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608


# -- errands


def round_of(database: Database, folder: Path, **environ: str) -> JobContext:
    return JobContext(
        settings_in(folder, **environ), CONFIG, database, time.time(), threading.Event()
    )


def errand(name: str, done: list[str], *, everywhere: bool = False, every: float = 0.0) -> LongJob:
    return LongJob(name, every, lambda _: done.append(name) or Counter(), everywhere=everywhere)  # type: ignore[func-returns-value]


def of(database: Database, folder: Path, *rows: LongJob, **timings: float) -> LongJobs:
    changed = Timings(**{"first_job_delay_seconds": 0.0, **timings})  # type: ignore[arg-type]
    settings = replace(settings_in(folder), timings=changed)
    return LongJobs(settings, lambda: CONFIG, database, DatabaseClock(database), rows)


def test_errands_are_done_one_after_the_other_by_whoever_leads(
    sqlite: Database, tmp_path: Path
) -> None:
    done: list[str] = []
    running = of(
        sqlite, tmp_path, errand("leads", done), errand("everywhere", done, everywhere=True)
    )
    for _ in range(3):
        running.start_due(lambda: False)
        until(lambda: not running._thread or not running._thread.is_alive(), what="the errand")
    assert set(done) == {"everywhere"}
    running.start_due(lambda: True)
    until(lambda: "leads" in done, what="the other")
    running.close()


def test_an_errand_waits_for_its_time_and_one_that_fails_is_said(
    sqlite: Database, tmp_path: Path
) -> None:
    done: list[str] = []
    later = of(sqlite, tmp_path, errand("later", done), first_job_delay_seconds=3600.0)
    later.start_due(lambda: True)
    assert later._thread is None

    def fails(_: JobContext) -> Counter[str]:
        done.append("failed")
        raise StoreError("no")

    rows = (LongJob("fails", 3600.0, fails), errand("works", done, every=3600.0))
    keeper = Scheduler(sqlite, DatabaseClock(sqlite), 0.02, (), (of(sqlite, tmp_path, *rows),))
    keeper.start()
    until(lambda: done == ["failed", "works"], what="both")
    keeper.close()


def test_a_long_errand_ends_when_it_is_to(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.operations.prune.BATCH_EVENTS", 1)
    old(sqlite, 200)
    rows = [one for one in LONG_JOBS if one.name == "prune"]
    running = of(sqlite, tmp_path, *rows, job_rest_seconds=3600.0)  # it would take days
    running.start_due(lambda: True)
    until(lambda: count(sqlite) < 200, what="a beginning")
    running.close()
    assert 0 < count(sqlite) < 200
    until(lambda: running._thread is not None and not running._thread.is_alive(), what="its end")


def test_the_work_of_a_minute_reads_no_table_of_a_million(
    sqlite: Database, tmp_path: Path, clocks: Clocks
) -> None:
    """A read of a whole table in a transaction that writes holds up every webhook."""
    event = make_event("p", now=clocks.time())
    events.add(sqlite, event, [make_delivery(event, now=clocks.time())], lambda *_: [])
    clock = DatabaseClock(sqlite)
    scheduler = make_scheduler(
        settings_in(tmp_path), lambda: CONFIG, sqlite, clock, HostClocks(HttpClient().send, 60.0)
    )
    scheduler._threads = ()

    def work_once() -> None:
        clock.set()
        clock_steps.correct_clock_steps(sqlite, clock)
        scheduler.run_due()

    work_once()  # the beginning is after a gap
    plans = record_plans(sqlite)
    scheduler._next = dict.fromkeys(scheduler._next, 0.0)
    clocks.later += 70.0
    work_once()
    assert any("ix_delivery_lease" in one.step for one in plans), "the times were looked at"
    whole = re.compile(r"SCAN (delivery|event|attempt|local_run)$")
    scans = [one.statement for one in plans if whole.match(one.step)]
    assert all("seq DESC" in each and "LIMIT" in each for each in scans), "but the newest"


@pytest.mark.timings(heartbeat_seconds=0.1)
def test_a_worker_prunes_by_itself(database: Database, tmp_path: Path) -> None:
    old(database, 30)
    fresh = make_event("fresh", now=time.time())
    events.add(database, fresh, [], lambda *_: [])
    settings = replace(settings_in(tmp_path), timings=database.timings)
    worker = Worker(settings, lambda: CONFIG, database, lambda *_: None, Wake(), None)  # type: ignore[arg-type, return-value]
    worker._scheduler._threads[0]._next = {one.name: 0.0 for one in LONG_JOBS}  # type: ignore[attr-defined]
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: count(database) == 1, what="the old to be gone")
    finally:
        worker.stop()
        thread.join(60)
    assert events.get(database, fresh.id).id == fresh.id


def test_the_errands_do_what_they_say(sqlite: Database, tmp_path: Path) -> None:
    old(sqlite, 3)
    blobs = BlobStore(tmp_path / "blobs")
    sha256 = blobs.store(b"orphaned")
    of_round = round_of(sqlite, tmp_path, FLOWBRIDGE_BACKUP="daily", FLOWBRIDGE_BACKUP_KEEP="2")
    assert jobs.prune(of_round)["event"] == 3
    assert jobs.sweep_blobs(of_round)["blobs"] == 0, "it is young"
    old_settings = replace(of_round.settings, timings=Timings(orphan_blob_seconds=-10.0))
    assert (
        jobs.sweep_blobs(replace(of_round, settings=old_settings)) == {"blobs": 1, "bytes": 8}
        and not blobs.path(sha256).exists()
    )
    assert jobs.back_up(round_of(sqlite, tmp_path)) == {}
    assert jobs.back_up(of_round)["events"] == 0
    [made] = age.list_backups(tmp_path / "backups")
    with made.open("rb") as file:
        assert extraction.verify(file, tmp_path).rows["event"] == 0
    assert jobs.back_up(of_round) == {}, "the last is young"


def test_backups_that_fail_are_known_to_who_asks_until_one_is_made(
    sqlite: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "mount" / "backups"
    folder.parent.write_text("no folder")
    of_round = round_of(
        sqlite, tmp_path, FLOWBRIDGE_BACKUP="hourly", FLOWBRIDGE_BACKUPS=str(folder)
    )

    def known() -> BackupStatus:
        found = read_overview(of_round.settings, sqlite, CONFIG).backups
        assert found is not None
        return found

    assert not known().are_missed(time.time()), "none was tried yet"
    with pytest.raises(OSError, match="mount"):
        jobs.back_up(of_round)
    first = known()
    assert first.error is not None and str(folder) in first.error and first.are_missed(time.time())
    with pytest.raises(OSError, match="mount"):
        jobs.back_up(of_round)
    assert known().tried_since == first.tried_since, "the first of them"
    folder.parent.unlink()
    assert jobs.back_up(of_round)["events"] == 0
    made = known()
    assert (made.newest_at is None, made.tried_since, made.error) == (False, None, None)
    assert not made.are_missed(time.time()) and made.are_missed(time.time() + 7300)


def test_a_backup_that_was_killed_is_a_try_and_one_made_by_hand_ends_it(
    sqlite: Database, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, FLOWBRIDGE_BACKUP="hourly")
    with pytest.raises(KeyboardInterrupt), age.record_attempt(settings):
        raise KeyboardInterrupt
    tried = age.read_status(settings)
    assert tried is not None and tried.tried_since is not None and tried.error is None
    assert not tried.are_missed(time.time()) and tried.are_missed(time.time() + 7300)
    made = files.create(sqlite, tmp_path, settings.backups / archive.backup_name(NOW), NOW)
    os.utime(age.list_backups(settings.backups)[0], (tried.tried_since + 1, tried.tried_since + 1))
    ended = age.read_status(settings)
    assert made.rows["event"] == 0 and ended is not None and ended.tried_since is None
    assert age.read_status(replace(settings, database_url="postgresql://x")) is None


# -- giving room back


def test_a_new_file_gives_room_back_page_by_page(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(sqlite, 40, body=b"x" * 50_000)
    before = vacuum.count_pages(sqlite)
    assert before.incremental and before.free < 10
    jobs.prune(round_of(sqlite, tmp_path))
    full = vacuum.count_pages(sqlite)
    assert full.free > 400 and full.count >= before.count
    assert jobs.shrink_database(round_of(sqlite, tmp_path)) == {"pages": 0}, "it is little"
    monkeypatch.setattr(jobs, "MIN_FREE_BYTES", 1000)
    hurried = replace(settings_in(tmp_path), timings=Timings(job_rest_seconds=0.0))
    assert (
        jobs.shrink_database(replace(round_of(sqlite, tmp_path), settings=hurried))["pages"] >= 200
    )
    after = vacuum.count_pages(sqlite)
    assert after.count < full.count and after.free <= 0.25 * after.count
    assert checkup.find_damage(sqlite) == []


def test_a_step_gives_back_a_few_pages_and_none_where_there_are_none(sqlite: Database) -> None:
    assert sqlite.write(vacuum.free_pages) == 0
    old(sqlite, 40, body=b"x" * 50_000)
    sqlite.write(lambda connection: connection.execute(text("DELETE FROM event")))
    assert sqlite.write(vacuum.free_pages) == vacuum.PAGES_PER_STEP


def test_an_older_file_is_written_anew_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.store.migrations import upgrade

    monkeypatch.setattr(vacuum, "enable_incremental", lambda _: None)
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    upgrade.upgrade(database)
    old(database, 40, body=b"x" * 50_000)
    database.write(lambda connection: connection.execute(text("DELETE FROM event")))
    before = vacuum.count_pages(database)
    assert not before.incremental and before.free > 400
    with monkeypatch.context() as patched:
        patched.setattr("bridge.store.db.disk_space.free_space", lambda _: (1000, 100))
        with pytest.raises(StoreError, match="rewriting the file needs"):
            vacuum.rewrite(database)
    vacuum.rewrite(database)
    after = vacuum.count_pages(database)
    assert after.incremental and after.free == 0 and after.count < before.count
    assert checkup.check_database(database)["problems"] == []
    database.close()


def test_the_write_ahead_log_does_not_stay_large(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that takes long lets it grow; once it is gone, the log is cut when it is started
    afresh.
    """
    monkeypatch.setattr("bridge.store.db.database.MAX_WAL_BYTES", 200_000)
    database = Database(f"sqlite:///{sqlite.path}")
    log = sqlite.path.with_name("flowbridge.db-wal")
    with database.read() as connection:
        connection.execute(text("SELECT count(*) FROM event")).scalar()
        old(database, 200, body=b"x" * 20_000)
        assert log.stat().st_size > 4_000_000
    for _ in range(3):
        old(database, 1)
    assert log.stat().st_size <= 200_000
    database.close()


# -- the commands


def test_db_prune_counts_first(folder: Path, store: Database) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nsources: {github: {provider: github, secret: '${env:NOT_SET}', retention:"
        " 95d}}\n"
    )
    old(store, 3, body=b"12345")
    events.add(store, make_event(None, now=time.time()), [], lambda *_: [])
    assert lines(run("db", "prune", "--dry-run", "--json")) == [
        {"kind": "events", "source": "github", "rows": 3, "bytes": 15}
    ]
    assert "events" in run("db", "prune", "--dry-run").stdout
    assert count(store) == 4
    assert run("db", "prune").exit_code == 2, "not a terminal"
    assert lines(run("db", "prune", "--source", "flowbridge", "--yes", "--json")) == [{"rows": {}}]
    (gone,) = lines(run("db", "prune", "--yes", "--json"))
    assert gone["rows"]["event"] == 3 and count(store) == 1
    again = run("db", "prune")  # nothing is to go, so nobody is asked
    assert again.exit_code == 0 and again.stdout == "deleted: nothing\n"
    assert "Nothing is older" in run("db", "prune", "--dry-run").stderr
    (folder / "routes.yaml").write_text("version: 2\n")
    assert run("db", "prune", "--dry-run").exit_code == 2, "no other configuration was ever used"


def test_db_prune_goes_by_the_last_good_configuration_where_routes_yaml_is_broken(
    folder: Path, store: Database
) -> None:
    routes = (
        "version: 1\nsources: {{github: {{provider: github, secret: '${{env:NOT_SET}}', retention:"
        " {days}d}}}}\n"
    )
    for used_at, days in ((NOW + 1, 95), (NOW, 9000)):
        (folder / "routes.yaml").write_text(routes.format(days=days))
        good = load("routes.yaml", {}, strict_secrets=False)
        configs.remember_config(store, good.hash, good.canonical, used_at)
    old(store, 3, body=b"12345")
    (folder / "routes.yaml").write_text("version: 1\nsauces: {}\n")
    counted = run("db", "prune", "--dry-run", "--json")
    assert lines(counted) == [{"kind": "events", "source": "github", "rows": 3, "bytes": 15}]
    assert "sauces" in counted.stderr and "the last good configuration" in counted.stderr


def test_db_vacuum(folder: Path, store: Database) -> None:
    old(store, 40, body=b"x" * 50_000)
    store.write(lambda connection: connection.execute(text("DELETE FROM event")))
    (found,) = lines(run("db", "vacuum", "--json"))
    assert found["before"] > 2_000_000 > found["after"] and found["unused"] == 0
    assert run("db", "vacuum").exit_code == 0


def test_without_a_store_there_is_nothing_to_do(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    for command in ("prune", "vacuum", "hold", "release", "backup", "check"):
        assert run("db", command).exit_code == 1, command
        assert not (folder / "data" / "flowbridge.db").exists()


# -- holding starts


@pytest.mark.timings(heartbeat_seconds=0.1)
def test_a_worker_starts_nothing_while_it_is_held(database: Database, tmp_path: Path) -> None:
    started: list[str] = []

    def send(call: Any, _deadline: Any) -> Any:
        from bridge.core.http_messages import Answer

        started.append(call.headers["Idempotency-Key"])
        return Answer(status=200, body=b"{}")

    platform = Platform(
        name="crm", type="http", base_url="http://127.0.0.1:9/", max_concurrent_runs=5
    )
    config = Config(
        sources={}, routes=(), flows={}, platforms={"crm": platform}, hash="c" * 64, canonical="{}"
    )

    def add() -> str:
        event = make_event(None, now=time.time())
        delivery = make_delivery(event, now=time.time(), platform="crm")
        events.add(database, event, [delivery], lambda *_: [])
        return delivery.id

    database.write(lambda connection: hold.begin(connection, "for a test", NOW))
    database.write(lambda connection: hold.begin(connection, "another reason", NOW + 1))
    first = add()
    settings = replace(settings_in(tmp_path), timings=database.timings)
    worker = Worker(settings, lambda: config, database, send, Wake(), None)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: heartbeats.workers_alive(database, time.time()) > 0, what="the worker")
        time.sleep(0.3)
        assert started == []
        with database.read() as connection:
            assert hold.read_hold(connection) == hold.Hold(NOW, "for a test")
        database.write(hold.release)
        until(lambda: started == [first], what="the start")
        database.write(lambda connection: hold.begin(connection, "again", NOW))
        until(lambda: worker._cycle.turns._is_held, what="a worker that takes notice")
        second = add()
        time.sleep(0.3)
        assert started == [first]
        database.write(hold.release)
        until(lambda: started == [first, second], what="the second")
    finally:
        worker.stop()
        thread.join(60)


def test_hold_and_release(folder: Path, store: Database) -> None:
    (folder / "routes.yaml").write_text("version: 1\nplatforms: {local: {type: local}}\n")
    event = make_event(None, now=time.time())
    delivery = make_delivery(event, now=time.time())
    events.add(store, event, [delivery], lambda *_: [])
    assert "Starts are not on hold" in run("db", "release").stderr
    assert (
        "the CRM is being moved" in run("db", "hold", "--reason", "the CRM is being moved").stdout
    )
    (shown,) = lines(run("show", delivery.id, "--json"))
    assert shown["deliveries"][0]["waits_for"]["kind"] == "hold"
    (found,) = lines(run("db", "release", "--dry-run", "--json"))
    assert (found["before"], found["after"], found["backup_taken_at"]) == (1, 0, None)
    assert run("db", "release").exit_code == 2, "not a terminal"
    assert run("db", "release", "--yes").exit_code == 0
    with store.read() as connection:
        assert hold.read_hold(connection) is None
    assert lines(run("token", "add", "ci", "--scope", "read", "--json"))
    assert "token" not in run("db", "hold").stderr
    assert len(lines(run("token", "list", "--json"))) == 1, "only a restore removes tokens"
    session = sessions.StoredSession(
        kind="ticket", of="", name="ann", scopes="read", began_at=NOW, used_at=NOW
    )
    sessions.add(store, "a-cookie", session)
    held = run("db", "hold", "--restored", "2025-11-24")
    assert sessions.read(store, "a-cookie", NOW) is None
    assert held.exit_code == 0 and "1 access token removed" in held.stderr
    assert lines(run("token", "list", "--json")) == []
    (found,) = lines(run("db", "release", "--dry-run", "--json"))
    assert (
        found["backup_taken_at"] == "2025-11-24T00:00:00.000000Z"
        and found["reason"] == "the store was restored from a backup"
    )


# -- looking whether all is well


BREAKS: dict[str, Any] = {
    "deliveries without an event": ("delivery", {"event_id": "evt_gone"}),
    "attempts without a delivery": (
        "attempt",
        {"delivery_id": "dlv_gone", "number": 1, "started_at": NOW, "outcome": "started"},
    ),
    "operation items without an operation": (
        "act_item",
        {"act": 9, "number": 1, "item_id": "evt_x"},
    ),
    "files without a run": (
        "local_file",
        {
            "user_id": "u",
            "run_id": "gone",
            "name": "f",
            "sha256": "0",
            "size": 1,
            "created_at": NOW,
        },
    ),
    "deliveries that hold a lease but are not being sent": ("delivery", {"lease": "w"}),
    "deliveries that are being sent without a lease": ("delivery", {"status": "sending"}),
    "deliveries that hold a platform slot but are neither sending nor delivered": (
        "delivery",
        {"status": "cancelled", "slot": True},
    ),
    "deliveries that hold a platform slot after their run ended": (
        "delivery",
        {"status": "delivered", "slot": True},
    ),
    "deliveries that are due for polling but have no run to poll": (
        "delivery",
        {"status": "shadow", "poll_at": NOW},
    ),
    "dead deliveries without a reason": ("delivery", {"status": "dead", "dead_kind": "ours"}),
    "blocked deliveries with no delivery at the head of their ordering key": (
        "delivery",
        {"status": "blocked", "order_key": "k"},
    ),
    "deliveries that hold an ordering key they should have released": (
        "delivery",
        {"status": "cancelled", "holds_key": True},
    ),
    "deliveries with a debounce deadline that are not queued": (
        "delivery",
        {"status": "delivered", "debounce_until": NOW},
    ),
    "attempts without an outcome whose delivery is not being sent": (
        "attempt",
        {"number": 1, "started_at": NOW},
    ),
    "local runs that ended but hold a lease": (
        "local_run",
        {"state": "DONE", "finished_at": NOW, "lease": "w"},
    ),
    "local runs that ended but have no end time": ("local_run", {"state": "FAILED"}),
    "operations that processed more items than they selected": (
        "act",
        {
            "id": "act_1",
            "command": "retry",
            "actor": "me",
            "created_at": NOW,
            "asked": "{}",
            "chosen": 1,
            "done": 2,
        },
    ),
}


def test_every_invariant_is_tried() -> None:
    assert [one.name for one in checkup.INVARIANTS if one.name not in BREAKS] == []


@pytest.mark.parametrize("name", BREAKS)
def test_what_does_not_hold_is_found_and_named(database: Database, name: str) -> None:
    event = make_event("1")
    delivery = make_delivery(event, order=Order(key="k") if "ordering key" in name else None)
    events.add(database, event, [delivery], lambda *_: [])
    with database.read() as connection:
        assert checkup.find_violations(connection) == []
    table, columns = BREAKS[name]
    if table == "delivery":
        put(database, delivery.id, **({"holds_key": False} | columns))
    else:
        given = {"delivery_id": delivery.id} if table == "attempt" else {}
        if table == "local_run":
            given = {
                "id": "run",
                "saved_item_id": "echo",
                "user_id": "u",
                "created_at": NOW,
                "inputs": "{}",
            }
        with database.engine.begin() as connection:
            connection.execute(insert(schema.metadata.tables[table]).values(given | columns))
    with database.read() as connection:
        found = checkup.find_violations(connection)
    assert [line for line in found if line.startswith(f"1 {name} (")], found
    problems = checkup.check_database(database)["problems"]
    assert found == problems


def test_many_are_counted_and_a_few_named(sqlite: Database) -> None:
    for number in range(5):
        event = make_event(str(number))
        delivery = make_delivery(event)
        events.add(sqlite, event, [delivery], lambda *_: [])
        put(sqlite, delivery.id, status="sending")
    with sqlite.read() as connection:
        [line] = checkup.find_violations(connection)
    assert line.startswith("5 deliveries") and line.count("dlv_") == 3 and ", …" in line


@pytest.mark.parametrize(
    ("version", "bugs"),
    [
        ((3, 40, 1), 1),
        ((3, 44, 5), 1),
        ((3, 44, 6), 0),
        ((3, 45, 0), 1),
        ((3, 50, 6), 1),
        ((3, 50, 7), 0),
        ((3, 51, 2), 1),
        ((3, 51, 3), 0),
        ((3, 52, 0), 1),
        ((3, 53, 0), 0),
        ((4, 0, 0), 0),
    ],
)
def test_versions_of_sqlite_with_bugs_are_known(version: tuple[int, ...], bugs: int) -> None:
    assert len(list(checkup.find_sqlite_bugs(version))) == bugs


def test_what_db_check_says_of_the_file(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checkup.check_database(sqlite)
    assert (
        found["problems"] == []
        and found["size"]["database"] > 50_000
        and found["size"]["disk_free"] > 0
    )
    monkeypatch.setattr(checkup, "LARGE_WAL_BYTES", -1)
    monkeypatch.setattr(checkup, "LARGE_FREE_BYTES", -1)
    old(sqlite, 40, body=b"x" * 50_000)
    sqlite.write(lambda connection: connection.execute(text("DELETE FROM event")))
    said = "; ".join(checkup.check_database(sqlite)["notes"])
    assert "the write-ahead log has" in said and "flowbridge db vacuum returns them" in said
    for kind, where, what in (
        ("nfs4", "problems", "network file system (nfs4)"),
        ("fuse.sshfs", "problems", "fuse.sshfs"),
        ("tmpfs", "notes", "in memory (tmpfs)"),
    ):
        monkeypatch.setattr(disk_space, "file_system_type", lambda _, kind=kind: kind)
        assert what in "; ".join(checkup.check_database(sqlite)[where])
    monkeypatch.setattr(disk_space, "free_space", lambda _: (1, 2))
    assert "new events are refused (503)" in "; ".join(checkup.check_database(sqlite)["problems"])


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /mnt rw - tmpfs tmpfs rw
31 30 0:26 / /mnt/with\\040blank rw shared:2 master:1 - nfs4 server:/x rw
32 22 0:27 / /mnt2 rw - cifs //s/x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/x", "ext4"),
        ("/mnt/x", "tmpfs"),
        ("/mnt/with blank/data/x.db", "nfs4"),
        ("/mnt2", "cifs"),
        ("/mnt22/x", "ext4"),
    ],
)
def test_the_file_system_is_told_by_the_longest_mount(
    monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: MOUNTS)
    assert disk_space.file_system_type(Path(path)) == kind


def test_the_kind_of_a_real_file_system_is_known(tmp_path: Path) -> None:
    assert disk_space.file_system_type(tmp_path / "not there yet") is not None


@given(left=st.integers(0, 10**12), blocks=st.integers(0, 10**12), size=st.integers(0, 10**8))
def test_new_events_leave_the_reserve(left: int, blocks: int, size: int) -> None:
    class Disk:
        f_bavail = left
        f_frsize = 1
        f_blocks = blocks

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(disk_space.os, "statvfs", lambda _: Disk)
        room = disk_space.DiskSpaceGuard(Path("/"))
        reserve = min(32 * MIB, blocks // 20)
        signed = min(256 * MIB, blocks // 10)
        assert room.is_low(size) == (left - 4 * size < reserve)
        assert room.is_low(size, is_public=True) == (left - 4 * size < signed)
        if room.is_low(size, is_public=True):
            with pytest.raises(Refused, match="disk_full"):
                room.check(size, is_public=True)
        else:
            room.check(size, is_public=True)
        if room.is_low(size):
            with pytest.raises(StoreError, match="new events are refused"):
                room.check(size)
        else:
            room.check(size)


def test_rejects_are_not_kept_while_the_disk_is_nearly_full(sqlite: Database) -> None:
    from bridge.core.http_messages import Request
    from bridge.providers.registry import PROVIDERS
    from bridge.providers.signatures.shared_token import Unsigned
    from bridge.routing.model import Source
    from bridge.web.receiving.process_resources import RejectRecorder
    from bridge.web.receiving.rate_limiter import RateLimiter

    kept: list[Any] = []
    source = Source(name="g", provider=PROVIDERS["github"], scheme=Unsigned())
    request = Request(method="POST", path="/hooks/g", headers={}, body=b"{}")
    for full, count_ in ((True, 0), (False, 1)):
        away = RejectRecorder(kept.append, RateLimiter(), lambda full=full: full)
        away.record(request, source, "mismatch", NOW)
        assert len(kept) == count_


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    yield
    until(
        lambda: not {one.name for one in threading.enumerate()} & {row.name for row in LONG_JOBS},
        what="the end of every errand",
    )
