"""Tests of durability: commits and files are synced before they are acknowledged.

The kernel makes syncs fail (`failing_syncs`): work that still succeeds did not wait for one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from failing_syncs import refuse_syncs, without_syncs
from forms import MULTIPART, multipart, part
from records import NOW, make_delivery, make_event
from serving import SECRET, github, until
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.errors import StoreError
from bridge.store.blobs import BlobStore
from bridge.store.db import commit_queue, group_commit
from bridge.store.db.database import Database
from bridge.store.db.group_commit import SyncFailed
from bridge.store.encryption import Sealer
from bridge.store.inbound import events, submissions
from bridge.store.inbound.arrivals import AddedEvent
from bridge.store.tables import schema
from bridge.system.fsync import sync_path
from bridge.web.app import create_app
from bridge.web.app_context import AppContext

ROUTES = """
version: 1
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  jobs: {provider: form, rate: 1000/min and 1000/min per address, files: {types: any}}
routes:
  - {name: everything, on: github, inputs: {body: "${body}"}, flow: local/echo}
platforms:
  local: {type: local}
"""


def note(name: str) -> Callable[[Connection], int]:
    """Return work that writes a row with this name."""
    return lambda connection: (
        connection.execute(
            insert(schema.config).values(hash=name, canonical="{}", seen_at=NOW)
        ).rowcount
    )


def noted(database: Database) -> list[str]:
    """Return the names on disk, as another process reads them."""
    with closing(sqlite3.connect(database.path)) as connection:
        return [row[0] for row in connection.execute("SELECT hash FROM config ORDER BY hash")]


def add(database: Database, name: str) -> AddedEvent:
    event = make_event(name)
    return events.add(database, event, [make_delivery(event)], lambda *_: [])


def added(database: Database) -> list[str]:
    with closing(sqlite3.connect(database.path)) as connection:
        return [
            row[0]
            for row in connection.execute("SELECT provider_id FROM event ORDER BY provider_id")
        ]


# -- commits on SQLite

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is synced before it returns
    "foreign_keys": 1,
    "secure_delete": 1,
    "journal_size_limit": 64 * 1024 * 1024,
    "wal_autocheckpoint": 400,
    "cache_size": -4096,
    "busy_timeout": 10_000,
}


@pytest.mark.parametrize("way", ["write", "append", "read", "at length", "in a thread of its own"])
def test_every_connection_syncs_its_commits(sqlite: Database, way: str) -> None:
    def asked(connection: Connection) -> dict[str, Any]:
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}

    if way == "write":
        found = sqlite.write(asked)
    elif way == "append":
        add(sqlite, "1")
        assert sqlite._group is not None and sqlite._group._connection is not None
        found = asked(sqlite._group._connection)
    elif way == "read":
        with sqlite.read() as connection, sqlite.read() as another:
            found = asked(another)
            assert asked(connection) == found
    elif way == "at length":
        with sqlite.long_transaction() as connection:
            found = asked(connection)
    else:
        answers: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: answers.append(sqlite.write(asked)))
        thread.start()
        thread.join()
        [found] = answers
    # the connection of the commits asks again and again, for as long; their sync comes after them
    shared = {} if way in ("read", "at length") else {"busy_timeout": 20, "synchronous": 1}
    assert found == PRAGMAS | shared


def test_a_new_file_is_written_by_way_of_a_log(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    assert (
        database.write(
            lambda connection: connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        )
        == "wal"
    )
    database.close()


def write(database: Database, name: str) -> None:
    database.write(note(name))


def write_at_length(database: Database, name: str) -> None:
    with database.long_transaction() as connection:
        note(name)(connection)


@pytest.mark.parametrize("writing", [write, write_at_length])
def test_a_commit_that_cannot_be_synced_is_an_error_and_the_next_one_works(
    sqlite: Database, writing: Any
) -> None:
    """The write-ahead log has its header already: such a commit is the one that `synchronous =
    NORMAL` would not sync.
    """
    write(sqlite, "before")
    with pytest.raises(Exception, match=r"(?i)(disk I/O|input/output) error"):
        without_syncs(lambda: writing(sqlite, "lost"))
    write(sqlite, "next")
    add(sqlite, "1")
    assert "before" in noted(sqlite) and "next" in noted(sqlite) and added(sqlite) == ["1"]
    with closing(sqlite3.connect(sqlite.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_event_that_cannot_be_synced_is_an_error_and_the_next_one_is_kept(
    sqlite: Database,
) -> None:
    add(sqlite, "before")
    with pytest.raises(StoreError, match="Input/output error"):
        without_syncs(lambda: add(sqlite, "lost"))
    add(sqlite, "next")
    assert {"before", "next"} <= set(added(sqlite))


def test_a_webhook_is_acknowledged_only_after_its_commit_was_synced(
    sqlite: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    settings = load_settings(
        {"FLOWBRIDGE_DATA": str(folder / "data"), "FLOWBRIDGE_SECRET_KEY": "s" * 40}
    )
    config = load(folder / "routes.yaml", {"GITHUB_SECRET": SECRET})
    rung: list[int] = []
    app = create_app(
        AppContext(
            settings=settings, config=lambda: config, database=sqlite, wake=lambda: rung.append(1)
        )
    )

    def post() -> tuple[int, Any]:
        body = b'{"action":"opened"}'
        answer = app.test_client().post("/hooks/github", data=body, headers=github(body))
        return answer.status_code, answer.json

    assert post()[0] == 202
    status, said = without_syncs(post)
    assert (status, said["error"], len(rung)) == (503, "store_failed", 1)
    assert post()[0] == 202


def test_a_form_is_accepted_only_after_its_files_were_synced(
    sqlite: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is stored last, because it refers to its files."""
    (folder / "routes.yaml").write_text(ROUTES)
    settings = load_settings(
        {"FLOWBRIDGE_DATA": str(folder / "data"), "FLOWBRIDGE_SECRET_KEY": "s" * 40}
    )
    config = load(folder / "routes.yaml", {"GITHUB_SECRET": SECRET})
    order: list[str] = []
    keep = BlobStore.store
    submit = submissions.add
    monkeypatch.setattr(
        BlobStore,
        "store",
        lambda blobs, data: (keep(blobs, data), order.append(f"file of {len(data)} bytes"))[0],
    )
    monkeypatch.setattr(
        submissions, "add", lambda *given: (order.append("event"), submit(*given))[1]
    )
    app = create_app(
        AppContext(settings=settings, config=lambda: config, database=sqlite, wake=lambda: None)
    )

    def post(*contents: bytes) -> int:
        parts = [
            part("name", b"Ada"),
            *(part(f"file{place}", one, "a.bin") for place, one in enumerate(contents)),
        ]
        headers = {"Content-Type": MULTIPART, "Accept": "application/json"}
        answer = app.test_client().post("/hooks/jobs", data=multipart(*parts), headers=headers)
        return answer.status_code

    assert post(b"a" * 100, b"b" * 200) in (200, 202)
    assert order == ["file of 100 bytes", "file of 200 bytes", "event"]
    assert without_syncs(lambda: post(b"c" * 300)) == 503
    assert order[3:] == [], "neither the file nor the event was kept"
    assert post(b"c" * 300) in (200, 202)


