"""Parse a record of strace: what programs do to SQLite's files, and what a disk holds of it.

The record is that of `strace -f -y -xx -e trace=CALLS`, where CALLS are `TRACED_CALLS`, with `-s`
above the largest write. A disk holds of a file what was written before a sync of it began that has
ended. A new or deleted name is on disk after a sync of its folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

DATABASE = "flowbridge.db"
LOG = f"{DATABASE}-wal"
FILES = (DATABASE, LOG, f"{DATABASE}-journal")  # not -shm: SQLite builds it from these
FOLDER = "."
SECTOR_BYTES = 512
SYNCS = ("fsync", "fdatasync")
SENDS = ("sendto", "sendmsg", "write", "writev")
NAMING = ("openat", "unlink")
TRACED_CALLS = (*NAMING, "pwrite64", "ftruncate", *SYNCS, *SENDS)

_CALLED = re.compile(
    rb"(?P<thread>\d+) +(?P<call>\w+)\((?P<arguments>.*)"
    rb"(?:\) += (?P<result>-?\d+).*| <unfinished \.\.\.>)$"
)
_RESUMED = re.compile(rb"(?P<thread>\d+) +<\.\.\. \w+ resumed>.*\) += (?P<result>-?\d+)")
_PATHS = {call: re.compile(rb'"(.*?)"') for call in NAMING}
_PATH_OF_FD = re.compile(rb"\d+<(.*?)>")
_EVENT_ID = re.compile(rb'"(evt_\w+)"')


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on a file, or an answer to a sender, whose name is the id of the event."""

    kind: str  # create, unlink, write, truncate, sync_began, sync_ended, answer
    name: str
    at: int = 0  # an offset, a size, or the thread that syncs
    data: bytes = b""


@dataclass(slots=True)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    later: list[Step] = field(default_factory=list)
    moved: int = 0  # number of steps that are in `synced`
    covered: dict[int, int] = field(default_factory=dict)  # steps before the sync of a thread

    def end_sync(self, thread: int) -> None:
        count = max(0, self.covered.pop(thread) - self.moved)
        for step in self.later[:count]:
            _change(self.synced, step)
        del self.later[:count]
        self.moved += count


class Disk:
    """The files of a folder as programs see them, and as the disk holds them."""

    def __init__(self) -> None:
        self._seen: dict[str, _File] = {}
        self._entries: dict[str, _File] = {}

    def follow(self, step: Step) -> None:
        """Carry out a step."""
        file = self._seen.get(step.name)
        if step.kind == "create":
            self._seen.setdefault(step.name, _File())
        elif step.kind == "unlink":
            del self._seen[step.name]
        elif step.kind == "sync_ended" and step.name == FOLDER:
            self._entries = dict(self._seen)
        elif file is None:
            return
        elif step.kind == "sync_began":
            file.covered[step.at] = file.moved + len(file.later)
        elif step.kind == "sync_ended":
            file.end_sync(step.at)
        else:
            file.later.append(step)

    def lose_power(self, share: float, chance: Random) -> dict[str, bytes]:
        """Return the files that are left, with this share of the sectors and names not synced."""
        left = {}
        for name in sorted({*self._seen, *self._entries}):
            file = (self._seen if chance.random() < share else self._entries).get(name)
            if file is not None:
                content = bytearray(file.synced)
                for step in file.later if share else ():
                    for piece in _split_sectors(step):
                        if chance.random() < share:
                            _change(content, piece)
                left[name] = bytes(content)
        return left


def _change(content: bytearray, step: Step) -> None:
    content.extend(bytes(max(0, step.at - len(content))))
    if step.kind == "truncate":
        del content[step.at :]
    else:
        content[step.at : step.at + len(step.data)] = step.data


def _split_sectors(step: Step) -> Iterator[Step]:
    if step.kind == "truncate":
        yield step
    at, end = step.at, step.at + len(step.data)
    while at < end:
        until = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield Step("write", step.name, at, step.data[at - step.at : until - step.at])
        at = until


@dataclass(frozen=True, slots=True)
class _Call:
    thread: int
    call: str
    arguments: bytes
    name: str  # of a file of `FILES` or its folder, or ""

    def begin(self) -> list[Step]:
        """Return what happens when it begins."""
        if self.name and self.call in SYNCS:
            return [Step("sync_began", self.name, self.thread)]
        if self.call in SENDS:
            text = _join_strings(self.arguments)
            if text.startswith(b"HTTP/1.1 2"):
                return [Step("answer", each.decode()) for each in _EVENT_ID.findall(text)]
        return []

    def end(self, result: int) -> list[Step]:
        """Return what has happened when it has succeeded."""
        if not self.name:
            return []
        if self.call in SYNCS:
            return [Step("sync_ended", self.name, self.thread)]
        if self.call == "pwrite64":
            text, _, at = self.arguments.rsplit(b", ", 2)
            return [Step("write", self.name, int(at), _join_strings(text)[:result])]
        if self.call == "ftruncate":
            return [Step("truncate", self.name, int(self.arguments.rpartition(b", ")[2]))]
        if self.call == "openat":
            return [Step("create", self.name)] if b"O_CREAT" in self.arguments else []
        return [Step("unlink", self.name)] if self.call == "unlink" else []


def read_steps(record: Iterable[bytes], folder: Path) -> Iterator[Step]:
    """Yield the steps in the order in which strace saw them: a cause is before its effect.

    A write counts from its end, an answer from its beginning.
    """
    begun: dict[bytes, _Call] = {}
    for line in record:
        if found := _CALLED.match(line):
            call = _read_call(found, folder)
            yield from call.begin()
            begun[found["thread"]] = call
        else:
            found = _RESUMED.match(line)
        if found and found["result"] is not None:
            call = begun.pop(found["thread"])
            if int(found["result"]) >= 0:
                yield from call.end(int(found["result"]))


def _read_call(found: re.Match[bytes], folder: Path) -> _Call:
    call = found["call"].decode()
    path = _PATHS.get(call, _PATH_OF_FD).search(found["arguments"])
    name = _name_in(folder, path[1]) if path else ""
    return _Call(int(found["thread"]), call, found["arguments"], name)


@cache
def _name_in(folder: Path, path: bytes) -> str:
    name = os.path.relpath(os.fsdecode(_unhex(path)), folder)
    return name if name in (*FILES, FOLDER) else ""


def _join_strings(arguments: bytes) -> bytes:
    return _unhex(b"".join(arguments.split(b'"')[1::2]))


def _unhex(text: bytes) -> bytes:
    return bytes.fromhex(text.replace(rb"\x", b"").decode())
