"""The local platform's runs of a worker: claimed within the limits, executed, and stored."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.local_runs import LocalFile, LocalFlow, LocalRun, LocalState, RunResult
from bridge.flows.function import DEFAULT_MEMORY_BYTES, DEFAULT_TIME_LIMIT_SECONDS
from bridge.flows.process import protocol
from bridge.flows.process.forkserver import Forkserver
from bridge.flows.process.protocol import RunSpec
from bridge.routing.model import Config
from bridge.store.blobs import BlobStore
from bridge.store.local import files, runs
from bridge.system.logs import get_logger
from bridge.worker.local.executor import Executor
from bridge.worker.local.file_leases import FileLeases
from bridge.worker.local.loaded_flows import LoadedFlows
from bridge.worker.results import (
    FlowsBroken,
    FlowsLoaded,
    HostDied,
    PendingResults,
    ReportResult,
    RunEnded,
    RunLost,
    RunReturned,
)
from bridge.worker.turn_changes import TurnChanges

MAX_INPUT_FILES: Final = 100  # of a run
MAX_SHOWN_NAME_CHARACTERS: Final = 300  # of what was given as the name of a file
#: Errors that pass: no descriptor or no memory is free.
SHORTAGES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class RunSpecs:
    """Makes the specs of a worker's runs.

    `environ` returns variables for the environment of a run, by its idempotency key.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        leases: FileLeases,
        environ: Callable[[str | None], dict[str, str]],
    ) -> None:
        self._settings = settings
        self._config = config
        self._leases = leases
        self._environ = environ

    def make(self, connection: Connection, run: LocalRun, flow: LocalFlow | None) -> RunSpec:
        """Return the spec of a run; `BridgeError` says why it cannot be executed.

        OSError: it cannot be executed now, since the machine is short of something.
        """
        if run.unsealable is not None:
            raise BridgeError(run.unsealable)
        if flow is None:
            raise BridgeError(f"flow {run.saved_item_id!r} no longer exists")
        time_limit, memory = self._limits(flow)
        return RunSpec(
            run_id=run.id,
            flow=flow.id,
            inputs=run.inputs,
            body=run.body,
            files=self._files(connection, flow, run),
            data=str(self._settings.data),
            time_limit=time_limit,
            stop_seconds=self._settings.timings.flow_stop_seconds,
            memory=memory,
            environ=self._environ(run.idempotency_key),
        )

    def _limits(self, flow: LocalFlow) -> tuple[float, int]:
        """Return the limits of routes.yaml, else of the flow, else the defaults."""
        config = self._config()
        local = {
            platform.name for platform in config.platforms.values() if platform.type == "local"
        }
        named = [
            entry
            for entry in config.flows.values()
            if entry.platform in local and entry.saved_item_id == flow.id
        ]
        times = [entry.time_limit for entry in named if entry.time_limit is not None]
        memories = [entry.memory for entry in named if entry.memory is not None]
        return (times or [flow.time_limit or DEFAULT_TIME_LIMIT_SECONDS])[0], (
            memories or [flow.memory or DEFAULT_MEMORY_BYTES]
        )[0]

    def _files(
        self, connection: Connection, flow: LocalFlow, run: LocalRun
    ) -> dict[str, list[tuple[str, str, int]]]:
        """Return the uploaded files that the run's inputs name, each one or a list of them."""
        file_inputs = [flow_input.name for flow_input in flow.inputs if flow_input.kind == "file"]
        inputs = orjson.loads(run.inputs) if file_inputs else {}
        file_values = (
            {name: inputs[name] for name in file_inputs if inputs.get(name) is not None}
            if isinstance(inputs, dict)
            else {}
        )
        named = [
            (name, element)
            for name, value in file_values.items()
            for element in (value if isinstance(value, list) else [value])
        ]
        if len(named) > MAX_INPUT_FILES:
            raise BridgeError(
                f"the inputs name {len(named)} files; at most {MAX_INPUT_FILES} are allowed"
            )
        readable_files: dict[str, list[tuple[str, str, int]]] = {}
        for name, value in named:
            file = (
                files.find_file(connection, run.user_id, value) if isinstance(value, str) else None
            )
            if file is None:
                raise BridgeError(
                    f"{name}: there is no uploaded file {value!r:.{MAX_SHOWN_NAME_CHARACTERS}}"
                )
            try:
                readable_files.setdefault(name, []).append(
                    (file.name, self._leases.readable_path(run.id, file.sha256), file.size)
                )
            except OSError as error:
                if error.errno in SHORTAGES:
                    raise
                raise BridgeError(
                    f"{name}: the bytes of the uploaded file {value!r} are not on this machine"
                ) from None
        return readable_files


