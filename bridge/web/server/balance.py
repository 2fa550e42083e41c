"""Share connections evenly between the receivers of a machine.

They accept from one socket, and whoever wakes first accepts: connections that are kept alive can
all end up with one receiver while the other idles. So each tells the others how many it holds, and
the fuller one lets another go first. One that does not answer takes nothing with it, as it would
with a socket for each: what it does not accept in a moment, the fuller one does.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time

LET_GO_FIRST = 0.002  # seconds
PLACES = 64  # more receivers than that are not told apart
NOBODY = -1
_COUNT = struct.Struct("i")


class Balance:
    """Create it before the fork: its memory, and the places in it, are then shared by all
    receivers.
    """

    def __init__(self) -> None:
        self._fd = os.memfd_create("flowbridge-balance", os.MFD_CLOEXEC)
        os.write(self._fd, _COUNT.pack(NOBODY) * PLACES)
        self._counts = mmap.mmap(self._fd, PLACES * _COUNT.size)
        self._place = PLACES - 1

    def take_place(self) -> int:
        """Take the first place that no living process has and return its number; it is free again
        when this process ends.
        """
        for place in range(PLACES):
            try:
                fcntl.lockf(
                    self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _COUNT.size, place * _COUNT.size
                )
            except OSError:
                continue
            self._place = place
            break
        self.tell(0)
        return self._place

    def tell(self, connections: int) -> None:
        """Say how many connections this process holds."""
        _COUNT.pack_into(self._counts, self._place * _COUNT.size, connections)

    def leave(self) -> None:
        """Be counted no more."""
        self.tell(NOBODY)

    def let_go_first(self) -> bool:
        """Wait a moment if another process holds fewer connections; return whether one does."""
        counts = [count for (count,) in _COUNT.iter_unpack(self._counts)]
        fuller = any(NOBODY < count < counts[self._place] for count in counts)
        if fuller:
            time.sleep(LET_GO_FIRST)
        return fuller
