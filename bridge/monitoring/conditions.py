"""The table of health conditions. A new condition is a row of `CONDITIONS`. Pure.

docs/runbook.md has a section for each row, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.status import Overview
from bridge.core.text import pluralize
from bridge.monitoring.checks import (
    certificate,
    configuration,
    deliveries,
    machine,
    platforms,
    processes,
    sources,
)
from bridge.monitoring.checks.occurrence import Occurrence, find_since
from bridge.routing.idle_routes import describe_idle_routes

CRITICAL = "critical"
WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Condition:
    """A health condition: its severity, and the check that finds it.

    `hold_seconds`: how long it has to last before it is notified.
    """

    severity: str
    hold_seconds: float
    find: Callable[[Overview], Iterable[Occurrence]]


def _find_none(_: Overview) -> Iterable[Occurrence]:
    """Find nothing: `alerts` raises that condition itself."""
    return ()


CONDITIONS: Final = {
    "nothing_runs": Condition(CRITICAL, 120.0, processes.find_nothing_running),
    "no_worker": Condition(CRITICAL, 120.0, processes.find_no_worker),
    "no_receiver": Condition(CRITICAL, 120.0, processes.find_no_receiver),
    "config_unusable": Condition(WARNING, 60.0, configuration.find_unusable_config),
    "config_held": Condition(WARNING, 60.0, configuration.find_held_config),
    "config_not_taken": Condition(WARNING, 120.0, configuration.find_outdated_processes),
    "flows_unusable": Condition(WARNING, 60.0, configuration.find_unusable_flows),
    "flow_missing": Condition(WARNING, 60.0, configuration.find_missing_flows),
    "flow_changed": Condition(WARNING, 0.0, configuration.find_changed_flows),
    "no_secret": Condition(CRITICAL, 60.0, configuration.find_missing_secrets),
    "no_credentials": Condition(CRITICAL, 60.0, configuration.find_missing_credentials),
    "credentials_refused": Condition(CRITICAL, 60.0, platforms.find_refused_credentials),
    "disk_full": Condition(CRITICAL, 60.0, machine.find_full_disk),
    "disk_low": Condition(WARNING, 60.0, machine.find_low_disk),
    "backup": Condition(WARNING, 900.0, machine.find_missed_backups),
    "files_full": Condition(WARNING, 60.0, sources.find_full_forms),
    "daily_bytes_full": Condition(WARNING, 60.0, sources.find_full_days),
    "certificate_urgent": Condition(CRITICAL, 0.0, certificate.find_urgent_certificate),
    "certificate": Condition(WARNING, 0.0, certificate.find_old_certificate),
    "clock_skew": Condition(WARNING, 300.0, machine.find_clock_skew),
    "circuit_open": Condition(CRITICAL, 120.0, platforms.find_open_circuits),
    "platform_full": Condition(WARNING, 60.0, platforms.find_full_platforms),
    "starts_held": Condition(WARNING, 0.0, deliveries.find_held_starts),
    "platform_missing": Condition(WARNING, 60.0, deliveries.find_missing_platforms),
    "queue_late": Condition(WARNING, 0.0, deliveries.find_late_queues),
    "unknown": Condition(WARNING, 60.0, deliveries.find_unknown_outcomes),
    "late_start": Condition(WARNING, 0.0, deliveries.find_late_starts),
    "dead": Condition(WARNING, 60.0, deliveries.find_dead),
    "runs_failing": Condition(WARNING, 60.0, deliveries.find_failing_runs),
    "rejects": Condition(WARNING, 60.0, sources.find_rejects),
    "silence": Condition(WARNING, 300.0, sources.find_silent),
    "flood": Condition(WARNING, 0.0, _find_none),
}


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """A condition that needs attention: what was found, and the next step (`do`).

    `key`: the condition and, after a colon, its subject.
    """

    key: str
    what: str
    do: Advice

    @property
    def condition(self) -> str:
        """A key of `CONDITIONS`."""
        return self.key.partition(":")[0]

    @property
    def severity(self) -> str:
        """`critical` or `warning`."""
        return CONDITIONS[self.condition].severity


def find_problems(now: Overview) -> list[HealthProblem]:
    """Return the conditions that need attention, in the order of the table."""
    return [
        HealthProblem(
            f"{name}:{occurrence.subject}" if occurrence.subject else name,
            occurrence.what,
            occurrence.do,
        )
        for name, condition in CONDITIONS.items()
        for occurrence in condition.find(now)
    ]


def describe_restart(names: Iterable[str]) -> str:
    """Return that a running bridge uses earlier values of these settings."""
    return f"{', '.join(names)} in .env changed: restart flowbridge to use the new value"


def find_notes(now: Overview) -> list[str]:
    """Return remarks on the status that need no alert."""
    notes = []
    problems = find_problems(now)
    if now.config.restart:
        notes.append(describe_restart(now.config.restart))
    notes += [
        f"flowbridge {version} runs, but {now.version} is installed: restart it"
        for version in now.running_versions
        if version != now.version
    ]
    notes += [
        f"source {source.name}: {source.secret_doubt}"
        for source in now.sources
        if source.secret_doubt is not None and source.is_configured
    ]
    notes += describe_idle_routes(now.idle_routes)
    failing = {problem.key for problem in problems}
    failed = [
        runs
        for route, runs in now.runs_ended.items()
        if runs.failed and f"runs_failing:{route}" not in failing
    ]
    if failed:
        count = sum(runs.failed for runs in failed)
        oldest_at = min((runs.received_at for runs in failed if runs.received_at), default=None)
        notes.append(
            advise(
                f"{pluralize(count, 'run')} failed within a day: ",
                name_command("events", run="failed", since=find_since(now.at, oldest_at)),
            ).sentence
        )
    if not now.tells and problems:
        notes.append(
            advise(
                "alerts are not sent anywhere: no route subscribes to them (",
                name_command("alerts", help=True),
                " shows such a route)",
            ).sentence
        )
    return notes
