"""Copies of a whole database: every row unchanged, or nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from conftest import new_postgres_database
from records import NOW, make_delivery, make_event, make_local_run
from sqlalchemy import Boolean, Float, LargeBinary, Text, insert, make_url, select, text

from bridge.core.errors import StoreError
from bridge.core.local_runs import LocalFlow
from bridge.core.model import Debounce, Order, Status
from bridge.services.access_tokens import authenticate_token, create_token, remove_token
from bridge.store.db.database import Database
from bridge.store.encryption import sealer_for_secrets
from bridge.store.inbound import events, learned_secrets
from bridge.store.local import flows, runs
from bridge.store.migrations import upgrade
from bridge.store.operations import copy, copy_rows
from bridge.store.queries import configs
from bridge.store.queue import claims, heartbeats
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import schema

KINDS = ("sqlite", "postgresql")


@pytest.fixture
def make(
    request: pytest.FixtureRequest, new_sqlite: Callable[[Path], Database], tmp_path: Path
) -> Iterator[Any]:
    """Make an empty database of a kind; with a schema, unless `bare`."""
    made: list[Database] = []

    def one(kind: str, *, bare: bool = False) -> Database:
        file = tmp_path / f"{len(made)}.db"
        if kind == "postgresql":
            server = request.getfixturevalue("postgres")
            template = () if bare else (request.getfixturevalue("migrated_postgres"),)
            made.append(Database(new_postgres_database(server, *template)))
        else:
            made.append(Database(f"sqlite:///{file}") if bare else new_sqlite(file))
        return made[-1]

    yield one
    for each in made:
        each.close()


def fill(database: Database) -> None:
    """Something in every table, and what triggers would change."""

    def add(event: Any, **changes: Any) -> None:
        events.add(database, event, [make_delivery(event, **changes)], lambda *_: [])

    body = bytes(range(256)) * 4
    for number in range(3):  # a head, and two that wait
        add(make_event(f"line-{number}", body=body), order=Order(key="k", blocks=True))
    for number in range(3):  # two are merged into the third
        add(
            make_event(f"merge-{number}"),
            route="merging",
            debounce=Debounce(key="d", until=NOW + 60),
            due_at=NOW + 10,
        )
    add(
        make_event(None, problem="not JSON: \u00e9 \U0001f600"),
        route="parked",
        status=Status.DEAD,
        reason="x",
        finished_at=NOW,
    )
    add(
        make_event("claimed", sender_retry=3),
        route="sent",
        inputs={"n": 0.1, "nul": "\0", "half": "\ud800"},
    )
    allowed = ClaimLimits(caps={"local": 1})
    database.write(
        lambda connection: claims.claim(connection, allowed, limit=1, now=NOW + 1, lease="w:1")
    )
    configs.remember_config(database, "h" * 64, '{"version":1}', NOW)
    learned_secrets.allow_learning(database, "asana", NOW + 60)
    learned_secrets.store_secret(
        database,
        "asana",
        learned_secrets.seal(sealer_for_secrets((), "k" * 32), "asana", "told"),
        NOW,
    )
    local_run = make_local_run(id="run1")
    database.write(
        lambda connection: flows.replace(connection, [LocalFlow(id="echo", workbook="w")], NOW)
    )
    database.write(lambda connection: runs.start(connection, local_run))
    database.write(lambda connection: heartbeats.beat(connection, "host:1", "host", 1, NOW))
    with database.engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            if connection.execute(select(table).limit(1)).first() is None:
                connection.execute(
                    insert(table).values({column.name: some(column) for column in table.c})
                )


def some(column: Any) -> Any:
    """A value that the column takes, unlike its default."""
    values = {Text: f"some {column.name}", Float: NOW + 0.1, Boolean: True, LargeBinary: b"\0\xff"}
    return next((value for kind, value in values.items() if isinstance(column.type, kind)), 7)


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.read() as connection:
        return {
            table.name: sorted(
                (dict(row._mapping) for row in connection.execute(select(table))), key=repr
            )
            for table in schema.metadata.sorted_tables
        }


@pytest.mark.parametrize("target_kind", KINDS)
@pytest.mark.parametrize("source_kind", KINDS)
def test_every_row_is_copied_as_it_is(make: Any, source_kind: str, target_kind: str) -> None:
    source = make(source_kind)
    target = make(target_kind)
    fill(source)
    was = everything(source)
    assert all(was.values()), "there is something in every table"
    copy.check(source, target, snapshot=False)
    copied = copy.copy(source, target)
    assert everything(target) == was == everything(source)
    assert copied.rows == {name: len(rows) for name, rows in was.items()}
    assert {row["status"] for row in was["delivery"]} >= {
        "queued",
        "blocked",
        "cancelled",
        "dead",
        "sending",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_copy_goes_on_where_the_source_was(make: Any, kind: str) -> None:
    """Numbers go on, a line lines up, a secret opens, and what was leased is taken over."""
    source = make("sqlite")
    target = make(kind, bare=True)
    fill(source)
    copy.check(source, target, snapshot=False)
    copy.copy(source, target)
    last = max(row["seq"] for row in everything(source)["event"])
    event = make_event("next")
    events.add(target, event, [make_delivery(event, order=Order(key="k"))], lambda *_: [])
    [delivery] = events.deliveries_of(target, [event.id])[event.id]
    assert delivery.status is Status.BLOCKED
    with target.read() as connection:
        assert (
            connection.execute(
                select(schema.event.c.seq).where(schema.event.c.id == event.id)
            ).scalar_one()
            > last
        )
    again = make_event("line-0")
    assert events.add(target, again, [], lambda *_: []).duplicate
    assert (
        learned_secrets.open_secret(
            sealer_for_secrets((), "k" * 32),
            "asana",
            learned_secrets.find(target, "asana").sealed or "",
        )
        == "told"
    )


def test_a_database_without_a_schema_is_given_one(make: Any) -> None:
    source = make("sqlite")
    target = make("postgresql", bare=True)
    fill(source)
    copy.check(source, target, snapshot=False)
    assert upgrade.read_revision(target) is None, "a check changes nothing"
    copy.copy(source, target)
    assert upgrade.read_revision(target) == schema.HEAD


@pytest.mark.parametrize("kind", KINDS)
def test_access_tokens_are_valid_in_the_copy(make: Any, kind: str) -> None:
    source = make("sqlite")
    target = make(kind)
    _, secret = create_token(source, "ci", "act", "90d", now=NOW)
    _, removed = create_token(source, "old", "read", None, now=NOW)
    remove_token(source, "old")
    copy.copy(source, target)
    assert authenticate_token(target, secret, NOW) == authenticate_token(source, secret, NOW)
    assert authenticate_token(target, secret, NOW) is not None
    assert authenticate_token(target, removed, NOW) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_is_removed_meanwhile_spoils_the_copy(make: Any, kind: str) -> None:
    source = make(kind)
    target = make("sqlite")
    fill(source)
    _, secret = create_token(source, "ci", "act", None, now=NOW)
    names = ["ci"]

    def remove_and_use(_rows: int) -> None:
        authenticate_token(source, secret, NOW)
        if names:
            remove_token(source, names.pop())

    with pytest.raises(StoreError, match="changed during the copy"):
        copy.copy(source, target, advance=remove_and_use)
    assert not any(everything(target).values())
    _, secret = create_token(source, "ci", "act", None, now=NOW)
    copy.copy(source, target, advance=remove_and_use)
    assert authenticate_token(target, secret, NOW) is not None, "a use is no change"


# -- what is refused


def test_a_running_worker_is_in_the_way(make: Any) -> None:
    source = make("sqlite")
    target = make("sqlite")
    source.write(lambda connection: heartbeats.beat(connection, "host:1", "host", 1, time.time()))
    with pytest.raises(StoreError, match="a worker is running"):
        copy.check(source, target, snapshot=False)
    copy.check(source, target, snapshot=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_that_is_not_empty_is_refused_and_left_alone(make: Any, kind: str) -> None:
    source = make("sqlite")
    target = make(kind)
    fill(source)
    events.add(target, make_event("mine"), [], lambda *_: [])
    before = everything(target)
    with pytest.raises(StoreError, match=r"not empty: it has rows \(1 in event\)"):
        copy.check(source, target, snapshot=False)
    with pytest.raises(StoreError, match="not empty"):
        copy.copy(source, target)
    assert everything(target) == before


def test_other_schemas_and_the_database_itself_are_refused(make: Any) -> None:
    source = make("sqlite")
    target = make("sqlite")
    with pytest.raises(StoreError, match="are the same database"):
        copy.check(source, source, snapshot=False)
    with target.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    with pytest.raises(StoreError, match="the target has schema 0003"):
        copy.check(source, target, snapshot=False)
    with pytest.raises(StoreError, match="the source has schema 0003"):
        copy.check(target, source, snapshot=False)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_in_meanwhile_spoils_the_copy_unless_it_is_a_snapshot(
    make: Any, kind: str
) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[kind]
    source = make(kind)
    target = make(other)
    fill(source)
    was = everything(source)
    late = []

    def come_in(_rows: int) -> None:
        if not late:
            late.append(make_event("late"))
            events.add(source, late[0], [make_delivery(late[0])], lambda *_: [])

    with pytest.raises(StoreError, match="changed during the copy"):
        copy.copy(source, target, advance=come_in)
    assert not any(everything(target).values())
    late.clear()
    was = everything(source)
    copy.copy(source, target, snapshot=True, advance=come_in)
    assert everything(target) == was, "the state as it was at the beginning"


def test_what_postgresql_cannot_hold_is_named_and_nothing_is_copied(make: Any) -> None:
    source = make("sqlite")
    target = make("postgresql")
    bad = make_event("1")
    half = make_event("2")
    for event in (bad, half, make_event("3")):
        events.add(source, event, [], lambda *_: [])
    with source.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE event SET type = 'a' || char(0) || 'b', problem = 'x' || char(0) WHERE id"
                " = :id"
            ),
            {"id": bad.id},
        )
        connection.execute(
            text("UPDATE event SET type = CAST(X'61ff62' AS TEXT) WHERE id = :id"), {"id": half.id}
        )
    with pytest.raises(StoreError) as refused:
        copy.copy(source, target)
    assert f"event '{bad.id}' (type, problem)" in str(refused.value)
    assert f"event '{half.id}' (type)" in str(refused.value)
    assert not any(everything(target).values())
    copied = copy.copy(source, target, repair=True)
    assert (copied.repaired, copied.rows["event"]) == (2, 3)
    assert events.get(target, bad.id).type == "a\ufffdb"
    assert events.get(target, half.id).type == "a\ufffdb"


def test_many_rows_that_do_not_fit_are_counted(make: Any) -> None:
    source = make("sqlite")
    target = make("postgresql")
    for number in range(copy_rows.MAX_NAMED_ROWS + 5):
        events.add(source, make_event(str(number)), [], lambda *_: [])
    with source.engine.begin() as connection:
        connection.execute(text("UPDATE event SET type = char(0)"))
    with pytest.raises(StoreError, match="and 5 more"):
        copy.copy(source, target)


def test_a_number_that_does_not_fit_is_named_too(make: Any) -> None:
    source = make("sqlite")
    target = make("postgresql")
    event = make_event("1")
    events.add(source, event, [], lambda *_: [])
    with source.engine.begin() as connection:
        connection.execute(text("UPDATE event SET duplicates = 3000000000"))
    with pytest.raises(StoreError, match=f"event '{event.id}'.*out of range"):
        copy.copy(source, target)
    assert not any(everything(target).values())


def test_a_copy_that_is_not_the_same_is_undone(make: Any) -> None:
    source = make("sqlite")
    target = make("postgresql")
    fill(source)
    with target.engine.begin() as connection:
        connection.execute(text("CREATE RULE loses AS ON INSERT TO attempt DO INSTEAD NOTHING"))
    with pytest.raises(StoreError, match="the rows written to attempt differ from those read"):
        copy.copy(source, target)
    assert not any(everything(target).values())


# -- what goes wrong in the middle

KILLED = """
import os, signal
from bridge.store.operations import copy as copying
from bridge.store.db.database import Database
done = 0
def advance(rows):
    global done
    done += rows
    if done >= {rows}:
        os.kill(os.getpid(), signal.SIGKILL)
