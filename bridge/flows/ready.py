"""Ready-made flows of the local platform: `saved_item_id` is the name."""

from __future__ import annotations

import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from bridge.flows.function import FlowError, FlowFunction, flow
from bridge.flows.running import current, log
from bridge.model import JSON

SLEEP_MAX: Final = 3600.0  # seconds


@flow
def echo(**inputs: JSON) -> dict[str, JSON]:
    """Returns its inputs as outputs."""
    return inputs


@flow
def fail(message: str = "failed, as asked") -> None:
    """Fails, with `message` in its log."""
    raise FlowError(str(message))


@flow
def sleep(seconds: float = 1.0) -> dict[str, JSON]:
    """Waits for `seconds` (at most 3600) and returns how long it waited."""
    try:
        wait = float(seconds)
    except (TypeError, ValueError):
        raise FlowError("seconds: a number is wanted") from None
    if not 0 <= wait <= SLEEP_MAX:
        raise FlowError(f"seconds: {wait:g} was given; allowed are 0 to {SLEEP_MAX:g}")
    time.sleep(wait)
    return {"seconds": wait}


@flow
def append_jsonl(file: str = "events.jsonl", **inputs: JSON) -> dict[str, JSON]:
    """Appends the inputs as one JSON line to `file` in the folder `files` of the data folder, with the time."""
    from bridge.platforms.answers import dump

    received_at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="microseconds")
    line = dump({"received_at": received_at, **inputs}) + b"\n"
    size = append(current().data_dir / "files", file, line)
    log(f"appended {len(line)} bytes to {file}")
    return {"file": str(file), "bytes": len(line), "size": size}


def append(folder: Path, name: Any, data: bytes) -> int:
    """Append to `folder/name` durably and return the file's new size. No part of `name` may lead out of `folder`.

    Each folder on the way is opened relative to the one before and never through a symbolic link, so none can be put in between.
    """
    if not isinstance(name, str) or "\0" in name or "\\" in name:
        raise FlowError("file: a path inside the folder `files` is wanted, such as orders/new.jsonl")
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or name.endswith("/"):
        raise FlowError(f"file: {name!r} was given; a path inside the folder `files` is wanted, such as orders/new.jsonl")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = _open_inside(folder, path.parts)
    except OSError as error:
        raise FlowError(f"file: {name!r} cannot be opened: {error.strerror}") from error
    try:
        return _append(descriptor, data)
    finally:
        os.close(descriptor)


def _open_inside(folder: Path, parts: tuple[str, ...]) -> int:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            try:
                os.mkdir(part, 0o755, dir_fd=at)
                os.fsync(at)
            except FileExistsError:
                pass
            following = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = following
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(parts[-1], flags, 0o644, dir_fd=at)
        os.fsync(at)  # so that a file that is new is there after a power cut
        return descriptor
    finally:
        os.close(at)


def _append(descriptor: int, data: bytes) -> int:
    """Write under a lock, whole or not at all: what a full disk cut short is taken back."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    size = os.fstat(descriptor).st_size
    try:
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data  # a line torn by a crash must not swallow this one
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])
        os.fsync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, size)
        raise FlowError(f"the file cannot be written: {error.strerror}") from error
    return size + len(data)


READY: Final[dict[str, FlowFunction]] = {one.name: one for one in (echo, fail, sleep, append_jsonl)}
