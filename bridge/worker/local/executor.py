"""The worker's end of the flow host: start runs, end them, and receive their results.

One thread receives the results and calls a `RunListener`. All other methods are for the worker's
own thread.

The processes of a generation have loaded one version of flows.py. The forkserver starts them: see
`bridge.flows.process.forkserver`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from bridge.core.local_runs import Input, LocalFlow
from bridge.flows.process import protocol
from bridge.flows.process.forkserver import BROKEN, FAILED, FORKED, LOAD, LOADED, STOP, Forkserver
from bridge.flows.process.protocol import (
    FRAME_BEGUN,
    FRAME_ENDED,
    FRAME_KILL,
    FRAME_LOG,
    FrameDecoder,
    RunEnd,
    RunSpec,
)
from bridge.system.logs import get_logger
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
        for generation in (self._current, self._coming):  # one may have arrived during `leave_host`
            if generation is not None:
                self._sockets.remove(generation.sock)
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
            said, descriptors = protocol.receive_files(self._host.sock)
        except OSError:
            said = b""
            descriptors = []
        if said.startswith(FORKED):
            if self._coming is not None:  # the file has changed again
                self._stop_loading(self._coming)
            pid = int(said.removeprefix(FORKED))
            if len(descriptors) < 2:  # the kernel drops those for which no descriptor is free
                for descriptor in descriptors:
                    os.close(descriptor)
                self._stop(pid)
                self._listener.broken("no descriptor is free to load the flows", for_good=False)
                return
            self._coming = generation = _Generation(
                pid,
                socket.socket(fileno=descriptors[0]),
                descriptors[1],
                time.monotonic() + LOAD_SECONDS,
            )
            generation.sock.setblocking(False)
            self._sockets.add(generation.sock, lambda: self._from_generation(generation))
        elif said == FAILED:
            self._listener.broken("no process could be started to load the flows", for_good=False)
        elif not said:
            self._sockets.remove(self._host.sock)
            self._listener.host_died()

    def _from_generation(self, generation: _Generation) -> None:
        try:
            said = generation.sock.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said == LOADED:
            before = self._current
            self._current = generation
            self._coming = None
            flows = [
                _read_flow(record) for record in orjson.loads(protocol.read_file(generation.report))
            ]
            os.close(generation.report)
            if before is not None:
                self._sockets.remove(before.sock)
            self._listener.loaded(flows)
            return
        self._sockets.remove(generation.sock)
        if generation is self._current:
            self._current = None
            self._listener.broken(
                "the process with the loaded flows ended unexpectedly", for_good=False
            )
        elif generation is self._coming:
            self._coming = None
            text = (
                protocol.read_file(generation.report).decode("utf-8", "replace")
                if said == BROKEN
                else DIED_LOADING
            )
            os.close(generation.report)
            self._listener.broken(text, for_good=True)


def _read_flow(record: dict[str, Any]) -> LocalFlow:
    inputs = tuple(Input(**fields) for fields in record.pop("inputs"))
    return LocalFlow(inputs=inputs, **record)


log = get_logger()

READ_BYTES: Final = 256 * 1024  # at once


class RunListener(LoadListener, Protocol):
    """Callbacks for the results of runs and of loading flows."""

    def ended(self, run_id: str, how: RunEnd) -> None:
        """A run has ended."""

    def returned(self, run_id: str) -> None:
        """A run never began: there was no process for it."""

    def lost(self, run_id: str) -> None:
        """A run had begun, and its supervisor is gone."""


@dataclass(slots=True)
class _Run:
    sock: socket.socket
    begun: bool = False
    log: bytes | None = None  # JSON; None if nothing was written since the last `logs`
    frames: FrameDecoder = field(default_factory=FrameDecoder)


class Executor:
    """Executes runs by a flow host."""

    def __init__(self, host: Forkserver, listener: RunListener) -> None:
        self._listener = listener
        self._runs: dict[str, _Run] = {}
        self._sockets = SocketPoller()
        self._generations = FlowGenerations(host, listener, self._sockets)
        threading.Thread(target=self._listen, name="runs", daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether runs can begin."""
        return self._generations.current is not None

    def load(self, path: str | None) -> None:
        """Load flows.py as it is now: see `FlowGenerations.load`."""
        self._generations.load(path)

    def begin(self, spec: RunSpec) -> None:
        """Start a run. The listener gets its result, exactly once."""
        try:
            ours = self._send(spec)
        except OSError as error:
            log.warning("run_not_started", run_id=spec.run_id, error=str(error))
            self._listener.returned(spec.run_id)
            return
        run = self._runs[spec.run_id] = _Run(ours)
        self._sockets.add(ours, lambda: self._from_run(spec.run_id, run))

    def _send(self, spec: RunSpec) -> socket.socket:
        """Send a run to the process with the loaded flows, and return our end of its socket."""
        if (generation := self._generations.current) is None:
            raise OSError("no flows are loaded")
        ours, its = protocol.socket_pair(socket.SOCK_STREAM)
        try:
            with its:
                written = protocol.create_memory_file("run", orjson.dumps(spec))
                try:
                    protocol.send_files(generation, b"run", [its.fileno(), written])
                finally:
                    os.close(written)
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        return ours

    def kill(self, run_id: str) -> None:
        """End a run: SIGTERM first, then SIGKILL. The listener gets its result as usual."""
        if run := self._runs.get(run_id):
            with suppress(OSError):
                run.sock.send(FRAME_KILL)

    def discard_run(self, run_id: str) -> None:
        """End a run at once. The listener does not get its result."""
        if run := self._runs.pop(run_id, None):
            self._sockets.remove(run.sock)

    def take_logs(self) -> dict[str, bytes]:
        """Return the logs of the runs that wrote since the last call, as JSON, by run id."""
        logs = {}
        for run_id, run in list(self._runs.items()):
            text = run.log
            run.log = None
            if text is not None:
                logs[run_id] = text
        return logs

    def close(self) -> None:
        """End all runs at once, and the host."""
        for run_id in list(self._runs):
            self.discard_run(run_id)
        self._generations.leave_host()
        self._sockets.end()

    # -- listening

    def _listen(self) -> None:
        while self._sockets.poll(1.0 if self._generations.is_loading else None):
            self._generations.stop_late_load(time.monotonic())
        self._generations.close()
        self._sockets.close()

    def _from_run(self, run_id: str, run: _Run) -> None:
        try:
            data = run.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            for kind, text in run.frames.feed(data):
                if kind == FRAME_BEGUN:
                    run.begun = True
                elif kind == FRAME_LOG:
                    run.log = text
                elif kind == FRAME_ENDED and self._runs.get(run_id) is run:
                    end = protocol.parse_run_end(text)
                    self.discard_run(run_id)
                    self._listener.ended(run_id, end)
                    return
        except ValueError as fault:  # these are no frames, and all that follows is none either
            log.error("run_listener_failed", run_id=run_id, exc_info=fault)
            data = b""
        if not data and self._runs.get(run_id) is run:
            self.discard_run(run_id)
            (self._listener.lost if run.begun else self._listener.returned)(run_id)
