"""A bell between processes and threads: whoever has work for the worker rings, the worker sleeps until it hears it."""

from __future__ import annotations

import os
import select


class Wake:
    """A pipe, made before the fork. Ringing never blocks and many rings are heard as one."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def ring(self) -> None:
        """Wake the sleeper, now or the next time it would sleep."""
        try:
            os.write(self._write, b"\0")
        except BlockingIOError:
            return  # the pipe is full of rings already

    def wait(self, seconds: float) -> bool:
        """Sleep until someone rings or `seconds` have passed; return whether someone rang."""
        heard, _, _ = select.select([self._read], [], [], max(0.0, seconds))
        if heard:
            os.read(self._read, 65536)
        return bool(heard)
