"""Memory that the processes of one tree share: the current configuration, and the version of each.

One process writes the configuration, the others read it; each writes the hash of its own version to
its slot. Created before the first fork.
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

from bridge.core.units import iso
from bridge.system.wakeup import Broadcast, Wake

MAX_PROCESSES: Final = 64
# bytes
ROLE_BYTES = 8
HASH_BYTES = 64
MAX_PROBLEM_CHARACTERS: Final = 1000  # characters
_NUMBER = struct.Struct("q")
_SLOT = struct.Struct(f"id{ROLE_BYTES}s{HASH_BYTES}s")
_SIZE = _NUMBER.size + MAX_PROCESSES * _SLOT.size


@dataclass(frozen=True, slots=True)
class ConfigState:
    """The last valid configuration, since when, and the problems of the files now.

    `key` and `parts`: see `config.Reading`; no parts for the configuration of the start. `restart`:
    changed settings in `.env` that apply after a restart. `held`: why the files are valid and not
    used.
    """

    hash: str
    key: str
    since: float
    error: tuple[str, ...] = ()
    error_since: float | None = None
    restart: tuple[str, ...] = ()
    held: str | None = None
    parts: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ProcessSlot:
    """A running process: its id, role and start, and the hash of its configuration."""

    pid: int
    role: str
    since: float
    hash: str


class SharedConfig:
    """Double-buffered shared memory: write the inactive page, then switch to it."""

    def __init__(self, state: ConfigState) -> None:
        self.wake = Wake()  # wakes the reader
        self.changed = Broadcast()  # wakes the followers
        self._head_fd = os.memfd_create("flowbridge-board", os.MFD_CLOEXEC)
        os.ftruncate(self._head_fd, _SIZE)
        self._head = mmap.mmap(self._head_fd, _SIZE)
        # Not mapped: a process of flows shares mapped memory, and these pages contain secrets.
        self._pages = [
            os.memfd_create(f"flowbridge-page-{number}", os.MFD_CLOEXEC) for number in range(2)
        ]
        self._flows = os.memfd_create("flowbridge-flows", os.MFD_CLOEXEC)
        self._slot = -1
        self._slot_pid = 0  # the process that registered: a process forked later has another slot
        self.write(state)

    @property
    def number(self) -> int:
        """Return the version number, which grows with each write."""
        (number,) = _NUMBER.unpack_from(self._head)
        return int(number)

    def write(self, state: ConfigState) -> None:
        """Write the state. Only one process may write at a time."""
        number = self.number + 1
        page = self._pages[number % 2]
        raw = orjson.dumps(state)
        os.ftruncate(page, 0)
        written = 0
        while written < len(raw):
            written += os.pwrite(page, raw[written:], written)
        _NUMBER.pack_into(self._head, 0, number)
        self.changed.send()

    def read(self) -> ConfigState:
        """Return the state."""
        while True:
            number = self.number
            page = self._pages[number % 2]
            raw = os.pread(page, os.fstat(page).st_size, 0)
            if self.number == number:  # else its page may be in use again
                values = orjson.loads(raw)
                return ConfigState(
                    **values
                    | {"error": tuple(values["error"]), "restart": tuple(values["restart"])}
                )

    # -- the flows of this machine

    def report_flows(self, problem: str | None) -> None:
        """Report why flows.py cannot be loaded; None: it is loaded. For the worker only."""
        raw = (
            b""
            if problem is None
            else orjson.dumps({"error": problem[:MAX_PROBLEM_CHARACTERS], "since": time.time()})
        )
        os.ftruncate(self._flows, 0)
        os.pwrite(self._flows, raw, 0)

    def flows_problem(self) -> tuple[str, float] | None:
        """Return why flows.py cannot be loaded, and since when; None if loaded or not reported."""
        raw = os.pread(self._flows, os.fstat(self._flows).st_size, 0)
        try:
            report = orjson.loads(raw)
        except orjson.JSONDecodeError:  # empty, or written at this moment
            return None
        return report["error"], report["since"]

    # -- the processes

    def register(self, role: str, config_hash: str) -> None:
        """Register this process in a free slot, once; a file lock frees the slot when it ends."""
        for slot in range(MAX_PROCESSES):
            try:
                fcntl.lockf(
                    self._head_fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _SLOT.size, _slot_offset(slot)
                )
            except OSError:
                continue
            self._slot, self._slot_pid = slot, os.getpid()
            _SLOT.pack_into(
                self._head,
                _slot_offset(slot),
                os.getpid(),
                time.time(),
                role.encode(),
                config_hash.encode(),
            )
            return

    def write_hash(self, config_hash: str) -> None:
        """Write the hash of this process's configuration to its slot."""
        if self._slot_pid == os.getpid():
            pid, since, role, _ = _SLOT.unpack_from(self._head, _slot_offset(self._slot))
            _SLOT.pack_into(
                self._head, _slot_offset(self._slot), pid, since, role, config_hash.encode()
            )

    def processes(self) -> list[ProcessSlot]:
        """Return the running processes."""
        return [
            ProcessSlot(pid, role.rstrip(b"\0").decode(), since, text.decode())
            for pid, since, role, text in self._living()
        ]

    def has(self, role: str) -> bool:
        """Return whether a process has this role."""
        return any(slot.role == role for slot in self.processes())

    def _living(self) -> Iterator[tuple[int, float, bytes, bytes]]:
        for slot in range(MAX_PROCESSES):
            record = _SLOT.unpack_from(self._head, _slot_offset(slot))
            if record[0] and (self._is_own(slot) or self._is_held(slot)):
                yield record

    def _is_own(self, slot: int) -> bool:
        return slot == self._slot and self._slot_pid == os.getpid()

    def _is_held(self, slot: int) -> bool:
        where = _SLOT.size, _slot_offset(slot)
        try:
            fcntl.lockf(self._head_fd, fcntl.LOCK_SH | fcntl.LOCK_NB, *where)
        except OSError:
            return True
        fcntl.lockf(self._head_fd, fcntl.LOCK_UN, *where)
        return False


def describe(board: SharedConfig) -> dict[str, Any]:
    """Return the state and the processes as JSON, without secrets."""
    state = board.read()
    problem, since = board.flows_problem() or (None, None)
    return {
        "flows": {"error": problem, "error_since": iso(since)},
        "config": {
            "hash": state.hash,
            "since": iso(state.since),
            "error": list(state.error),
            "error_since": iso(state.error_since),
            "restart": list(state.restart),
            "held": state.held,
        },
        "processes": [
            {
                "pid": process.pid,
                "role": process.role,
                "since": iso(process.since),
                "config_hash": process.hash,
            }
            for process in sorted(board.processes(), key=lambda slot: slot.since)
        ],
    }


def _slot_offset(slot: int) -> int:
    return _NUMBER.size + slot * _SLOT.size
