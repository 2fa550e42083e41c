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
    for one in now.sources:
        failure = _describe_failure_of_all(one, now.at) if one.is_configured else None
        if failure is None and one.rejected_lately > max(
            FEW_REJECTS, REJECTS_RATIO * one.rejected_usually
        ):
            failure = (
                f"{one.rejected_lately} requests to source {one.name} failed verification within"
                " an hour, more than usual"
            )
        if failure is not None:
            yield Occurrence(failure, _advise_on_secret(one.name), one.name)


def _describe_failure_of_all(one: SourceStatus, at: float) -> str | None:
    """Return that no request to a source is verified any more; None where that is not certain."""
    usual = REJECTS_RATIO * one.rejected_usually
    if one.last_at is None and one.rejected_today >= FIRST_REJECTS:
        return (
            f"source {one.name} has no event, and {one.rejected_today} requests to it failed"
            " verification today"
        )
    is_quiet = one.last_at is None or one.last_at < at - HOUR
    if is_quiet and one.rejected_lately >= ONLY_REJECTS and one.rejected_lately > usual:
        return (
            f"all {one.rejected_lately} requests to source {one.name} within an hour failed"
            " verification"
        )
    of_day = usual * DAY / HOUR
    if not one.today and one.rejected_today >= ONLY_REJECTS and one.rejected_today > of_day:
        return f"all {one.rejected_today} requests to source {one.name} today failed verification"
    return None


def _advise_on_secret(source: str) -> Advice:
    return advise(
        name_command("rejects", source=source),
        " says what is wrong, such as the secret; correct it, then ",
        name_command("rejects readmit", source=source),
    )


def find_full_forms(now: Overview) -> Iterator[Occurrence]:
    """Report forms whose files have nearly reached their limit."""
    for one in now.sources:
        if one.files_keep is not None and one.files > QUOTA_SHARE * one.files_keep:
            yield Occurrence(
                f"form {one.name} stores {format_bytes(one.files)} of files of at most"
                f" {format_bytes(one.files_keep)}: more is refused (507)",
                Advice("raise `files: {keep}` of the source, or shorten its `retention`"),
                one.name,
            )


def find_full_days(now: Overview) -> Iterator[Occurrence]:
    """Report sources that have nearly reached their limit of bytes for today."""
    for one in now.sources:
        if one.daily_bytes is not None and one.stored_today > QUOTA_SHARE * one.daily_bytes:
            yield Occurrence(
                f"source {one.name} stored {format_bytes(one.stored_today)} of at most"
                f" {format_bytes(one.daily_bytes)} today: more is refused (507)",
                advise(name_command("events", source=one.name), "; raise `daily_bytes`"),
                one.name,
            )


def find_silent(now: Overview) -> Iterator[Occurrence]:
    """Report sources that have sent less than expected, or than usual."""
    for one in now.sources:
        if one.is_configured and _is_silent(one, now.at):
            yield Occurrence(
                _describe_silence(one, now.at),
                Advice("check the sender's own list of webhooks; set `expect` if this is usual"),
                one.name,
            )


def _describe_silence(one: SourceStatus, at: float) -> str:
    if one.expect is not None and one.heard:
        return (
            f"source {one.name} sent {one.heard} in {one.expect.per / 60:.0f} min, and"
            f" {one.expect.count} are expected"
        )
    minutes = (at - _silent_since(one)) / 60
    what = f"source {one.name} has sent nothing for {minutes:.0f} min"
    return f"{what}, and none of its events is stored" if one.last_at is None else what


def _is_silent(one: SourceStatus, at: float) -> bool:
    if one.expect is not None:
        is_old_enough = at - _silent_since(one, first=True) >= one.expect.per
        return one.heard < one.expect.count and is_old_enough
    return (one.speaks_by is not None and at > one.speaks_by) or _was_silent(one)


def _was_silent(one: SourceStatus) -> bool:
    """Return whether a source has sent nothing since an alert called it silent.

    The baseline that called it so is deleted with its old events, which does not end the silence.
    """
    return one.silent_since is not None and (
        one.last_at is None or one.last_at + MIN_SILENCE_SECONDS <= one.silent_since
    )


def _silent_since(one: SourceStatus, *, first: bool = False) -> float:
    """Return the time of its last event; without one, since when it is expected or silent.

    `first`: return the earliest of these.
    """
    known = [at for at in (one.last_at, one.expected_since, one.silent_since) if at is not None]
    return math.inf if not known else min(known) if first else known[0]