# -- those who share a commit


class Batch:
    """Jobs of several threads in one commit: the first is blocked until the others wait behind it."""

    def __init__(self, database: Database) -> None:
        assert database._group is not None
        self.database = database
        self.group = database._group
        self.answers: dict[str, Any] = {}
        self._threads: list[threading.Thread] = []
        self._go = threading.Event()

    def begin(
        self, name: str, work: Callable[[], Any], before: Callable[[], None] = lambda: None
    ) -> None:
        def run() -> None:
            try:
                before()
                self.answers[name] = work()
            except BaseException as error:
                self.answers[name] = error

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def hold_up(self) -> None:
        """Have another process hold the lock of the commits until `release`: whoever leads waits,
        and others join its batch.
        """
        with_lock = threading.Event()
        go = self._go

        def run() -> None:
            from bridge.store.db.database import file_lock

            with file_lock(self.database.path, "lock"):
                with_lock.set()
                assert go.wait(60)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()
        assert with_lock.wait(60)

    def wait_for(self, count: int) -> None:
        until(lambda: len(self.group._pending) == count, what=f"{count} that wait")

    def release(self) -> dict[str, Any]:
        self._go.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a caller waits for ever"
        return self.answers


def test_a_commit_that_fails_fails_everybody_in_it(sqlite: Database) -> None:
    """The leader's sync fails, so no caller in the same commit may report success."""
    write(sqlite, "before")
    batch = Batch(sqlite)
    batch.hold_up()
    batch.begin("leader", lambda: write(sqlite, "leader"), refuse_syncs)
    batch.wait_for(1)
    batch.begin("second", lambda: write(sqlite, "second"))
    batch.wait_for(2)
    batch.begin("third", lambda: add(sqlite, "third"))
    batch.wait_for(3)
    answers = batch.release()
    assert {name: type(answer) for name, answer in answers.items()} == dict.fromkeys(
        ("leader", "second", "third"), SyncFailed
    )
    assert {str(answer) for answer in answers.values()} == {
        "the commit could not be synced: Input/output error"
    }
    write(sqlite, "next")
    assert "next" in noted(sqlite)


