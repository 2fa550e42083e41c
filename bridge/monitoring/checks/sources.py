"""Checks of the sources: rejects, stored bytes and silence. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.status import Overview, SourceStatus
from bridge.core.units import DAY, HOUR
from bridge.ingest.silence import MIN_SILENCE_SECONDS
from bridge.monitoring.checks.occurrence import Occurrence, format_bytes

FEW_REJECTS: Final = 20  # in an hour, which are no problem
REJECTS_RATIO: Final = 3.0  # to the usual number; more are a problem
FIRST_REJECTS: Final = 3  # today, of a source without an event: no accident
ONLY_REJECTS: Final = 10  # in an hour or day in which no request was verified: no accident
QUOTA_SHARE: Final = 0.9  # of the bytes that a source may store


def find_rejects(now: Overview) -> Iterator[Occurrence]:
    """Report sources of which more requests fail verification than usual, or all."""
    for source in now.sources:
        failure = _describe_failure_of_all(source, now.at) if source.is_configured else None
        if failure is None and source.rejected_lately > max(
            FEW_REJECTS, REJECTS_RATIO * source.rejected_usually
        ):
            failure = (
                f"{source.rejected_lately} requests to source {source.name} failed verification"
                " within an hour, more than usual"
            )
        if failure is not None:
            yield Occurrence(failure, _advise_on_secret(source.name), source.name)


def _describe_failure_of_all(source: SourceStatus, at: float) -> str | None:
    """Return that no request to a source is verified any more; None where that is not certain."""
    usual = REJECTS_RATIO * source.rejected_usually
    if source.last_at is None and source.rejected_today >= FIRST_REJECTS:
        return (
            f"source {source.name} has no event, and {source.rejected_today} requests to it failed"
            " verification today"
        )
    is_quiet = source.last_at is None or source.last_at < at - HOUR
    if is_quiet and source.rejected_lately >= ONLY_REJECTS and source.rejected_lately > usual:
        return (
            f"all {source.rejected_lately} requests to source {source.name} within an hour failed"
            " verification"
        )
    of_day = usual * DAY / HOUR
    if (
        not source.today
        and source.rejected_today >= ONLY_REJECTS
        and source.rejected_today > of_day
    ):
        return (
            f"all {source.rejected_today} requests to source {source.name} today failed"
            " verification"
        )
    return None


def _advise_on_secret(source: str) -> Advice:
    return advise(
        name_command("rejects", source=source),
        " says what is wrong, such as the secret; correct it, then ",
        name_command("rejects readmit", source=source),
    )


def find_full_forms(now: Overview) -> Iterator[Occurrence]:
    """Report forms whose files have nearly reached their limit."""
    for source in now.sources:
        if source.files_keep is not None and source.files > QUOTA_SHARE * source.files_keep:
            yield Occurrence(
                f"form {source.name} stores {format_bytes(source.files)} of files of at most"
                f" {format_bytes(source.files_keep)}: more is refused (507)",
                Advice("raise `files: {keep}` of the source, or shorten its `retention`"),
                source.name,
            )


def find_full_days(now: Overview) -> Iterator[Occurrence]:
    """Report sources that have nearly reached their limit of bytes for today."""
    for source in now.sources:
        if (
            source.daily_bytes is not None
            and source.stored_today > QUOTA_SHARE * source.daily_bytes
        ):
            yield Occurrence(
                f"source {source.name} stored {format_bytes(source.stored_today)} of at most"
                f" {format_bytes(source.daily_bytes)} today: more is refused (507)",
                advise(name_command("events", source=source.name), "; raise `daily_bytes`"),
                source.name,
            )


def find_silent(now: Overview) -> Iterator[Occurrence]:
    """Report sources that have sent less than expected, or than usual."""
    for source in now.sources:
        if source.is_configured and _is_silent(source, now.at):
            yield Occurrence(
                _describe_silence(source, now.at),
                Advice("check the sender's own list of webhooks; set `expect` if this is usual"),
                source.name,
            )


def _describe_silence(source: SourceStatus, at: float) -> str:
    if source.expect is not None and source.heard:
        return (
            f"source {source.name} sent {source.heard} in {source.expect.per / 60:.0f} min, and"
            f" {source.expect.count} are expected"
        )
    minutes = (at - _silent_since(source)) / 60
    what = f"source {source.name} has sent nothing for {minutes:.0f} min"
    return f"{what}, and none of its events is stored" if source.last_at is None else what


def _is_silent(source: SourceStatus, at: float) -> bool:
    if source.expect is not None:
        is_old_enough = at - _silent_since(source, first=True) >= source.expect.per
        return source.heard < source.expect.count and is_old_enough
    return (source.speaks_by is not None and at > source.speaks_by) or _was_silent(source)


def _was_silent(source: SourceStatus) -> bool:
    """Return whether a source has sent nothing since an alert called it silent.

    The baseline that called it so is deleted with its old events, which does not end the silence.
    """
    return source.silent_since is not None and (
        source.last_at is None or source.last_at + MIN_SILENCE_SECONDS <= source.silent_since
    )


def _silent_since(source: SourceStatus, *, first: bool = False) -> float:
    """Return the time of its last event; without one, since when it is expected or silent.

    `first`: return the earliest of these.
    """
    times = [
        at for at in (source.last_at, source.expected_since, source.silent_since) if at is not None
    ]
    return math.inf if not times else min(times) if first else times[0]
