"""Tests of encryption at rest: no plaintext from senders on disk, and unchanged behaviour."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from command_line import lines, run
from conftest import project_in
from cryptography.fernet import Fernet
from forms import PNG
from records import NOW, make_delivery, make_event, make_local_run
from serving import Bridge, github, until
from sqlalchemy import select, text, update

from bridge.core.errors import (
    DecryptionError,
    IllegalTransition,
    KeyMissing,
    SettingsError,
    StoreError,
)
from bridge.core.model import Status
from bridge.core.status import OutcomeKind
from bridge.store.backup import extraction
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import events, rejects
from bridge.store.local import runs
from bridge.store.operations import copy
from bridge.store.queries import event_lookup
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.store.queue import claims, ledger, transitions
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.store.tables import key_usage, schema
from bridge.store.tables.encrypted import ENCRYPTED_COLUMNS

OLD = Fernet.generate_key().decode()
NEW = Fernet.generate_key().decode()
SECRET_KEY = "s" * 40
MARKS = {
    name: f"zq{name}zq"
    for name in (
        "body",
        "header",
        "query",
        "field",
        "file",
        "reject",
        "log",
        "output",
        "kept",
        "detail",
    )
}
FLOWS = f"""
from bridge.flows import File, flow, save_file

@flow
def reads(name: str, photo: File) -> dict:
    print("{MARKS["log"]}", name)
    save_file("copy.txt", photo.read_bytes() + b"{MARKS["kept"]}")
    return {{"size": photo.size, "said": "{MARKS["output"]}"}}
"""
ROUTES = """
version: 1
platforms:
  local: {type: local, flows: flows.py}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  contact: {provider: form, rate: 10000/min and 10000/min per address, files: true}
  bodies: {provider: hmac, verify: {header: X-Sig}, secret: "${env:GITHUB_SECRET}", dedup: body}
routes:
  - {name: everything, on: github, inputs: {body: "${body}", custom: "${headers.\\"x-custom\\"}"}, flow: local/echo}
  - {name: photo, on: contact, inputs: {name: "${form.name}", photo: "${form.photo}"}, flow: local/reads}
  - {name: bodies, on: bodies, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: failing, on: github, inputs: {message: "${body.said}"}, flow: local/fail}
