"""Tests of blobs: named by their digest, complete or absent, and readable by their owner only."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bridge.store.blobs import BlobStore

DATA = b"a,b\n1,2\n"
SHA = hashlib.sha256(DATA).hexdigest()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_bytes_are_kept_under_their_digest(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "data" / "blobs")
    assert blobs.free_bytes() > 0, "also where nothing was kept yet"
    assert blobs.store(DATA) == SHA
    path = tmp_path / "data" / "blobs" / SHA[:2] / SHA
    assert blobs.path(SHA) == path and path.read_bytes() == blobs.read(SHA) == DATA
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o077 == 0
    with blobs.open(SHA) as file:
        assert file.read(3) == b"a,b"
    assert (
        blobs.store(b"") == hashlib.sha256(b"").hexdigest()
        and blobs.read(hashlib.sha256(b"").hexdigest()) == b""
    )


def test_the_same_bytes_are_written_once(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    blobs.store(DATA)
    os.utime(blobs.path(SHA), (1000, 1000))
    before = blobs.path(SHA).stat()
    blobs.store(DATA)
    after = blobs.path(SHA).stat()
    assert before.st_ino == after.st_ino and files(tmp_path) == [blobs.path(SHA)]
    assert before.st_mtime_ns < after.st_mtime_ns, (
        "it is as new: nobody owns it yet, and what is old without an owner is taken out"
    )


def test_many_may_keep_the_same_at_once(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    kept = []
    data = os.urandom(300_000)
    threads = [threading.Thread(target=lambda: kept.append(blobs.store(data))) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (
        len(kept) == 16
        and len(set(kept)) == 1
        and files(tmp_path) == [blobs.path(kept[0])]
        and blobs.read(kept[0]) == data
    )


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", f"/{'a' * 63}"]
)
def test_only_a_digest_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        BlobStore(tmp_path).read(name)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        BlobStore(tmp_path).open(SHA)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from bridge.store.blobs import BlobStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    BlobStore(Path(sys.argv[1])).store(b"x" * 5000)
except OSError as error:
    sys.exit(error.errno)
"""


@pytest.mark.usefixtures("new_processes")
def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """The process has a file size limit, which has the effect of a full disk."""
    ended = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], check=False)
    assert ended.returncode == errno.EFBIG and files(tmp_path) == []


KEEP_FOR_EVER = """
import os, sys
from pathlib import Path
from bridge.store.blobs import BlobStore
blobs = BlobStore(Path(sys.argv[1]))
while True:
    print(blobs.store(os.urandom(200_000)), flush=True)
"""


@pytest.mark.usefixtures("new_processes")
def test_what_was_said_to_be_kept_is_whole_after_a_kill(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KEEP_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read().split()
    process.wait(60)
    process.stdout.close()
    blobs = BlobStore(tmp_path)
    named = [path for path in files(tmp_path) if "." not in path.name]
    assert {path.name for path in named} >= {one for one in said if len(one) == 64}
    assert all(hashlib.sha256(blobs.read(path.name)).hexdigest() == path.name for path in named)


# -- sweeping


def aged(blobs: BlobStore, data: bytes, at: float) -> str:
    sha256 = blobs.store(data)
    os.utime(blobs.path(sha256), (at, at))
    return sha256


def test_what_nobody_owns_is_swept_once_it_is_old(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    owned = aged(blobs, b"owned", 1000)
    old = aged(blobs, b"old", 1000)
    young = aged(blobs, b"young", 3000)
    draft = blobs.path(old).with_name(f"{old}.123.abcd")
    draft.write_bytes(b"half of it")
    os.utime(draft, (1000, 1000))
    assert blobs.sweep(lambda: {owned}, 2000) == (2, len(b"old") + len(b"half of it"))
    assert {path.name for path in files(tmp_path)} == {owned, young}
    assert BlobStore(tmp_path / "none").sweep(set, 2000) == (0, 0)


def test_a_blob_kept_exactly_at_the_limit_stays(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    old = aged(blobs, b"old", 1000)
    young = aged(blobs, b"young", 2000)
    assert blobs.discard({old, young}, 2000) == {young}
    assert blobs.sweep(set, 2000) == (0, 0)
    assert blobs.read(young) == b"young"


def test_one_that_is_kept_again_while_it_is_swept_stays(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    sha256 = aged(blobs, DATA, 1000)

    def owned() -> set[str]:
        blobs.store(DATA)  # by somebody whose row is not there yet
        return set()

    assert blobs.sweep(owned, 2000) == (0, 0)
    assert blobs.read(sha256) == DATA


def test_blobs_that_are_to_be_still_are_not_swept(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    aged(blobs, DATA, 1000)
    with blobs.prevent_deletion():
        assert blobs.sweep(set, 2000) == (0, 0)
    assert blobs.sweep(set, 2000) == (1, len(DATA))
    with BlobStore(tmp_path / "none").prevent_deletion():
        pass


def test_keeping_and_sweeping_at_once_loses_nothing(tmp_path: Path) -> None:
    """A stored blob can be read, however often unowned blobs are deleted meanwhile."""
    blobs = BlobStore(tmp_path)
    over = threading.Event()
    blobs.store(DATA)

    def sweep() -> None:
        while not over.is_set():
            blobs.sweep(set, time.time() - 0.05)

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for one in threads:
        one.start()
    try:
        for _ in range(60):
            began = time.time()
            assert blobs.store(DATA) == SHA
            try:
                assert blobs.read(SHA) == DATA
            except FileNotFoundError:
                # the time of a file is that of a coarse clock
                assert time.time() - began > 0.03, "it was kept a moment ago"
            time.sleep(0.001)
    finally:
        over.set()
        for one in threads:
            one.join()
