"""The last lines of a run's output, in bounded memory.

The end of the output is stored, since it says more about a failure than the beginning.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MAX_RUN_LOG_LINES: Final = 1000
MAX_LOG_LINE_CHARACTERS: Final = 2000
# bytes that always hold more characters than are stored of a line
_MAX_LINE_BYTES: Final = 4 * (MAX_LOG_LINE_CHARACTERS + 2)


class LogBuffer:
    """The last MAX_RUN_LOG_LINES lines, each of at most MAX_LOG_LINE_CHARACTERS characters.

    Of a flood of output only the stored part is processed.
    """

    def __init__(self) -> None:
        # one line is reserved for the note about missing lines
        self._lines: deque[bytes] = deque(maxlen=MAX_RUN_LOG_LINES - 1)
        self._open = b""  # the stored part of the line without an end
        self._ended = 0  # lines

    def feed(self, data: bytes) -> None:
        """Add output; a line is complete at its line end."""
        ends = data.count(b"\n")
        if not ends:
            self._open += data[: _MAX_LINE_BYTES - len(self._open)]
            return
        first, _, rest = data.partition(b"\n")
        self._lines.append(self._open + first[: _MAX_LINE_BYTES - len(self._open)])
        self._ended += ends
        *lines, last = rest.rsplit(b"\n", MAX_RUN_LOG_LINES)
        if ends - 1 > MAX_RUN_LOG_LINES:
            del lines[0]  # all older lines, in one piece
        self._lines.extend(line[:_MAX_LINE_BYTES] for line in lines)
        self._open = last[:_MAX_LINE_BYTES]

    def add(self, line: str) -> None:
        """Add a line, after the end of any line that is still open."""
        if self._open:
            self.feed(b"\n")
        self.feed(line.encode("utf-8", "backslashreplace") + b"\n")

    @property
    def size(self) -> int:
        """A number that changes when output is added."""
        return self._ended * _MAX_LINE_BYTES + len(self._open)

    def lines(self) -> tuple[str, ...]:
        """Return the stored lines, oldest first; the first says how many were dropped, if any."""
        stored = [*self._lines, *([self._open] if self._open else [])][-(MAX_RUN_LOG_LINES - 1) :]
        dropped = self._ended + bool(self._open) - len(stored)
        lines = tuple(map(_cut, stored))
        return (f"({dropped} earlier lines were dropped)", *lines) if dropped else lines


def _cut(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace").rstrip("\r")
    return (
        text if len(text) <= MAX_LOG_LINE_CHARACTERS else text[: MAX_LOG_LINE_CHARACTERS - 1] + "…"
    )
