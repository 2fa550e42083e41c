"""The balance of connections between the receivers of a machine.

They accept from one socket, and the first to wake up accepts: keep-alive connections can all end up
with one receiver while the other idles. So each publishes how many it holds, and the one with more
waits a moment before it accepts. Unlike with a socket for each, a receiver that hangs delays no
connection: the other accepts it after that moment.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

YIELD_SECONDS = 0.002
PLACES = 64  # receivers beyond that share a place
FREE_PLACE = -1
_COUNT = struct.Struct("i")


class Balance:
    """Numbers of connections in shared memory. Create it before the fork."""

    def __init__(self) -> None:
        self._fd = os.memfd_create("flowbridge-balance", os.MFD_CLOEXEC)
        os.write(self._fd, _COUNT.pack(FREE_PLACE) * PLACES)
        self._counts = mmap.mmap(self._fd, PLACES * _COUNT.size)
        self._place = PLACES - 1

    def take_place(self) -> int:
        """Take the first free place and return its number. It is freed when this process ends."""
        for place in range(PLACES):
            try:
                fcntl.lockf(
                    self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _COUNT.size, place * _COUNT.size
                )
            except OSError:
                continue
            self._place = place
            break
        self.publish_count(0)
        return self._place

    def publish_count(self, connections: int) -> None:
        """Publish how many connections this process holds."""
        _COUNT.pack_into(self._counts, self._place * _COUNT.size, connections)

    def free_place(self) -> None:
        """Free the place."""
        self.publish_count(FREE_PLACE)

    def is_fuller(self) -> bool:
        """Return whether another process holds fewer connections."""
        counts = [count for (count,) in _COUNT.iter_unpack(self._counts)]
        return any(FREE_PLACE < count < counts[self._place] for count in counts)