def test_events_that_share_a_statement_fail_together(sqlite: Database) -> None:
    """The same for jobs that only insert rows."""
    add(sqlite, "before")
    batch = Batch(sqlite)
    batch.hold_up()
    batch.begin("leader", lambda: add(sqlite, "leader"), refuse_syncs)
    batch.wait_for(1)
    for count, name in enumerate(("second", "third"), start=2):
        batch.begin(name, lambda name=name: add(sqlite, name))  # type: ignore[misc]
        batch.wait_for(count)
    answers = batch.release()
    assert {name: type(answer) for name, answer in answers.items()} == dict.fromkeys(
        ("leader", "second", "third"), SyncFailed
    )
    add(sqlite, "next")
    assert "next" in added(sqlite)


def test_each_of_a_batch_gets_its_own_value(sqlite: Database) -> None:
    batch = Batch(sqlite)
    batch.hold_up()
    for count in range(1, 4):
        batch.begin(f"work {count}", lambda count=count: sqlite.write(lambda _: count))  # type: ignore[misc]
        batch.wait_for(count)
    known = make_event("1")
    batch.begin("new", lambda: events.add(sqlite, known, [], lambda *_: []))
    batch.wait_for(4)
    batch.begin(
        "copy", lambda: events.add(sqlite, make_event("1"), [make_delivery(known)], lambda *_: [])
    )
    batch.wait_for(5)
    answers = batch.release()
    assert [answers[f"work {count}"] for count in range(1, 4)] == [1, 2, 3]
    assert (answers["new"].event_id, answers["copy"].event_id) == (known.id, known.id)
    with closing(sqlite3.connect(sqlite.path)) as connection:
        assert connection.execute("SELECT duplicates FROM event").fetchall() == [(1,)]


def test_a_row_that_breaks_a_rule_fails_its_own_caller(sqlite: Database) -> None:
    """Events in one statement are retried one by one; other jobs are rolled back to a savepoint."""
    good = make_event("good")
    bad = make_event("bad")
    work = make_event("work")
    batch = Batch(sqlite)
    batch.hold_up()
    broken = make_delivery(bad, id="dlv_same")
    for count, (name, event, delivery) in enumerate(
        (("good", good, make_delivery(good, id="dlv_same")), ("bad", bad, broken)), start=1
    ):
        batch.begin(
            name,
            lambda event=event, delivery=delivery: events.add(
                sqlite, event, [delivery], lambda *_: []
            ),
        )  # type: ignore[misc]
        batch.wait_for(count)
    answers = batch.release()
    assert answers["good"].event_id == good.id and isinstance(
        answers["bad"], sqlite3.IntegrityError | IntegrityError
    )
    assert added(sqlite) == ["good"]

    def half(connection: Connection) -> None:
        note("half")(connection)
        note("half")(connection)

    batch = Batch(sqlite)
    batch.hold_up()
    batch.begin("half", lambda: sqlite.write(half))
    batch.wait_for(1)
    batch.begin("whole", lambda: write(sqlite, "whole"))
    batch.wait_for(2)
    batch.begin("bad", lambda: events.add(sqlite, bad, [broken], lambda *_: []))
    batch.wait_for(3)
    batch.begin("event", lambda: events.add(sqlite, work, [], lambda *_: []))
    batch.wait_for(4)
    answers = batch.release()
    assert isinstance(answers["half"], IntegrityError) and isinstance(
        answers["bad"], sqlite3.IntegrityError | IntegrityError
    )
    assert (
        answers["event"].event_id == work.id
        and noted(sqlite) == ["whole"]
        and added(sqlite) == ["good", "work"]
    )