log = get_logger()

PAUSE_SECONDS: Final = 0.5  # until the next run begins, after one could not
STOPPED_REASON: Final = "flowbridge was stopped"
LOST_REASON: Final = "its supervisor process died"


@dataclass(frozen=True, slots=True)
class _ResultReporter:
    """Passes results from the executor's thread to the worker's thread."""

    report: ReportResult

    def ended(self, run_id: str, how: protocol.RunEnd) -> None:
        self.report(RunEnded(run_id, how))

    def returned(self, run_id: str) -> None:
        self.report(RunReturned(run_id))

    def lost(self, run_id: str) -> None:
        self.report(RunLost(run_id))

    def loaded(self, flows: list[LocalFlow]) -> None:
        self.report(FlowsLoaded(flows))

    def broken(self, why: str, *, for_good: bool) -> None:
        self.report(FlowsBroken(why, for_good))

    def host_died(self) -> None:
        self.report(HostDied())


class LocalRuns:
    """The runs that a worker executes. `report` passes results to the worker's thread.

    `lease`: the worker's id. `environ` returns variables for the environment of a run, by its
    idempotency key.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        host: Forkserver,
        lease: str,
        report: ReportResult,
        environ: Callable[[str | None], dict[str, str]],
    ) -> None:
        self._config = config
        self._lease = lease
        self._executor = Executor(host, _ResultReporter(report))
        self.flows = LoadedFlows(config, self._executor, host.report)
        self._running: dict[str, LocalRun] = {}
        self._leases = FileLeases(BlobStore.of(settings))
        self._specs = RunSpecs(settings, config, self._leases, environ)
        self._killed: set[str] = set()
        self._paused_until = 0.0
        self.is_lost = False  # no run can begin any more

    # -- results, in the worker's thread

    def note_ended(self, run_id: str, how: protocol.RunEnd, ended: PendingResults) -> None:
        """Note that a run has ended."""
        if run := self._forget(run_id):
            self._leases.encrypt([sha256 for _, sha256, _ in how.files])
            ended.runs.append((run, how))
            log.info("run_ended", flow=run.saved_item_id, run_id=run_id, state=how.state)
            if how.traceback:
                log.warning(
                    "flow_failed", flow=run.saved_item_id, run_id=run_id, traceback=how.traceback
                )

    def note_returned(self, run_id: str, ended: PendingResults) -> None:
        """Note that a run never began."""
        if run := self._forget(run_id):
            ended.returned.append(run)
            self._paused_until = time.monotonic() + PAUSE_SECONDS

    def note_lost(self, run_id: str, ended: PendingResults) -> None:
        """Note that a run was cut off."""
        if run := self._forget(run_id):
            log.error("run_lost", flow=run.saved_item_id, run_id=run_id)
            ended.lost.append(run)

    def note_host_died(self) -> None:
        """Note that the flow host died: the worker has to be restarted."""
        log.error("flow_host_died")
        self.is_lost = True

    def _forget(self, run_id: str) -> LocalRun | None:
        self._killed.discard(run_id)
        self._leases.release(run_id)
        return self._running.pop(run_id, None)

    # -- in a turn

    @property
    def is_busy(self) -> bool:
        """Whether runs are under way."""
        return bool(self._running)

    def is_idle(self, connection: Connection) -> bool:
        """Return whether no run is under way, none waits, and nothing has to be stored."""
        return self.flows.is_stored and not self._running and not runs.has_queued(connection)

    def has_work(self, connection: Connection) -> bool:
        """Return whether a turn has work to do."""
        if not self.flows.is_stored:
            return True
        if self._running and set(runs.list_terminating(connection, self._lease)) & (
            self._running.keys() - self._killed
        ):
            return True
        return self._room() > 0 and runs.has_queued(connection)

    def record(self, connection: Connection, ended: PendingResults, now: float) -> None:
        """Store the results of runs that ended."""
        for run, how in ended.runs:
            result = RunResult(state=how.state, outputs=how.outputs, log=(*run.log, *how.log))
            if runs.finish(connection, run.id, result, now, self._lease):
                for name, sha256, size in how.files:
                    stored = LocalFile(
                        user_id=run.user_id,
                        name=name,
                        sha256=sha256,
                        size=size,
                        created_at=now,
                        run_id=run.id,
                    )
                    files.store_file(connection, stored)
        runs.return_to_queue(connection, [run.id for run in ended.returned], self._lease, now)
        runs.interrupt(connection, [run.id for run in ended.lost], LOST_REASON, now, self._lease)

    def extend_leases(self, connection: Connection, now: float) -> None:
        """Extend the leases, store the logs so far, and load flows.py if it has changed."""
        logs = {
            run_id: self._log_so_far(run_id, text)
            for run_id, text in self._executor.take_logs().items()
        }
        held_ids = runs.extend_leases(connection, self._lease, now, self._running, logs)
        for run_id in self._running.keys() - held_ids:
            log.error("lease_lost", run_id=run_id)  # another worker took it over and settled it
            self._forget(run_id)
            self._executor.discard_run(run_id)
        self.flows.load_changes()

    def prepare(self, connection: Connection, now: float, taken: TurnChanges) -> None:
        """Store newly loaded flows, and find the runs to end."""
        self._leases.release_all_but(self._running)  # those of a turn that failed
        taken.flows = self.flows.store(connection, now)
        if self._running:
            taken.kills = [
                run_id
                for run_id in runs.list_terminating(connection, self._lease)
                if run_id in self._running and run_id not in self._killed
            ]

    def take(self, connection: Connection, now: float, taken: TurnChanges) -> None:
        """Claim as many runs as there is room for."""
        room = self._room()
        for run in runs.claim(connection, room, now, self._lease, self._cap()) if room > 0 else []:
            try:
                flow = self.flows.get(run.saved_item_id)
                taken.runs.append((run, self._specs.make(connection, run, flow)))
            except BridgeError as error:
                self._leases.release(run.id)
                failed = RunResult(state=LocalState.FAILED, log=(*run.log, str(error)))
                runs.finish(connection, run.id, failed, now, self._lease)
            except OSError as error:
                log.warning("run_not_started", run_id=run.id, error=str(error))
                self._leases.release(run.id)
                runs.return_to_queue(connection, [run.id], self._lease, now)
                self._paused_until = time.monotonic() + PAUSE_SECONDS

    def begin(self, taken: TurnChanges) -> None:
        """Start and end the runs that the turn claimed: it is on disk now."""
        self.flows.note_stored(taken.flows)
        for run_id in taken.kills:
            self._killed.add(run_id)
            self._executor.kill(run_id)
        for run, spec in taken.runs:
            self._running[run.id] = run
            self._executor.begin(spec)

    def interrupt_running(self, connection: Connection, now: float) -> None:
        """Settle the runs that did not end in time."""
        runs.interrupt(connection, list(self._running), STOPPED_REASON, now, self._lease)

    def close(self) -> None:
        """End all runs, and the host."""
        self._running.clear()
        self._executor.close()

    def _room(self) -> int:
        ready = (
            self.flows.is_loaded and self._executor.ready and time.monotonic() >= self._paused_until
        )
        return self._cap() - len(self._running) if ready else 0

    def _cap(self) -> int:
        return sum(
            platform.max_concurrent_runs
            for platform in self._config().platforms.values()
            if platform.type == "local"
        )

    def _log_so_far(self, run_id: str, text: bytes) -> str:
        earlier = self._running[run_id].log if run_id in self._running else ()
        return orjson.dumps([*earlier, *orjson.loads(text)]).decode() if earlier else text.decode()
