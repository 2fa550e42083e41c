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
    """Hold what the check of a submission asks others for.

    `solve` asks a captcha's service. `repeated` returns the stored submission that one repeats, and
    counts it; None where it must be checked. `files_of`: how many bytes of files a source has.
    `stored_today`: how many bytes of bodies a source has stored on the day of a time.
    """

    secret_key: str = field(repr=False)
    solve: Solve
    repeated: Callable[[SubmissionMarks], StoredEvent | None]
    files_of: Callable[[str], int] = lambda _source: 0
    stored_today: Callable[[str, float], int] = lambda _source, _now: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSubmission:
    """Hold a checked submission: the request as it may be stored, and what its event says of it.

    `marks` are stored with it. `known`: the stored event that it repeats, so that it is not stored.
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
    """Check a submission. No service is asked about one that repeats another: it says yes once.

    Raises `Refused`: 409 for one that comes too late, so that a person can send it again with a
    token of now; 507 where there is no room for its files, or for the `size` of its body, before
    they are stored anywhere. The store checks the room once more, for all who come at the same
    moment.
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
            409, "expired", "this form was open for too long: load its page again to send it"
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
    """Return the answer to a submission with files for which there is no room; null where there
    is.
    """
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
