"""Tests of migrations: they create the declared tables, run concurrently, and refuse newer schemas."""

from __future__ import annotations

import multiprocessing
from contextlib import AbstractContextManager
from pathlib import Path

import alembic_settings
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from records import make_delivery, make_event, put
from sqlalchemy import CheckConstraint, Connection, inspect, text
from sqlalchemy.exc import IntegrityError

from bridge.core.errors import StoreError
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.migrations import upgrade
from bridge.store.tables import schema


def scripts() -> ScriptDirectory:
    settings = Config()
    settings.set_main_option("script_location", str(Path(upgrade.__file__).parent))
    return ScriptDirectory.from_config(settings)


def wipe(database: Database) -> None:
    if database.is_sqlite:
        database.close()
        for path in database.path.parent.glob("flowbridge.db*"):
            path.unlink()
        return
    with database.engine.begin() as connection:
        schema.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))


def test_the_migrations_give_exactly_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        left_out = []

        def include(_item: object, name: str | None, *_: object) -> bool:
            left_out.extend(one for one in schema.BYTE_INDEXES if one == name)
            return name not in schema.BYTE_INDEXES

        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_object": include,
            },
        )
        assert compare_metadata(context, schema.metadata) == []
    assert set(left_out) == (set() if database.is_sqlite else set(schema.BYTE_INDEXES))


def test_constraints_and_partial_indexes_are_there(database: Database) -> None:
    """`compare_metadata` does not compare CHECKs and the conditions of indexes."""
    with database.engine.connect() as connection:
        found = inspect(connection)
        for table in schema.metadata.tables.values():
            checks = {one["name"] for one in found.get_check_constraints(table.name)}
            assert {
                str(one.name) for one in table.constraints if isinstance(one, CheckConstraint)
            } == checks
        if database.is_sqlite:
            rows = connection.execute(
                text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            )
        else:
            rows = connection.execute(
                text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
            )
        partial = {name for name, sql in rows if " WHERE " in sql}
    wanted = {
        str(index.name)
        for table in schema.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    assert partial == wanted


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO arrival (deliveries) VALUES ('[]')", "UPDATE delivery SET status = 'sending'"],
)
def test_sqlite_makes_no_table_of_constants_for_a_delivery(
    sqlite: Database, statement: str
) -> None:
    """It makes one of more than two values after IN, for each row that a trigger inserts."""
    with sqlite.engine.connect() as connection:
        # the only lists that stay: their conditions, which are those of queries
        connection.exec_driver_sql("DROP INDEX ix_delivery_stuck")
        connection.exec_driver_sql("DROP INDEX ix_delivery_stuck_route")
        steps = connection.exec_driver_sql(f"EXPLAIN {statement}").all()
    made = [one.p4 for one in steps if one.opcode == "OpenEphemeral" and one.p4 is not None]
    assert made == []


@pytest.mark.parametrize("column", ["status", "run_state", "dead_kind"])
def test_another_value_is_refused(database: Database, column: str) -> None:
    delivery = make_delivery(event := make_event("1"))
    events.add(database, event, [delivery], lambda *_: [])
    with pytest.raises(IntegrityError, match=f"ck_delivery_{column}"):
        put(database, delivery.id, **{column: "other"})


def test_head_is_the_newest_migration() -> None:
    assert scripts().get_heads() == [schema.HEAD]


def test_a_second_time_does_nothing(database: Database) -> None:
    assert upgrade.read_revision(database) == schema.HEAD
    assert upgrade.upgrade(database) == (schema.HEAD, schema.HEAD)


def test_a_fresh_database_has_no_revision(database: Database) -> None:
    wipe(database)
    assert upgrade.read_revision(database) is None
    assert upgrade.upgrade(database) == (None, schema.HEAD)


