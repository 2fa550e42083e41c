"""Temporary folders of backups and restores, each as large as the store."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = ".flowbridge-scratch-"  # then the name of the host


@contextmanager
def make_scratch(beside: Path) -> Iterator[Path]:
    """Make a temporary folder in another one, and delete it afterwards.

    Deletes first what killed processes of this host have left there. A lock shows that a folder is
    in use; on a file system without locks they stay. Hosts that share a folder may not see each
    other's locks, so each deletes only its own.
    """
    prefix = f"{PREFIX}{socket.gethostname()}-"
    with ExitStack() as stack:
        with _locked(beside):  # else another process could find the new folder before its lock
            _delete_abandoned(beside, prefix)
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(_locked(folder))
        yield folder


def _delete_abandoned(beside: Path, prefix: str) -> None:
    for folder in beside.iterdir():
        if folder.name.startswith(prefix):
            with suppress(OSError), _opened(folder) as fd:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, where its file system has locks."""
    with _opened(folder) as fd:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
