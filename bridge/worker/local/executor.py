"""The worker's end of the flow host: start runs, end them, and receive their results.

One thread receives the results and calls a `RunListener`. All other methods are for the worker's
own thread.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson

from bridge.flows.process import protocol
from bridge.flows.process.forkserver import Forkserver
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
from bridge.worker.local.flow_generations import FlowGenerations, LoadListener
from bridge.worker.local.socket_poller import SocketPoller

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
        found = {}
        for run_id, run in list(self._runs.items()):
            text = run.log
            run.log = None
            if text is not None:
                found[run_id] = text
        return found

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