def test_a_newer_schema_is_refused_and_left_alone(database: Database) -> None:
    event = make_event("1")
    events.add(database, event, [], lambda *_: [])
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="has schema 9999, which is newer than"):
        upgrade.upgrade(database)
    assert upgrade.read_revision(database) == "9999"
    assert events.get(database, event.id) == event


@pytest.mark.parametrize("revision", ["0001", "0007b", "0021", "0023", "0025"])
def test_a_schema_that_no_release_had_is_refused_and_left_alone(
    database: Database, revision: str
) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
    first = "git checkout 175cf729` and flowbridge db upgrade, then upgrade with this version$"
    with pytest.raises(StoreError, match=f"has schema {revision}, which no release had.*{first}"):
        upgrade.upgrade(database)
    assert upgrade.read_revision(database) == revision


def test_the_steps_are_those_from_releases_and_those_after_the_merged_ones() -> None:
    revisions = [script.revision for script in scripts().walk_revisions()]
    assert all(schema.is_upgradable(revision) for revision in revisions)
    assert [one for one in sorted(revisions) if one <= schema.LAST_MERGED] == [
        one for one in schema.RELEASED_SCHEMAS if one <= schema.LAST_MERGED
    ]


def _upgrade(url: str) -> tuple[str | None, str]:
    database = Database(url)
    try:
        return upgrade.upgrade(database)
    finally:
        database.close()


@pytest.mark.usefixtures("new_processes")
def test_of_five_processes_one_migrates(database: Database) -> None:
    wipe(database)
    url = database.url.render_as_string(hide_password=False)
    database.close()
    with multiprocessing.get_context("spawn").Pool(5) as pool:
        outcomes = pool.map(_upgrade, [url] * 5, chunksize=1)
    assert sorted(outcomes, key=str) == sorted(
        [(None, schema.HEAD), *[(schema.HEAD, schema.HEAD)] * 4], key=str
    )
    assert upgrade.read_revision(database) == schema.HEAD


def test_each_migration_is_a_transaction_of_its_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers wait for one migration at most, not for all of an upgrade."""
    wipe(database)
    with database.long_transaction() as connection:
        command.upgrade(alembic_settings.scripts(connection), "0022")
    begun = []
    begin = Database.long_transaction

    def note(self: Database) -> AbstractContextManager[Connection]:
        begun.append(upgrade.read_revision(self))
        return begin(self)

    monkeypatch.setattr(Database, "long_transaction", note)
    assert upgrade.upgrade(database) == ("0022", schema.HEAD)
    revisions = [one.revision for one in scripts().walk_revisions()]
    assert begun == revisions[:0:-1]  # from 0022 to the one before the newest


def test_processes_of_the_version_before_need_not_fill_a_new_column(tmp_path: Path) -> None:
    """They go on inserting rows without it while a fleet is upgraded."""
    database = Database(f"sqlite:///{tmp_path / 'flowbridge.db'}")
    earlier: dict[str, set[str]] = {}
    required = []
    for script in reversed(list(scripts().walk_revisions())):
        with database.long_transaction() as connection:
            command.upgrade(alembic_settings.scripts(connection), script.revision)
        inspector = inspect(database.engine)
        tables = {name: inspector.get_columns(name) for name in inspector.get_table_names()}
        required += [
            f"{script.revision}: {name}.{column['name']}"
            for name in tables.keys() & earlier.keys()
            for column in tables[name]
            if column["name"] not in earlier[name]
            and not column["nullable"]
            and column["default"] is None
        ]
        earlier = {name: {column["name"] for column in tables[name]} for name in tables}
    database.close()
    assert required == []
    assert "event" in earlier


def test_no_file_of_the_store_is_for_others_to_read(tmp_path: Path) -> None:
    """They contain bodies and headers of events."""
    database = Database(f"sqlite:///{tmp_path / 'data' / 'flowbridge.db'}")
    upgrade.upgrade(database)
    events.add(database, make_event("1"), [], lambda *_: [])
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "data").iterdir()}
    database.close()
    assert set(modes.values()) == {0}, modes
