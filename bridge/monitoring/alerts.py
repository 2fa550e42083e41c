"""Alerts: when a health condition is notified. Pure.

An alert is sent once its condition has lasted for a while, repeated daily, and resolved once. It is
an event of the source `flowbridge`, which no sender can use; routes take it to flows like any
other. Its notifications are stored with it, so that a restart repeats none. A failed delivery of an
alert is a condition like others and limited like others, so alerts about alerts end there. Alerts
beyond the limits are sent as one, `flood`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from bridge.core.advice import advise, name_command
from bridge.core.alert import Alert
from bridge.core.model import OWN_SOURCE_NAME, Event
from bridge.core.timings import TIMINGS, Timings
from bridge.core.units import iso
from bridge.monitoring.conditions import CONDITIONS, CRITICAL, WARNING, HealthProblem
from bridge.routing.matching.matcher import match_type
from bridge.routing.model import Config, Mode

RAISED = "alert.raised"
RESOLVED = "alert.resolved"
TEST = "alert.test"
# prefix of the conditions that only a worker may see
WORKER_CONDITION_PREFIX: Final = "clock_skew:"
REPEAT_SECONDS: Final = 86400.0  # until an alert that lasts is sent again
# after a notification in which a flapping condition raises no new alert
QUIET_SECONDS: Final = 3600.0
# alerts of one severity, and as many resolutions, that are sent in the window; the others wait
MAX_NOTICES: Final = 20
WINDOW_SECONDS: Final = 3600.0  # at most `QUIET_SECONDS`, or one alert could count twice
RESOLVED_SECONDS: Final = 86400.0  # that a resolved alert is stored
TIMES: Final = ("since", "seen_at", "raised_at", "told_at", "resolved_at")  # of an alert
MAX_ALERTS: Final = 500  # of one severity; further conditions are not tracked


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification to send: an alert that was raised or resolved, or a test."""

    type: str
    alert: Alert


def update_alerts(
    previous: Mapping[str, Alert],
    problems: Sequence[HealthProblem],
    now: float,
    timings: Timings = TIMINGS,
) -> tuple[dict[str, Alert], list[Notice]]:
    """Return the alerts after a check that found these problems, and the notifications to send."""
    alerts = {
        key: alert
        for key, alert in ((key, _limit_times(stored, now)) for key, stored in previous.items())
        if not (
            alert.is_resolution_notified and now - (alert.resolved_at or 0.0) >= RESOLVED_SECONDS
        )
    }
    quota = _quota(((alert.severity, _alerted_at(alert)) for alert in alerts.values()), now)
    notices, postponed = _raise(alerts, problems, now, quota, timings)
    if postponed:
        problems = [*problems, _flood(postponed)]
        flood_quota = Counter({problems[-1].severity: 1})
        notices += _raise(alerts, problems[-1:], now, flood_quota, timings, MAX_ALERTS + 1)[0]
    return alerts, notices + _resolve(
        alerts, {problem.key for problem in problems}, now, timings.alert_resolve_seconds
    )


def _alerted_at(alert: Alert) -> float | None:
    """Return when it was last notified that the condition of an alert holds, as far as known."""
    is_last = alert.is_resolution_notified and alert.raised_at is not None
    return alert.raised_at if is_last else alert.told_at


def _end_told_at(alert: Alert) -> float | None:
    """Return when it was notified that the condition of an alert ended, if not raised since.

    The condition may hold again since then, but not for long enough to be raised.
    """
    is_last = alert.raised_at is None or (
        alert.is_resolution_notified and alert.told_at == alert.resolved_at
    )
    return alert.told_at if is_last else None


def _limit_times(alert: Alert, now: float) -> Alert:
    """Return an alert without future times, which would delay it after a clock is set back."""
    times = {name: getattr(alert, name) for name in TIMES}
    ahead: dict[str, Any] = {name: now for name, at in times.items() if at is not None and at > now}
    if "told_at" in ahead and alert.raised_at is not None:  # equal times say no more what was sent
        ahead["raised_at"] = None if alert.is_resolution_notified else now
    return replace(alert, **ahead) if ahead else alert


def _raise(
    alerts: dict[str, Alert],
    problems: Sequence[HealthProblem],
    now: float,
    quota: Counter[str],
    timings: Timings,
    max_alerts: int = MAX_ALERTS,
) -> tuple[list[Notice], list[HealthProblem]]:
    """Update `alerts` with the problems; return the notifications to send, and those postponed."""
    notices = []
    postponed = []
    counts = Counter(alert.severity for alert in alerts.values())
    for trouble in problems:
        alert = _seen(alerts.get(trouble.key), trouble, now, timings.alert_resolve_seconds)
        is_new = alert.key not in alerts
        if is_new and counts[alert.severity] >= max_alerts:
            postponed.append(trouble)
            continue
        counts[alert.severity] += is_new
        if _is_due(alert, trouble, now, timings):
            if quota[alert.severity] > 0:
                quota[alert.severity] -= 1
                raised_at = now if alert.raised_at is None else alert.raised_at
                alert = replace(alert, raised_at=raised_at, told_at=now, told=alert.told + 1)
                notices.append(Notice(RAISED, alert))
            elif alert.raised_at is None:
                postponed.append(trouble)
        alerts[alert.key] = alert
    return notices, postponed


