"""The board: memory that the processes of one tree share, with the configuration of the moment and
who has taken on which.

One process writes what is known, the others read it; each tells in a place of its own what it has.
Made before the first fork.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bridge.monitoring.serializers import iso
from bridge.system.wakeup import Wake

MAX_PROCESSES: Final = 64
# bytes
ROLE_BYTES = 8
HASH_BYTES = 64
MAX_PROBLEM_CHARACTERS: Final = 1000  # characters
_NUMBER = struct.Struct("q")
_PLACE = struct.Struct(f"id{ROLE_BYTES}s{HASH_BYTES}s")
_SIZE = _NUMBER.size + MAX_PROCESSES * _PLACE.size


@dataclass(frozen=True, slots=True)
class ConfigState:
    """What is known of the configuration: the last good one, since when, and what is wrong with the
    files now.

    `key` and `parts`: see `config.Reading`; no parts where it is the one that everything was
    started with. `restart` are settings in `.env` that have changed, and count from the next start
    on.
    """

    hash: str
    key: str
    since: float
    error: tuple[str, ...] = ()
    error_since: float | None = None
    restart: tuple[str, ...] = ()
    parts: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ProcessSlot:
    """A living process: its id, what it does, since when, and the hash of the configuration that it
    has.
    """

    pid: int
    role: str
    since: float
    hash: str


class SharedConfig:
    """What is written is whole: it goes onto the page that nobody reads, and then that page is the
    one.
    """

    def __init__(self, known: ConfigState) -> None:
        self.wake = Wake()  # rung for the reader: look now
        self._head_fd = os.memfd_create("flowbridge-board", os.MFD_CLOEXEC)
        os.ftruncate(self._head_fd, _SIZE)
        self._head = mmap.mmap(self._head_fd, _SIZE)
        # Not mapped: a process of flows shares mapped memory, and there are secrets on it.
        self._pages = [
            os.memfd_create(f"flowbridge-page-{number}", os.MFD_CLOEXEC) for number in range(2)
        ]
        self._flows = os.memfd_create("flowbridge-flows", os.MFD_CLOEXEC)
        self._place = -1
        self.write(known)

    @property
    def number(self) -> int:
        """A number that grows whenever something is written."""
        (number,) = _NUMBER.unpack_from(self._head)
        return int(number)

    def write(self, known: ConfigState) -> None:
        """Make `known` what is known. For one process at a time."""
        number = self.number + 1
        page = self._pages[number % 2]
        raw = orjson.dumps(known)
        os.ftruncate(page, 0)
        written = 0
        while written < len(raw):
            written += os.pwrite(page, raw[written:], written)
        _NUMBER.pack_into(self._head, 0, number)

    def read(self) -> ConfigState:
        """Return what is known."""
        while True:
            number = self.number
            page = self._pages[number % 2]
            raw = os.pread(page, os.fstat(page).st_size, 0)
            if self.number == number:  # else its page may be in use again
                found = orjson.loads(raw)
                return ConfigState(
                    **found | {"error": tuple(found["error"]), "restart": tuple(found["restart"])}
                )

    # -- the flows of this machine

    def report_flows(self, problem: str | None) -> None:
        """Say that flows.py cannot be loaded, and why; None: it is loaded. For the worker alone."""
        raw = (
            b""
            if problem is None
            else orjson.dumps({"error": problem[:MAX_PROBLEM_CHARACTERS], "since": time.time()})
        )
        os.ftruncate(self._flows, 0)
        os.pwrite(self._flows, raw, 0)

    def flows_problem(self) -> tuple[str, float] | None:
        """Return why flows.py cannot be loaded, and since when; None where it is loaded, or no
        worker has said.
        """
        raw = os.pread(self._flows, os.fstat(self._flows).st_size, 0)
        try:
            found = orjson.loads(raw)
        except orjson.JSONDecodeError:  # empty, or written at this moment
            return None
        return found["error"], found["since"]

    # -- who is there

    def take_place(self, role: str, config_hash: str) -> None:
        """Be counted among the processes; once for each process, which is counted until it ends,
        however it ends.
        """
        for place in range(MAX_PROCESSES):
            try:
                fcntl.lockf(
                    self._head_fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _PLACE.size, _slot_offset(place)
                )
            except OSError:
                continue
            self._place = place
            _PLACE.pack_into(
                self._head,
                _slot_offset(place),
                os.getpid(),
                time.time(),
                role.encode(),
                config_hash.encode(),
            )
            return

    def tell(self, config_hash: str) -> None:
        """Say which configuration this process has."""
        if self._place >= 0:
            pid, since, role, _ = _PLACE.unpack_from(self._head, _slot_offset(self._place))
            _PLACE.pack_into(
                self._head, _slot_offset(self._place), pid, since, role, config_hash.encode()
            )

    def places(self) -> list[ProcessSlot]:
        """Return the processes that live."""
        return [
            ProcessSlot(pid, role.rstrip(b"\0").decode(), since, text.decode())
            for pid, since, role, text in self._living()
        ]

    def has(self, role: str) -> bool:
        """Whether there is a process that does this."""
        return any(place.role == role for place in self.places())

    def _living(self) -> Iterator[tuple[int, float, bytes, bytes]]:
        for place in range(MAX_PROCESSES):
            found = _PLACE.unpack_from(self._head, _slot_offset(place))
            if found[0] and (place == self._place or self._is_held(place)):
                yield found

    def _is_held(self, place: int) -> bool:
        where = _PLACE.size, _slot_offset(place)
        try:
            fcntl.lockf(self._head_fd, fcntl.LOCK_SH | fcntl.LOCK_NB, *where)
        except OSError:
            return True
        fcntl.lockf(self._head_fd, fcntl.LOCK_UN, *where)
        return False


def told(board: SharedConfig) -> dict[str, Any]:
    """Return what is known, and the processes, as JSON; nothing of what is secret."""
    known = board.read()
    problem, since = board.flows_problem() or (None, None)
    return {
        "flows": {"error": problem, "error_since": iso(since)},
        "config": {
            "hash": known.hash,
            "since": iso(known.since),
            "error": list(known.error),
            "error_since": iso(known.error_since),
            "restart": list(known.restart),
        },
        "processes": [
            {"pid": one.pid, "role": one.role, "since": iso(one.since), "config_hash": one.hash}
            for one in sorted(board.places(), key=lambda one: one.since)
        ],
    }


def _slot_offset(place: int) -> int:
    return _NUMBER.size + place * _PLACE.size
