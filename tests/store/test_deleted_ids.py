"""Tests of provider ids of deleted events: a late retry is a duplicate and starts no flow."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic import command
from alembic_settings import scripts
from records import NOW, make_delivery, make_event
from serving import Bridge
from sqlalchemy import insert, select

from bridge.config.loader import load
from bridge.core.fingerprints import KEYED_PREFIX, keyed_sha256
from bridge.core.model import Delivery, Event, Status
from bridge.core.retention import DEDUP_SECONDS
from bridge.core.units import DAY
from bridge.routing.model import Config, Source
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import arrivals, deleted_ids, duplicates, events
from bridge.store.migrations import upgrade
from bridge.store.operations import copy, log
from bridge.store.operations import prune as prune_operation
from bridge.store.operations.erase import EraseHandler
from bridge.store.operations.prune import Pruning
from bridge.store.operations.rekey import Rekeying
from bridge.store.tables import schema

KEY = "k" * 32
OLD = NOW - 100 * DAY
CONFIG = Config(sources={}, routes=(), flows={}, platforms={}, hash="c" * 64, canonical="{}")


def replanned(known: Event, nonce: str) -> list[Delivery]:
    return [replace(make_delivery(known), id=f"dlv_{nonce}")]


def keep(database: Database, name: str | None = "1", at: float = OLD, **changes: object) -> Event:
    event = make_event(name, now=at, **changes)
    events.add(database, event, [make_delivery(event, now=at, status=Status.SHADOW)], replanned)
    return event


def prune(database: Database, now: float = NOW, config: Config = CONFIG) -> None:
    for _ in prune_operation.prune(Pruning(database, config, now), database.write):
        pass


def rows(database: Database) -> list[tuple[str, str, str, float]]:
    names = ("source", "provider_id", "event_id", "expires_at")
    with database.read() as connection:
        return [
            tuple(row)
            for row in connection.execute(select(*(schema.deleted_id.c[name] for name in names)))
        ]


def count(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(schema.event.c.seq)).all())


@pytest.fixture
def keyed(database: Database) -> Database:
    """Return a store with a secret key."""
    database.secret_key = KEY
    database.engine.update_execution_options(secret_key=KEY)
    return database


def test_a_copy_of_a_deleted_event_is_a_duplicate_and_nothing_is_planned(
    database: Database,
) -> None:
    event = keep(database)
    prune(database)
    assert count(database) == 0
    assert rows(database) == [("github", "1", event.id, OLD + DEDUP_SECONDS)]
    again = make_event("1", now=NOW)
    added = events.add(database, again, [make_delivery(again)], replanned)
    assert (added.event_id, added.deliveries, added.duplicate) == (event.id, (), True)
    assert count(database) == 0
    assert events.deliveries_of(database, [again.id]) == {again.id: []}


def test_another_id_or_source_or_none_is_new(database: Database) -> None:
    keep(database)
    keep(database, None)
    prune(database)
    assert len(rows(database)) == 1
    for event in (
        make_event("2"),
        make_event("1", source="gitlab"),
        make_event(None),
        make_event(None),
    ):
        assert not events.add(database, event, [make_delivery(event)], replanned).duplicate
    assert count(database) == 4


def test_of_several_events_only_the_one_that_is_known_is_a_duplicate(database: Database) -> None:
    event = keep(database)
    prune(database)
    arrivals = [make_event(name) for name in ("0", "1", "2")]
    added = events.add_all(database, [(one, [make_delivery(one)]) for one in arrivals], replanned)
    assert [(one.event_id, one.duplicate) for one in added] == [
        (arrivals[0].id, False),
        (event.id, True),
        (arrivals[2].id, False),
    ]
    assert count(database) == 2


def test_ids_are_stored_for_dedup_for_of_their_source(database: Database) -> None:
    sources = {"github": replace(source_of(), dedup_for=101 * DAY)}
    event = keep(database)
    prune(database, config=replace(CONFIG, sources=sources))
    assert rows(database) == [("github", "1", event.id, OLD + 101 * DAY)]
    early = make_event("1", now=OLD + 101 * DAY - 1)
    late = make_event("1", now=OLD + 101 * DAY)
    assert events.add(database, early, [], replanned).duplicate
    # also before it is pruned
    assert not events.add(database, late, [make_delivery(late)], replanned).duplicate
    prune(database, now=OLD + 101 * DAY)
    assert rows(database) == []


def test_an_id_whose_time_was_over_before_its_event_is_not_stored(database: Database) -> None:
    keep(database)
    prune(
        database,
        config=replace(CONFIG, sources={"github": replace(source_of(), dedup_for=50 * DAY)}),
    )
    assert (count(database), rows(database)) == (0, [])


def test_expired_ids_are_deleted_in_batches(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleted_ids, "BATCH_ROWS", 3)
    for number in range(7):
        keep(database, str(number))
    prune(database)
    kinds = [
        (kind, counts)
        for kind, _, counts in prune_operation.prune(
            Pruning(database, CONFIG, OLD + DEDUP_SECONDS), database.write
        )
    ]
    assert kinds == [
        ("ids", {"deleted_id": 3}),
        ("ids", {"deleted_id": 3}),
        ("ids", {"deleted_id": 1}),
    ]


def test_an_id_that_comes_again_after_its_time_is_stored_again(database: Database) -> None:
    keep(database)
    prune(database)
    later = keep(database, at=OLD + DEDUP_SECONDS + 1)
    assert count(database) == 1
    prune_one(database, later)
    assert rows(database) == [("github", "1", later.id, later.received_at + DEDUP_SECONDS)]


def prune_one(database: Database, event: Event) -> None:
    database.write(
        lambda connection: deleted_ids.store(
            connection, [event.id], deleted_ids.default_dedup_for, event.received_at
        )
    )


def erase(database: Database, event: Event, now: float = NOW) -> None:
    act = log.begin(
        database, "act_1", command="erase", actor="me", request={}, ids=[event.id], now=now
    )
    assert [one.problem for one in log.advance(database, act, EraseHandler(), now)] == [None]


def test_an_erased_event_leaves_a_keyed_hash_of_its_id(keyed: Database) -> None:
    event = keep(keyed, "ann@example.com")
    erase(keyed, event)
    [(source, name, event_id, expires_at)] = rows(keyed)
    assert (source, event_id, expires_at) == ("github", event.id, OLD + DEDUP_SECONDS)
    assert name.startswith(KEYED_PREFIX) and "ann" not in name
    assert hashlib.sha256(b"ann@example.com").hexdigest() not in name
    again = make_event("ann@example.com")
    added = events.add(keyed, again, [make_delivery(again)], replanned)
    assert (added.event_id, added.duplicate, count(keyed)) == (event.id, True, 0)
    assert not events.add(keyed, make_event("bob@example.com"), [], replanned).duplicate


def test_an_erased_event_leaves_nothing_where_there_is_no_key(database: Database) -> None:
    erase(database, keep(database))
    assert rows(database) == []


def test_a_subject_in_the_id_of_a_deleted_event_is_replaced_too(keyed: Database) -> None:
    for name in ("Ann@Example.com", "order-1"):
        keep(keyed, name)
    prune(keyed)
    assert deleted_ids.erase(keyed, "ann@example.com") == 1
    assert {name.partition(":")[0] for _, name, _, _ in rows(keyed)} == {"hmac", "order-1"}
    assert deleted_ids.erase(keyed, "ann@example.com") == 0
    assert events.add(keyed, make_event("Ann@Example.com"), [], replanned).duplicate


def test_digests_of_bodies_are_keyed_with_the_others(keyed: Database) -> None:
    """`receive` does the same once there are encryption keys, so the ids still match."""
    digest = hashlib.sha256(b"{}").hexdigest()
    keep(keyed, f"sha256:{digest}")
    keep(keyed, "order-1")
    prune(keyed)
    sealing = Database(
        keyed.url.render_as_string(hide_password=False), Sealer(["A" * 43 + "="]), secret_key=KEY
    )
    one = Rekeying(sealing, KEY)
    assert one.left()["deleted_id"] == 1
    one.run(rest=lambda _: None)
    assert "deleted_id" not in one.left()
    assert one.done["deleted_id"] == 1
    assert events.add(
        sealing, make_event(keyed_sha256(KEY, "github", digest)), [], replanned
    ).duplicate
    sealing.close()


def test_a_form_that_repeats_a_deleted_submission_is_a_duplicate(database: Database) -> None:
    event = keep(database)
    prune(database)
    again = make_event("1")
    added = database.write(
        lambda connection: events.add_one(connection, (again, [make_delivery(again)]))
    )
    assert added is False
    found = database.write(
        lambda connection: duplicates.add_duplicate(connection, again, replanned)
    )
    assert (found.event_id, found.duplicate) == (event.id, True)


def test_a_copy_of_a_database_has_them(sqlite: Database, tmp_path: Path) -> None:
    event = keep(sqlite)
    prune(sqlite)
    target = Database(f"sqlite:///{tmp_path / 'copy.db'}")
    assert copy.copy(sqlite, target).rows["deleted_id"] == 1
    assert events.add(target, make_event("1"), [], replanned).event_id == event.id
    target.close()


def test_the_version_before_goes_on_with_the_new_schema(database: Database) -> None:
    """It has no deleted ids: it treats such an event as new."""
    keep(database)
    prune(database)
    if database.is_sqlite:
        names = [name for name in arrivals.ARRIVAL_COLUMNS if name != "erased_id"]
        values = arrivals.ArrivalRows.of((make_event("1"), []), database.sealer, "")
        old = f"INSERT INTO arrival ({', '.join(names)}, deliveries) VALUES ({', '.join('?' * (len(names) + 1))})"  # noqa: S608
        database.write(
            lambda connection: connection.connection.driver_connection.execute(
                old, (*values.event.values(), values.since, "[]")
            )
        )
    else:
        values = arrivals.ArrivalRows.of((make_event("1"), []), database.sealer, "")
        database.write(
            lambda connection: connection.execute(insert(schema.event).values(values.event))
        )
    assert count(database) == 1


def test_an_old_database_is_migrated_with_its_events(new_database_before: Database) -> None:
    assert upgrade.upgrade(new_database_before)[1] == schema.HEAD
    event = keep(new_database_before)
    prune(new_database_before)
    assert events.add(new_database_before, make_event("1"), [], replanned).event_id == event.id


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_before(request: pytest.FixtureRequest, tmp_path: Path):
    """Create a database of the first release."""
    url = (
        f"sqlite:///{tmp_path / 'old.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    database = Database(url)
    with database.long_transaction() as connection:
        command.upgrade(scripts(connection), "0022")
    yield database
    database.close()


def source_of(**keys: str) -> Source:
    more = "".join(f", {name}: {value}" for name, value in keys.items())
    routes = (
        "version: 1\nsources:\n  github: {provider: github, secret:"
        f" a-secret-that-is-long-enough{more}}}\n"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder, "routes.yaml")
        path.write_text(routes)
        return load(path, {}).sources["github"]


def test_dedup_for_is_a_key_of_a_source() -> None:
    assert source_of().dedup_for == DEDUP_SECONDS == 400 * DAY
    assert source_of(dedup_for="500d").dedup_for == 500 * DAY


@pytest.mark.usefixtures("new_processes")
def test_a_sender_that_repeats_a_deleted_event_is_answered_with_200(tmp_path: Path) -> None:
    """Over HTTP, with receivers in their own processes."""
    with Bridge(tmp_path) as bridge:
        first = bridge.event(delivery="d-1")
        bridge.wait_for(first.json["event_id"], lambda one: one.run_state == "done")
        database = bridge.database
        now = NOW + 4000 * DAY
        for _ in prune_operation.prune(
            Pruning(
                database,
                replace(CONFIG, sources={"github": replace(source_of(), dedup_for=9000 * DAY)}),
                now,
            ),
            database.write,
        ):
            pass
        assert bridge.count() == 0
        again = bridge.event(delivery="d-1")
        assert (again.status, again.json) == (
            200,
            {"event_id": first.json["event_id"], "duplicate": True},
        )
        assert bridge.count() == bridge.count("delivery") == 0
        assert bridge.event(delivery="d-2").status == 202
