"""What is told of what is wrong, and when: once when it has held for a while, seldom while it
lasts, once when it is over. Pure.

An alert is an event of the source `flowbridge`, which nobody can send: routes take it to flows as
they take any other. What was told is kept with the alert, so that a restart tells nothing twice.
What an alert's own delivery comes to is a condition like others, told as seldom as others: alerts
about alerts end there. What more is wrong than is told one by one is told as one, `flood`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from bridge.core.alert import Alert
from bridge.core.model import Event
from bridge.core.timings import TIMINGS, Timings
from bridge.monitoring.conditions import CONDITIONS, CRITICAL, WARNING, Trouble
from bridge.monitoring.serializers import iso
from bridge.routing.matching.matcher import match_type
from bridge.routing.model import OWN, Config, Mode

RAISED = "alert.raised"
RESOLVED = "alert.resolved"
TEST = "alert.test"
# how the keys of conditions begin that may be seen by a worker only
SEEN_BY_WORKERS: Final = "clock_skew:"
AGAIN: Final = 86400.0  # seconds until what lasts is told again
# seconds after it was told in which a condition that comes and goes is not told as a new one
QUIET: Final = 3600.0
# alerts of one severity that are told in `WINDOW`, and ends of them; others wait, and are told when
# there is room
MOST: Final = 20
WINDOW: Final = 3600.0  # seconds; not more than `QUIET`, or one could take two places
REMEMBERED: Final = 86400.0  # seconds that one which is over is kept
KEPT: Final = 500  # alerts of one severity; conditions beyond are not followed


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell."""

    type: str
    alert: Alert


def step(
    known: Mapping[str, Alert], found: Sequence[Trouble], now: float, timings: Timings = TIMINGS
) -> tuple[dict[str, Alert], list[Notice]]:
    """Return the alerts as they are now that `found` is wrong, and what is to be told."""
    alerts = {
        key: one
        for key, one in known.items()
        if not (one.is_told_over and now - (one.resolved_at or 0.0) >= REMEMBERED)
    }
    notices, untold = _raised(alerts, found, now, _room(alerts.values(), now), timings)
    if untold:
        found = [*found, _flood(untold)]
        one = Counter({found[-1].severity: 1})
        notices += _raised(alerts, found[-1:], now, one, timings, KEPT + 1)[0]
    return alerts, notices + _resolved(
        alerts, {one.key for one in found}, now, timings.alert_resolve_seconds
    )


def _raised(
    alerts: dict[str, Alert],
    found: Sequence[Trouble],
    now: float,
    room: Counter[str],
    timings: Timings,
    most: int = KEPT,
) -> tuple[list[Notice], list[Trouble]]:
    """Note in `alerts` what is wrong; return what is to be told of it, and what should be told and
    has to wait.
    """
    notices = []
    untold = []
    kept = Counter(one.severity for one in alerts.values())
    for trouble in found:
        alert = _seen(alerts.get(trouble.key), trouble, now, timings.alert_resolve_seconds)
        is_new = alert.key not in alerts
        if is_new and kept[alert.severity] >= most:
            untold.append(trouble)
            continue
        kept[alert.severity] += is_new
        if _is_due(alert, trouble, now, timings):
            if room[alert.severity] > 0:
                room[alert.severity] -= 1
                raised_at = now if alert.raised_at is None else alert.raised_at
                alert = replace(alert, raised_at=raised_at, told_at=now, told=alert.told + 1)
                notices.append(Notice(RAISED, alert))
            elif alert.raised_at is None:
                untold.append(trouble)
        alerts[alert.key] = alert
    return notices, untold


def _resolved(
    alerts: dict[str, Alert], present: Set[str], now: float, resolve: float
) -> list[Notice]:
    """Note in `alerts` what is over; return what is to be told of it."""
    notices = []
    room = _room(
        (one for one in alerts.values() if one.is_told_over and one.told_at == one.resolved_at), now
    )
    for key in sorted(alerts.keys() - present):
        alert = alerts[key]
        if alert.is_told_over or now - alert.seen_at < resolve:
            continue
        if not alert.told:
            del alerts[key]
        elif alert.raised_at is None:  # it was back, and not for long enough to be told
            alerts[key] = replace(alert, resolved_at=now)
        elif room[alert.severity] > 0:
            room[alert.severity] -= 1
            alerts[key] = replace(alert, raised_at=None, told_at=now, resolved_at=now)
            notices.append(Notice(RESOLVED, alerts[key]))
        elif alert.resolved_at is None:
            alerts[key] = replace(alert, resolved_at=now)
    return notices


