"""A bell between processes and threads: whoever has work for the worker rings, the worker sleeps
until it hears it.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
import time

_TIME = struct.Struct("d")
# where it stands, after the time, that somebody has rung and the sleeper has not woken yet
_RUNG = _TIME.size


class Wake:
    """A pipe, made before the fork. Ringing never blocks and many rings are heard as one.

    Whoever rings while another's ring is not heard yet has nothing to do: the sleeper looks at what
    there is after it has heard.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._seen = mmap.mmap(-1, _TIME.size + 1)  # shared with whoever is forked

    @property
    def seen_at(self) -> float:
        """When the sleeper, whichever process it is, came by last, by the monotonic clock; 0.0
        where it never did.
        """
        (at,) = _TIME.unpack_from(self._seen)
        return float(at)

    def ring(self) -> None:
        """Wake the sleeper, now or the next time it would sleep."""
        if self._seen[_RUNG]:
            return
        self._seen[_RUNG] = True
        try:
            os.write(self._write, b"\0")
        except BlockingIOError:
            return  # the pipe is full of rings already

    def wait(self, seconds: float) -> bool:
        """Sleep until someone rings or `seconds` have passed; return whether someone rang."""
        _TIME.pack_into(self._seen, 0, time.monotonic())
        heard, _, _ = select.select([self._read], [], [], max(0.0, seconds))
        if heard:
            os.read(self._read, 65536)
        # not before the pipe is empty; and where nobody rang, since one may have died between the
        # two
        self._seen[_RUNG] = False
        return bool(heard)
