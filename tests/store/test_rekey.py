"""Tests of db rekey, which encrypts all values with the first key or decrypts them, and of db
check.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from conftest import project_in
from cryptography.fernet import Fernet
from records import NOW, make_delivery, make_event, make_local_run
from serving import Bridge, until
from signed_rejects import make_reject
from sqlalchemy import insert, select, update

from bridge.core.audit import AuditEntry
from bridge.core.errors import KeyMissing, StoreError
from bridge.core.fingerprints import keyed_sha256
from bridge.core.local_runs import LocalFile, LocalState, RunResult
from bridge.core.model import FormFile
from bridge.core.operations import ClientRequest
from bridge.core.status import Outcome, OutcomeKind
from bridge.store import audit
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.encryption import NO_ENCRYPTION, Sealer, sealer_for_secrets
from bridge.store.inbound import events, learned_secrets, rejects
from bridge.store.local import files, runs
from bridge.store.operations import log, run_requests
from bridge.store.operations.rekey import Rekeying
from bridge.store.queue import claims, heartbeats, ledger
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import key_usage, schema
from bridge.store.tables.encrypted import ENCRYPTED_COLUMNS

OLD = Fernet.generate_key().decode()
NEW = Fernet.generate_key().decode()
FIRST = str(Sealer([OLD]).first)
SECOND = str(Sealer([NEW]).first)
SECRET_KEY = "s" * 40
Open = Callable[..., Database]


def fill(database: Database, name: str) -> None:
    """Store a value in every encrypted column."""
    file = FormFile(field="f", name="n", type="t", size=1, sha256="a" * 64)
    event = make_event(
        f"{name}-1",
        body=b"$fb of " + name.encode(),
        query_string="q=1",
        client="192.0.2.1",
        files=(file,),
    )
    delivery = make_delivery(event, inputs={"of": name})
    events.add(database, event, [delivery], lambda *_: [])
    now = NOW + 1
    allowed = ClaimLimits(caps={"local": 99})
    [claim] = database.write(lambda c: claims.claim(c, allowed, limit=9, now=now, lease="w:1"))
    outcome = Outcome(kind=OutcomeKind.REJECTED, detail=f"{name} was refused")
    database.write(
        lambda c: ledger.record_attempts(c, [ledger.EndedAttempt(claim, outcome)], now, jitter=0.5)
    )
    reject = make_reject(
        id=f"rej_{name}",
        received_at=NOW,
        headers={"a": name},
        query_string="x=1",
        url="https://x/?x=1",
        body=name.encode(),
        size=3,
        client="192.0.2.2",
    )
    rejects.add(database, reject)
    log.begin(
        database,
        f"act_{name}",
        command="retry",
        actor="me",
        request={"of": name},
        ids=[event.id],
        now=NOW,
        client=ClientRequest(token="tok", counted={"left_out": {name: 1}}),
    )
    login = AuditEntry(id=f"aud_{name}", at=NOW, actor=name, action="login", client="192.0.2.3")
    audit.add_alone(database, login)
    mine = make_local_run(id=f"run_{name}", inputs=f'{{"of":"{name}"}}', body=name)

    def ran(connection: Any) -> None:
        runs.start(connection, mine)
        runs.claim(connection, 1, NOW, "w")
        runs.finish(
            connection,
            mine.id,
            RunResult(state=LocalState.DONE, outputs={"of": name}, log=(name,)),
            NOW,
            "w",
        )
        file = LocalFile(user_id="u", name=name, sha256="b" * 64, size=1, created_at=NOW)
        files.store_file(connection, file)
        values = {
            "outputs": json.dumps({"of": name}),
            "log": json.dumps([name]),
            "evidence": json.dumps({"of": name}),
        }
        sealer = database.sealer
        connection.execute(
            update(schema.delivery)
            .where(schema.delivery.c.id == delivery.id)
            .values(
                {
                    column: sealer.seal(value, "delivery", column, delivery.id)
                    for column, value in values.items()
                }
            )
        )
        said = {"outputs": json.dumps({"of": name}), "log": json.dumps([name])}
        connection.execute(
            update(schema.attempt)
            .where(schema.attempt.c.delivery_id == delivery.id)
            .values(
                {
                    column: sealer.seal(value, "attempt", column, f"{delivery.id}\0{1}")
                    for column, value in said.items()
                }
            )
        )
        secret = learned_secrets.seal(
            sealer_for_secrets(sealer.given, SECRET_KEY), name, f"told by {name}"
        )
        connection.execute(
            insert(schema.learned).values(source=name, sealed=secret, learned_at=NOW)
        )

    database.write(ran)
    run_requests.begin(database, "tok_1", name, "digest", NOW)
    run_requests.finish(database, "tok_1", name, {"detail": f"the platform answered {name}"})


def everything(database: Database) -> dict[str, list[Any]]:
    """Return the decrypted contents of all rows."""
    found: dict[str, list[Any]] = {}
    secrets = sealer_for_secrets(database.sealer.given, SECRET_KEY)
    with database.read() as connection:
        for row in ENCRYPTED_COLUMNS:
            for kept in connection.execute(select(row.table)).mappings():
                name = "\0".join(str(kept[one]) for one in row.named)
                opener = secrets.open_old if row.always else database.sealer.open
                said = {
                    column: opener(kept[column], row.table.name, column, name)
                    for column in row.columns
                }  # type: ignore[operator]
                found.setdefault(row.table.name, []).append((name, said))
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def keys_used(database: Database) -> set[str | None]:
    return {
        key
        for what, key in key_usage.count_values(database)
        if what not in key_usage.ALWAYS_ENCRYPTED
    }


def rekey(database: Database, **how: Any) -> Rekeying:
    one = Rekeying(database, SECRET_KEY, **how)
    one.check()
    one.run(rest=lambda _: None)
    assert not one.broken and not any(one.left().values())
    return one


def test_all_of_it_is_sealed_with_the_first_key_and_back_in_clear(
    database: Database, with_keys: Open
) -> None:
    fill(database, "clear")
    fill(with_keys(OLD), "old")
    both = with_keys(NEW, OLD)
    was = everything(both)
    assert all(
        all(value for value in said.values()) for rows in was.values() for _, said in rows
    ), "something is in every column"
    assert keys_used(both) == {None, FIRST}
    left = Rekeying(both, SECRET_KEY).left()
    done = rekey(both).done
    assert left == done and min(done.values()) > 0
    assert keys_used(both) == {SECOND} and everything(both) == was
    new = with_keys(NEW)
    assert everything(new) == was, "the old key is needed no more"
    assert not any(rekey(new).done.values()), "nothing is left to do"
    rekey(new, clear=True)
    assert keys_used(new) == {None}
    assert everything(database) == was, "no key is needed"


def test_a_learned_secret_of_an_earlier_version_is_sealed_anew(with_keys: Open) -> None:
    database = with_keys(NEW, OLD)
    token = Fernet(OLD.encode()).encrypt(b"told").decode()
    with database.engine.begin() as connection:
        connection.execute(insert(schema.learned).values(source="asana", sealed=token))
    rekey(database)
    assert (
        learned_secrets.open_secret(
            Sealer([NEW]), "asana", learned_secrets.find(database, "asana").sealed or ""
        )
        == "told"
    )


def test_digests_become_ones_that_no_guess_can_be_compared_with(
    database: Database, with_keys: Open
) -> None:
    def add(to: Database, body: bytes, source: str = "github", keyed: bool = False) -> Any:
        event = make_event(None, body=body, source=source)
        digest = keyed_sha256(SECRET_KEY, source, event.body_sha256) if keyed else event.body_sha256
        given = make_event(
            digest if keyed else f"sha256:{digest}", body=body, source=source, body_sha256=digest
        )
        return events.add(to, given, [make_delivery(given)], lambda *_: [])

    one = add(database, b"one")
    add(database, b"")
    sealed = with_keys(OLD)
    slipped = add(database, b"two"), add(sealed, b"two", keyed=True)
    assert not slipped[1].duplicate, (
        "between the first start with keys and the rekey it is taken for a new one"
    )
    rekey(sealed)
    again = add(sealed, b"one", keyed=True)
    assert again.duplicate and again.event_id == one.event_id
    known = events.get(sealed, one.event_id)
    assert known.body_sha256 == known.provider_id and known.body_sha256.startswith("hmac:")
    assert events.get(sealed, slipped[0].event_id).provider_id.startswith("sha256:"), (
        "its place is taken"
    )  # type: ignore[union-attr]


def test_what_cannot_be_opened_stays_and_is_named(with_keys: Open) -> None:
    database = with_keys(OLD)
    good = make_event("good")
    bad = make_event("bad")
    for event in (good, bad):
        events.add(database, event, [], lambda *_: [])
    with database.engine.begin() as connection:
        moved = connection.execute(
            select(schema.event.c.body).where(schema.event.c.id == good.id)
        ).scalar_one()
        connection.execute(
            update(schema.event).where(schema.event.c.id == bad.id).values(body=moved)
        )
    one = Rekeying(with_keys(NEW, OLD), SECRET_KEY)
    one.run(rest=lambda _: None)
    assert len(one.broken) == 1 and bad.id in one.broken[0]
    assert events.get(with_keys(NEW), good.id).body == good.body


def test_without_an_old_key_nothing_is_done_and_it_is_named(with_keys: Open) -> None:
    fill(with_keys(OLD), "old")
    new = with_keys(NEW)
    with pytest.raises(KeyMissing, match=FIRST):
        Rekeying(new, SECRET_KEY).run(rest=lambda _: None)
    assert keys_used(new) == {FIRST}


def test_it_needs_a_key_and_sealing_is_not_given_up_under_a_worker(
    database: Database, with_keys: Open
) -> None:
    with pytest.raises(StoreError, match="FLOWBRIDGE_ENCRYPTION_KEYS is not set"):
        Rekeying(database, SECRET_KEY).check()
    database.write(lambda connection: heartbeats.beat(connection, "host:1", "host", 1, time.time()))
    with pytest.raises(StoreError, match="a worker is running"):
        Rekeying(with_keys(OLD), SECRET_KEY, clear=True).check()
    Rekeying(with_keys(OLD), SECRET_KEY).check()


def test_what_others_change_meanwhile_is_theirs(with_keys: Open) -> None:
    database = with_keys(NEW, OLD)
    event = make_event("a")
    events.add(with_keys(OLD), event, [], lambda *_: [])
    one = Rekeying(database, SECRET_KEY)
    [rows] = list(one._pages(ENCRYPTED_COLUMNS[0]))
    was, new = one._change(ENCRYPTED_COLUMNS[0], rows[0]) or ({}, {})
    with database.engine.begin() as connection:
        connection.execute(update(schema.event).values(body=b""))  # it was emptied
    from bridge.store.operations.rekey import _apply

    assert database.write(lambda connection: _apply(connection, schema.event, [(was, new)])) == 0
    assert events.get(database, event.id).body == b""


def test_a_row_that_changes_meanwhile_is_looked_at_again(
    with_keys: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = with_keys(NEW, OLD)
    event = make_event("a")
    before = with_keys(OLD)
    events.add(before, event, [], lambda *_: [])
    write = database.write
    meddled = []

    def meddle(work: Any) -> Any:
        if not meddled:
            meddled.append(work)
            body = before.sealer.seal(b"of somebody with the old key", "event", "body", event.id)
            with database.engine.begin() as connection:
                connection.execute(update(schema.event).values(body=body))
        return write(work)

    monkeypatch.setattr(database, "write", meddle)
    assert rekey(database).done["event"] == 1
    assert events.get(with_keys(NEW), event.id).body == b"of somebody with the old key"


def test_blobs_are_sealed_anew_under_names_that_tell_nothing(tmp_path: Path) -> None:
    plain, old, both, new = (
        BlobStore(tmp_path, sealer)
        for sealer in (NO_ENCRYPTION, Sealer([OLD]), Sealer([NEW, OLD]), Sealer([NEW]))
    )
    digests = [plain.store(b"$fb1$01234567$ in clear"), old.store(b"sealed")]
    assert sorted(map(str, both.keys())) == sorted(["None", FIRST])
    assert all(both.needs_resealing(digest) and both.reseal(digest) for digest in digests)
    assert not any(both.needs_resealing(digest) or both.reseal(digest) for digest in digests)
    assert [new.read(digest) for digest in digests] == [b"$fb1$01234567$ in clear", b"sealed"]
    assert list(both.keys()) == [SECOND] * 2
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or not (
            {path.name} & set(digests) or b"sealed" in path.read_bytes()[40:]
        )
    with pytest.raises(FileNotFoundError):
        old.read(digests[0])
    assert new.store(b"sealed") == digests[1], "the same bytes are one file"
    assert new.sweep(lambda: set(digests), time.time() + 10) == (0, 0)
    assert all(new.reseal(digest, clear=True) for digest in digests)
    assert [plain.read(digest) for digest in digests] == [
        b"$fb1$01234567$ in clear",
        b"sealed",
    ] and set(new.keys()) == {None}
    assert new.sweep(set, time.time() + 10)[0] == 2


def test_a_blob_is_kept_in_clear_again_by_a_store_that_still_has_two_keys(tmp_path: Path) -> None:
    both = BlobStore(tmp_path, Sealer([NEW, OLD]))
    digest = both.store(b"said")
    assert both.reseal(digest, clear=True) and not both.reseal(digest, clear=True)
    assert BlobStore(tmp_path).read(digest) == both.read(digest) == b"said"
    both.discard({digest}, time.time() + 60)
    assert both.path(digest).name == digest, "where there is none, it would be there in clear"


def test_two_processes_may_reseal_one_blob_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = BlobStore(tmp_path, Sealer([OLD])).store(b"said")
    one = BlobStore(tmp_path, Sealer([NEW, OLD]))
    other = BlobStore(tmp_path, Sealer([NEW, OLD]))
    read = one.read

    def read_while_the_other_does_it(sha256: str) -> bytes:
        data = read(sha256)
        assert other.reseal(sha256)
        return data

    monkeypatch.setattr(one, "read", read_while_the_other_does_it)
    assert one.reseal(digest)
    assert BlobStore(tmp_path, Sealer([NEW])).read(digest) == b"said" and list(one.keys()) == [
        SECOND
    ]


def test_a_blob_that_is_there_twice_goes_as_a_whole(tmp_path: Path) -> None:
    """As plaintext from before there were keys, and encrypted because it was sent again."""
    plain = BlobStore(tmp_path)
    sealed = BlobStore(tmp_path, Sealer([NEW, OLD]))
    digest = plain.store(b"twice")
    assert BlobStore(tmp_path, Sealer([OLD])).store(b"twice") == sealed.store(b"twice") == digest
    assert sealed.discard({digest}, time.time() - 60) == {digest}, "it is younger than that"
    assert not sealed.discard({digest}, time.time() + 60)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_blob_that_was_changed_or_moved_is_no_blob(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path, Sealer([OLD]))
    one = blobs.store(b"one")
    other = blobs.store(b"other")
    shutil.copy(blobs.path(one), blobs.path(other))
    with pytest.raises(OSError, match="cannot be decrypted"):
        blobs.read(other)
    assert blobs.open(one).read() == b"one"


# -- the commands


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_keys_change_beside_a_bridge_that_works(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    environ = {"FLOWBRIDGE_ENCRYPTION_KEYS": OLD, "FLOWBRIDGE_SECRET_KEY": SECRET_KEY}
    if kind == "postgresql":
        store: Database = request.getfixturevalue("postgresql")
        environ["FLOWBRIDGE_DATABASE_URL"] = store.url.render_as_string(hide_password=False)
    with Bridge(tmp_path, environ=environ) as bridge:
        for name in (
            "FLOWBRIDGE_DATA",
            "FLOWBRIDGE_DATABASE_URL",
            "GITHUB_SECRET",
            "FLOWBRIDGE_SECRET_KEY",
        ):
            if name in bridge.environ:
                monkeypatch.setenv(name, bridge.environ[name])
        monkeypatch.setenv("FLOWBRIDGE_CONFIG", str(bridge.config))
        sent = [bridge.event(b'{"n": %d}' % number).json["event_id"] for number in range(20)]
        bridge.stop()
        bridge.environ["FLOWBRIDGE_ENCRYPTION_KEYS"] = f"{NEW},{OLD}"
        monkeypatch.setenv("FLOWBRIDGE_ENCRYPTION_KEYS", f"{NEW},{OLD}")
        bridge.start()
        over = threading.Event()

        def load() -> None:
            while not over.is_set():
                sent.append(bridge.event(b"{}").json["event_id"])

        thread = threading.Thread(target=load)
        thread.start()
        try:
            counted = lines(run("db", "rekey", "--dry-run", "--json"))[0]
            assert counted["rows"]["event"] >= 20
            done = run("db", "rekey", "--yes", "--json")
            assert done.exit_code == 0, done.stderr
            assert json.loads(done.stdout)["broken"] == 0
        finally:
            over.set()
            thread.join()
        checked = run("db", "check", "--json")
        found = json.loads(checked.stdout)
        assert not found["problems"], found
        assert {one["key"] for one in found["sealed"]} == {SECOND}
        assert any(f"the key {FIRST} is no longer used" in note for note in found["notes"])
        for event_id in sent:
            bridge.wait_for(event_id, lambda one: one.finished_at)
        bridge.stop()
        bridge.environ["FLOWBRIDGE_ENCRYPTION_KEYS"] = NEW
        bridge.start()
        newest = bridge.event(b'{"n": "last"}').json["event_id"]
        assert until(lambda: bridge.get("/readyz").status == 200)
        monkeypatch.setenv("FLOWBRIDGE_ENCRYPTION_KEYS", NEW)
        assert json.loads(run("show", newest, "--json").stdout)["body"] == '{"n": "last"}'
        assert json.loads(run("show", sent[0], "--json").stdout)["body"] == '{"n": 0}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_file: Path) -> Path:
    """Return a project whose SQLite store has data from before there were keys."""
    data = project_in(
        tmp_path,
        monkeypatch,
        migrated_file,
        "version: 1\n",
        ENCRYPTION_KEYS=OLD,
        SECRET_KEY=SECRET_KEY,
    )
    database = Database(f"sqlite:///{data / 'flowbridge.db'}")
    fill(database, "zqmarkzq")
    database.close()
    return tmp_path


def test_clear_to_sealed_leaves_no_letter_in_the_files(folder: Path) -> None:
    wal = folder / "data" / "flowbridge.db-wal"
    assert "values are plaintext" in run("db", "check").stderr
    dry = run("db", "rekey", "--dry-run")
    assert dry.exit_code == 0 and "1 row of event" in dry.stdout and "to encrypt" in dry.stdout
    assert "not a terminal" in run("db", "rekey").stderr
    done = run("db", "rekey", "--yes")
    assert done.exit_code == 0 and "1 row of event" in done.stdout, done.stderr
    kept = (folder / "data" / "flowbridge.db").read_bytes() + (
        wal.read_bytes() if wal.exists() else b""
    )
    assert b"of zqmarkzq" not in kept and b'zqmarkzq"' not in kept
    again = run("db", "rekey")
    assert again.exit_code == 0 and "nothing, all of it already was" in again.stdout


def test_check_names_a_key_that_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("db", "rekey", "--yes")
    for keys in (NEW, ""):
        monkeypatch.setenv("FLOWBRIDGE_ENCRYPTION_KEYS", keys)
        checked = run("db", "check")
        assert (
            checked.exit_code == 1
            and f"encrypted with the key {FIRST}, which is missing in FLOWBRIDGE_ENCRYPTION_KEYS"
            in checked.stdout
        )
        assert OLD not in checked.stdout + checked.stderr
    refused = run("db", "rekey", "--clear", "--yes")
    assert refused.exit_code == 1 and FIRST in refused.stderr


def test_sealing_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("db", "rekey", "--yes")
    done = run("db", "rekey", "--clear", "--yes")
    assert (
        done.exit_code == 0
        and "remove FLOWBRIDGE_ENCRYPTION_KEYS from the environment" in done.stderr
    )
    monkeypatch.delenv("FLOWBRIDGE_ENCRYPTION_KEYS")
    found = json.loads(run("db", "check", "--json").stdout)
    assert not found["sealed"] and not found["problems"]