def _resolve(
    alerts: dict[str, Alert], present: Set[str], now: float, resolve: float
) -> list[Notice]:
    """Update `alerts` with the conditions that ended; return the notifications to send."""
    notices = []
    quota = _quota(((alert.severity, _end_told_at(alert)) for alert in alerts.values()), now)
    for key in sorted(alerts.keys() - present):
        alert = alerts[key]
        if alert.is_resolution_notified or now - alert.seen_at < resolve:
            continue
        if not alert.told:
            del alerts[key]
        elif alert.raised_at is None:  # it came back, but not for long enough to be notified
            alerts[key] = replace(alert, resolved_at=now)
        elif quota[alert.severity] > 0:
            quota[alert.severity] -= 1
            alerts[key] = replace(alert, raised_at=alert.told_at, told_at=now, resolved_at=now)
            notices.append(Notice(RESOLVED, alerts[key]))
        elif alert.resolved_at is None:
            alerts[key] = replace(alert, resolved_at=now)
    return notices


def _quota(told: Iterable[tuple[str, float | None]], now: float) -> Counter[str]:
    """Return by severity how many more notifications may be sent now.

    `told`: the severities and times of those that were sent.
    """
    lately = Counter(
        severity for severity, at in told if at is not None and 0 <= now - at < WINDOW_SECONDS
    )
    return Counter({severity: MAX_NOTICES - lately[severity] for severity in (CRITICAL, WARNING)})


def _flood(postponed: Sequence[HealthProblem]) -> HealthProblem:
    counts = Counter(problem.condition for problem in postponed).most_common()
    what = ", ".join(f"{count} of {condition}" for condition, count in counts)
    return HealthProblem(
        "flood",
        f"too many alerts to send each of them: {what}",
        advise(name_command("status"), "; ", name_command("alerts")),
    )


def _seen(alert: Alert | None, trouble: HealthProblem, now: float, resolve: float) -> Alert:
    said: dict[str, Any] = {
        "severity": trouble.severity,
        "what": trouble.what,
        "do": trouble.do.sentence,
        "seen_at": now,
    }
    if alert is None:
        return Alert(key=trouble.key, since=now, **said)
    if alert.is_resolution_notified:
        alert = replace(alert, raised_at=None)
    is_new = alert.raised_at is None and (
        alert.resolved_at is not None or now - alert.seen_at > resolve
    )
    return replace(alert, since=now if is_new else alert.since, resolved_at=None, **said)


def _is_due(alert: Alert, trouble: HealthProblem, now: float, timings: Timings) -> bool:
    if alert.raised_at is not None:
        return now - (alert.told_at or 0.0) >= REPEAT_SECONDS
    usual = CONDITIONS[trouble.condition].hold_seconds
    holds = timings.alert_hold_seconds.get(trouble.condition, usual)
    return now - alert.since >= holds and (
        alert.told_at is None or now - alert.told_at >= QUIET_SECONDS
    )


def event_body(notice: Notice, now: float) -> bytes:
    """Return the body of the event, as JSON."""
    alert = notice.alert
    condition, _, subject = alert.key.partition(":")
    said = {
        "key": alert.key,
        "condition": condition,
        "severity": alert.severity,
        "summary": alert.what,
        "subject": subject or None,
        "since": iso(alert.since),
        "what_to_do": alert.do,
        "told": alert.told,
        "at": iso(now),
    }
    return orjson.dumps(said)


def make_event(notice: Notice, event_id: str, config_hash: str, now: float) -> Event:
    """Return the event of a notification: the same one in every process."""
    raw = event_body(notice, now)
    alert = notice.alert
    return Event(
        id=event_id,
        source=OWN_SOURCE_NAME,
        provider=OWN_SOURCE_NAME,
        type=notice.type,
        provider_id=f"{notice.type}:{hashlib.sha256(alert.key.encode()).hexdigest()[:16]}:{alert.since:.3f}:{alert.told}",
        received_at=now,
        headers={"content-type": "application/json"},
        query_string="",
        body=raw,
        body_sha256=hashlib.sha256(raw).hexdigest(),
        config_hash=config_hash,
    )


def make_test_notice(now: float) -> Notice:
    """Return a test notification, which is delivered like an alert."""
    said = Alert(
        key="test",
        severity="info",
        what="this is a test of the alerts of flowbridge",
        do="nothing",
        since=now,
        seen_at=now,
    )
    return Notice(TEST, said)


def has_alert_route(config: Config) -> bool:
    """Return whether a live route matches raised alerts, whatever its other conditions."""
    return any(
        route.mode is Mode.LIVE and match_type(route.types, RAISED)
        for route in config.routes_of(OWN_SOURCE_NAME)
    )


def has_ended(alert: Alert, present: Set[str], now: float, timings: Timings = TIMINGS) -> bool:
    """Return whether the condition of an alert has ended, though that was not notified yet.

    `present`: the keys of the current problems. A condition that only a worker sees has ended if
    its last checks did not find it.
    """
    if alert.key == "flood" or alert.key.startswith(WORKER_CONDITION_PREFIX):
        return now - alert.seen_at > 2 * timings.alert_check_seconds
    return alert.key not in present


def find_resolve_time(alert: Alert, timings: Timings = TIMINGS) -> float:
    """Return when a worker resolves an alert whose condition has ended, unless it comes back."""
    return alert.seen_at + timings.alert_resolve_seconds + timings.alert_check_seconds


def list_open(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the open alerts, the oldest first."""
    return sorted(
        (alert for alert in alerts if alert.resolved_at is None),
        key=lambda alert: (alert.since, alert.key),
    )
