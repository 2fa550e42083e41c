"""The table of metrics of `/metrics`: a new metric is one row. Pure.

A metric is counted by the processes (`counters`) or derived from the current status (`Overview`).
Names and units follow https://prometheus.io/docs/practices/naming/. Labels have the names of
configured sources, routes and platforms, and words of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bridge.core.status import BackupStatus, Overview, RouteQueue, UrlCertificate

# of each series: the label values and the number
Values = Iterable[tuple[tuple[str, ...], float]]

CIRCUIT_STATES: Final = ("closed", "open", "half_open")
PROCESS_ROLES: Final = ("web", "work", "reload")  # reported even if there are none
OTHER: Final = "other"  # the source of a request to an unknown one


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `kind`: counter, histogram or gauge; `of` derives the values of a gauge."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    of: Callable[[Overview], Values] | None = None


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"flowbridge_{name}_total", "counter", text, labels)


EVENTS: Final = _counter(
    "events",
    "Events by outcome: accepted, duplicate, spam, problem or handshake.",
    "source",
    "outcome",
)
REFUSED: Final = _counter(
    "requests_refused", "Requests that were answered with an error.", "source", "status"
)
FORM_REFUSALS: Final = _counter(
    "form_refusals", "Submissions that a form refused, by the code of the answer.", "source", "code"
)
UNVERIFIED: Final = _counter(
    "verification_failures",
    "Requests that failed verification.",
    "source",
    "reason",
)
VERIFIED: Final = _counter(
    "verified",
    "Verified requests, by the place of the secret in the list of the source: 1 is the first.",
    "source",
    "secret",
)
ACK: Final = Metric(
    "flowbridge_ack_seconds",
    "histogram",
    "From the head of a request until its events were stored.",
)
COMMIT: Final = Metric(
    "flowbridge_commit_seconds",
    "histogram",
    "Of a commit of received events.",
)
LOOP_LAG: Final = Metric(
    "flowbridge_loop_lag_seconds",
    "histogram",
    "By which an event loop is late besides its commits.",
)
ATTEMPTS: Final = _counter(
    "attempts", "Calls that start a flow, by outcome.", "platform", "outcome"
)
RUNS: Final = _counter("runs_ended", "Ended runs by state.", "route", "state")
DEATHS: Final = _counter("deaths", "Deliveries that were given up after a call.", "route")
TAKEN_OVER: Final = _counter(
    "leases_taken_over", "Deliveries whose worker had ended, taken over by another.", "route"
)

#: Histograms that are left out while they are empty: only some receivers have them.
EVENT_LOOP_METRICS: Final = (COMMIT, LOOP_LAG)
PROCESS_METRICS: Final = (
    EVENTS,
    REFUSED,
    FORM_REFUSALS,
    UNVERIFIED,
    VERIFIED,
    ACK,
    *EVENT_LOOP_METRICS,
    ATTEMPTS,
    RUNS,
    DEATHS,
    TAKEN_OVER,
)
# by metric: the label values after the route
LABELS_PER_ROUTE: Final = {
    RUNS.name: (("done",), ("failed",)),
    DEATHS.name: ((),),
    TAKEN_OVER.name: ((),),
}
STORE_UP: Final = Metric(
    "flowbridge_store_up",
    "gauge",
    "1: the store answered; 0: it did not, and no other gauge is reported.",
)


def _one(value: float | None) -> Values:
    return () if value is None else (((), float(value)),)


def _lanes(now: Overview, value: Callable[[RouteQueue], float]) -> Values:
    return [((lane.route, lane.platform), value(lane)) for lane in now.queue]


def _circuits(now: Overview) -> Iterator[tuple[tuple[str, ...], float]]:
    for platform in now.platforms:
        state = platform.circuit.state(now.at) if platform.circuit else "closed"
        yield from (
            ((platform.name, circuit_state), float(circuit_state == state))
            for circuit_state in CIRCUIT_STATES
        )


def _backups(now: Overview, value: Callable[[BackupStatus], float | None]) -> Values:
    return () if now.backups is None else _one(value(now.backups))


def _certificate(now: Overview, value: Callable[[UrlCertificate], float | None]) -> Values:
    certificate = now.certificate
    return (
        []
        if certificate is None or (told := value(certificate)) is None
        else [((certificate.host,), told)]
    )


def _trusted(certificate: UrlCertificate) -> float | None:
    return (
        None
        if certificate.ends_at is None and certificate.refused is None
        else float(certificate.refused is None)
    )


def _processes(now: Overview) -> Values:
    roles = [process.role for process in now.processes]
    return [
        ((role,), float(roles.count(role)))
        for role in dict.fromkeys((*PROCESS_ROLES, *sorted(roles)))
    ]


def _gauge(name: str, text: str, of: Callable[[Overview], Values], *labels: str) -> Metric:
    return Metric(f"flowbridge_{name}", "gauge", text, labels, of)


GAUGES: Final = (
    _gauge("build_info", "The version; always 1.", lambda now: [((now.version,), 1.0)], "version"),
    _gauge(
        "processes",
        "Processes of this machine, and the workers of others that share the store.",
        _processes,
        "role",
    ),
    _gauge(
        "config_ok",
        "1: the configuration files are in use; 0: they are not valid, and the last valid"
        " configuration is in use.",
        lambda now: _one(not now.config.error),
    ),
    _gauge(
        "config_info",
        "The hash of the configuration; always 1.",
        lambda now: [((now.config.hash or "",), 1.0)],
        "hash",
    ),
    _gauge(
        "config_loaded_timestamp_seconds",
        "Time since which the configuration is in use.",
        lambda now: _one(now.config.since),
    ),
    _gauge(
        "config_restart_needed",
        "Changed settings that apply after the next start.",
        lambda now: _one(len(now.config.restart)),
    ),
    _gauge(
        "source_last_event_timestamp_seconds",
        "Time of the newest event of a source.",
        lambda now: [
            ((source.name,), source.last_at) for source in now.sources if source.last_at is not None
        ],
        "source",
    ),
    _gauge(
        "queue_deliveries",
        "Deliveries that wait for their due time and a slot.",
        lambda now: _lanes(now, lambda lane: lane.queued),
        "route",
        "platform",
    ),
    _gauge(
        "queue_oldest_age_seconds",
        "Age of the oldest waiting delivery.",
        lambda now: _lanes(now, lambda lane: max(0.0, now.at - lane.oldest_at)),
        "route",
        "platform",
    ),
    _gauge(
        "queue_late_seconds",
        "Seconds since the first waiting delivery was due; 0 if the route is paused.",
        lambda now: _lanes(
            now, lambda lane: max(0.0, now.at - lane.due_at) if lane.state == "live" else 0.0
        ),
        "route",
        "platform",
    ),
    _gauge(
        "deliveries_blocked",
        "Deliveries that wait for an earlier one of their ordering key.",
        lambda now: [((route,), count) for route, count in now.blocked.items()],
        "route",
    ),
    _gauge(
        "deliveries_dead",
        "Deliveries that were given up (dead letters).",
        lambda now: _one(now.dead),
    ),
    _gauge(
        "deliveries_dead_day",
        "Those that died within the last day and were not replayed since.",
        lambda now: _one(now.dead_today),
    ),
    _gauge(
        "deliveries_unknown",
        "Calls without an answer: a run may exist.",
        lambda now: _one(now.unknown),
    ),
    _gauge(
        "deliveries_held",
        "Of the unknown ones, those that wait for a decision.",
        lambda now: _one(now.held),
    ),
    _gauge(
        "starts_held_back",
        "1: all starts are on hold, by an operator or a restored backup.",
        lambda now: _one(now.hold_since is not None),
    ),
    _gauge(
        "platform_calls",
        "Calls in progress.",
        lambda now: [((platform.name,), platform.calls) for platform in now.platforms],
        "platform",
    ),
    _gauge(
        "platform_runs",
        "Runs in flight.",
        lambda now: [((platform.name,), platform.runs) for platform in now.platforms],
        "platform",
    ),
    _gauge(
        "platform_slots",
        "Maximum number of concurrent calls and runs.",
        lambda now: [
            ((platform.name,), platform.cap)
            for platform in now.platforms
            if platform.cap is not None
        ],
        "platform",
    ),
    _gauge(
        "platform_fits",
        "Runs that fit beside those of others, as the platform reported; absent if it reported"
        " none.",
        lambda now: [
            ((platform.name,), platform.fits)
            for platform in now.platforms
            if platform.fits is not None
        ],
        "platform",
    ),
    _gauge(
        "circuit_state",
        "1 for the state that the platform's circuit is in.",
        _circuits,
        "platform",
        "state",
    ),
    _gauge(
        "database_bytes",
        "Size of the database, with SQLite's write-ahead log.",
        lambda now: _one(now.database_size),
    ),
    _gauge(
        "database_clock_ahead_seconds",
        "How far PostgreSQL's clock is ahead of this machine's.",
        lambda now: _one(now.database_ahead),
    ),
    _gauge(
        "backup_newest_timestamp_seconds",
        "Time of the newest backup.",
        lambda now: _backups(now, lambda backups: backups.newest_at),
    ),
    _gauge(
        "backup_missed",
        "1: the last backup failed, or the newest is too old; absent without scheduled backups.",
        lambda now: _backups(
            now,
            lambda backups: None if backups.every is None else float(backups.are_missed(now.at)),
        ),
    ),
    _gauge(
        "certificate_expiry_timestamp_seconds",
        "Expiry of the certificate of the public URL; checked every six hours.",
        lambda now: _certificate(now, lambda certificate: certificate.ends_at),
        "host",
    ),
    _gauge(
        "certificate_trusted",
        "1: that certificate is trusted; 0: senders refuse it.",
        lambda now: _certificate(now, _trusted),
        "host",
    ),
    _gauge(
        "disk_free_bytes",
        "Free bytes on the disk of the data folder.",
        lambda now: _one(now.disk_free),
    ),
    _gauge("disk_size_bytes", "The size of that disk.", lambda now: _one(now.disk_total)),
)

METRICS: Final = (*PROCESS_METRICS, STORE_UP, *GAUGES)