copying.copy(Database({source!r}), Database({target!r}), advance=advance)
"""


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 1.0, 1.7], ids=["writing", "between", "comparing"])
def test_a_killed_copy_has_copied_nothing_and_can_be_made_again(
    make: Any, kind: str, share: float
) -> None:
    source = make("sqlite")
    target = make(kind)
    fill(source)
    rows = sum(copy.count_rows(source).values())
    program = KILLED.format(rows=int(rows * share), source=url_of(source), target=url_of(target))
    killed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not any(everything(target).values())
    event = make_event("k")
    events.add(target, event, [make_delivery(event, order=Order(key="k"))], lambda *_: [])
    [delivery] = events.deliveries_of(target, [event.id])[event.id]
    assert delivery.holds_key, "its triggers are there"
    with target.engine.begin() as connection:
        connection.execute(text("DELETE FROM delivery"))
        connection.execute(text("DELETE FROM event"))
    copy.check(source, target, snapshot=False)
    copy.copy(source, target)
    assert everything(target) == everything(source)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_the_database(make: Any, kind: str) -> None:
    """Sixty megabytes in bodies, of a megabyte each."""
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[kind]
    source = make(kind)
    target = make(other)
    for number in range(60):
        events.add(source, make_event(str(number), body=bytes([number]) * 2**20), [], lambda *_: [])
    tracemalloc.start()
    try:
        copy.copy(source, target)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 45 * 2**20
    assert copy.count_rows(target)["event"] == 60


# -- the command


@pytest.fixture
def filled(folder: Path) -> Database:
    database = Database(f"sqlite:///{folder / 'data' / 'flowbridge.db'}")
    upgrade.upgrade(database)
    fill(database)
    database.close()
    return database


def test_the_command_copies_after_a_question_and_says_what_comes_next(
    filled: Database, folder: Path
) -> None:
    rows = sum(copy.count_rows(filled).values())
    to = f"sqlite:///{folder / 'copy.db'}"
    asked = run("db", "copy", "--to", to)
    assert (asked.exit_code, f"{rows} rows to copy" in asked.stderr, "--yes" in asked.stderr) == (
        2,
        True,
        True,
    )
    assert lines(run("db", "copy", "--to", to, "--dry-run", "--json")) == [{"count": rows}]
    assert not (folder / "copy.db").exists()
    done = run("db", "copy", "--to", to, "--yes")
    assert done.exit_code == 0, done.stderr
    assert "copied and compared: " in done.stdout
    assert "8 rows of event" in done.stdout
    assert f"FLOWBRIDGE_DATABASE_URL={to}" in done.stderr
    assert "stays encrypted" in done.stderr
    assert "Access tokens are valid in both databases" in done.stderr
    again = run("db", "copy", "--to", to, "--yes")
    assert (again.exit_code, "is not empty" in again.stderr) == (1, True)


def test_the_command_to_postgresql_hides_the_password(
    filled: Database, folder: Path, postgres_database: str
) -> None:
    to = make_url(postgres_database).set(password="hunter2").render_as_string(hide_password=False)
    [answer] = lines(run("db", "copy", "--to", to, "--yes", "--json"))
    assert (answer["rows"]["event"], answer["repaired"]) == (8, 0)
    assert "hunter2" not in str(answer)
    plain = run("db", "copy", "--to", to, "--yes")
    assert (plain.exit_code, "hunter2" in plain.output) == (1, False)


@pytest.mark.parametrize("option", ["--repair", "--mend"])  # the second: its name in 0.2
def test_an_option_replaces_what_postgresql_cannot_store(
    option: str, filled: Database, folder: Path, postgres_database: str
) -> None:
    with filled.engine.begin() as connection:
        connection.execute(text("UPDATE event SET type = 'a' || char(0)"))
    refused = run("db", "copy", "--to", postgres_database, "--yes")
    assert (refused.exit_code, "(type)" in refused.stderr) == (1, True)
    copied = run("db", "copy", "--to", postgres_database, "--yes", option)
    assert "characters were replaced in 8 rows" in copied.stdout, copied.stderr
    assert "--mend" not in run("db", "copy", "--help").stdout


def test_a_url_that_is_none_is_2(filled: Database) -> None:
    for wrong in ("mysql://x/y", "nonsense", "sqlite://"):
        refused = run("db", "copy", "--to", wrong, "--yes")
        assert (
            refused.exit_code,
            refused.stderr.startswith("--to"),
            "DATABASE_URL" in refused.stderr,
        ) == (2, True, False)
