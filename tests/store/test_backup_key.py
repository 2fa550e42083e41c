"""Tests of the secret key in backups: it is left out, and a restore says what ends without it."""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path

import orjson
import pytest
from admin_client import NO_CONFIG
from command_line import lines, run
from records import NOW, make_event
from sqlalchemy import insert

from bridge.config.settings import load_settings
from bridge.store.db.database import Database
from bridge.store.encryption import sealer_for_secrets
from bridge.store.inbound import events, learned_secrets
from bridge.store.tables import schema
from bridge.worker.maintenance import jobs

KEY = "k" * 64
OTHER = "o" * 64


@pytest.fixture
def data(folder: Path, store: Database) -> Path:
    """The data folder of a bridge with its own secret key, and a secret that Asana has sent."""
    (folder / "routes.yaml").write_text("version: 1\n")
    data = folder / "data"
    (data / "secret_key").write_text(KEY)
    events.add(store, make_event("1"), [], lambda *_: [])
    sealed = learned_secrets.seal(sealer_for_secrets((), KEY), "asana", "hunter2")
    with store.engine.begin() as connection:
        connection.execute(insert(schema.learned).values(source="asana", sealed=sealed))
    store.close()
    return data


def names_in(path: Path) -> set[str]:
    with tarfile.open(path) as tar:
        return set(tar.getnames())


def test_a_backup_has_no_secret_key(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    made = run("db", "backup", str(path))
    assert made.exit_code == 0
    assert "secret_key" not in names_in(path)
    assert KEY.encode() not in path.read_bytes()
    assert f"Not in it: routes.yaml, flows.py, .env with the secrets, and {data}/secret_key" in (
        made.stderr
    )


def test_a_backup_with_the_key_is_asked_for_and_says_what_it_is(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    made = run("db", "backup", str(path), "--with-secret-key")
    assert made.exit_code == 0
    assert "secret_key" in names_in(path) and path.stat().st_mode & 0o777 == 0o600
    words = "The backup has the secret key, with which a reader"
    assert words in made.stderr
    assert words in run("db", "restore", str(path), "--dry-run").stderr
    (data / "secret_key").write_text(OTHER)
    restored = run("db", "restore", str(path), "--replace", "--yes")
    assert restored.exit_code == 0
    assert words in restored.stderr and "another secret key" not in restored.stderr
    assert (data / "secret_key").read_text() == KEY


def test_a_key_of_the_environment_is_in_a_backup_only_if_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unused file of an earlier key is not in it either."""
    monkeypatch.setenv("FLOWBRIDGE_SECRET_KEY", OTHER)
    plain, whole = tmp_path / "x.tar", tmp_path / "y.tar"
    assert "and .env with the secrets" in run("db", "backup", str(plain)).stderr
    assert "secret_key" not in names_in(plain)
    run("db", "backup", str(whole), "--with-secret-key")
    with tarfile.open(whole) as tar:
        entry = tar.extractfile("secret_key")
        assert entry is not None and entry.read() == OTHER.encode()


def test_without_a_key_there_is_none_to_include(data: Path, tmp_path: Path) -> None:
    (data / "secret_key").unlink()
    refused = run("db", "backup", str(tmp_path / "x.tar"), "--with-secret-key")
    assert refused.exit_code == 1 and "there is no secret key" in refused.stderr
    assert run("db", "backup", str(tmp_path / "y.tar")).exit_code == 0


@pytest.mark.parametrize("present", [None, OTHER])
def test_a_restore_with_another_key_says_what_ends_before_it_replaces_anything(
    data: Path, tmp_path: Path, present: str | None
) -> None:
    path = tmp_path / "x.tar"
    run("db", "backup", str(path))
    (data / "secret_key").unlink()
    if present is not None:
        (data / "secret_key").write_text(present)
    before = (data / "flowbridge.db").read_bytes()
    tried = run("db", "restore", str(path), "--dry-run")
    assert tried.exit_code == 0 and "the backup is complete" in tried.stdout
    asked = run("db", "restore", str(path), "--replace")
    assert asked.exit_code == 2 and "pass --yes" in asked.stderr
    assert asked.stderr.startswith(tried.stderr)
    assert (data / "flowbridge.db").read_bytes() == before
    for words in (
        "another secret key",
        "learned secrets of asana",
        "links to files",
        "local platform",
        "fingerprints",
        "hashes of erased ids",
        "open pages of forms",
        "FLOWBRIDGE_SECRET_KEY",
    ):
        assert words in asked.stderr, words
    (restored,) = lines(run("db", "restore", str(path), "--replace", "--yes", "--json"))
    assert (restored["other_secret_key"], restored["unreadable_secrets"]) == (True, ["asana"])
    key = data / "secret_key"
    assert (key.read_text() if key.exists() else None) == present


def test_a_restore_with_the_same_key_says_nothing_of_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.tar"
    run("db", "backup", str(path))
    said = run("db", "restore", str(path), "--replace", "--yes")
    assert said.exit_code == 0 and "secret key" not in said.stderr
    (data / "secret_key").unlink()
    monkeypatch.setenv("FLOWBRIDGE_SECRET_KEY", KEY)
    (restored,) = lines(run("db", "restore", str(path), "--replace", "--yes", "--json"))
    assert (restored["other_secret_key"], restored["unreadable_secrets"]) == (False, [])


def forget_key(path: Path) -> None:
    """Have the manifest say nothing of the key, as that of an earlier version."""
    with tarfile.open(path) as tar:
        entries = [(entry, tar.extractfile(entry).read()) for entry in tar]  # type: ignore[union-attr]
    with tarfile.open(path, "w") as tar:
        for entry, raw in entries[:-1]:
            tar.addfile(entry, io.BytesIO(raw))
        entry, raw = entries[-1]
        values = orjson.loads(raw) | {"format": 1}
        del values["key_check"]
        manifest = orjson.dumps(values)
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))


@pytest.mark.parametrize(
    ("present", "is_other", "unreadable"),
    [(None, True, ["asana"]), (OTHER, False, ["asana"]), (KEY, False, [])],
)
def test_an_earlier_backup_is_restored(
    data: Path, tmp_path: Path, present: str | None, is_other: bool, unreadable: list[str]
) -> None:
    """Its manifest does not identify the key; a learned secret shows that it was another one."""
    path = tmp_path / "x.tar"
    run("db", "backup", str(path))
    forget_key(path)
    (data / "secret_key").unlink()
    if present is not None:
        (data / "secret_key").write_text(present)
    (restored,) = lines(run("db", "restore", str(path), "--replace", "--yes", "--json"))
    assert (restored["other_secret_key"], restored["unreadable_secrets"]) == (is_other, unreadable)


def test_an_automatic_backup_has_no_secret_key(data: Path, store: Database, tmp_path: Path) -> None:
    settings = load_settings({"FLOWBRIDGE_BACKUP": "daily"})
    context = jobs.JobContext(settings, NO_CONFIG, store, NOW, threading.Event())
    assert jobs.back_up(context)["events"] == 1
    [path] = (data / "backups").iterdir()
    assert "secret_key" not in names_in(path)
    (restored,) = lines(run("db", "restore", str(path), "--replace", "--yes", "--json"))
    assert restored["other_secret_key"] is False
