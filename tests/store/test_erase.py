"""flowbridge erase: no trace of a data subject stays, and work under way is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from query_plans import record_plans
from records import NOW, make_delivery, make_event, make_local_run, put
from signed_rejects import make_reject
from sqlalchemy import func, insert, select

from bridge.core.local_runs import LocalFile, LocalState
from bridge.core.model import Body, Delivery, Event, FormFile, Order, Reject, Status
from bridge.core.timings import Timings
from bridge.delivery.platforms.responses import start_key
from bridge.ingest.bodies import decode
from bridge.ingest.data_subjects import DataSubject
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.local import files as local_files
from bridge.store.local import runs
from bridge.store.migrations import upgrade
from bridge.store.operations import erase as erase_operation
from bridge.store.operations import log, traces
from bridge.store.operations.erase import EraseHandler
from bridge.store.operations.operation_records import list_operations
from bridge.store.operations.search import SEARCHED_TABLES, Search
from bridge.store.tables.schema import act, attempt, metadata
from bridge.system.ids import operation_id

ANN = "ann.subject@example.com"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON_TYPE = {"content-type": "application/json"}


def keep(database: Database, body: bytes, *deliveries: dict[str, Any], **changes: Any) -> Event:
    event = make_event(body=body, **changes)
    events.add(
        database,
        event,
        [make_delivery(event, f"r{n}", **each) for n, each in enumerate(deliveries)],
        lambda *_: [],
    )
    return event


def read(event: Event) -> Body:
    return decode(event.headers.get("content-type", ""), event.body, max_depth=100)


def found(
    database: Database,
    text: str = ANN,
    field: str | None = None,
    source: str | None = None,
    **how: Any,
) -> list[str]:
    search = Search(database, DataSubject.of(text, field, **how), read, source)
    told: list[int] = []
    ids = search.found(told.append)
    assert sum(told) == search.total()
    return ids


def erase(database: Database, ids: list[str]) -> dict[str, str | None]:
    act = log.begin(
        database, operation_id(NOW), command="erase", actor="me", request={}, ids=ids, now=NOW
    )
    return {one.id: one.problem for one in log.advance(database, act, EraseHandler(), NOW)}


def table(database: Database, name: str) -> int:
    with database.read() as connection:
        return int(
            connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one()
        )


def test_a_page_of_any_table_is_read_from_where_the_last_one_ended(sqlite: Database) -> None:
    """Sorting what is left for each page takes hours where many attempts have a log."""
    plans = record_plans(sqlite)
    found(sqlite)
    pages = [one for one in plans if "LIMIT" in one.statement]
    assert len({one.statement for one in pages}) == len(SEARCHED_TABLES)
    assert not [one for one in pages if "B-TREE" in one.step or one.step.startswith("SCAN")]


def test_every_attempt_is_read_once(database: Database) -> None:
    """They take more than one page, which ends within the attempts of a delivery."""
    kept = [keep(database, b"{}", {}, {}) for _ in range(2)]
    found_of = events.deliveries_of(database, [one.id for one in kept])
    rows = [
        {"delivery_id": one.id, "number": number, "started_at": NOW, "log": '["x"]'}
        for event in kept
        for one in found_of[event.id]
        for number in range(1, 21)
    ]
    rows[-1]["log"] = json.dumps([ANN])
    with database.engine.begin() as connection:
        connection.execute(insert(attempt), rows)
    assert found(database, anywhere=True) == [kept[1].id]


def test_the_options_of_all_operations_are_scrubbed(database: Database) -> None:
    """There are more than one transaction changes."""
    row = {"command": "replay", "actor": "me", "created_at": NOW, "asked": json.dumps({"q": ANN})}
    with database.engine.begin() as connection:
        connection.execute(insert(act), [{**row, "id": f"act_{number}"} for number in range(450)])
    assert erase_operation.scrub_operations(database, ANN) == 450
    assert {str(one.request) for one in list_operations(database)} == {
        "{'command': 'replay', 'how': {'q': '(erased)'}}"
    }
    assert erase_operation.scrub_operations(database, ANN) == 0


BODIES = {
    "json": (JSON_TYPE, b'{"customer": {"email": "Ann.Subject@Example.com "}}'),
    "escaped": (JSON_TYPE, b'{"to": ["x", "ann.subject\\u0040example.com"]}'),
    "form": (FORM, b"name=Ann&email=ann.subject%40example.com"),
    "json in a form": (FORM, b"rawRequest=%7B%22q3%22%3A%22ann.subject%40example.com%22%7D"),
    "text": ({"content-type": "text/plain"}, b"ann.subject@example.com"),
    "unreadable": (JSON_TYPE, b'{"email": "ann.subject@example.com"'),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_field_that_holds_it_is_found_however_it_is_written(
    database: Database, name: str
) -> None:
    headers, body = BODIES[name]
    event = keep(database, body, headers=headers)
    keep(database, body.replace(b"ann", b"joann").replace(b"Ann.", b"Joann."), headers=headers)
    if name == "unreadable":  # nobody knows its fields: any part of it will do
        assert event.id in found(database)
    else:
        assert found(database) == [event.id]


def test_a_field_is_named_by_the_end_of_its_path(database: Database) -> None:
    one = keep(
        database, b'{"customer": [{"email": "ann.subject@example.com"}], "n": 4915112345678}'
    )
    for path in ("email", "customer.email", "body.customer.email"):
        assert found(database, field=path) == [one.id], path
    for path in ("mail", "customer", "seller.email"):
        assert found(database, field=path) == [], path
    assert found(database, "4915112345678") == [one.id]
    assert found(database, "true") == []


def test_anywhere_is_a_part_of_any_text(database: Database) -> None:
    text = keep(database, b'{"text": "Write to ann.subject@example.com, please"}')
    header = keep(database, b"{}", headers={"x-user": ANN})
    query = keep(database, b"{}", query_string="a=1&u=ann.subject%40example.com")
    assert found(database) == [query.id]
    assert found(database, anywhere=True) == [text.id, header.id, query.id]


def test_what_was_made_of_an_event_holds_it_too(database: Database) -> None:
    event = keep(database, b"{}", {"inputs": {"to": ANN}})
    other = keep(database, b"{}", {"inputs": {"to": "x"}}, source="stripe")
    put(database, make_delivery(other, "r0").id, outputs=json.dumps({"found": {"mail": ANN}}))
    third = keep(database, b"{}", {}, {})
    for number in (1, 2):  # runs that another followed
        ended = {
            "run_id": f"R{number}",
            "run_state": "failed",
            "outputs": json.dumps({"mail": ANN if number == 2 else "x"}),
        }
        with database.engine.begin() as connection:
            one = insert(attempt).values(
                delivery_id=make_delivery(third, "r1").id, number=number, started_at=NOW, **ended
            )
            connection.execute(one)
    assert found(database) == [event.id, other.id, third.id]
    assert found(database, source="stripe") == [other.id]
    assert found(database, source="github") == [event.id, third.id]


def start(
    database: Database, id_: str, key: str | None, inputs: dict[str, Any], state: str = "DONE"
) -> None:
    one = make_local_run(
        id=id_, inputs=json.dumps(inputs), state=LocalState(state), idempotency_key=key
    )
    database.write(lambda connection: runs.start(connection, one))


def reject(id_: str, body: bytes) -> Reject:
    return make_reject(id=id_, received_at=NOW, headers=FORM, body=body)


def test_all_that_an_event_owns_goes_and_nothing_of_others(database: Database) -> None:
    event = keep(
        database,
        BODIES["json"][1],
        {"status": Status.DELIVERED},
        {"status": Status.DEAD, "reason": "x"},
    )
    other = keep(database, b'{"email": "bob@example.com"}', {"status": Status.DELIVERED})
    for number, owner in enumerate((event, other)):
        start(database, f"run_{number}", start_key(make_delivery(owner, "r0").id, 0), {})
        file = LocalFile(
            user_id="u",
            run_id=f"run_{number}",
            name="f",
            sha256=f"{number}" * 64,
            size=1,
            created_at=NOW,
        )
        database.write(lambda connection, file=file: local_files.store_file(connection, file))  # type: ignore[misc]
    start(database, "run_alone", None, {"mail": ANN})
    start(database, "run_other", None, {"mail": "bob@example.com"})
    rejects.add(database, reject("rej_1", BODIES["form"][1]))
    rejects.add(database, reject("rej_2", b"email=bob%40example.com"))
    ids = found(database)
    assert ids == [event.id, "run_alone", "rej_1"]
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE local_run SET state = 'DONE'")
    assert erase(database, ids) == dict.fromkeys(ids)
    assert found(database) == []
    counts = {
        name: table(database, name)
        for name in ("event", "delivery", "local_run", "local_file", "reject", "act_item")
    }
    assert counts == {
        "event": 1,
        "delivery": 1,
        "local_run": 2,
        "local_file": 1,
        "reject": 1,
        "act_item": 3,
    }
    assert events.get(database, other.id).body == other.body


UNDER_WAY: dict[str, dict[str, Any]] = {
    "sending": {"status": "sending", "lease": "w", "lease_until": NOW},
    "unknown": {"status": "unknown"},
    "followed": {"status": "delivered", "poll_at": NOW, "run_id": "run_9"},
    "in a slot": {"status": "delivered", "slot": True},
}


@pytest.mark.parametrize("name", UNDER_WAY)
def test_what_is_under_way_is_refused_and_stays_whole(database: Database, name: str) -> None:
    event = keep(database, BODIES["json"][1], {}, {})
    put(database, make_delivery(event, "r1").id, **UNDER_WAY[name])
    (problem,) = erase(database, [event.id]).values()
    assert problem is not None and "when that has ended" in problem
    first, _ = events.deliveries_of(database, [event.id])[event.id]
    assert first.status is Status.QUEUED and events.get(database, event.id).body == event.body


def test_a_run_that_goes_on_is_refused(database: Database) -> None:
    start(database, "run_1", None, {"mail": ANN}, "QUEUED")
    assert "has not ended" in str(erase(database, ["run_1"])["run_1"])


def test_what_waits_is_taken_out_of_its_line_and_the_next_goes(database: Database) -> None:
    line = {"order": Order(key="k")}
    ann = keep(database, BODIES["json"][1], line)
    bob = keep(database, b'{"email": "bob@example.com"}', line)
    assert [one.status for one in of(database, bob)] == [Status.BLOCKED]
    assert erase(database, [ann.id]) == {ann.id: None}
    assert [one.status for one in of(database, bob)] == [Status.QUEUED]
    assert erase(database, [ann.id])[ann.id] == "no such event"


def of(database: Database, event: Event) -> list[Delivery]:
    return list(events.deliveries_of(database, [event.id])[event.id])


# -- the command


def files_of(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()).lower()


def test_no_letter_of_it_stays_on_the_disk(store: Database, folder: Path) -> None:
    """The whole data folder is looked through: file, write-ahead log, blobs, keys."""
    blobs = BlobStore(folder / "data" / "blobs")
    sha256 = blobs.store(b"Curriculum of ann.subject@example.com")
    os.utime(blobs.path(sha256), (time.time() - 7200,) * 2)
    file = FormFile(field="cv", name="ann.pdf", type="application/pdf", size=3, sha256=sha256)
    # before, among and after those of others, small and with overflow pages
    for number in range(40):
        padding = b"x" * (number % 4) * 3000
        dead = {"status": Status.DEAD, "inputs": {"to": ANN}, "reason": ANN}
        keep(
            store,
            b'{"email": "ann.subject@example.com", "pad": "%s"}' % padding,
            dead,
            files=(file,) if number == 3 else (),
        )
        keep(store, b'{"email": "bob@example.com", "pad": "%s"}' % padding, {})
    for _ in range(3):
        log.begin(
            store,
            operation_id(time.time()),
            command="replay",
            actor="me",
            request={"filters": {"body": ANN}},
            ids=["evt_x"],
            now=NOW,
        )
    assert files_of(folder / "data").count(ANN.encode()) >= 80
    done = run("erase", ANN.upper(), "--yes", "--json")
    assert done.exit_code == 0, done.stderr
    assert {(one["ok"], one["problem"]) for one in lines(done)} == {(True, None)} and len(
        lines(done)
    ) == 40
    assert "3 earlier operations" in done.stderr and "1 file deleted" in done.stderr
    assert ANN.encode() not in files_of(folder / "data"), done.stderr
    assert "still contains it" not in done.stderr
    assert table(store, "event") == 40
    act = lines(run("operations", "--json"))[0]
    assert (act["command"], act["count"], act["done"], act["refused"]) == ("erase", 40, 40, 0)
    assert act["request"]["ids"][0].startswith("hmac:") and "subject@" not in json.dumps(act)
    assert run("operations").exit_code == 0
    assert run("db", "check").exit_code == 0


def test_files_that_came_just_now_go_at_once_but_those_that_somebody_else_has(
    store: Database, folder: Path
) -> None:
    blobs = BlobStore(folder / "data" / "blobs")
    minutes, now, shared = (
        blobs.store(text) for text in (b"two minutes old", b"of this moment", b"of both")
    )
    for sha256 in (minutes, shared):
        os.utime(blobs.path(sha256), (time.time() - 120,) * 2)
    files = [
        FormFile(field="cv", name="a.pdf", type="application/pdf", size=3, sha256=one)
        for one in (minutes, now, shared)
    ]
    keep(store, BODIES["json"][1], files=tuple(files))
    keep(store, b'{"email": "bob@example.com"}', files=(files[2],))
    os.utime(blobs.path(now), (time.time() - 59.5,) * 2)
    done = run("erase", ANN, "--yes", timings=Timings(erase_poll_seconds=0.01))
    assert done.exit_code == 0 and "2 files deleted from the disk\n" in done.stderr, done.stderr
    assert [blobs.path(one).exists() for one in (minutes, now, shared)] == [False, False, True]


def test_what_is_kept_again_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    one = blobs.store(b"kept again")
    other = blobs.store(b"old")
    for sha256 in (one, other):
        os.utime(blobs.path(sha256), (NOW - 90,) * 2)
    blobs.store(b"kept again")
    assert blobs.discard({one, other, "0" * 64}, NOW - 60) == {one}
    with blobs.prevent_deletion():
        os.utime(blobs.path(one), (NOW - 90,) * 2)
        assert blobs.discard({one}, NOW - 60) == {one}
    assert blobs.discard({one}, NOW - 60) == set() and not blobs.path(one).exists()


@pytest.mark.parametrize("option", ["--rewrite", "--anew"])  # the second: its name in 0.2
def test_rewriting_the_file_leaves_nothing_of_older_pages(
    option: str, store: Database, folder: Path
) -> None:
    """What was taken out without care, as by a shell, stands in free space; erase says so, and the
    file is rewritten.
    """
    one = keep(store, BODIES["json"][1])
    with store.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")
        connection.exec_driver_sql("DELETE FROM event WHERE id = ?", (one.id,))
    assert ANN.encode() in files_of(folder / "data")
    assert "the database file still contains it" in run("erase", ANN).stderr
    assert run("db", "vacuum", option, "--yes").exit_code == 0
    assert ANN.encode() not in files_of(folder / "data")


def test_every_connection_overwrites_what_is_taken_out(sqlite: Database) -> None:
    """Not that of the act alone: pages that were split or joined before would hold older copies."""
    with sqlite.read() as reading:
        assert reading.exec_driver_sql("PRAGMA secure_delete").scalar_one() == 1
    assert (
        sqlite.write(
            lambda connection: connection.exec_driver_sql("PRAGMA secure_delete").scalar_one()
        )
        == 1
    )


def test_it_is_counted_asked_and_told_first(store: Database, folder: Path) -> None:
    one = keep(store, BODIES["json"][1], {"status": Status.DELIVERED, "run_id": "run_77"})
    put(store, make_delivery(one, "r0").id, run_id="run_77", delivered_at=NOW)
    dry = run("erase", ANN, "--dry-run")
    assert dry.stdout == "1 record to erase\n" and "run_77" in dry.stderr
    went, count = lines(run("erase", ANN, "--dry-run", "--json"))
    assert (went["run_id"], went["event_id"], count) == ("run_77", one.id, {"count": 1})
    assert run("erase", ANN).exit_code == 2  # nobody can be asked here
    assert table(store, "event") == 1
    assert run("erase", "bob@example.com", "--yes").stderr.startswith("No matching records")
    assert run("erase", "-", "--field", "email", "--yes", input=f"{ANN}\n").exit_code == 0
    assert table(store, "event") == 0


@pytest.mark.parametrize(
    "arguments",
    [("",), (" ",), ("ab", "--anywhere"), ("abc", "--anywhere", "--field", "x"), ("x" * 1001,)],
)
def test_what_would_find_everything_or_nothing_is_refused(
    store: Database, folder: Path, arguments: tuple[str, ...]
) -> None:
    assert run("erase", *arguments, "--yes").exit_code == 2


def test_one_that_is_under_way_fails_the_command_and_others_go(
    store: Database, folder: Path
) -> None:
    busy = keep(store, BODIES["json"][1], {})
    put(store, make_delivery(busy, "r0").id, status="unknown")
    free = keep(store, BODIES["form"][1], headers=FORM)
    done = run("erase", ANN, "--yes")
    assert (
        done.exit_code == 1
        and f"{free.id}  erased" in done.stdout
        and "flowbridge resolve" in done.stdout
    )
    assert table(store, "event") == 1


def test_an_act_that_was_interrupted_is_gone_on_with(store: Database, folder: Path) -> None:
    ids = [keep(store, BODIES["json"][1]).id for _ in range(3)]
    act = log.begin(
        store, operation_id(time.time()), command="erase", actor="me", request={}, ids=ids, now=NOW
    )
    log.advance(store, act, EraseHandler(), NOW, limit=1)
    assert run("operations", "resume", act.id, "--yes").exit_code == 0
    assert table(store, "event") == 0 and ANN.encode() not in files_of(folder / "data")


def test_postgres_says_what_is_the_servers(
    empty_postgres: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_DATABASE_URL", empty_postgres)
    monkeypatch.setenv("FLOWBRIDGE_SECRET_KEY", "k" * 40)
    database = Database(empty_postgres)
    upgrade.upgrade(database)
    keep(database, BODIES["json"][1], {})
    done = run("erase", ANN, "--yes")
    assert done.exit_code == 0 and "VACUUM" in done.stderr
    assert table(database, "event") == 0 == table(database, "delivery")
    database.close()


def test_files_that_flows_have_written_are_named_where_it_stands_in_them(
    store: Database, folder: Path
) -> None:
    files = folder / "data" / "files"
    outside = folder / "outside.txt"
    (files / "orders").mkdir(parents=True)
    (files / "messages.jsonl").write_text(
        '{"email":"Ann.Subject@example.com","text":"not to be shown"}\n'
    )
    (files / "orders" / f"{ANN}.csv").write_text("a,b\n")
    (files / "others.jsonl").write_text('{"email":"bob@example.com"}\n')
    outside.write_text(ANN)
    (files / "link.txt").symlink_to(outside)
    os.mkfifo(files / "pipe")
    keep(store, BODIES["json"][1])
    done = run("erase", ANN, "--yes")
    assert done.exit_code == 0
    named = re.findall(r"^  (.*)$", done.stderr.partition("flows have written")[2], re.M)
    assert named == [str(files / "messages.jsonl"), str(files / "orders" / f"{ANN}.csv")]
    assert "not to be shown" not in done.stderr and "looked through" not in done.stderr
    assert "flows have written" not in run("erase", "nobody@example.com", "--yes").stderr


def test_files_are_looked_through_in_pieces_however_they_write_it_and_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "CHUNK_BYTES", 8)
    texts = {
        "a": "1234567MÜLLER, Ann",
        "b": '{"n": "m\\u00fcller, ann"}',
        "c": "n=M%C3%BCller%2C+Ann",
        "d": "Müller; Ann",
        "e": "x" * 9000,
    }
    for name, said in texts.items():
        (tmp_path / name).write_text(said)
    assert traces.find_files(tmp_path, "müller, ann") == (["a", "b", "c"], [])
    assert traces.find_files(tmp_path, "müller, ann", max_bytes=4 * traces.MIN_FILE_COST_BYTES) == (
        ["a", "b", "c"],
        ["e"],
    )
    assert traces.find_files(tmp_path / "none", "x") == ([], [])


def test_traces_are_found_across_the_pieces_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "CHUNK_BYTES", 8)
    path = tmp_path / "file"
    path.write_bytes(b"1234567Ann9 ann ANNann")
    assert traces._count(path, b"ann") == 4


@pytest.mark.usefixtures("new_processes")
def test_a_search_for_traces_ends_no_lock_of_sqlite(sqlite: Database) -> None:
    """Without its locks, the next program that closes the database would delete its log."""
    keep(sqlite, ANN.encode())
    assert table(sqlite, "event") == 1
    assert traces.count_traces(sqlite, ANN) > 0
    read_and_close = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        " c.execute('SELECT count(*) FROM event').fetchall(); c.close()"
    )
    subprocess.run([sys.executable, "-c", read_and_close, str(sqlite.path)], check=True)
    keep(sqlite, b"{}", provider_id="another")
    assert table(sqlite, "event") == 2
