"""The embedded platform's part of a worker: which runs it executes, within which limits, and what
comes of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.local_runs import LocalFile, LocalFlow, LocalRun, LocalState, RunResult
from bridge.flows.process import protocol
from bridge.flows.process.forkserver import Host
from bridge.routing.model import Config
from bridge.store.blobs import Blobs
from bridge.store.local import files, runs
from bridge.system.logs import get_logger
from bridge.worker.local.executor import Executor
from bridge.worker.local.file_leases import FileLeases
from bridge.worker.local.loaded_flows import LoadedFlows
from bridge.worker.local.run_specs import RunSpecs
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

log = get_logger()

PAUSE_SECONDS: Final = 0.5  # seconds until the next run is begun after one could not be
STOPPED_REASON: Final = "flowbridge was stopped"
LOST_REASON: Final = "the process that kept it died"


@dataclass(frozen=True, slots=True)
class _ResultReporter:
    """Reports to the worker's own thread what the listening thread hears."""

    report: ReportResult

    def ended(self, run_id: str, how: protocol.Ended) -> None:
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
    """The runs that a worker executes. `lease` is what it holds them under; `report` brings what
    was heard to the worker's thread.

    `environ` gives what is added to the environment of a run that was started with an idempotency
    key.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        host: Host,
        lease: str,
        report: ReportResult,
        environ: Callable[[str | None], dict[str, str]] = lambda _: {},
    ) -> None:
        self._config = config
        self._lease = lease
        self._executor = Executor(host, _ResultReporter(report))
        self.flows = LoadedFlows(config, self._executor, host.report)
        self._running: dict[str, LocalRun] = {}
        self._lent = FileLeases(Blobs.of(settings))
        self._specs = RunSpecs(settings, config, self._lent, environ)
        self._killed: set[str] = set()
        self._paused_until = 0.0
        self.is_lost = False  # no run can be begun any more

    # -- what was heard, in the worker's thread

    def over(self, run_id: str, how: protocol.Ended, ended: PendingResults) -> None:
        """A run has ended."""
        if run := self._let_go(run_id):
            self._lent.take_in([sha256 for _, sha256, _ in how.files])
            ended.runs.append((run, how))
            log.info("run_ended", flow=run.saved_item_id, run_id=run_id, state=how.state)
            if how.traceback:
                log.warning(
                    "flow_failed", flow=run.saved_item_id, run_id=run_id, traceback=how.traceback
                )

    def returned(self, run_id: str, ended: PendingResults) -> None:
        """A run was never begun."""
        if run := self._let_go(run_id):
            ended.returned.append(run)
            self._paused_until = time.monotonic() + PAUSE_SECONDS

    def lost(self, run_id: str, ended: PendingResults) -> None:
        """A run was cut off."""
        if run := self._let_go(run_id):
            log.error("run_lost", flow=run.saved_item_id, run_id=run_id)
            ended.lost.append(run)

    def host_died(self) -> None:
        """The worker has to begin anew."""
        log.error("flow_host_died")
        self.is_lost = True

    def _let_go(self, run_id: str) -> LocalRun | None:
        self._killed.discard(run_id)
        self._lent.back(run_id)
        return self._running.pop(run_id, None)

    # -- in a turn

    @property
    def busy(self) -> bool:
        """Whether runs are under way."""
        return bool(self._running)

    def is_idle(self, connection: Connection) -> bool:
        """Tell whether no run is under way, none waits, and there is nothing to write down."""
        return self.flows.is_stored and not self._running and not runs.waiting(connection)

    def anything(self, connection: Connection) -> bool:
        """Tell whether a turn would find anything to do."""
        if not self.flows.is_stored:
            return True
        if self._running and set(runs.terminating(connection, self._lease)) & (
            self._running.keys() - self._killed
        ):
            return True
        return self._room() > 0 and runs.waiting(connection)

    def record(self, connection: Connection, ended: PendingResults, now: float) -> None:
        """Write down what has ended."""
        for run, how in ended.runs:
            result = RunResult(state=how.state, outputs=how.outputs, log=(*run.log, *how.log))
            if runs.finish(connection, run.id, result, now, self._lease):
                for name, sha256, size in how.files:
                    kept = LocalFile(
                        user_id=run.user_id,
                        name=name,
                        sha256=sha256,
                        size=size,
                        created_at=now,
                        run_id=run.id,
                    )
                    files.keep_file(connection, kept)
        runs.hand_back(connection, [run.id for run in ended.returned], self._lease, now)
        runs.interrupt(connection, [run.id for run in ended.lost], LOST_REASON, now, self._lease)

    def beat(self, connection: Connection, now: float) -> None:
        """Keep what is held, write down what was written so far, and look whether flows.py has
        changed.
        """
        logs = {
            run_id: self._log_so_far(run_id, text) for run_id, text in self._executor.logs().items()
        }
        held = runs.extend(connection, self._lease, now, self._running, logs)
        for run_id in self._running.keys() - held:
            log.error("lease_lost", run_id=run_id)  # whoever took it over has settled it
            self._let_go(run_id)
            self._executor.drop(run_id)
        self.flows.load_changes()

    def look(self, connection: Connection, now: float, taken: TurnChanges) -> None:
        """See which runs are to end, and write down the flows where they are new."""
        taken.flows = self.flows.store(connection, now)
        if self._running:
            taken.kills = [
                one
                for one in runs.terminating(connection, self._lease)
                if one in self._running and one not in self._killed
            ]

    def take(self, connection: Connection, now: float, taken: TurnChanges) -> None:
        """Claim what there is room for."""
        room = self._room()
        for run in runs.claim(connection, room, now, self._lease, self._cap()) if room > 0 else []:
            try:
                flow = self.flows.get(run.saved_item_id)
                taken.runs.append((run, self._specs.of(connection, run, flow)))
            except BridgeError as error:
                self._lent.back(run.id)
                failed = RunResult(state=LocalState.FAILED, log=(*run.log, str(error)))
                runs.finish(connection, run.id, failed, now, self._lease)

    def begin(self, taken: TurnChanges) -> None:
        """Set going what the turn took on: it is on disk now."""
        self.flows.note_stored(taken.flows)
        for run_id in taken.kills:
            self._killed.add(run_id)
            self._executor.kill(run_id)
        for run, spec in taken.runs:
            self._running[run.id] = run
            self._executor.begin(spec)

    def cut_off(self, connection: Connection, now: float) -> None:
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
            each.max_concurrent_runs
            for each in self._config().platforms.values()
            if each.type == "local"
        )

    def _log_so_far(self, run_id: str, text: bytes) -> str:
        earlier = self._running[run_id].log if run_id in self._running else ()
        return orjson.dumps([*earlier, *orjson.loads(text)]).decode() if earlier else text.decode()
