"""Clocks for the processes of a node, with libfaketime; the machine's clock is never changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bridge.delivery.reconcile import MAX_SKEW_SECONDS

LIBRARY_FOLDERS: Final = (
    "/usr/lib/*/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
    "/usr/local/lib/faketime",
)
CACHE_SECONDS: Final = 1  # after which a process reads the file of its clock again
LIBRARY_NAME: Final = "libfaketime.so.1"
#: count of clock steps beyond the allowed skew -> the minimum of their seconds
LARGE_STEPS: Final = {"clock_days": 43_200.0, "clock_minutes": MAX_SKEW_SECONDS + 1.0}
CLOCK_KINDS: Final = ("clock", "blip")  # of the faults that step clocks
NO_LIBFAKETIME: Final = "libfaketime is not installed (apt-get install libfaketime)"


def find_library() -> Path | None:
    """Return the path of libfaketime, or None if it is not installed."""
    libraries = (
        file
        for pattern in LIBRARY_FOLDERS
        for file in Path("/").glob(f"{pattern.lstrip('/')}/{LIBRARY_NAME}")
    )
    return next(libraries, None)


class NodeClock:
    """The clock of one node. Its processes read its offset from a file."""

    def __init__(self, file: Path, faketime: Path) -> None:
        self._file = file
        self._faketime = faketime
        self.offset = 0.0
        self.step(0.0)

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables of a process that uses this clock."""
        return {
            "LD_PRELOAD": str(self._faketime),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": f"{CACHE_SECONDS}",
            # a step of the real clock does not change the monotonic clock either
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # With the fix, each wait for the interpreter's lock returns at once, and threads spin.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # a killed process would leave a lock behind in shared memory
            "FAKETIME_DISABLE_SHM": "1",
            "NO_FAKE_STAT": "1",
        }

    def step(self, seconds: float) -> None:
        """Set the offset from the real time, atomically."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+.0f}\n")
        draft.replace(self._file)
        self.offset = seconds


def classify_step(seconds: float) -> str | None:
    """Return the key of `LARGE_STEPS` for a step, or None for a step within the allowed skew."""
    return next((name for name, minimum in LARGE_STEPS.items() if abs(seconds) >= minimum), None)


def reset_clocks(clocks: Iterable[NodeClock]) -> None:
    """Set all clocks to the real time."""
    for clock in clocks:
        clock.step(0.0)
