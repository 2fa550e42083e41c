"""Limits on incomplete requests: how many a receiver waits for, and how long.

A thread waits for each, so they may hold only a part of the threads. A request that arrives
completely is never counted. One that finds no place gets a moment longer if few others have one:
the rest of it may be on the way.
"""

from __future__ import annotations

import math
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from bridge.config.addresses import Address, Network
from bridge.core.errors import Refused
from bridge.core.timings import TIMINGS, Timings

# that a request may wait for bytes in all before it is counted: a head and its body come in two
# packets
GRACE_SECONDS = 0.005
MOMENT_SECONDS = 0.25  # for a request without a place, for half as many as have one
MAX_PER_NETWORK: Final = 4  # incomplete requests of one network that a receiver waits for
NETWORK_BITS: Final = {4: 24, 6: 56}
RETRY_AFTER: Final = "5"


class IncompleteRequests:
    """Counts the incomplete requests of a receiver, in total and by client network."""

    def __init__(
        self,
        most: int,
        trusted: Sequence[Network] = (),
        private: Address | None = None,
        timings: Timings = TIMINGS,
    ) -> None:
        """Create the counts. Peers that are `trusted`, and those of the socket `private`, count
        toward `most` only.
        """
        self._most = most
        self._trusted = trusted
        self._private = private
        self.timings = timings
        self._networks: Counter[str] = Counter()
        self._moments = 0
        self._mutex = threading.Lock()

    def network_of(self, peer: Any, server: Any) -> str:
        """Return the network whose requests are counted together; empty for a peer that counts
        toward the total only.
        """
        if not isinstance(peer, tuple) or (
            self._private is not None and isinstance(server, tuple) and server[:2] == self._private
        ):
            return ""
        address = ip_address(peer[0].partition("%")[0])
        address = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
        if any(address in network for network in self._trusted):
            return ""
        return str(ip_network((address, NETWORK_BITS[address.version]), strict=False))

    def take_place(self, network: str) -> bool:
        """Count one more request of a network; return false if that would be too many."""
        with self._mutex:
            if self._networks.total() >= self._most or (
                network and self._networks[network] >= MAX_PER_NETWORK
            ):
                return False
            self._networks[network] += 1
            return True

    def free_place(self, network: str) -> None:
        """Count one request of a network less."""
        with self._mutex:
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]

    def add_waiting(self) -> bool:
        """Count a request that waits without a place; return false if that would be too many."""
        with self._mutex:
            fits = self._moments < self._most // 2
            self._moments += fits
            return fits

    def remove_waiting(self) -> None:
        """Count one request that waits without a place less."""
        with self._mutex:
            self._moments -= 1


class RequestDeadline:
    """The deadline of one request that is being read, and its count as an incomplete one."""

    __slots__ = (
        "_began",
        "_expected",
        "_free",
        "_grace",
        "_incomplete",
        "_network",
        "_received",
        "_seconds",
        "draining",
    )

    def __init__(self, incomplete: IncompleteRequests, network: str) -> None:
        self._incomplete = incomplete
        self._network = network
        self._began = time.monotonic()
        self._seconds = incomplete.timings.request_head_seconds
        self._grace = GRACE_SECONDS
        self._received = 0
        self._expected = 0
        self._free: Callable[[], None] | None = None  # frees the place or the moment
        self.draining = False

    @property
    def until(self) -> float:
        """Return the deadline of the rest. Bytes that the application reads extend it; the framing
        of chunks does not.
        """
        bought = (
            min(self._received, self._expected) / self._incomplete.timings.request_bytes_per_second
        )
        return self._began + self._seconds + bought

    def begin_body(self) -> None:
        """Start the deadline of the body."""
        self._began = time.monotonic()
        self._seconds = self._incomplete.timings.request_body_seconds
        self._received = 0

    def expect(self, size: int) -> None:
        """Let so many bytes of the body extend the deadline, of all that have arrived."""
        self._expected = size

    def receive(self, size: int) -> None:
        """Count bytes that have arrived."""
        self._received += size

    def end(self) -> None:
        """Free its place: the request is complete, or no longer awaited."""
        if self._free is not None:
            self._free()
            self._free = None

    def drain(self) -> None:
        """Wait only for the grace for the rest of a body that the application did not read."""
        self.end()
        self.draining = True
        self._grace = GRACE_SECONDS

    def wait(self, descriptor: int) -> bool:
        """Wait for bytes; return false at the deadline.

        Raises `Refused` if the receiver waits for too many requests already.
        """
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while (left := self.until - (now := time.monotonic())) > 0:
            if self._grace <= 0:
                if self.draining:
                    return False
                self._count()
            came = poll.poll(math.ceil(min(left, self._grace) * 1000))
            self._grace -= time.monotonic() - now
            if came:
                return True
        return False

    def _count(self) -> None:
        """Count the request as incomplete, or let it wait a moment without a place."""
        had_moment = self._free is not None
        self.end()
        if self._incomplete.take_place(self._network):
            self._free = partial(self._incomplete.free_place, self._network)
            self._grace = math.inf
        elif not had_moment and self._incomplete.add_waiting():
            self._free = self._incomplete.remove_waiting
            self._grace = MOMENT_SECONDS
        else:
            raise Refused(
                503,
                "busy",
                "too many requests are incomplete; send this one again",
                headers={"Retry-After": RETRY_AFTER, "Connection": "close"},
            )