def _room(told: Iterable[Alert], now: float) -> Counter[str]:
    """Return by severity how many more may be told now."""
    lately = Counter(
        one.severity for one in told if one.told_at is not None and 0 <= now - one.told_at < WINDOW
    )
    return Counter({severity: MOST - lately[severity] for severity in (CRITICAL, WARNING)})


def _flood(untold: Sequence[Trouble]) -> Trouble:
    counts = Counter(one.condition for one in untold).most_common()
    what = ", ".join(f"{count} of {condition}" for condition, count in counts)
    return Trouble(
        "flood",
        f"more is wrong than is told one by one: {what}",
        "flowbridge status; flowbridge alerts",
    )


def _seen(alert: Alert | None, trouble: Trouble, now: float, resolve: float) -> Alert:
    said: dict[str, Any] = {
        "severity": trouble.severity,
        "what": trouble.what,
        "do": trouble.do,
        "seen_at": now,
    }
    if alert is None:
        return Alert(key=trouble.key, since=now, **said)
    is_anew = alert.raised_at is None and (
        alert.resolved_at is not None or now - alert.seen_at > resolve
    )
    return replace(alert, since=now if is_anew else alert.since, resolved_at=None, **said)


def _is_due(alert: Alert, trouble: Trouble, now: float, timings: Timings) -> bool:
    if alert.raised_at is not None:
        return now - (alert.told_at or 0.0) >= AGAIN
    usual = CONDITIONS[trouble.condition].hold_seconds
    holds = timings.alert_hold_seconds.get(trouble.condition, usual)
    return now - alert.since >= holds and (alert.told_at is None or now - alert.told_at >= QUIET)


def body(notice: Notice, now: float) -> bytes:
    """Return what the event says, as JSON."""
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


def event(notice: Notice, event_id: str, config_hash: str, now: float) -> Event:
    """Return the event of a notice. The same notice is the same event for whoever makes it."""
    raw = body(notice, now)
    alert = notice.alert
    return Event(
        id=event_id,
        source=OWN,
        provider=OWN,
        type=notice.type,
        provider_id=f"{notice.type}:{hashlib.sha256(alert.key.encode()).hexdigest()[:16]}:{alert.since:.3f}:{alert.told}",
        received_at=now,
        headers={"content-type": "application/json"},
        query_string="",
        body=raw,
        body_sha256=hashlib.sha256(raw).hexdigest(),
        config_hash=config_hash,
    )


def proof(now: float) -> Notice:
    """Return a notice of nothing wrong, which goes the way that alerts go."""
    said = Alert(
        key="test",
        severity="info",
        what="this is a test of the alerts of flowbridge",
        do="nothing",
        since=now,
        seen_at=now,
    )
    return Notice(TEST, said)


def is_told(config: Config) -> bool:
    """Return whether a route takes alerts that are raised, whatever more it says of them."""
    return any(
        route.mode is Mode.LIVE and match_type(route.types, RAISED)
        for route in config.routes_of(OWN)
    )


def is_over(alert: Alert, present: Set[str], now: float, timings: Timings = TIMINGS) -> bool:
    """Return whether the condition of an alert is over, though its end was not told yet. `present`:
    the keys of what is wrong now.

    What only a worker sees is over where its last looks did not see it.
    """
    if alert.key == "flood" or alert.key.startswith(SEEN_BY_WORKERS):
        return now - alert.seen_at > 2 * timings.alert_check_seconds
    return alert.key not in present


def cleared_by(alert: Alert, timings: Timings = TIMINGS) -> float:
    """Return by when a worker takes an alert off the list whose condition is over: it waits, should
    the condition come back.
    """
    return alert.seen_at + timings.alert_resolve_seconds + timings.alert_check_seconds


def listed(alerts: Iterable[Alert]) -> list[Alert]:
    """Return those that are not over, the oldest first."""
    return sorted(
        (one for one in alerts if one.resolved_at is None), key=lambda one: (one.since, one.key)
    )