def test_a_write_after_a_failed_commit_is_on_disk(sqlite: Database) -> None:
    """If the transaction stayed open, it would include later rows and never be committed."""

    def broken(connection: Connection) -> None:
        note("broken")(connection)
        connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(StoreError):
        sqlite.write(broken)
    add(sqlite, "1")
    assert (added(sqlite), noted(sqlite)) == (["1"], [])
    write(sqlite, "next")
    assert noted(sqlite) == ["next"]


def test_a_commit_whose_turn_cannot_be_taken_fails_and_the_next_one_works(sqlite: Database) -> None:
    """The lock file cannot be opened, so the batch is still empty when it fails."""
    lock = sqlite.path.with_name(sqlite.path.name + ".lock")
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with pytest.raises(StoreError, match="IsADirectoryError"):
        write(sqlite, "1")
    lock.rmdir()
    write(sqlite, "2")
    assert noted(sqlite) == ["2"]


def test_a_store_that_fails_again_and_again_closes_no_file_but_its_own(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure it has no open file: descriptor 0, the standard input, is not its own."""
    write(sqlite, "1")
    closed = list[int]()
    close = os.close
    mine = threading.current_thread()

    def note_and_close(fd: int) -> None:
        if threading.current_thread() is mine:  # threads of other tests may close theirs meanwhile
            closed.append(fd)
        if fd > 2:
            close(fd)

    monkeypatch.setattr(os, "close", note_and_close)
    lock = sqlite.path.with_name(sqlite.path.name + ".lock")
    with pytest.raises(StoreError):
        sqlite.write(
            lambda connection: connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")
        )
    assert len(closed) == 2  # the lock and the write-ahead log
    lock.unlink()
    lock.mkdir()
    for _ in range(2):
        with pytest.raises(StoreError, match="IsADirectoryError"):
            write(sqlite, "2")
    sqlite.close()
    assert len(closed) == 2 and min(closed) > 2


def test_those_beyond_a_batch_go_with_the_next_one(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed commit affects its own batch only, and the next caller leads."""
    monkeypatch.setattr(commit_queue, "MAX_BATCH_JOBS", 2)
    write(sqlite, "before")
    batch = Batch(sqlite)
    batch.hold_up()
    batch.begin("1", lambda: write(sqlite, "1"), refuse_syncs)
    batch.wait_for(1)
    for count in range(2, 6):
        batch.begin(str(count), lambda count=count: write(sqlite, str(count)))  # type: ignore[misc]
        batch.wait_for(count)
    answers = batch.release()
    assert [type(answers[name]) for name in "12345"] == [
        SyncFailed,
        SyncFailed,
        type(None),
        type(None),
        type(None),
    ]
    assert {"3", "4", "5"} <= set(noted(sqlite))


def test_many_items_fill_a_batch_however_few_callers_bring_them(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of parameters of a statement is limited."""
    monkeypatch.setattr(commit_queue, "MAX_BATCH_ITEMS", 4)
    sizes: list[int] = []
    transact = group_commit._transact

    def transact_and_count(jobs: list[Any], connection: Connection, raw: Any) -> None:
        if connection.engine.url == sqlite.url:  # threads of other tests may commit meanwhile
            sizes.append(sum(job.size for job in jobs))
        transact(jobs, connection, raw)

    monkeypatch.setattr(group_commit, "_transact", transact_and_count)
    batch = Batch(sqlite)
    batch.hold_up()
    for count in range(1, 5):
        many = [(make_event(f"{count} {number}"), []) for number in range(2)]
        batch.begin(str(count), lambda many=many: events.add_all(sqlite, many, lambda *_: []))  # type: ignore[misc]
        batch.wait_for(count)
    batch.release()
    assert sizes == [4, 4] and len(added(sqlite)) == 8


def test_others_wait_while_a_batch_is_committed(
    sqlite: Database, new_sqlite: Callable[[Path], Database]
) -> None:
    """Two processes take turns through the lock file, and neither interrupts the holder."""
    other = Database(sqlite.url.render_as_string())
    inside = threading.Event()
    go = threading.Event()
    over = threading.Event()

    def slow(connection: Connection) -> None:
        note("slow")(connection)
        inside.set()
        assert go.wait(60)

    first = threading.Thread(target=lambda: sqlite.write(slow))
    first.start()
    assert inside.wait(60)
    second = threading.Thread(target=lambda: (write(other, "second"), over.set()))
    second.start()
    until(lambda: f" {os.getpid()} " in _waiting_for(sqlite), what="the other to wait for the lock")
    assert not over.is_set()
    go.set()
    first.join(60)
    second.join(60)
    assert over.is_set() and noted(sqlite) == ["second", "slow"]
    other.close()


def test_who_writes_holds_the_write_lock_from_the_first_moment(sqlite: Database) -> None:
    """Otherwise, work that reads before it writes would fail after a write of a process without the
    lock file, such as a backup.
    """
    write(sqlite, "before")

    def read_only(connection: Connection) -> None:
        assert connection.execute(text("SELECT count(*) FROM config")).scalar() == 1
        with (
            closing(sqlite3.connect(sqlite.path, timeout=0, isolation_level=None)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")

    sqlite.write(read_only)
    with sqlite.long_transaction() as connection:
        read_only(connection)


@pytest.mark.parametrize("long_one_first", [True, False])
def test_work_that_takes_long_and_others_take_turns(sqlite: Database, long_one_first: bool) -> None:
    """Waiting for the lock file has no limit; SQLite itself would report after a while that it is
    busy.
    """
    other = Database(sqlite.url.render_as_string())
    inside = threading.Event()
    go = threading.Event()

    def held(connection: Connection, name: str) -> None:
        note(name)(connection)
        inside.set()
        assert go.wait(60)

    def long_one(first: bool) -> None:
        with other.long_transaction() as connection:
            held(connection, "long") if first else note("long")(connection)

    works = [
        lambda: long_one(long_one_first),
        lambda: sqlite.write(note("short") if long_one_first else lambda c: held(c, "short")),
    ]
    threads = [threading.Thread(target=work) for work in (works if long_one_first else works[::-1])]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    until(lambda: _waiting_for(sqlite), what="the other to wait for the lock")
    go.set()
    for thread in threads:
        thread.join(60)
    assert noted(sqlite) == ["long", "short"]
    other.close()


def test_long_work_that_fails_leaves_nothing_behind(sqlite: Database) -> None:
    with pytest.raises(LookupError), sqlite.long_transaction() as connection:
        note("half")(connection)
        raise LookupError
    write(sqlite, "next")
    with sqlite.long_transaction() as connection:
        note("whole")(connection)
    assert noted(sqlite) == ["next", "whole"]


class Stop(BaseException):
    """Stands for an interrupt from the keyboard, or the exit of the interpreter."""


def test_a_leader_that_is_interrupted_fails_its_batch_and_leaves_the_lead(sqlite: Database) -> None:
    def interrupted(_: Connection) -> None:
        raise Stop

    batch = Batch(sqlite)
    batch.hold_up()
    batch.begin("leader", lambda: sqlite.write(interrupted))
    batch.wait_for(1)
    batch.begin("second", lambda: write(sqlite, "second"))
    batch.wait_for(2)
    answers = batch.release()
    assert (type(answers["leader"]), type(answers["second"])) == (Stop, StoreError)
    write(sqlite, "next")
    assert noted(sqlite) == ["next"]


def test_an_error_of_the_work_itself_is_its_callers_own_and_keeps_the_connection(
    sqlite: Database,
) -> None:
    write(sqlite, "before")
    assert sqlite._group is not None
    connection = sqlite._group._connection
    assert connection is not None
    raw: Any = connection.connection.driver_connection

    def fails(connection: Connection) -> None:
        note("half")(connection)
        raise LookupError

    with pytest.raises(LookupError):
        sqlite.write(fails)
    with pytest.raises(IntegrityError):
        write(sqlite, "before")
    assert sqlite._group._connection is connection
    with pytest.raises(StoreError):
        sqlite.write(lambda c: c.exec_driver_sql("SELECT 1 FROM no_such_table"))
    assert sqlite._group._connection is None, (
        "whatever the database fails with, nothing of it is used again"
    )
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("SELECT 1")
    write(sqlite, "next")
    assert noted(sqlite) == ["before", "next"]


def test_a_store_that_is_closed_leaves_nothing_open(sqlite: Database) -> None:
    write(sqlite, "1")
    mine = lambda: [  # noqa: E731
        one
        for one in Path("/proc/self/fd").iterdir()
        if str(_target(one)).startswith(str(sqlite.path))
    ]
    assert str(sqlite.path) + ".lock" in [str(_target(one)) for one in mine()]
    assert sqlite._group is not None
    watch = sqlite._group._watch._thread
    assert watch is not None
    sqlite.close()
    assert mine() == []
    watch.join(60)
    assert not watch.is_alive()
    with pytest.raises(StoreError):
        sqlite.write(lambda connection: connection.exec_driver_sql("SELECT 1 FROM no_such_table"))


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


def _waiting_for(database: Database) -> str:
    """Return the lines of /proc/locks of processes that wait for the lock file."""
    inode = database.path.with_name(database.path.name + ".lock").stat().st_ino
    return "\n".join(
        line
        for line in Path("/proc/locks").read_text().splitlines()
        if "->" in line and f":{inode} " in line
    )


# -- PostgreSQL


def test_on_postgresql_a_commit_waits_for_the_disk_too(postgresql: Database) -> None:
    asked = text(
        "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"
        " current_setting('transaction_isolation')"
    )
    ask = lambda connection: tuple(connection.execute(asked).one())  # noqa: E731
    assert postgresql.write(ask) == ("on", "on", "read committed")
    with postgresql.read() as connection:
        assert ask(connection) == ("on", "on", "repeatable read")
    with postgresql.long_transaction() as connection:
        assert ask(connection) == ("on", "on", "read committed")


def test_postgresql_compresses_with_lz4_where_it_can(postgresql: Database) -> None:
    asked = text(
        "SELECT setting, 'lz4' = ANY (enumvals) AS has_lz4 FROM pg_settings"
        " WHERE name = 'default_toast_compression'"
    )
    chosen = postgresql.write(lambda connection: connection.execute(asked).one())
    assert chosen.setting == ("lz4" if chosen.has_lz4 else "pglz")


# -- blobs


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, int]]:
    """Record the paths that are synced and renamed in order, with their bytes at that time."""
    done: list[tuple[str, Path, int]] = []
    fsync = os.fsync
    rename = Path.rename

    def noting_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        known = os.fstat(descriptor)
        fsync(descriptor)
        done.append(("sync", path, 0 if path.is_dir() else known.st_size))

    def noting_rename(path: Path, target: Path) -> Path:
        done.append(("rename", target, path.stat().st_size))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "rename", noting_rename)
    return done


@pytest.mark.parametrize("length", [5, 50_000], ids=["less than a buffer", "more"])
@pytest.mark.parametrize(
    "sealer", [Sealer(), Sealer(("k" * 43 + "=",))], ids=["in clear", "sealed"]
)
def test_a_file_is_synced_before_it_gets_its_name_and_its_folders_after(
    tmp_path: Path, sealer: Sealer, length: int, synced: list[Any]
) -> None:
    blobs = BlobStore(tmp_path / "data" / "blobs", sealer)
    path = blobs.path(blobs.store(b"x" * length))
    size = path.stat().st_size
    (_, draft, _), *_ = synced
    assert draft.parent == path.parent and draft.name.startswith(f"{path.name}.")
    folders = [("sync", folder, 0) for folder in (path.parent, blobs.folder, blobs.folder.parent)]
    assert synced == [("sync", draft, size), ("rename", path, size), *folders]


def test_of_a_file_that_is_there_the_folders_are_synced_all_the_same(
    tmp_path: Path, synced: list[Any]
) -> None:
    """The process that wrote it may have died before it synced them."""
    blobs = BlobStore(tmp_path / "blobs")
    path = blobs.path(blobs.store(b"x"))
    synced.clear()
    blobs.store(b"x")
    assert synced == [("sync", folder, 0) for folder in (path.parent, blobs.folder, tmp_path)]


def test_a_file_that_cannot_be_synced_is_not_kept(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    with pytest.raises(OSError, match="Input/output error"):
        without_syncs(lambda: blobs.store(b"x"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "not even half of it"
    with pytest.raises(OSError, match="Input/output error"):
        without_syncs(lambda: sync_path(tmp_path))
    blobs.store(b"x")
    with pytest.raises(OSError, match="Input/output error"):
        without_syncs(lambda: blobs.store(b"x"))


def test_nothing_is_deleted_while_somebody_keeps_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blob folder may still be empty, and an old file may be the one that is stored again."""
    blobs = BlobStore(tmp_path)
    write_it = BlobStore._write
    old = blobs.store(b"old")
    os.utime(blobs.path(old), (1000, 1000))
    swept: list[tuple[int, int]] = []

    def write_beside_a_sweep(self: BlobStore, path: Path, data: bytes) -> None:
        swept.append(blobs.sweep(set, 2000))
        write_it(self, path, data)

    monkeypatch.setattr(BlobStore, "_write", write_beside_a_sweep)
    blobs.store(b"new")
    assert (swept, blobs.read(old)) == ([(0, 0)], b"old")
    assert blobs.sweep(set, 2000) == (1, 3)


def test_what_was_kept_at_the_very_time_is_not_older(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    one = blobs.store(b"x")
    os.utime(blobs.path(one), (2000, 2000))
    assert (blobs.sweep(set, 2000), blobs.discard({one}, 2000)) == ((0, 0), {one})
    asked: list[int] = []
    assert blobs.sweep(lambda: asked.append(1) or set(), 1000) == (0, 0) and asked == [], (
        "nothing is old: nobody is asked"
    )
    assert blobs.sweep(lambda: asked.append(1) or {one}, 3000) == (0, 0) and asked == [1]


def test_a_sealed_file_is_swept_and_owned_by_its_digest(tmp_path: Path) -> None:
    keys = ["a" * 43 + "=", "b" * 43 + "="]
    old = BlobStore(tmp_path, Sealer(keys[:1]))
    both = BlobStore(tmp_path, Sealer(keys[::-1]))
    digests = [
        old.store(b"of the old key"),
        both.store(b"of the new key"),
        BlobStore(tmp_path).store(b"in clear"),
    ]
    for path in tmp_path.rglob("*"):
        os.utime(path, (1000, 1000))
    assert both.sweep(lambda: set(digests), 2000) == (0, 0)
    assert [both.read(one) for one in digests] == [
        b"of the old key",
        b"of the new key",
        b"in clear",
    ]
    assert [both.needs_resealing(one) for one in digests] == [True, False, True]
    assert [both.reseal(one) for one in digests] == [True, False, True]
    assert [both.is_sealed(both.path(one), one) for one in digests] == [True] * 3
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3, (
        "the other copies are gone"
    )
    assert [both.read(one) for one in digests] == [
        b"of the old key",
        b"of the new key",
        b"in clear",
    ]
    assert [both.reseal(one, clear=True) for one in digests] == [True] * 3
    assert [BlobStore(tmp_path).read(one) for one in digests] == [
        b"of the old key",
        b"of the new key",
        b"in clear",
    ]
    assert list(both.keys()) == [None] * 3


def test_a_sealed_file_that_was_changed_cannot_be_read(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path, Sealer(("k" * 43 + "=",)))
    one = blobs.store(b"what was said")
    path = blobs.path(one)
    assert path.name != one and b"said" not in path.read_bytes()
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    for reading in (blobs.read, blobs.open):
        with pytest.raises(OSError, match="Errno 5"):
            reading(one)
