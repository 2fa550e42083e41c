"""The run tracker of a worker: which runs it polls, how, and when it polls them again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from bridge.core.model import RUN_ENDED, Delivery, RunState, Status
from bridge.core.status import RunReport
from bridge.delivery.attempt import list_newest_runs, poll_run
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.polling import (
    Polling,
    UsualDuration,
    delay_after_failures,
    early_poll_seconds,
    next_poll_delay,
    update_usual_duration,
)
from bridge.routing.model import Config, Mode, Platform
from bridge.store.queue import run_tracking
from bridge.system.boot_clock import TimedSend, boot_seconds, limit_calls
from bridge.system.logs import get_logger
from bridge.worker.reconciler import Reconciler
from bridge.worker.results import (
    FlowKey,
    ListEnded,
    PendingResults,
    PollEnded,
    ReconcileEnded,
    ReportResult,
    TrackedRun,
)
from bridge.worker.thread_pool import ThreadPool
from bridge.worker.turn_changes import TurnChanges

log = get_logger()

LIST_PAUSE_SECONDS: Final = 600.0  # for a list that had none of our runs
# until the next check whether a platform is in routes.yaml again, or has runs again
UNTRACKED_SECONDS: Final = 5.0
MAX_FAILED_RUNS: Final = 5000  # whose failed polls are counted; the oldest begin again
SINGLE_POLL_EVERY: Final = 4  # of so many polls of a run one asks for it alone, in case lists lag


class RunTracker:
    """Polls the runs of a worker's deliveries in the threads of `calls`.

    `report` passes the results to the worker's thread. All other methods are for that thread.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        send: TimedSend,
        reconciler: Reconciler,
        calls: ThreadPool,
        report: ReportResult,
        now: Callable[[], float],
    ) -> None:
        self._config = config
        self._send = send
        self._reconciler = reconciler
        self._calls = calls
        self._report = report
        self._now = now
        # by delivery id: claimed, and not reported yet
        self.under_way: dict[str, TrackedRun] = {}
        self._usual: dict[FlowKey, UsualDuration] = {}
        # lists that are not used until that time of the boot clock
        self._silent: dict[FlowKey, float] = {}
        # by delivery id, the newest last: failed polls in a row
        self._failed: dict[str, int] = {}
        self._eager: dict[str, bool] = {}  # by platform, within a turn
        self._changed = True
        self.next_at = 0.0  # when the next poll is due

    def __len__(self) -> int:
        """Return how many polls are under way."""
        return len(self.under_way)

    # -- in a turn

    def first_poll_delay(self, claim: Delivery) -> float | None:
        """Return the seconds until the first poll of a run that starts now, None where its platform
        has no runs.
        """
        polling = _polling(self._config(), claim.platform)
        self._changed = True
        return (
            None
            if polling is None
            else min(
                next_poll_delay(polling, 0.0, self._usual.get(_flow(claim)), eager=True),
                claim.run_timeout,
            )
        )

    def record(
        self, connection: Connection, polls: Sequence[PollEnded], now: float, taken: TurnChanges
    ) -> None:
        """Store the results of polls."""
        self._eager.clear()
        for poll in polls:
            followed = poll.delivery
            report = poll.report
            wait = self._wait(connection, followed, report, now)
            if run_tracking.record_run(connection, followed, report, now, next_poll=wait):
                taken.over.append((followed, report))
        self._changed = self._changed or bool(polls)

    def take(self, connection: Connection, limit: int, now: float, taken: TurnChanges) -> None:
        """Claim the due polls, and find when the next is due."""
        platforms = self._config().callable_platforms
        taken.polls = run_tracking.claim_polls(
            connection, platforms=platforms, limit=limit, now=now, near=self._near
        )
        if self._changed or taken.polls:
            self.next_at = run_tracking.next_due(connection, now) or 0.0
            self._changed = False

    def _near(self, platform: str, saved_item_id: str) -> float:
        polling = _polling(self._config(), platform)
        if polling is None or not polling.together or self._is_silent((platform, saved_item_id)):
            return 0.0
        return early_poll_seconds(polling, self._usual.get((platform, saved_item_id)))

    def _wait(
        self, connection: Connection, followed: Delivery, report: RunReport, now: float
    ) -> float:
        """Return the seconds until the next poll of a run, should it go on."""
        polling = _polling(self._config(), followed.platform)
        if polling is None:
            return UNTRACKED_SECONDS
        failures = self._failed.pop(followed.id, 0) + 1
        if report.state is None:
            self._failed[followed.id] = failures
            if len(self._failed) > MAX_FAILED_RUNS:  # others may have settled the oldest
                del self._failed[next(iter(self._failed))]
        else:
            failures = 0
        passed = max(0.0, now - (followed.delivered_at or now))
        eager = self._is_eager(connection, followed, now)
        wait = next_poll_delay(polling, passed, self._usual.get(_flow(followed)), eager=eager)
        return min(delay_after_failures(polling, wait, failures), followed.run_timeout)

    def _is_eager(self, connection: Connection, followed: Delivery, now: float) -> bool:
        """Return whether a delivery waits for the run to end: for its slot or its ordering key."""
        name = followed.platform
        if name not in self._eager:
            paused = {route.name for route in self._config().routes if route.mode is Mode.PAUSED}
            self._eager[name] = run_tracking.is_slot_wanted(connection, name, paused, now)
        return self._eager[name] or run_tracking.blocks_next(connection, followed)

    def _is_silent(self, flow: FlowKey) -> bool:
        return boot_seconds() < self._silent.get(flow, 0.0)

    # -- the calls

    def begin(self, taken: TurnChanges, platforms: Mapping[str, Platform]) -> None:
        """Start the polls that a turn claimed, and learn from the runs that ended."""
        for followed, report in taken.over:
            self._failed.pop(followed.id, None)
            self._learn(followed, report)
        by_flow: dict[FlowKey, list[TrackedRun]] = defaultdict(list)
        for followed, polls in taken.polls:
            self.under_way[followed.id] = followed, polls
            if followed.status is Status.UNKNOWN:
                self._calls.submit(f"look {followed.id}", partial(self._reconcile, followed))
            else:
                by_flow[_flow(followed)].append((followed, polls))
        for flow, some in by_flow.items():
            self._ask_some(flow, some, platforms[flow[0]])

    def _ask_some(self, flow: FlowKey, some: Sequence[TrackedRun], platform: Platform) -> None:
        """Poll runs of one flow: by one list where there are enough of them, else one by one."""
        polling = PLATFORMS[platform.type].polling
        listed = [tracked for tracked in some if (tracked[1] + 1) % SINGLE_POLL_EVERY]
        if polling is None or not 0 < polling.together <= len(listed) or self._is_silent(flow):
            self._ask_each(some, platform)
            return
        self._calls.submit(f"list {flow}", lambda: self._ask_list(flow, listed, platform))
        self._ask_each([tracked for tracked in some if tracked not in listed], platform)

    def _learn(self, followed: Delivery, report: RunReport) -> None:
        seconds = _took(followed, report, self._now())
        if report.state in (RunState.DONE, RunState.FAILED) and seconds is not None:
            self._usual[_flow(followed)] = update_usual_duration(
                self._usual.get(_flow(followed)), seconds
            )

    def _ask_each(self, some: Sequence[TrackedRun], platform: Platform) -> None:
        for followed, polls in some:
            self._calls.submit(f"look {followed.id}", partial(self._ask, followed, polls, platform))

    def _ask(self, followed: Delivery, polls: int, platform: Platform) -> None:
        try:
            report = poll_run(
                followed.run_id or "", platform, limit_calls(self._send, platform.timeout)
            )
        except Exception as fault:
            log.error("poll_failed", delivery_id=followed.id, exc_info=fault)
            report = RunReport(state=None, detail="the poll failed because of a bug in flowbridge")
        self._report(PollEnded(followed, polls, report))

    def _ask_list(self, flow: FlowKey, some: Sequence[TrackedRun], platform: Platform) -> None:
        """Ask for the flow's newest runs. Ended and unlisted ones are polled one by one."""
        try:
            listed = (
                list_newest_runs(flow[1], platform, limit_calls(self._send, platform.timeout)).items
                or ()
            )
        except Exception as fault:
            log.error("poll_failed", platform=flow[0], saved_item_id=flow[1], exc_info=fault)
            listed = ()
        told = {run.id: run.report for run in listed if run.report.state is not None}
        going = tuple(
            PollEnded(delivery, polls, report)
            for delivery, polls in some
            if (report := told.get(delivery.run_id or "")) is not None
            and report.state not in RUN_ENDED
        )
        going_ids = {poll.delivery.id for poll in going}
        rest = tuple(tracked for tracked in some if tracked[0].id not in going_ids)
        is_useful = any(delivery.run_id in told for delivery, _ in some)
        self._report(ListEnded(flow, platform, going, rest, is_useful))

    def _reconcile(self, unknown: Delivery) -> None:
        try:
            self._reconciler.reconcile(unknown)
        except Exception as fault:  # the next poll looks again
            log.error("poll_failed", delivery_id=unknown.id, exc_info=fault)
        self._report(ReconcileEnded(unknown.id))

    # -- results, in the worker's thread

    def finish(self, polls: Sequence[PollEnded], ended: PendingResults) -> None:
        """Note polls that have ended: the next turn stores their results."""
        for poll in polls:
            self.under_way.pop(poll.delivery.id, None)
        self._changed = True
        ended.polls += polls

    def finish_list(self, result: ListEnded, ended: PendingResults) -> None:
        """Note the runs of a list, and poll the others."""
        if not result.is_useful:
            self._silent[result.flow] = boot_seconds() + LIST_PAUSE_SECONDS
        self.finish(result.going, ended)
        self._ask_each(result.rest, result.platform)

    def finish_reconciling(self, delivery_id: str) -> None:
        """Note that the run of a lost start was looked for."""
        self.under_way.pop(delivery_id, None)
        self._changed = True


def _flow(delivery: Delivery) -> FlowKey:
    return delivery.platform, delivery.saved_item_id


def _polling(config: Config, platform: str) -> Polling | None:
    platform_config = config.platforms.get(platform)
    return PLATFORMS[platform_config.type].polling if platform_config else None


def _took(followed: Delivery, report: RunReport, now: float) -> float | None:
    """Return how long a run took: by its platform where that is plausible, else by our polls."""
    if report.created_at is not None and report.finished_at is not None:
        said = report.finished_at - report.created_at
        if 0.0 <= said <= followed.run_timeout:
            return said
    return None if followed.delivered_at is None else max(0.0, now - followed.delivered_at)
