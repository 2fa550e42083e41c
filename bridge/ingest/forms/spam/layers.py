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
        given = self.controls.get(TOKEN_FIELD)
        if not self.spam.reads_tokens or given in (None, ""):
            return None
        return tokens.read_token(
            derive_key(self.secret_key, "tokens"), given, self.source, self.now, self.spam.expires
        )

    @cached_property
    def altcha(self) -> altcha.SolvedChallenge | str | None:
        """The solved challenge, or why it is invalid; None if none was sent or none is checked."""
        given = self.controls.get(altcha.ALTCHA_FIELD)
        if not self.spam.reads_work or given in (None, ""):
            return None
        return altcha.check_solution(
            derive_key(self.secret_key, "altcha"), given, self.source, self.now
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


def _honeypot(one: SpamSubmission) -> str | None:
    filled = next((name for name in one.spam.honeypots if _is_filled(one.controls.get(name))), None)
    return filled and f"the hidden field {filled} was filled in"


def _is_filled(value: JSON) -> bool:
    if isinstance(value, list):
        return any(map(_is_filled, value))
    return bool(value.strip() if isinstance(value, str) else value)


def _token(one: SpamSubmission) -> str | None:
    if one.spam.token == "off":  # noqa: S105 - the word for how a form uses its token
        return None
    if one.token is None:
        return "no token was sent" if one.spam.token == "required" else None  # noqa: S105 - the word for how a form uses its token
    if isinstance(one.token, str):
        return one.token
    took = one.now - one.token.issued_at
    return (
        None
        if took >= one.spam.min_fill
        else f"the form was filled in within {max(took, 0.0):.1f} s"
    )


def _altcha(one: SpamSubmission) -> str | None:
    if one.spam.altcha == "off":
        return None
    if one.altcha is None:
        return "no solution was sent" if one.spam.altcha == "required" else None
    return one.altcha if isinstance(one.altcha, str) else None


def _address(one: SpamSubmission) -> str | None:
    return (
        "the sender is in a blocked network"
        if blocklists.is_blocked(one.address, one.spam.blocked)
        else None
    )


def _name(one: SpamSubmission) -> str | None:
    found = blocklists.find_name(one.text, one.spam.blocked)
    return found and f"it contains {found}"


def _word(one: SpamSubmission) -> str | None:
    found = blocklists.find_word(one.text, one.spam.blocked)
    return found and f"it contains “{found}”"


def _links(one: SpamSubmission) -> str | None:
    most = one.spam.max_links
    found = blocklists.count_links(one.text) if most is not None else 0
    return (
        f"it contains {found} links; allowed: {most}" if most is not None and found > most else None
    )


def _captcha(one: SpamSubmission) -> str | None:
    captcha = one.spam.captcha
    if captcha is None or one.is_worked_for:
        return None
    given = captchas.find_response(captcha, one.controls)
    reason = one.solve(captcha, given, one.address) if given else "no answer was sent"
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


def find_spam_reason(one: SpamSubmission) -> str | None:
    """Return why a submission is spam, as `layer: reason`, or None."""
    for layer in LAYERS:
        if reason := layer.reason(one):
            return f"{layer.name}: {reason}"
    return None


def build_marks(
    one: SpamSubmission, rate: Rate | None, per_address: Rate | None
) -> SubmissionMarks:
    """Return the marks of a submission that the store remembers.

    With a valid token, only the token decides whether it is a duplicate: two people may send the
    same answers from one address.
    """
    key = derive_key(one.secret_key, "marks")
    who = counted_network(one.address)
    once = []
    if isinstance(one.token, tokens.FormToken):
        once.append(
            UniqueMark(make_mark(key, "token", one.source, one.token.nonce), one.token.until)
        )
    elif one.spam.duplicates is not None:
        once.append(
            UniqueMark(
                make_mark(key, "same", one.source, who, one.digest), one.now + one.spam.duplicates
            )
        )
    if isinstance(one.altcha, altcha.SolvedChallenge):
        once.append(
            UniqueMark(make_mark(key, "altcha", one.source, one.altcha.challenge), one.altcha.until)
        )
    limits = [RateMark(make_mark(key, "form", one.source), rate)] if rate else []
    limits += (
        [RateMark(make_mark(key, "address", one.source, who), per_address)] if per_address else []
    )
    return SubmissionMarks(
        now=one.now,
        digest=one.digest,
        once=tuple(sorted(once, key=lambda mark: mark.key)),
        limits=tuple(limits),
    )
