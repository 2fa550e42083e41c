"""A clock for the bridge's processes alone, by libfaketime: the machine's is never touched."""

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
LIBRARY_NAME: Final = "libfaketime.so.1"
#: Steps of a clock that no window covers -> how many seconds they have at least.
LARGE_STEPS: Final = {"clock_days": 43_200.0, "clock_minutes": MAX_SKEW_SECONDS + 1.0}
NO_LIBFAKETIME: Final = "libfaketime is not installed (apt-get install libfaketime)"


def find_library() -> Path | None:
    """Return libfaketime, None where it is not installed."""
    found = (
        file
        for pattern in LIBRARY_FOLDERS
        for file in Path("/").glob(f"{pattern.lstrip('/')}/{LIBRARY_NAME}")
    )
    return next(found, None)


class NodeClock:
    """The clock of one node: its processes read how far it is off from a file."""

    def __init__(self, file: Path, faketime: Path) -> None:
        self._file = file
        self._faketime = faketime
        self.offset = 0.0
        self.step(0.0)

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment to go by this clock."""
        return {
            "LD_PRELOAD": str(self._faketime),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds until the file is read again
            # a step of the real clock leaves that one alone, too
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Else it has each thread that waits for the interpreter's lock come back at once, again
            # and again, and nobody gets on.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # what a killed process leaves behind would be a lock that nobody opens
            "FAKETIME_DISABLE_SHM": "1",
            "NO_FAKE_STAT": "1",
        }

    def step(self, seconds: float) -> None:
        """Set it so many seconds off, atomically."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+.0f}\n")
        draft.replace(self._file)
        self.offset = seconds


def classify_step(seconds: float) -> str | None:
    """Return the word for a step that is larger than the skew, of `BEYOND_SKEW`; null for a smaller
    one.
    """
    return next((word for word, least in LARGE_STEPS.items() if abs(seconds) >= least), None)


def reset_clocks(clocks: Iterable[NodeClock]) -> None:
    """Have them all right."""
    for clock in clocks:
        clock.step(0.0)
