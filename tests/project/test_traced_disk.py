"""What .ci/power_loss.py takes for the files that are left when the power is lost."""

from __future__ import annotations

import importlib
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from folders import ROOT

FOLDER = Path("/data")
DATABASE, LOG = "flowbridge.db", "flowbridge.db-wal"
NOTHING, ALL = 0.0, 1.0


@pytest.fixture
def traced_disk(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    return importlib.import_module("traced_disk")


def in_hex(text: str) -> str:
    return "".join(f"\\x{each:02x}" for each in text.encode())


def fd(name: str) -> str:
    return f"5<{in_hex(f'/data/{name}' if name else '/data')}>"


def opened(name: str) -> str:
    path = in_hex(f"/data/{name}")
    return f'1 openat(AT_FDCWD<{in_hex("/")}>, "{path}", O_RDWR|O_CREAT, 0600) = 5<{path}>'


def written(name: str, text: str, at: int, end: str = "") -> str:
    call = f'1 pwrite64({fd(name)}, "{in_hex(text)}", {len(text)}, {at}'
    return call + (end or f") = {len(text)}")


def synced(name: str = "") -> str:
    return f"1 fdatasync({fd(name)}) = 0"


def left(module: ModuleType, share: float, *lines: str) -> dict[str, bytes]:
    """Return the files of the folder if the power is lost after these lines of a record."""
    disk = module.Disk()
    for step in module.read_steps([f"{line}\n".encode() for line in lines], FOLDER):
        disk.follow(step)
    files: dict[str, bytes] = disk.lose_power(share, Random(1))
    return files


def test_only_what_was_written_before_a_sync_is_certain(traced_disk: ModuleType) -> None:
    lines = [opened(LOG), synced(), written(LOG, "one", 0), synced(LOG), written(LOG, "two", 3)]
    assert left(traced_disk, NOTHING, *lines) == {LOG: b"one"}
    assert left(traced_disk, ALL, *lines) == {LOG: b"onetwo"}


def test_a_sync_covers_what_had_ended_when_it_began(traced_disk: ModuleType) -> None:
    lines = [
        opened(LOG),
        synced(),
        written(LOG, "one", 0),
        written(LOG, "two", 3, " <unfinished ...>"),
        f"2 fdatasync({fd(LOG)} <unfinished ...>",
        "1 <... pwrite64 resumed>) = 3",
    ]
    assert left(traced_disk, NOTHING, *lines) == {LOG: b""}
    assert left(traced_disk, NOTHING, *lines, "2 <... fdatasync resumed>) = 0") == {LOG: b"one"}


def test_a_sync_that_failed_covers_nothing(traced_disk: ModuleType) -> None:
    failed = f"1 fdatasync({fd(LOG)}) = -1 EIO (Input/output error)"
    lines = [opened(LOG), synced(), written(LOG, "one", 0), failed]
    assert left(traced_disk, NOTHING, *lines) == {LOG: b""}


def test_a_name_is_on_disk_once_its_folder_is_synced(traced_disk: ModuleType) -> None:
    new = [opened(LOG), written(LOG, "one", 0), synced(LOG)]
    deleted = [*new, synced(), f'1 unlink("{in_hex(f"/data/{LOG}")}") = 0']
    assert left(traced_disk, NOTHING, *new) == {}
    assert left(traced_disk, NOTHING, *new, synced()) == {LOG: b"one"}
    assert left(traced_disk, NOTHING, *deleted) == {LOG: b"one"}
    assert left(traced_disk, NOTHING, *deleted, synced()) == {}


def test_a_file_is_truncated_with_the_next_sync(traced_disk: ModuleType) -> None:
    lines = [opened(DATABASE), synced(), written(DATABASE, "database", 0), synced(DATABASE)]
    lines += [f"1 ftruncate({fd(DATABASE)}, 4) = 0"]
    assert left(traced_disk, NOTHING, *lines) == {DATABASE: b"database"}
    assert left(traced_disk, NOTHING, *lines, synced(DATABASE)) == {DATABASE: b"data"}


def test_each_sector_of_a_write_is_there_or_not(traced_disk: ModuleType) -> None:
    size = traced_disk.SECTOR_BYTES
    lines = [opened(LOG), synced(), written(LOG, "-" * size * 8, 0), synced(LOG)]
    (content,) = left(traced_disk, 0.5, *lines, written(LOG, "+" * size * 8, 0)).values()
    sectors = [content[at : at + size] for at in range(0, len(content), size)]
    assert set(sectors) == {b"-" * size, b"+" * size}


def test_an_answer_counts_when_its_first_byte_is_sent(traced_disk: ModuleType) -> None:
    def sent(status: int) -> bytes:
        text = in_hex(f'HTTP/1.1 {status} X\r\n\r\n{{"event_id":"evt_{status}"}}')
        return f'1 sendto(7<{in_hex("socket:[1]")}>, "{text}", 50, 0 <unfinished ...>'.encode()

    steps = list(traced_disk.read_steps([sent(202), sent(503)], FOLDER))
    assert [(step.kind, step.name) for step in steps] == [("answer", "evt_202")]
