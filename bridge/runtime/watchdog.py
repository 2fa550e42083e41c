"""The watchdog: probe the readiness and progress of the processes, and notify systemd.

*Ready* means that `/readyz` answers 200, over HTTP like any client. *Progress* is less: the
receivers answer in time, with any status, and the worker completes cycles. A full disk or an
unreachable database makes a bridge not ready, but a restart would not fix it, and would lose the
results of calls that are not stored yet.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bridge.config.addresses import Address, bracket
from bridge.core.timings import TIMINGS, Timings
from bridge.runtime.systemd import READY, ServiceNotifier

POLL_SECONDS: Final = 0.05  # between polls while an answer or the start of the service is awaited
REST_SECONDS: Final = 1.0  # the same at rest, at most
SLOW_PROBE_SECONDS: Final = 1.0  # between probes during a slow start
# after which the service counts as started though it is not ready: it makes progress, and a restart
# would not fix it
START_LIMIT_SECONDS: Final = 30.0
LOCAL_ADDRESSES: Final = {
    "0.0.0.0": "127.0.0.1",  # noqa: S104 - how to reach a socket bound to all addresses
    "::": "::1",
}
READY_PATH: Final = "/readyz"


class ReadinessProbe:
    """One non-blocking GET request. `limit`: seconds for the answer."""

    def __init__(self, address: Address, limit: float) -> None:
        self._limit = limit
        host = LOCAL_ADDRESSES.get(address[0], address[0])
        port = address[1]
        host_header = f"Host: {bracket(host)}:{port}"
        head = f"GET {READY_PATH} HTTP/1.1\r\n{host_header}\r\nConnection: close\r\n\r\n"
        self._left = head.encode()
        self._read = b""
        self.asked_at = time.monotonic()
        self._sock = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM
        )
        self._sock.setblocking(False)
        self._failed = self._sock.connect_ex((host, port)) not in (0, errno.EINPROGRESS)

    def answer(self) -> int | None:
        """Return the HTTP status, 0 after a failure, None while there is no answer yet."""
        try:
            while self._left and not self._failed:
                self._left = self._left[self._sock.send(self._left) :]
            while not self._failed and b"\r\n" not in self._read:
                piece = self._sock.recv(4096)
                self._read, self._failed = self._read + piece, not piece or len(self._read) > 4096
        except BlockingIOError:
            return None if time.monotonic() - self.asked_at < self._limit else self._end(0)
        except OSError:
            return self._end(0)
        status = self._read.split(b" ")[1:2]
        return self._end(int(status[0]) if status and status[0].isdigit() else 0)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _end(self, status: int) -> int:
        self.close()
        return status


class Watchdog:
    """Probes the processes and notifies systemd.

    `receivers`: their address, None without receivers. `worker_seen`: the time of the worker's last
    cycle. `begun`: whether the receivers of this process run: during a handover those of the other
    process answer at the same address. Receivers without a worker are ready when they answer,
    whatever the state of a worker elsewhere.
    """

    def __init__(
        self,
        notify: ServiceNotifier,
        receivers: Address | None = None,
        worker_seen: Callable[[], float] | None = None,
        begun: Callable[[], bool] = lambda: True,
        timings: Timings = TIMINGS,
    ) -> None:
        self._timings = timings
        self.notify = notify
        self._receivers = receivers
        self._worker_seen = worker_seen
        self._begun = begun
        self._good = (200,) if worker_seen else (200, 503)
        self._state = " and ".join(
            ["receiving"] * bool(receivers) + ["delivering"] * bool(worker_seen)
        )
        self._pending_probe: ReadinessProbe | None = None
        self._next = 0.0
        self._pinged_at = 0.0
        self._answered_at = 0.0
        self._began_at = time.monotonic()
        self._notified: bool | None = None  # the last notified state; None: nothing yet
        self._ready = False

    @property
    def seconds_to_wait(self) -> float:
        """The seconds until the next poll, unless a process ends before."""
        if not self.notify:
            return REST_SECONDS
        if self._notified is None or self._pending_probe is not None:
            return POLL_SECONDS
        until_probe = REST_SECONDS if self._receivers is None else self._next - time.monotonic()
        until_ping = self.notify.watchdog / 8 or REST_SECONDS
        return max(POLL_SECONDS, min(REST_SECONDS, until_probe, until_ping))

    def poll(self, *, all_alive: bool) -> None:
        """Probe and notify if due; never waits, so call it often. `all_alive`: all children run."""
        if not self.notify:
            return
        now = time.monotonic()
        if self._receivers is None:
            self._ready = all_alive and self._moves(now)
        else:
            self._probe(self._receivers, now)
        self._notify_change(
            is_up=self._ready
            or (
                all_alive
                and now - self._began_at >= START_LIMIT_SECONDS
                and not self.notify.succeeds
                and self._moves(now)
            )
        )
        due = self.notify.watchdog and now - self._pinged_at >= self.notify.watchdog / 4
        if due and self._notified is not None and all_alive and self._moves(now):
            self.notify.send("WATCHDOG=1")
            self._pinged_at = now

    def _probe(self, address: Address, now: float) -> None:
        if self._pending_probe is None and now >= self._next:
            with suppress(OSError):  # no free socket
                self._pending_probe = ReadinessProbe(address, self._timings.probe_answer_seconds)
        if self._pending_probe is not None and (status := self._pending_probe.answer()) is not None:
            asked_at = self._pending_probe.asked_at
            self._pending_probe = None
            self._ready = status in self._good and self._began()
            self._answered_at = now if status else self._answered_at
            at_start = (
                self._timings.probe_start_seconds
                if now - self._began_at < START_LIMIT_SECONDS
                else SLOW_PROBE_SECONDS
            )
            later = self._timings.probe_interval_seconds
            self._next = asked_at + (
                at_start
                if self._notified is None
                else min(later, self.notify.watchdog / 4 or later)
            )

    def _notify_change(self, *, is_up: bool) -> None:
        """Notify once that the service is up, then each change between ready and not ready."""
        if self._ready == self._notified or (self._notified is None and not is_up):
            return
        status = (
            f"STATUS={self._state}"
            if self._ready
            else f"STATUS=not ready: {READY_PATH} does not answer 200"
        )
        self.notify.send(*([READY] if self._notified is None else []), status)
        self._notified = self._ready

    def _began(self) -> bool:
        return self._begun() and (self._worker_seen is None or self._worker_seen() > 0)

    def _moves(self, now: float) -> bool:
        limit = self._timings.probe_answer_seconds + self._timings.probe_interval_seconds
        answers = self._receivers is None or (
            self._answered_at > 0 and now - self._answered_at < limit
        )
        seen_at = now if self._worker_seen is None else self._worker_seen()
        return answers and seen_at > 0 and now - seen_at < self._timings.worker_stuck_seconds

    def hand_over(self, pid: int) -> bool:
        """Notify the new main process id; return whether systemd has it, else this process must not
        end.
        """
        return self.notify.send(f"MAINPID={pid}", f"STATUS={self._state}")

    def notify_stopping(self) -> None:
        """Notify that the service stops, and end the probes."""
        if self._pending_probe is not None:
            self._pending_probe.close()
        self.notify.send("STOPPING=1", "STATUS=stopping: finishing calls under way")
