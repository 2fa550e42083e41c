"""Spam layers: each checks a submission, and the first that gives a reason decides. Pure.

A new layer is a row of `LAYERS`: a function that takes a submission and returns a reason or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bridge.core.client_address import counted_network
from bridge.core.model import JSON
from bridge.core.rate_limits import Rate
from bridge.ingest.forms.spam import altcha, blocklists, captchas, tokens
from bridge.ingest.forms.spam.dedup import (
    RateMark,
    SubmissionMarks,
    UniqueMark,
    derive_key,
    make_mark,
)
from bridge.routing.form import Captcha, Spam

TOKEN_FIELD = "_token"  # noqa: S105 - the name of a field
MARKED_BY_PERSON = "person: marked as spam"  # the reason when a person marks a submission

Solve = Callable[[Captcha, str, str | None], str | None]


def _not_asked(_captcha: Captcha, _response: str, _address: str | None) -> str:
    return f"{captchas.UNCHECKED}: no service is called here"


@dataclass(frozen=True, kw_only=True)
class SpamSubmission:
    """A submission with the values that its checks need: time, secret key, captcha service.

    `fields`: the answers of a person. `controls`: fields that pages and scripts add, and honeypots.
    `solve`: returns why a captcha failed, or None if it passed. `digest`: of the fields.
    """

    source: str
    spam: Spam
    fields: JSON
    controls: Mapping[str, JSON] = field(default_factory=dict)
    address: str | None = None
    now: float
    secret_key: str = field(repr=False)
    digest: str = ""
    solve: Solve = _not_asked

    @cached_property
    def token(self) -> tokens.FormToken | str | None:
        """The token, or why it is invalid; None if none was sent or tokens are not checked."""
        raw_token = self.controls.get(TOKEN_FIELD)
        if not self.spam.reads_tokens or raw_token in (None, ""):
            return None
        return tokens.read_token(
            derive_key(self.secret_key, "tokens"),
            raw_token,
            self.source,
            self.now,
            self.spam.expires,
        )

    @cached_property
    def altcha(self) -> altcha.SolvedChallenge | str | None:
        """The solved challenge, or why it is invalid; None if none was sent or none is checked."""
        solution = self.controls.get(altcha.ALTCHA_FIELD)
        if not self.spam.reads_work or solution in (None, ""):
            return None
        return altcha.check_solution(
            derive_key(self.secret_key, "altcha"), solution, self.source, self.now
        )

    @property
    def is_worked_for(self) -> bool:
        """Whether our own page sent it with a proof of work, which replaces a captcha there."""
        return (
            isinstance(self.token, tokens.FormToken)
            and self.token.is_ours
            and isinstance(self.altcha, altcha.SolvedChallenge)
        )

    @property
    def is_late(self) -> bool:
        """Whether its token or solution has expired.

        That is more likely a person whose page was open for long than a bot.
        """
        return self.token == tokens.TOO_OLD or self.altcha == altcha.TOO_OLD

    @cached_property
    def text(self) -> str:
        """All answers as one text."""
        return blocklists.submission_text(self.fields)


@dataclass(frozen=True, slots=True)
class SpamLayer:
    """One spam check. Its reasons begin with `name`."""

    name: str
    reason: Callable[[SpamSubmission], str | None]


def _honeypot(submission: SpamSubmission) -> str | None:
    filled = next(
        (name for name in submission.spam.honeypots if _is_filled(submission.controls.get(name))),
        None,
    )
    return filled and f"the hidden field {filled} was filled in"


def _is_filled(value: JSON) -> bool:
    if isinstance(value, list):
        return any(map(_is_filled, value))
    return bool(value.strip() if isinstance(value, str) else value)


def _token(submission: SpamSubmission) -> str | None:
    if submission.spam.token == "off":  # noqa: S105 - the word for how a form uses its token
        return None
    if submission.token is None:
        return "no token was sent" if submission.spam.token == "required" else None  # noqa: S105 - the word for how a form uses its token
    if isinstance(submission.token, str):
        return submission.token
    took = submission.now - submission.token.issued_at
    return (
        None
        if took >= submission.spam.min_fill
        else f"the form was filled in within {max(took, 0.0):.1f} s"
    )


def _altcha(submission: SpamSubmission) -> str | None:
    if submission.spam.altcha == "off":
        return None
    if submission.altcha is None:
        return "no solution was sent" if submission.spam.altcha == "required" else None
    return submission.altcha if isinstance(submission.altcha, str) else None


def _address(submission: SpamSubmission) -> str | None:
    return (
        "the sender is in a blocked network"
        if blocklists.is_blocked(submission.address, submission.spam.blocked)
        else None
    )


def _name(submission: SpamSubmission) -> str | None:
    name = blocklists.find_name(submission.text, submission.spam.blocked)
    return name and f"it contains {name}"


def _word(submission: SpamSubmission) -> str | None:
    word = blocklists.find_word(submission.text, submission.spam.blocked)
    return word and f"it contains “{word}”"


def _links(submission: SpamSubmission) -> str | None:
    max_links = submission.spam.max_links
    count = blocklists.count_links(submission.text) if max_links is not None else 0
    return (
        f"it contains {count} links; allowed: {max_links}"
        if max_links is not None and count > max_links
        else None
    )


def _captcha(submission: SpamSubmission) -> str | None:
    captcha = submission.spam.captcha
    if captcha is None or submission.is_worked_for:
        return None
    response = captchas.find_response(captcha, submission.controls)
    reason = (
        submission.solve(captcha, response, submission.address)
        if response
        else "no answer was sent"
    )
    return None if reason and captchas.UNCHECKED in reason and not captcha.holds else reason


LAYERS: tuple[SpamLayer, ...] = (
    SpamLayer("honeypot", _honeypot),
    SpamLayer("token", _token),
    SpamLayer("altcha", _altcha),
    SpamLayer("network", _address),
    SpamLayer("name", _name),
    SpamLayer("word", _word),
    SpamLayer("links", _links),
    SpamLayer("captcha", _captcha),  # last: the only layer that makes a network call
)


def find_spam_reason(submission: SpamSubmission) -> str | None:
    """Return why a submission is spam, as `layer: reason`, or None."""
    for layer in LAYERS:
        if reason := layer.reason(submission):
            return f"{layer.name}: {reason}"
    return None


def build_marks(
    submission: SpamSubmission, rate: Rate | None, per_address: Rate | None
) -> SubmissionMarks:
    """Return the marks of a submission that the store remembers.

    With a valid token, only the token decides whether it is a duplicate: two people may send the
    same answers from one address.
    """
    key = derive_key(submission.secret_key, "marks")
    who = counted_network(submission.address)
    once = []
    if isinstance(submission.token, tokens.FormToken):
        once.append(
            UniqueMark(
                make_mark(key, "token", submission.source, submission.token.nonce),
                submission.token.until,
            )
        )
    elif submission.spam.duplicates is not None:
        once.append(
            UniqueMark(
                make_mark(key, "same", submission.source, who, submission.digest),
                submission.now + submission.spam.duplicates,
            )
        )
    if isinstance(submission.altcha, altcha.SolvedChallenge):
        once.append(
            UniqueMark(
                make_mark(key, "altcha", submission.source, submission.altcha.challenge),
                submission.altcha.until,
            )
        )
    limits = [RateMark(make_mark(key, "form", submission.source), rate)] if rate else []
    limits += (
        [RateMark(make_mark(key, "address", submission.source, who), per_address)]
        if per_address
        else []
    )
    return SubmissionMarks(
        now=submission.now,
        digest=submission.digest,
        once=tuple(sorted(once, key=lambda mark: mark.key)),
        limits=tuple(limits),
    )
