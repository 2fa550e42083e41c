"""Check of a submission before it becomes an event: spam, duplicates, rates, room. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from bridge.core.client_address import anonymize_address, mask_addresses
from bridge.core.errors import Refused
from bridge.core.http_messages import Request
from bridge.core.model import Body
from bridge.ingest.forms.room import StoredBytes, is_share_used, limit_of, network_group
from bridge.ingest.forms.spam.dedup import SubmissionMarks, derive_key, digest_fields
from bridge.ingest.forms.spam.layers import Solve, SpamSubmission, build_marks, find_spam_reason
from bridge.ingest.ports import StoredEvent, daily_bytes_full, files_full
from bridge.routing.form import Form
from bridge.routing.model import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamCheck:
    """Functions that the check of a submission needs.

    `solve`: asks a captcha service. `repeated`: returns the stored submission that one repeats, and
    counts it; None if it must be checked. `network_of`: returns the network of a client, None if it
    is unknown. `stored`: returns the bytes that a source and a network's group have stored.
    """

    secret_key: str = field(repr=False)
    solve: Solve
    repeated: Callable[[SubmissionMarks], StoredEvent | None]
    network_of: Callable[[str | None], str | None] = lambda _client: None
    stored: Callable[[str, int | None, float], StoredBytes] = lambda *_: StoredBytes()


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
    submission = SpamSubmission(
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
    if submission.is_late:
        raise Refused(
            409, "expired", "the form was open for too long: reload its page and send it again"
        )
    room = form.files.keep if form.files is not None else None
    marks = replace(
        build_marks(submission, source.rate, source.rate_per_address),
        room=room,
        daily_bytes=source.daily_bytes,
        network=_group(request, source, check),
    )
    files = sum(file.size for file in body.files)
    stored = check.stored(source.name, marks.network, now) if body.files else StoredBytes()
    full = _full(marks, stored, files, size, is_spam=False) if body.files else None
    stored_event = (
        check.repeated(marks) if form.spam.captcha is not None or full is not None else None
    )
    if full is not None and stored_event is None:
        raise full
    spam = find_spam_reason(submission) if stored_event is None else None
    if spam and body.files and (full := _full(marks, stored, files, size, is_spam=True)):
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
        spam=spam,
        marks=marks,
        known=stored_event,
    )


def _group(request: Request, source: Source, check: SpamCheck) -> int | None:
    network = check.network_of(request.client)
    key = derive_key(check.secret_key, "networks")
    return None if network is None else network_group(key, source.name, network)


def _full(
    marks: SubmissionMarks, stored: StoredBytes, files: int, body: int, *, is_spam: bool
) -> Refused | None:
    """Return the refusal of a submission whose bytes have no room, or None if there is room."""
    if _is_full(marks.room, stored.files + files, stored.files_of_network, is_spam=is_spam):
        return files_full()
    if _is_full(marks.daily_bytes, stored.today + body, stored.today_of_network, is_spam=is_spam):
        return daily_bytes_full(marks.now)
    return None


def _is_full(limit: int | None, total: int, of_network: int, *, is_spam: bool) -> bool:
    return limit is not None and (
        total > limit_of(limit, is_spam=is_spam) or is_share_used(limit, of_network)
    )
