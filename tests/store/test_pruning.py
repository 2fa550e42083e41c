"""Pruning: old rows go with all they own, and rows in use stay, on both databases."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from old_events import CONFIG, OLD, UNFINISHED, keep, old_event
from records import NOW, make_delivery, make_event, make_local_run, put
from signed_rejects import make_reject
from sqlalchemy import insert, select, text, update

from bridge.core.local_runs import LocalFile
from bridge.core.model import Delivery, Event, FormFile, Status
from bridge.core.operations import Operation
from bridge.core.rate_limits import hour_of
from bridge.core.retention import FOREVER, MIN_RETENTION_SECONDS, Retention, is_content_deleted
from bridge.core.scopes import AccessToken, Scope
from bridge.core.units import DAY
from bridge.delivery.file_transfer import uploaded_name
from bridge.delivery.platforms.responses import start_key
from bridge.routing.model import Config
from bridge.store.db.database import Database, Work
from bridge.store.inbound import (
    blob_owners,
    events,
    learned_secrets,
    refused_submissions,
    rejects,
    removal,
)
from bridge.store.local import files as local_files
from bridge.store.local import runs
from bridge.store.operations import control, log, prune_records, tokens
from bridge.store.operations import prune as prune_operation
from bridge.store.operations.actions import ItemResult
from bridge.store.operations.prune import Pruning
from bridge.store.operations.replay import ReplayHandler
from bridge.store.queries import configs
from bridge.store.queue import transitions
from bridge.store.tables import schema


def prune(
    database: Database, config: Config = CONFIG, now: float = NOW, only: str | None = None
) -> Counter[str]:
    """Prune to the end; return how many rows of each table went."""
    gone: Counter[str] = Counter()
    for _, _, counts in prune_operation.prune(Pruning(database, config, now, only), database.write):
        gone.update(counts)
    return +gone


def rows(database: Database, table: str) -> int:
    with database.read() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608


def column(database: Database, what: str) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(text(f"SELECT {what}")).scalars())


# -- events


def test_an_old_event_goes_with_all_that_it_owns(database: Database) -> None:
    event, delivery = old_event(database, reruns=1)
    fresh = keep(database, make_event("new"))
    sha256 = "a" * 64
    with database.engine.begin() as connection:
        connection.execute(
            insert(schema.attempt).values(
                delivery_id=delivery.id, number=1, started_at=OLD, outcome="started"
            )
        )
        for number, run_id in enumerate(("run_1", "run_2")):
            run = make_local_run(
                id=run_id, created_at=OLD, idempotency_key=start_key(delivery.id, number)
            )
            runs.start(connection, run)
            local_files.store_file(
                connection,
                LocalFile(
                    user_id="u", run_id=run_id, name="f", sha256=sha256, size=1, created_at=OLD
                ),
            )
        connection.execute(update(schema.local_run).values(state="DONE", finished_at=OLD))
    act = log.begin(
        database,
        "act_1",
        command="retry",
        actor="me",
        request={},
        ids=[delivery.id, event.id, fresh.id],
        now=NOW,
    )

    class Nothing:
        def prepare(self, _database: Database, ids: list[str], _now: float) -> list[str]:
            return ids

        def carry_out(
            self, _connection: object, prepared: list[str], _now: float
        ) -> list[ItemResult]:
            return [ItemResult(id=one) for one in prepared]

    log.advance(database, act, Nothing(), NOW)
    reject = make_reject(id="rej_1", received_at=NOW, body=b"{}")
    rejects.add(database, reject)
    rejects.add(database, replace(reject, id="rej_2"))
    for one, became in (("rej_1", event.id), ("rej_2", fresh.id)):
        readmitted = {"readmitted_at": NOW, "event_ids": json.dumps([became])}
        changing = update(schema.reject).where(schema.reject.c.id == one).values(readmitted)
        database.write(lambda connection, changing=changing: connection.execute(changing))  # type: ignore[misc]  # mypy infers no lambda with defaults
    assert prune(database) == {
        "event": 1,
        "delivery": 1,
        "attempt": 1,
        "act_item": 2,
        "local_run": 2,
        "local_file": 2,
        "reject": 1,
    }
    assert column(database, "id FROM event") == [fresh.id]
    assert column(database, "id FROM reject") == ["rej_2"]
    assert column(database, "item_id FROM act_item") == [fresh.id]
    assert blob_owners.owned_digests(database) == set()
    assert prune(database) == {}


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_somebody_needs_stays_however_old(database: Database, name: str) -> None:
    event, _ = old_event(database, **UNFINISHED[name])  # type: ignore[arg-type]
    assert prune(database) == {}
    assert column(database, "id FROM event") == [event.id]
    assert not is_content_deleted(events.get(database, event.id))


def test_an_event_whose_run_goes_on_unwatched_stays(database: Database) -> None:
    _, delivery = old_event(database, run_id="run_1")
    with database.engine.begin() as connection:
        runs.start(
            connection,
            make_local_run(id="run_1", created_at=OLD, idempotency_key=delivery.id),
        )
    assert prune(database) == {}
    with database.engine.begin() as connection:
        runs.kill(connection, "run_1", OLD)
    assert prune(database) == {"event": 1, "delivery": 1, "local_run": 1}


def test_one_that_is_needed_again_meanwhile_stays(database: Database) -> None:
    """It was found by a reader, and retried before its turn came."""
    event, delivery = old_event(database, status="dead", dead_kind="platform")
    (batch,) = (
        batch
        for kind in prune_operation.PRUNE_RULES[:1]
        for batch in kind.find(Pruning(database, CONFIG, NOW))
    )
    database.write(lambda connection: transitions.move(connection, delivery.id, Status.QUEUED, NOW))
    assert database.write(batch.work) == {}
    assert column(database, "id FROM event") == [event.id]


def test_each_source_has_its_own_time_and_one_that_is_gone_that_of_all(database: Database) -> None:
    from bridge.config.loader import check

    def config(routes: str) -> Config:
        found, _ = check(write(routes), {})
        assert found is not None
        return found

    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:

        def write(routes: str) -> Path:
            path = Path(folder) / "routes.yaml"
            path.write_text(routes)
            return path

        configured = config(
            "version: 1\nretention: {events: 50d}\nsources:\n"
            "  short: {provider: github, insecure: true, retention: 10d}\n"
            "  long: {provider: github, insecure: true, retention: forever}\n"
        )
    ages = {"short": (9, 11), "long": (9, 11, 400), "gone": (49, 51)}
    for source, days in ages.items():
        for age in days:
            keep(database, make_event(None, now=NOW - age * DAY, source=source))
    counted = {
        (one["source"]): one["rows"]
        for one in prune_operation.count_expired(Pruning(database, configured, NOW))
        if one["kind"] == "events"
    }
    assert counted == {"short": 1, "gone": 1}
    # of `gone` one is older than 30 days, and stays without what was in it
    assert prune(database, configured) == {"event": 2, "body": 1}
    left = Counter(column(database, "source FROM event"))
    assert left == {"short": 1, "long": 3, "gone": 1}


def test_only_one_source_is_pruned_where_one_is_named(database: Database) -> None:
    for source in ("one", "other"):
        keep(database, make_event(None, now=OLD, source=source))
    assert prune(database, only="one") == {"event": 1}
    assert column(database, "source FROM event") == ["other"]


def test_many_go_in_batches_of_few(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_operation, "BATCH_EVENTS", 7)
    # several of the same time
    arrivals = [(make_event(None, now=OLD + place // 3), ()) for place in range(50)]
    events.add_all(database, arrivals, lambda *_: [])
    sizes = [
        counts["event"]
        for _, _, counts in prune_operation.prune(Pruning(database, CONFIG, NOW), database.write)
    ]
    assert sum(sizes) == 50 and max(sizes) == 7


def test_large_bodies_go_in_batches_of_few_bytes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_operation, "BATCH_BYTES", 250)
    for _ in range(5):
        keep(database, make_event(None, now=OLD, body=b"x" * 100))
    sizes = [
        counts["event"]
        for _, _, counts in prune_operation.prune(Pruning(database, CONFIG, NOW), database.write)
    ]
    assert sizes == [2, 2, 1]


def test_it_ends_where_somebody_else_does_it(database: Database) -> None:
    keep(database, make_event(None, now=OLD))
    assert list(prune_operation.prune(Pruning(database, CONFIG, NOW), lambda _: None)) == []
    assert rows(database, "event") == 1


@pytest.mark.usefixtures("slow")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from(list(Status))), max_size=25))
def test_what_is_young_or_waits_stays_and_all_else_goes(
    migrated_file: Path, plan: list[tuple[int, Status]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(migrated_file, f"{folder}/flowbridge.db")
        database = Database(f"sqlite:///{folder}/flowbridge.db")
        staying = set()
        for age, status in plan:
            lease = {"lease": "w", "lease_until": NOW} if status is Status.SENDING else {}
            event, _ = old_event(database, status.value, NOW - age * DAY, **lease)
            if age <= 90 or status in (
                Status.QUEUED,
                Status.SENDING,
                Status.UNKNOWN,
                Status.BLOCKED,
            ):
                staying.add(event.id)
        prune(database)
        assert set(column(database, "id FROM event")) == staying
        assert rows(database, "delivery") == len(staying)
        database.close()


# -- what was in them


@pytest.mark.parametrize("days", [40, 100], ids=["with its body", "with its event"])
def test_what_was_uploaded_of_a_form_goes_with_it(database: Database, days: int) -> None:
    """Files that others have uploaded stay, also one of the same bytes."""
    at = NOW - days * DAY
    files = tuple(
        FormFile(field="cv", name=name, type="text/plain", size=3, sha256="f" * 64)
        for name in ("a_b.txt", "50%.txt")
    )
    event = make_event("id-1", now=at, files=files)
    fresh = make_event("id-2", files=files)
    keep(database, event, replace(make_delivery(event, now=at), status=Status.DEAD, finished_at=at))
    keep(database, fresh)
    names = [
        uploaded_name(one.id, number, file)
        for one in (event, fresh)
        for number, file in enumerate(files)
    ]
    with database.engine.begin() as connection:
        for name in [*names, "a_b.txt"]:
            local_files.store_file(
                connection,
                LocalFile(user_id="u", name=name, sha256="f" * 64, size=3, created_at=at),
            )
    prune(database)
    assert sorted(column(database, "name FROM local_file")) == sorted([*names[2:], "a_b.txt"])


def test_a_body_goes_before_its_event_and_the_facts_stay(database: Database) -> None:
    at = NOW - 40 * DAY
    files = (FormFile(field="cv", name="cv.pdf", type="application/pdf", size=3, sha256="f" * 64),)
    event = make_event("id-1", now=at, body=b'{"secret":"of a person"}', files=files)
    delivery = make_delivery(event, now=at)
    keep(database, event, delivery)
    put(
        database,
        delivery.id,
        status="dead",
        dead_kind="platform",
        finished_at=at,
        outputs='{"a":1}',
        log='["x"]',
        evidence='{"b":1}',
    )
    assert blob_owners.owned_digests(database) == {"f" * 64}
    [found] = prune_operation.count_expired(Pruning(database, CONFIG, NOW))
    assert found == {"kind": "bodies", "source": "github", "rows": 1, "bytes": len(event.body)}
    assert prune(database) == {"body": 1}
    kept = events.get(database, event.id)
    assert kept == replace(event, body=b"", files=()) and is_content_deleted(kept)
    [after] = events.deliveries_of(database, [event.id])[event.id]
    assert (after.inputs, after.outputs, after.log, after.evidence) == (None, None, (), None)
    assert (after.status, after.run_id, after.finished_at) == (Status.DEAD, None, at)
    assert blob_owners.owned_digests(database) == set()
    assert (
        prune(database) == {}
        and prune_operation.count_expired(Pruning(database, CONFIG, NOW)) == []
    )
    with pytest.raises(Exception, match="the `retention` of its source has deleted its inputs"):
        database.write(
            lambda connection: transitions.move(connection, delivery.id, Status.QUEUED, NOW)
        )
    [planned] = ReplayHandler(config_of=lambda _: CONFIG, nonce="n").prepare(
        database, [event.id], NOW
    )
    assert (
        planned.problem is not None
        and "the `retention` of its source has deleted" in planned.problem
    )


def test_no_bytes_are_no_lost_body(database: Database) -> None:
    event = keep(database, make_event(None, now=NOW - 40 * DAY, body=b""))
    assert event.body_sha256 == hashlib.sha256(b"").hexdigest() and not is_content_deleted(event)
    assert prune(database) == {}


def test_what_deliveries_have_of_an_event_without_a_body_goes_as_with_a_body(
    database: Database,
) -> None:
    """Its inputs come from the query or the headers; it can be planned again from these."""
    at = NOW - 40 * DAY
    event = make_event(None, now=at, body=b"")
    delivery = make_delivery(event, now=at)
    keep(database, event, delivery)
    put(database, delivery.id, status="delivered", finished_at=at, outputs='{"a":1}', log='["x"]')
    [found] = prune_operation.count_expired(Pruning(database, CONFIG, NOW))
    assert found == {"kind": "bodies", "source": "github", "rows": 1, "bytes": 0}
    assert prune(database) == {"body": 1}
    [after] = events.deliveries_of(database, [event.id])[event.id]
    assert (after.inputs, after.outputs, after.log) == (None, None, ())
    assert not is_content_deleted(events.get(database, event.id))
    assert prune(database) == {}


@pytest.mark.parametrize("same", [True, False])
def test_a_copy_of_an_event_without_its_body_makes_it_whole_or_is_a_duplicate(
    database: Database, same: bool
) -> None:
    at = NOW - 40 * DAY
    known = make_event("id-1", now=at, body=b'{"n":1}')
    keep(database, known, make_delivery(known, now=at, status=Status.DEAD, finished_at=at))
    assert prune(database) == {"body": 1}
    seen: list[bytes] = []

    def replan(event: Event, nonce: str) -> list[Delivery]:
        seen.append(event.body)
        return [make_delivery(event, f"again-{nonce[-1]}")]

    copy = make_event("id-1", body=b'{"n":1}' if same else b'{"n":2}')
    added = events.add(database, copy, [], replan)
    assert (added.event_id, added.duplicate, len(added.deliveries)) == (
        known.id,
        not same,
        int(same),
    )
    assert seen == ([b'{"n":1}'] if same else [])
    assert events.get(database, known.id).body == (b'{"n":1}' if same else b"")


def test_a_copy_of_an_event_that_went_this_moment_is_a_duplicate(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = keep(database, make_event("id-1", now=OLD))
    append = database.append

    def gone_meanwhile(appending: Any, items: Any) -> list[bool]:
        new = append(appending, items)
        prune(database)
        return new

    monkeypatch.setattr(database, "append", gone_meanwhile)
    added = events.add(database, make_event("id-1"), [], lambda *_: [])
    assert (added.event_id, added.duplicate) == (known.id, True)
    assert column(database, "id FROM event") == []


def test_a_replay_of_an_event_that_went_this_moment_makes_nothing(database: Database) -> None:
    event, _ = old_event(database)
    replaying = ReplayHandler(config_of=lambda _: CONFIG, nonce="n")
    prepared = [
        replace(
            one,
            deliveries=[make_delivery(event, "another")],
            known=event,
            problem=None,
            kept_problem=None,
        )
        for one in replaying.prepare(database, [event.id], NOW)
    ]
    prune(database)
    [result] = database.write(lambda connection: replaying.carry_out(connection, prepared, NOW))
    assert result.problem == "no such event" and rows(database, "delivery") == 0


# -- the others


def test_old_rejects_go(database: Database) -> None:
    for number, age in enumerate((13, 15)):
        rejects.add(
            database,
            make_reject(id=f"rej_{number}", received_at=NOW - age * DAY, body=b"{}"),
        )
    assert prune(database) == {"reject": 1}
    assert column(database, "id FROM reject") == ["rej_0"]


def test_a_run_goes_when_it_is_old_and_its_delivery_is_over(database: Database) -> None:
    at = NOW - 40 * DAY
    _, over = old_event(database, at=at)
    _, waiting = old_event(database, "unknown", at=at, finished_at=None)
    keys = {
        "over": over.id,
        "its second": start_key(over.id, 1),
        "waiting": waiting.id,
        "foreign": "abc",
        "unnamed": None,
    }
    with database.engine.begin() as connection:
        for name, key in keys.items():
            runs.start(
                connection,
                make_local_run(id=name, created_at=at, idempotency_key=key),
            )
        connection.execute(update(schema.local_run).values(state="DONE", finished_at=at))
        runs.start(
            connection,
            make_local_run(id="young", created_at=at),
        )
    assert prune(database)["local_run"] == 4
    assert set(column(database, "id FROM local_run")) == {"waiting", "young"}


def test_a_run_stays_whose_delivery_is_retried_meanwhile(database: Database) -> None:
    at = NOW - 40 * DAY
    _, over = old_event(database, "dead", at=at, dead_kind="platform")
    with database.engine.begin() as connection:
        for name, key in (("its", over.id), ("another", None)):
            run = make_local_run(id=name, created_at=at, idempotency_key=key)
            runs.start(connection, run)
        connection.execute(update(schema.local_run).values(state="FAILED", finished_at=at))
    works = [*prune_records.expired_runs(database, CONFIG, NOW, lambda _: CONFIG.retention)]
    database.write(lambda connection: transitions.move(connection, over.id, Status.QUEUED, NOW))
    assert [database.write(work)["local_run"] for work in works] == [1]
    assert column(database, "id FROM local_run") == ["its"]


def test_runs_of_a_source_are_kept_as_long_as_it_says(database: Database) -> None:
    at = NOW - 40 * DAY
    _, over = old_event(database, at=at)
    with database.engine.begin() as connection:
        runs.start(
            connection,
            make_local_run(id="r", created_at=at, idempotency_key=over.id),
        )
        connection.execute(update(schema.local_run).values(state="FAILED", finished_at=at))
    for kept, batches in ((Retention(runs=FOREVER), 0), (Retention(), 1)):
        assert (
            len(list(prune_records.expired_runs(database, CONFIG, NOW, lambda _, kept=kept: kept)))
            == batches
        )  # type: ignore[misc]


def test_old_acts_go_with_their_items(database: Database) -> None:
    ids = [f"evt_{number}" for number in range(1200)]
    log.begin(database, "act_old", command="replay", actor="me", request={}, ids=ids, now=OLD)
    log.begin(database, "act_young", command="replay", actor="me", request={}, ids=ids[:3], now=NOW)
    worked = log.begin(
        database, "act_worked", command="replay", actor="me", request={}, ids=ids[:1], now=OLD
    )
    database.write(
        lambda connection: connection.execute(
            update(schema.act).where(schema.act.c.seq == worked.seq).values(worked_at=NOW)
        )
    )
    assert prune(database) == {"act": 1, "act_item": 1200}
    assert set(column(database, "id FROM act")) == {"act_young", "act_worked"}


def begin_old(database: Database, items: int = 3) -> Operation:
    ids = [f"evt_{number}" for number in range(items)]
    return log.begin(
        database, "act_old", command="replay", actor="me", request={}, ids=ids, now=OLD
    )


def find_old_operations(database: Database) -> Iterator[Work[removal.Counts]]:
    return prune_records.expired_operations(database, CONFIG, NOW, lambda _: Retention())


def test_an_old_operation_stays_that_was_resumed_lately(database: Database) -> None:
    old = begin_old(database)
    assert control.resume(database, old, "me", NOW - DAY)
    assert prune(database) == {}
    assert prune(database, now=NOW + 365 * DAY) == {"act": 1, "act_item": 3}


def test_an_operation_that_is_resumed_before_its_deletion_stays_with_its_items(
    database: Database,
) -> None:
    old = begin_old(database)
    works = find_old_operations(database)
    work: Work[removal.Counts] | None = next(works)
    assert control.resume(database, old, "me", NOW)
    while work is not None:
        assert not any(database.write(work).values())
        work = next(works, None)
    assert (rows(database, "act"), rows(database, "act_item")) == (1, 3)


def test_an_operation_whose_deletion_has_begun_cannot_be_resumed(database: Database) -> None:
    """Else it would leave out the items that are deleted already."""
    old = begin_old(database, items=1200)
    works = find_old_operations(database)
    while not database.write(next(works)).get("act_item"):
        pass
    assert control.resume(database, old, "me", NOW) is None
    assert (
        log.advance(database, old, ReplayHandler(config_of=lambda _: CONFIG, nonce="1"), NOW) == []
    )
    assert prune(database) == {"act": 1, "act_item": 1200 - prune_records.BATCH_ROWS}, (
        "a round that was interrupted leaves the rest to the next one"
    )


def test_a_configuration_stays_that_planned_something_or_was_used_lately(
    database: Database,
) -> None:
    for name in ("event's", "delivery's", "unused", "lately"):
        configs.remember_config(database, name, "{}", OLD)
    configs.remember_config(database, CONFIG.hash, "{}", OLD)
    configs.remember_config(database, "lately", "{}", NOW)
    event = make_event(None, config_hash="event's")
    keep(database, event, make_delivery(event, config_hash="delivery's"))
    assert prune(database) == {"config": 1}
    assert set(column(database, "hash FROM config")) == {
        "event's",
        "delivery's",
        "lately",
        CONFIG.hash,
    }


def test_marks_that_say_nothing_any_more_go(database: Database) -> None:
    with database.engine.begin() as connection:
        for route, at in (("old", NOW - 9 * DAY), ("new", NOW - DAY)):
            connection.execute(
                insert(schema.pace).values(route=route, next_at=at, day=int(at / DAY), starts=1)
            )
    learned_secrets.allow_learning(database, "closed", NOW - 9 * DAY)
    learned_secrets.allow_learning(database, "open", NOW + 60)
    learned_secrets.allow_learning(database, "told", NOW - 9 * DAY)
    learned_secrets.store_secret(database, "told", "sealed", NOW - 10 * DAY)
    refused_submissions.add(
        database, {("contact", hour_of(NOW - days * DAY), "invalid"): 3 for days in (1, 6, 8, 90)}
    )
    assert prune(database) == {"pace": 1, "learned": 1, "refused_submission": 2}
    assert set(column(database, "source FROM learned")) == {"open", "told"}


def test_a_session_that_ended_goes(database: Database) -> None:
    times = {"idle": (NOW - 7200, NOW - 3601), "long": (NOW - 43_201, NOW), "open": (NOW - 9, NOW)}
    with database.engine.begin() as connection:
        for name, (began_at, used_at) in times.items():
            values = {"kind": "ticket", "of": "", "scopes": "read", "name": name, "hash": name}
            row = insert(schema.console_session).values(
                began_at=began_at, used_at=used_at, **values
            )
            connection.execute(row)
    assert prune(database) == {"console_session": 2}
    assert column(database, "name FROM console_session") == ["open"]


def test_a_request_of_a_run_is_known_again_for_a_day(database: Database) -> None:
    with database.engine.begin() as connection:
        for key, age in (("old", DAY + 1), ("new", DAY - 1)):
            row = insert(schema.run_request).values(
                token="tok_1", key=key, digest="d", at=NOW - age
            )
            connection.execute(row)
    assert prune(database) == {"run_request": 1}
    assert column(database, "key FROM run_request") == ["new"]


def test_a_token_that_ended_goes_after_thirty_days(database: Database) -> None:
    ends = {"old": NOW - 30 * DAY - 1, "ended": NOW - 30 * DAY + 1, "valid": NOW + 1, "ever": None}
    for name, at in ends.items():
        new = AccessToken(
            id=f"tok_{name}",
            name=name,
            scopes=frozenset({Scope.READ}),
            created_at=OLD,
            ends_at=at,
        )
        assert tokens.add(database, new, f"fbt_{name}")
    assert prune(database, only="github") == {}
    assert prune(database) == {"token": 1}
    assert set(column(database, "name FROM token")) == {"ended", "valid", "ever"}
    assert prune(database) == {}


def test_the_least_times_are_long_enough_for_a_copy_to_be_known() -> None:
    assert MIN_RETENTION_SECONDS["events"] >= 4 * DAY and MIN_RETENTION_SECONDS["runs"] >= 4 * DAY


def test_removing_asks_nothing(database: Database) -> None:
    """Who erases has decided."""
    event, _ = old_event(database, "queued", at=NOW, finished_at=None)
    assert database.write(lambda connection: removal.remove(connection, [event.id]))["event"] == 1
    with database.read() as connection:
        assert connection.execute(select(schema.delivery.c.id)).all() == []