"""


def store(folder: Path, keys: str) -> Database:
    return Database(
        f"sqlite:///{folder / 'flowbridge.db'}", Sealer(keys.split(",") if keys else ())
    )


@pytest.fixture
def sealed(with_keys: Callable[..., Database]) -> Database:
    """Return the same store as `database`, with a key."""
    return with_keys(OLD)


# -- a whole bridge


@pytest.fixture(params=["sqlite", "postgresql"])
def bridge(request: pytest.FixtureRequest, tmp_path: Path, new_processes: None) -> Iterator[Bridge]:
    environ = {"FLOWBRIDGE_ENCRYPTION_KEYS": OLD, "FLOWBRIDGE_SECRET_KEY": SECRET_KEY}
    if request.param == "postgresql":
        environ["FLOWBRIDGE_DATABASE_URL"] = request.getfixturevalue("postgres_database")
    (tmp_path / "flows.py").write_text(FLOWS)
    with Bridge(tmp_path, routes=ROUTES, environ=environ) as bridge:
        yield bridge


def on_disk(bridge: Bridge) -> bytes:
    """Return all stored bytes: the files of SQLite and of blobs, or all values of PostgreSQL."""
    pieces = [path.read_bytes() for path in (bridge.folder / "data").rglob("*") if path.is_file()]
    if not bridge.database.is_sqlite:
        with bridge.database.read() as connection:
            for table in schema.metadata.sorted_tables:
                for row in connection.execute(text(f"SELECT * FROM {table.name}")):  # noqa: S608
                    pieces += [
                        value if isinstance(value, bytes) else str(value).encode() for value in row
                    ]
    return b"\0".join(pieces)


def fill(bridge: Bridge) -> dict[str, str]:
    """Receive and deliver one of everything; return the ids of the GitHub event, the form event and
    the reject.
    """
    body = json.dumps({"said": MARKS["body"], "n": 1}).encode()
    answer = bridge.post(
        f"/hooks/github?q={MARKS['query']}", body, github(body, X_Custom=MARKS["header"])
    )
    assert answer.status == 202, answer.body
    forged = json.dumps({"said": MARKS["reject"]}).encode()
    wrong = github(b"another", X_Custom=MARKS["reject"])
    assert bridge.post(f"/hooks/github?q={MARKS['reject']}", forged, wrong).status == 401
    form = requests.post(
        f"http://127.0.0.1:{bridge.port}/hooks/contact",
        data={"name": MARKS["field"]},
        files={"photo": ("p.png", PNG + MARKS["file"].encode(), "image/png")},
        headers={"Accept": "application/json"},
        timeout=60,
    )
    assert form.status_code == 202, form.text
    ids = {"github": answer.json["event_id"], "form": form.json()["event_id"]}

    def over() -> bool:
        found = events.deliveries_of(bridge.database, list(ids.values()))
        return all(one.finished_at for each in found.values() for one in each)

    until(over, what="all runs")
    until(lambda: bridge.count("reject") == 1, what="the reject")
    return ids


def test_nothing_that_was_said_is_on_disk_in_clear_and_all_of_it_is_read(bridge: Bridge) -> None:
    ids = fill(bridge)
    kept = on_disk(bridge)
    for name, mark in MARKS.items():
        assert mark.encode() not in kept, name
    body = json.dumps({"said": MARKS["body"], "n": 1}).encode()
    assert hashlib.sha256(body).hexdigest().encode() not in kept, (
        "a digest could be compared with a guess"
    )
    assert OLD.encode() not in kept
    found = bridge.found(ids["github"])
    assert (
        found.event.body == body
        and found.event.headers["x-custom"] == MARKS["header"]
        and MARKS["query"] in found.event.query_string
    )
    everything, failing = sorted(found.deliveries, key=lambda one: one.route)
    assert (
        everything.inputs
        == {"body": json.loads(body), "custom": MARKS["header"]}
        == everything.outputs
    )
    assert failing.run_state == "failed"
    form = bridge.found(ids["form"])
    [photo] = form.deliveries
    blobs = BlobStore(bridge.folder / "data" / "blobs", Sealer([OLD]))
    assert blobs.read(form.event.files[0].sha256) == PNG + MARKS["file"].encode()
    assert photo.outputs == {"size": len(PNG) + len(MARKS["file"]), "said": MARKS["output"]}
    assert photo.log == (f"{MARKS['log']} {MARKS['field']}",)
    assert set(blobs.keys()) == {Sealer([OLD]).first}, "what the run kept is sealed, too"
    [reject] = rejects.list_rejects(bridge.database)
    assert MARKS["reject"].encode() in reject.body and reject.headers["x-custom"] == MARKS["reject"]
    counted = key_usage.count_values(bridge.database)
    assert counted and all(key == Sealer([OLD]).first for _, key in counted), (
        "nothing of it is in clear"
    )
    assert {what for what, _ in counted} >= {
        "event.body",
        "event.headers",
        "event.files",
        "event.client",
        "delivery.inputs",
        "delivery.outputs",
        "delivery.log",
        "reject.body",
        "local_run.inputs",
        "local_file.sha256",
    }
    assert MARKS["body"] not in bridge.stderr and MARKS["log"] not in bridge.stderr


def test_duplicates_are_known_by_id_and_by_body_through_a_change_of_keys(bridge: Bridge) -> None:
    body = b'{"n": 1}'

    def send() -> Any:
        sig = "".join(github(body)["X-Hub-Signature-256"].split("=", 1)[1:])
        return bridge.post(
            "/hooks/bodies", body, {"Content-Type": "application/json", "X-Sig": sig}
        ).json

    first = send()
    assert send() == {"event_id": first["event_id"], "duplicate": True}
    bridge.stop()
    bridge.environ["FLOWBRIDGE_ENCRYPTION_KEYS"] = f"{NEW},{OLD}"
    bridge.start()
    assert send() == {"event_id": first["event_id"], "duplicate": True}
    bridge.event(body, delivery="a")
    bridge.event(body, delivery="b")
    with bridge.database.read() as connection:
        same = connection.execute(
            select(schema.event.c.same_body_as).where(schema.event.c.provider_id == "b")
        ).scalar()
    assert same, "the same body under another id is pointed out"


def test_without_the_key_it_does_not_start_and_says_which_is_missing(bridge: Bridge) -> None:
    bridge.event(b"{}")
    bridge.stop()
    for keys in ("", NEW):
        bridge.environ["FLOWBRIDGE_ENCRYPTION_KEYS"] = keys
        code, said = bridge.run()
        assert (
            code == 2 and str(Sealer([OLD]).first) in said and "FLOWBRIDGE_ENCRYPTION_KEYS" in said
        )
        assert OLD not in said


# -- what somebody with the file can do, and cannot


def keep(
    database: Database, provider_id: str | None = None, body: bytes = b'{"n":1}', **changes: Any
) -> Any:
    event = make_event(provider_id, body=body)
    events.add(database, event, [make_delivery(event, **changes)], lambda *_: [])
    return event


def test_a_body_that_was_moved_to_another_event_is_refused(sealed: Database) -> None:
    one = keep(sealed, body=b'{"pay": "me"}')
    other = keep(sealed, body=b'{"pay": "them"}')
    with sealed.engine.begin() as connection:
        body = connection.execute(
            select(schema.event.c.body).where(schema.event.c.id == one.id)
        ).scalar_one()
        connection.execute(
            update(schema.event).where(schema.event.c.id == other.id).values(body=body)
        )
    assert events.get(sealed, one.id).body == b'{"pay": "me"}'
    with pytest.raises(DecryptionError, match=other.id):
        events.get(sealed, other.id)


def claim(database: Database) -> list[Claim]:
    return database.write(
        lambda connection: claims.claim(
            connection, ClaimLimits(caps={"local": 9}), limit=9, now=NOW + 1, lease="w:1"
        )
    )


def test_inputs_that_were_changed_are_never_sent_and_hold_up_nobody(sealed: Database) -> None:
    from bridge.delivery.attempt import deliver
    from bridge.routing.model import Platform

    bad = keep(sealed)
    good = keep(sealed, inputs={"n": 2})
    with sealed.engine.begin() as connection:
        mine = schema.delivery.c.event_id == bad.id
        inputs = connection.execute(select(schema.delivery.c.inputs).where(mine)).scalar_one()
        connection.execute(
            update(schema.delivery).where(mine).values(inputs=inputs[:-8] + "AAAAAAA=")
        )
    claimed = {one.delivery.event_id: one for one in claim(sealed)}
    assert claimed[good.id].delivery.inputs == {"n": 2}
    taken = claimed[bad.id]
    outcome = deliver(
        taken.delivery,
        Platform(name="local", type="local", base_url="http://127.0.0.1:9"),
        pytest.fail,
        NOW,
    )
    assert outcome.kind is OutcomeKind.REJECTED and "cannot be decrypted" in outcome.detail
    assert sealed.write(
        lambda c: ledger.record_attempts(
            c, [ledger.EndedAttempt(taken, outcome)], NOW + 2, jitter=0.5
        )
    ) == [Status.DEAD]
    with pytest.raises(IllegalTransition, match="cannot be decrypted"):
        sealed.write(lambda c: transitions.move(c, taken.delivery.id, Status.QUEUED, NOW + 3))
    assert (
        event_lookup.show(sealed, taken.delivery.id).attempts[taken.delivery.id][0].detail
        == outcome.detail
    )


def test_a_run_whose_inputs_were_changed_is_taken_and_says_why(sealed: Database) -> None:
    run_ = make_local_run(id="r1", inputs='{"a":1}')
    sealed.write(lambda connection: runs.start(connection, run_))
    with sealed.engine.begin() as connection:
        connection.execute(
            update(schema.local_run).values(
                inputs=Sealer([OLD]).seal('{"a":2}', "local_run", "inputs", "r2")
            )
        )
    [taken] = sealed.write(lambda connection: runs.claim(connection, 5, NOW, "w"))
    assert taken.inputs == "{}" and "cannot be decrypted" in (taken.unsealable or "")


def test_a_missing_key_fails_closed(
    sealed: Database, database: Database, with_keys: Callable[..., Database]
) -> None:
    event = keep(sealed)
    for without in (database, with_keys(NEW)):
        with pytest.raises(KeyMissing, match=str(Sealer([OLD]).first)):
            events.get(without, event.id)
        with pytest.raises(KeyMissing):
            claim(without)
        with pytest.raises(SettingsError, match="add it after the first key"):
            key_usage.check_keys(without)
    key_usage.check_keys(sealed)
    [known] = claim(sealed)
    assert known.delivery.event_id == event.id, "nothing was lost by it"


def test_values_from_before_there_were_keys_stay_readable_and_new_ones_are_sealed(
    database: Database, sealed: Database
) -> None:
    before = keep(database, body=b"$fb1$ is what some sender begins with")
    after = keep(sealed)
    assert (
        events.get(sealed, before.id).body
        == events.get(database, before.id).body
        == b"$fb1$ is what some sender begins with"
    )
    assert events.get(sealed, after.id).body == b'{"n":1}'
    assert (
        events.headers_of(sealed, after.id)
        == events.headers_of(sealed, before.id)
        == ("github", {"content-type": "application/json"})
    )
    assert {key for what, key in key_usage.count_values(sealed) if what == "event.body"} == {
        None,
        Sealer([OLD]).first,
    }


def test_no_text_is_looked_for_in_sealed_bodies(sealed: Database, database: Database) -> None:
    keep(sealed)
    for look in (event_queries.event_ids, event_queries.delivery_ids):
        with pytest.raises(SettingsError, match="bodies are encrypted"):
            look(sealed, Filters(body=b"n"))
    assert event_queries.event_ids(sealed, Filters(source="github"))


def test_a_duplicate_makes_an_emptied_event_whole_again(sealed: Database) -> None:
    from bridge.store.inbound import removal

    event = keep(sealed, "a", status=Status.DEAD, reason="x", finished_at=NOW)
    sealed.write(lambda connection: removal.delete_contents(connection, [event.id]))
    assert events.get(sealed, event.id).body == b""
    events.add(sealed, make_event("a"), [], lambda *_: [])
    assert events.get(sealed, event.id).body == b'{"n":1}'


# -- the commands


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_file: Path) -> Path:
    """Return a project with a SQLite store, and the environment of its commands."""
    routes = (
        "version: 1\nsources: {contact: {provider: form}, github: {provider: github, secret:"
        " abc}}\n"
    )
    project_in(
        tmp_path, monkeypatch, migrated_file, routes, ENCRYPTION_KEYS=OLD, SECRET_KEY=SECRET_KEY
    )
    return tmp_path


def test_export_erase_and_show_read_what_is_sealed(folder: Path) -> None:
    database = store(folder / "data", OLD)
    fields = {"content-type": "application/x-www-form-urlencoded"}
    event = make_event(
        None,
        body=b"email=ann%40example.com&name=Ann",
        source="contact",
        provider="form",
        headers=fields,
        now=time.time(),
    )
    events.add(
        database,
        event,
        [make_delivery(event, status=Status.DEAD, reason="x", finished_at=NOW)],
        lambda *_: [],
    )
    assert b"example.com" not in (folder / "data" / "flowbridge.db").read_bytes()
    assert "ann@example.com" in run("export", "--source", "contact").stdout
    assert (
        json.loads(run("show", event.id, "--json").stdout)["body"]
        == "email=ann%40example.com&name=Ann"
    )
    refused = run("events", "--body", "ann")
    assert (
        refused.exit_code == 2
        and "bodies are encrypted (FLOWBRIDGE_ENCRYPTION_KEYS)" in refused.stderr
    )
    done = run("erase", "ann@example.com", "--yes")
    assert done.exit_code == 0, done.stderr
    assert not event_queries.event_ids(database, Filters())
    database.close()


def test_a_backup_has_nothing_in_clear_and_is_restored(folder: Path, tmp_path: Path) -> None:
    data = folder / "data"
    database = store(data, OLD)
    blobs = BlobStore(data / "blobs", Sealer([OLD]))
    digest = blobs.store(b"zqfilezq")
    event = make_event("a", body=b"zqbodyzq")
    from bridge.core.model import FormFile

    events.add(
        database,
        make_event("b", files=(FormFile(field="f", name="n", type="t", size=8, sha256=digest),)),
        [],
        lambda *_: [],
    )
    events.add(database, event, [make_delivery(event)], lambda *_: [])
    assert claim(database), "it is being sent when the backup is taken"
    database.close()
    made = lines(run("db", "backup", str(tmp_path / "b.tar"), "--json"))[0]
    assert (made["blobs"], made["missing"]) == (1, [])
    packed = (tmp_path / "b.tar").read_bytes()
    assert b"zqbodyzq" not in packed and b"zqfilezq" not in packed and digest.encode() not in packed
    position = packed.index(b"$fb1$", packed.index(b"blobs/"))
    with (tmp_path / "damaged.tar").open("wb") as file:
        file.write(
            packed[: position + 40] + bytes([packed[position + 40] ^ 1]) + packed[position + 41 :]
        )
    with (
        (tmp_path / "damaged.tar").open("rb") as file,
        pytest.raises(StoreError, match="does not match its manifest"),
    ):
        extraction.verify(file, tmp_path)
    restored = run("db", "restore", str(tmp_path / "b.tar"), "--replace", "--yes")
    assert restored.exit_code == 0, restored.stderr
    again = store(data, OLD)
    assert [one.status for one in events.deliveries_of(again, [event.id])[event.id]] == [
        Status.UNKNOWN
    ]
    assert events.get(again, event.id).body == b"zqbodyzq" and blobs.read(digest) == b"zqfilezq"
    again.close()
    run_ = run("db", "backup", str(tmp_path / "c.tar"))
    assert run_.exit_code == 0


@pytest.mark.parametrize("target_kind", ["sqlite", "postgresql"])
def test_a_copy_has_the_sealed_values_as_they_are_and_needs_no_key(
    sealed: Database,
    database: Database,
    request: pytest.FixtureRequest,
    target_kind: str,
    new_sqlite: Callable[[Path], Database],
    tmp_path: Path,
) -> None:
    event = keep(sealed, "a")
    if target_kind == "sqlite":
        target = new_sqlite(tmp_path / "copy.db")
    else:
        from conftest import new_postgres_database

        target = Database(new_postgres_database(request.getfixturevalue("postgres")))
    copy.copy(database, target, snapshot=True)
    opened = Database(target.url.render_as_string(hide_password=False), Sealer([OLD]))
    assert events.get(opened, event.id) == events.get(sealed, event.id)
    for each in (target, opened):
        each.close()


def test_every_sealed_column_is_one_of_the_schema() -> None:
    for row in ENCRYPTED_COLUMNS:
        assert {*row.columns, *row.named} <= set(row.table.c.keys())
        assert not set(row.columns) & set(row.table.primary_key.columns.keys())
        for index in row.table.indexes:
            assert not set(row.columns) & {column.name for column in index.columns} - {"sha256"}, (
                "an index compares"
            )


def test_sqlite_files_of_a_store_with_keys_are_plain_sqlite(folder: Path) -> None:
    database = store(folder / "data", OLD)
    keep(database)
    database.close()
    with closing(sqlite3.connect(folder / "data" / "flowbridge.db")) as connection:
        assert connection.execute("SELECT substr(headers, 1, 5) FROM event").fetchone() == (
            "$fb1$",
        )
