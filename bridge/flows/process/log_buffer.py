"""The end of what a run writes, in bounded memory, however much it is: how it ended matters more
than how it began.
"""

from __future__ import annotations

from collections import deque
from typing import Final

LOG_LINES: Final = 1000
LOG_LENGTH: Final = 2000  # characters
# bytes that hold more characters than are kept of a line, whatever they are
_ROOM: Final = 4 * (LOG_LENGTH + 2)


class Tail:
    """The last LOG_LINES lines, each at most LOG_LENGTH characters. Of a flood only what is kept is
    looked at closely.
    """

    def __init__(self) -> None:
        # one is kept for the note that some are gone
        self._lines: deque[bytes] = deque(maxlen=LOG_LINES - 1)
        self._open = b""  # the line whose end has not come yet, as far as it is kept
        self._ended = 0  # lines

    def feed(self, data: bytes) -> None:
        """Add what was written; a line is a line once its end has come."""
        ends = data.count(b"\n")
        if not ends:
            self._open += data[: _ROOM - len(self._open)]
            return
        first, _, rest = data.partition(b"\n")
        self._lines.append(self._open + first[: _ROOM - len(self._open)])
        self._ended += ends
        *lines, last = rest.rsplit(b"\n", LOG_LINES)
        if ends - 1 > LOG_LINES:
            del lines[0]  # all that is older, in one piece
        self._lines.extend(line[:_ROOM] for line in lines)
        self._open = last[:_ROOM]

    def add(self, line: str) -> None:
        """Add a line, whatever was written before it without an end."""
        if self._open:
            self.feed(b"\n")
        self.feed(line.encode("utf-8", "backslashreplace") + b"\n")

    @property
    def size(self) -> int:
        """A number that has changed when anything was added to the lines."""
        return self._ended * _ROOM + len(self._open)

    def lines(self) -> tuple[str, ...]:
        """Return what is kept, oldest first; the first says how many are not, if any."""
        kept = [*self._lines, *([self._open] if self._open else [])][-(LOG_LINES - 1) :]
        dropped = self._ended + bool(self._open) - len(kept)
        lines = tuple(map(_cut, kept))
        return (f"({dropped} earlier lines are not kept)", *lines) if dropped else lines


def _cut(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace").rstrip("\r")
    return text if len(text) <= LOG_LENGTH else text[: LOG_LENGTH - 1] + "…"
