"""Reconciliation of starts without an answer: ask the platform for its runs, and let the store
decide.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from bridge.core.clock_reading import ClockReading, compare_readings
from bridge.core.model import RUN_ENDED, Delivery
from bridge.core.status import RunReport
from bridge.delivery.attempt import list_newest_runs, poll_run
from bridge.delivery.platforms.model import ListedRun, Listing
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.reconcile import (
    Candidate,
    Look,
    Window,
    filter_candidates,
    find_echo,
    window_by_clocks,
)
from bridge.routing.model import Config, Platform
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.queue import circuit_updates, reconcile, unknown_starts
from bridge.store.queue.reconcile import PollAnswers
from bridge.store.queue.unknown_starts import UnknownStart
from bridge.system.boot_clock import TimedSend, limit_calls
from bridge.system.logs import get_logger

log = get_logger()


class Reconciler:
    """Looks for the runs of unknown deliveries, in the thread of the caller.

    `after`: seconds from an attempt's deadline to the first try. `now`: the clock of the attempts.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        database: Database,
        send: TimedSend,
        after: float,
        now: DatabaseClock,
    ) -> None:
        self._config = config
        self._database = database
        self._send = send
        self._after = after
        self._now = now

    def reconcile(self, unknown: Delivery) -> None:
        """Look once for the run of a delivery, and settle the delivery by the result."""
        config = self._config()
        platform = config.platforms.get(unknown.platform)
        with self._database.read() as connection:
            start = unknown_starts.read_unknown_start(connection, unknown.id)
        if platform is None or start is None:
            return
        clocks = self._now.read()
        if (early := self._early(start, platform, clocks)) > 0:
            self._database.write(
                lambda connection: reconcile.postpone(connection, start, clocks.at + early)
            )
            return
        answers = self._ask(start, platform, exclusive=_is_exclusive(config, unknown))
        now = self._now()
        if answers.look.problem is None:
            circuit_updates.note_answer(self._database, platform.name, now)
        jitter = random.random()
        settled = self._database.write(
            lambda connection: reconcile.resolve(connection, start, answers, now, jitter=jitter)
        )
        if settled is not None:
            evidence, status = settled
            report = answers.reports.get(evidence.decision.run_id or "")
            log.info(
                "reconciled",
                delivery_id=unknown.id,
                event_id=unknown.event_id,
                route=unknown.route,
                flow=unknown.flow,
                platform=platform.name,
                attempt=start.attempt,
                decided=evidence.decision.verdict.value,
                why=evidence.decision.why,
                status=status,
                run_id=evidence.decision.run_id,
                state=report.state if report else None,
            )

    def _early(self, start: UnknownStart, platform: Platform, clocks: ClockReading) -> float:
        """Return the seconds that are left until the run may be looked for.

        By a clock that was set back the attempt may lie in the future: only time that really passed
        counts.
        """
        after = platform.timeout + self._after
        between = compare_readings(start.clocks, clocks)
        if between is not None:
            return after - between.seconds
        return after - (clocks.at - start.began_at) if start.began_at <= clocks.at else 0.0

    def _ask(self, start: UnknownStart, platform: Platform, *, exclusive: bool) -> PollAnswers:
        """Ask for the flow's newest runs, and then each candidate for its state and its outputs."""
        delivery = start.delivery
        listing = list_newest_runs(
            delivery.saved_item_id, platform, limit_calls(self._send, platform.timeout)
        )
        clocks = replace(self._now.read(), platform_at=listing.told_at)
        between = compare_readings(start.clocks, clocks)
        within = window_by_clocks(start.clocks, clocks, platform.timeout)
        listed = [run for run in listing.items or () if run.saved_item_id == delivery.saved_item_id]
        listed_reports = {run_id: RunReport(state=None) for run_id in start.before.run_ids} | {
            run.id: run.report for run in listed
        }
        look = Look(
            at=clocks.at,
            window=within,
            listed=len(listed) + listing.unread,
            unread=listing.unread,
            oldest=min(
                (run.report.created_at for run in listed if run.report.created_at is not None),
                default=None,
            ),
            problem=_problem(listing, listed),
            step=None if between is None else between.step,
            read_clocks=start.clocks.boot_clock is not None or start.clocks.host is not None,
            status_code=listing.status_code,
        )
        candidate_ids = self._unlinked(listed_reports, within) if look.problem is None else []
        reports = (
            listed_reports
            if look.problem
            else {
                run_id: self._report(run_id, listed_reports[run_id], platform)
                for run_id in candidate_ids
            }
        )
        some = tuple(_candidate(run_id, report, delivery) for run_id, report in reports.items())
        polling = PLATFORMS[platform.type].polling
        return PollAnswers(
            look=replace(look, candidates=filter_candidates(some, (), within)),
            reports=reports,
            exclusive=exclusive,
            next_look=polling.first if polling else 0.0,
        )

    def _unlinked(self, listed_reports: dict[str, RunReport], within: Window) -> list[str]:
        """Return the candidates among the listed runs that no delivery has."""
        some = filter_candidates(
            (
                Candidate(run_id=run_id, created_at=report.created_at)
                for run_id, report in listed_reports.items()
            ),
            (),
            within,
        )
        with self._database.read() as connection:
            taken = unknown_starts.find_run_owners(
                connection, [candidate.run_id for candidate in some]
            )
        return [candidate.run_id for candidate in some if candidate.run_id not in taken]

    def _report(self, run_id: str, listed: RunReport, platform: Platform) -> RunReport:
        """Poll a run. Where the answer has no time of its creation, use that of the list."""
        report = poll_run(run_id, platform, limit_calls(self._send, platform.timeout))
        return (
            report
            if report.created_at is not None
            else replace(report, created_at=listed.created_at)
        )


def _candidate(run_id: str, report: RunReport, unknown: Delivery) -> Candidate:
    """Return a run as a candidate, with the echo in its outputs once it has ended."""
    return Candidate(
        run_id=run_id,
        created_at=report.created_at,
        state=report.state,
        echo=find_echo(report.outputs, unknown) if report.state in RUN_ENDED else None,
        gone=report.gone,
    )


def _problem(listing: Listing[ListedRun], listed: Sequence[ListedRun]) -> str | None:
    """Return why a list is of no use, None where it is."""
    if listing.items is None:
        return listing.detail or "the platform returned no list of runs"
    return (
        "the platform's list has only runs of other flows" if listing.items and not listed else None
    )


def _is_exclusive(config: Config, delivery: Delivery) -> bool:
    """Return whether routes.yaml now declares the delivery's flow as exclusive to flowbridge."""
    mine = (delivery.platform, delivery.saved_item_id)
    return any(
        flow.exclusive
        for flow in config.flows.values()
        if (flow.platform, flow.saved_item_id) == mine
    )
