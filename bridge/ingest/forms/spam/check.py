"""Check of a submission before it becomes an event: spam, duplicates, rates, room. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from bridge.core.client_address import anonymize_address, mask_addresses
from bridge.core.errors import Refused
from bridge.core.http_messages import Request
from bridge.core.model import Body
from bridge.ingest.forms.spam.dedup import SubmissionMarks, derive_key, digest_fields
from bridge.ingest.forms.spam.layers import Solve, SpamSubmission, build_marks, find_spam_reason
from bridge.ingest.ports import StoredEvent, daily_bytes_full, files_full
from bridge.routing.form import Form
from bridge.routing.model import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamCheck:
    """Functions that the check of a submission needs.

    `solve`: asks a captcha service. `repeated`: returns the stored submission that one repeats, and
    counts it; None if it must be checked. `files_of`: returns the bytes of files that a source has
    stored. `stored_today`: returns the bytes of bodies that a source has stored on the day of a
    time.
    """

    secret_key: str = field(repr=False)
    solve: Solve
    repeated: Callable[[SubmissionMarks], StoredEvent | None]
    files_of: Callable[[str], int] = lambda _source: 0
    stored_today: Callable[[str, float], int] = lambda _source, _now: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSubmission:
    """A checked submission: the request to store, and values for its event.

    `marks`: stored with it. `known`: the stored event that it repeats; then it is not stored again.
    """

    request: Request
    client: str | None
    spam: str | None
    marks: SubmissionMarks
    known: StoredEvent | None


def check_submission(
    request: Request,
    body: Body,
    source: Source,
    form: Form,
    check: SpamCheck,
    now: float,
    size: int,
) -> CheckedSubmission:
    """Check a submission for spam, duplicates and room.

    A repeated submission is not verified again: a captcha response is valid only once. Raises
    `Refused`: 409 if its token has expired, so that a person can send it again with a new one; 507
    if there is no room for its files or for the `size` of its body, before they are stored. The
    store checks the room again, for requests that arrive at the same time.
    """
    one = SpamSubmission(
        source=source.name,
        spam=form.spam,
        fields=body.form,
        controls=body.value if isinstance(body.value, dict) else {},
        address=request.client,
        now=now,
        secret_key=check.secret_key,
        digest=digest_fields(derive_key(check.secret_key, "digest"), body, request.body),
        solve=check.solve,
    )
    if one.is_late:
        raise Refused(
            409, "expired", "the form was open for too long: reload its page and send it again"
        )
    room = form.files.keep if form.files is not None else None
    marks = replace(
        build_marks(one, source.rate, source.rate_per_address),
        room=room,
        daily_bytes=source.daily_bytes,
    )
    full = _full(body, marks, source, check, size)
    known = check.repeated(marks) if form.spam.captcha is not None or full is not None else None
    if full is not None and known is None:
        raise full
    show = partial(
        anonymize_address,
        how=form.addresses,
        key=derive_key(check.secret_key, "addresses"),
        source=source.name,
        now=now,
    )
    headers = (
        request.headers
        if form.addresses == "full"
        else mask_addresses(request.headers, request.client, show)
    )
    return CheckedSubmission(
        request=replace(request, headers=headers),
        client=show(request.client or ""),
        spam=find_spam_reason(one) if known is None else None,
        marks=marks,
        known=known,
    )


def _full(
    body: Body, marks: SubmissionMarks, source: Source, check: SpamCheck, size: int
) -> Refused | None:
    """Return the refusal of a submission whose files have no room, or None if there is room."""
    if not body.files:
        return None
    if _is_over(marks.room, check.files_of(source.name) + sum(file.size for file in body.files)):
        return files_full()
    return (
        daily_bytes_full(marks.now)
        if _is_over(marks.daily_bytes, check.stored_today(source.name, marks.now) + size)
        else None
    )


def _is_over(most: int | None, size: int) -> bool:
    return most is not None and size > most
