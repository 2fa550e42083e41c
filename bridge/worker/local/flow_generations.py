"""The worker's end of the generations: the processes that have loaded a version of flows.py.

The forkserver starts them: see `bridge.flows.process.forkserver`.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from bridge.core.local_runs import Input, LocalFlow
from bridge.flows.process import protocol
from bridge.flows.process.forkserver import BROKEN, FAILED, FORKED, LOAD, LOADED, STOP, Forkserver
from bridge.worker.local.socket_poller import SocketPoller

LOAD_SECONDS: Final = 60.0  # for loading flows.py
DIED_LOADING: Final = "the process that loaded the flows ended without a report"


class LoadListener(Protocol):
    """Callbacks for the results of loading flows."""

    def loaded(self, flows: list[LocalFlow]) -> None:
        """These are the flows from now on."""

    def broken(self, why: str, *, for_good: bool) -> None:
        """The flows could not be loaded; the earlier ones stay. `for_good`: until they change."""

    def host_died(self) -> None:
        """The flow host died: no run can begin any more."""


@dataclass(slots=True)
class _Generation:
    pid: int
    sock: socket.socket
    report: int
    load_until: float


class FlowGenerations:
    """The generation that starts runs, and one that is loading.

    The thread of `sockets` calls the listener.
    """

    def __init__(self, host: Forkserver, listener: LoadListener, sockets: SocketPoller) -> None:
        self._host = host
        self._listener = listener
        self._sockets = sockets
        self._current: _Generation | None = None
        self._coming: _Generation | None = None
        sockets.add(host.sock, self._from_host)

    @property
    def current(self) -> socket.socket | None:
        """The socket of the generation that starts runs; None before the first one has loaded."""
        current = self._current
        return None if current is None else current.sock

    @property
    def is_loading(self) -> bool:
        """Whether a generation is loading the flows."""
        return self._coming is not None

    def load(self, path: str | None) -> None:
        """Load flows.py as it is now; without a path, load only the ready-made flows.

        The result goes to `LoadListener.loaded` or `broken`.
        """
        with suppress(OSError):  # the host is gone, which `host_died` reports
            self._host.sock.send(LOAD + os.fsencode(path or ""))

    def stop_late_load(self, now: float) -> None:
        """Stop a generation that has been loading for too long."""
        if (coming := self._coming) is not None and now > coming.load_until:
            self._stop_loading(coming)
            self._listener.broken(
                f"loading the flows took longer than {LOAD_SECONDS:g} s", for_good=True
            )

    def leave_host(self) -> None:
        """Close the socket of the host, which ends with it."""
        self._sockets.remove(self._host.sock)

    def close(self) -> None:
        """Close the sockets of the generations; call it in the thread of the sockets."""
        for one in (self._current, self._coming):  # one may have arrived during `leave_host`
            if one is not None:
                self._sockets.remove(one.sock)
        if self._coming is not None:
            os.close(self._coming.report)

    def _stop_loading(self, coming: _Generation) -> None:
        """End a process that loads the flows: it may never notice that its socket is closed."""
        self._coming = None
        self._sockets.remove(coming.sock)
        os.close(coming.report)
        self._stop(coming.pid)

    def _stop(self, pid: int) -> None:
        with suppress(OSError):  # the host is gone, and its generations with it
            self._host.sock.send(STOP + str(pid).encode())

    def _from_host(self) -> None:
        try:
            said, given = protocol.receive_files(self._host.sock)
        except OSError:
            said = b""
            given = []
        if said.startswith(FORKED):
            if self._coming is not None:  # the file has changed again
                self._stop_loading(self._coming)
            pid = int(said.removeprefix(FORKED))
            if len(given) < 2:  # the kernel drops those for which no descriptor is free
                for descriptor in given:
                    os.close(descriptor)
                self._stop(pid)
                self._listener.broken("no descriptor is free to load the flows", for_good=False)
                return
            self._coming = one = _Generation(
                pid, socket.socket(fileno=given[0]), given[1], time.monotonic() + LOAD_SECONDS
            )
            one.sock.setblocking(False)
            self._sockets.add(one.sock, lambda: self._from_generation(one))
        elif said == FAILED:
            self._listener.broken("no process could be started to load the flows", for_good=False)
        elif not said:
            self._sockets.remove(self._host.sock)
            self._listener.host_died()

    def _from_generation(self, one: _Generation) -> None:
        try:
            said = one.sock.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said == LOADED:
            before = self._current
            self._current = one
            self._coming = None
            flows = [_read_flow(each) for each in orjson.loads(protocol.read_file(one.report))]
            os.close(one.report)
            if before is not None:
                self._sockets.remove(before.sock)
            self._listener.loaded(flows)
            return
        self._sockets.remove(one.sock)
        if one is self._current:
            self._current = None
            self._listener.broken(
                "the process with the loaded flows ended unexpectedly", for_good=False
            )
        elif one is self._coming:
            self._coming = None
            text = (
                protocol.read_file(one.report).decode("utf-8", "replace")
                if said == BROKEN
                else DIED_LOADING
            )
            os.close(one.report)
            self._listener.broken(text, for_good=True)


def _read_flow(found: dict[str, Any]) -> LocalFlow:
    inputs = tuple(Input(**one) for one in found.pop("inputs"))
    return LocalFlow(inputs=inputs, **found)
