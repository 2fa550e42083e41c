"""The body of a request that a thread reads while it arrives on the event loop."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

MAX_UNREAD_BYTES: Final = 256 * 1024  # beyond which the client has to wait


class StreamedBody(io.RawIOBase):
    """Passes bytes from the loop to one thread.

    `drained` is called in the thread when it has read so much that more may arrive.
    """

    def __init__(self, drained: Callable[[], object]) -> None:
        super().__init__()
        self._drained = drained
        self._arrived = threading.Condition()
        self._pieces: deque[memoryview] = deque()
        self._unread = 0
        self._is_behind = False
        self._has_ended = False
        self._is_cut = False

    # -- on the loop

    @property
    def is_behind(self) -> bool:
        """Return whether the client has to wait until `drained` is called."""
        with self._arrived:
            self._is_behind = self._unread > MAX_UNREAD_BYTES and not self._is_cut
            return self._is_behind

    def push(self, data: bytes) -> None:
        """Add bytes."""
        with self._arrived:
            if data and not self._is_cut:
                self._pieces.append(memoryview(data))
                self._unread += len(data)
                self._arrived.notify()

    def end(self) -> None:
        """Let the reader find the end after these bytes."""
        with self._arrived:
            self._has_ended = True
            self._arrived.notify()

    def cut(self) -> None:
        """Let the reader fail: the rest does not arrive."""
        with self._arrived:
            if not self._has_ended:
                self._is_cut = True
                self._pieces.clear()
                self._arrived.notify()

    # -- in the thread

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        """Read bytes once some have arrived. Raises `TimeoutError` where they do not."""
        with self._arrived:
            while not (self._pieces or self._has_ended or self._is_cut):
                self._arrived.wait()
            if self._is_cut:
                raise TimeoutError("the rest of the body did not arrive")
            if not self._pieces:
                return 0
            piece = self._pieces.popleft()
            size = min(len(piece), len(target))
            target[:size] = piece[:size]
            if size < len(piece):
                self._pieces.appendleft(piece[size:])
            self._unread -= size
            has_drained = self._is_behind and self._unread <= MAX_UNREAD_BYTES // 2
            self._is_behind = self._is_behind and not has_drained
        if has_drained:
            self._drained()
        return size
