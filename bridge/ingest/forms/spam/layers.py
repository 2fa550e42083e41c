"""Spam layers: each checks a submission, and the first that gives a reason decides. Pure.

A new layer is a row of `LAYERS`: a function of the submission, and of what the edges give with it,
that returns a reason or null.
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
CONTROLS = frozenset({TOKEN_FIELD, altcha.ALTCHA_FIELD}) | captchas.CAPTCHA_FIELDS
MARKED_BY_PERSON = "person: marked as spam"  # the reason that a person gives

Solve = Callable[[Captcha, str, str | None], str | None]


def _not_asked(_captcha: Captcha, _response: str, _address: str | None) -> str:
    return f"{captchas.UNCHECKED}: nobody is asked here"


@dataclass(frozen=True, kw_only=True)
class SpamSubmission:
    """What was sent to a form, and what the edges give with it: the time, the secret key, and who
    asks a captcha's service.

    `fields` are what a person filled in, `controls` what pages and their scripts put in beside (and
    honeypots). `solve` returns why a captcha does not speak for the submission, null where it does.
    `digest`: that of the fields.
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
        """The token, or why it is not good; null where there is none, or none is looked at."""
        given = self.controls.get(TOKEN_FIELD)
        if not self.spam.reads_tokens or given in (None, ""):
            return None
        return tokens.read_token(
            derive_key(self.secret_key, "tokens"), given, self.source, self.now, self.spam.expires
        )

    @cached_property
    def altcha(self) -> altcha.SolvedChallenge | str | None:
        """The solved challenge, or why it is none; null where there is none, or none is looked
        at.
        """
        given = self.controls.get(altcha.ALTCHA_FIELD)
        if not self.spam.reads_work or given in (None, ""):
            return None
        return altcha.check_solution(
            derive_key(self.secret_key, "altcha"), given, self.source, self.now
        )

    @property
    def is_worked_for(self) -> bool:
        """Whether it was sent with a page of ours, and the work done: that stands for a captcha,
        which no page of ours has.
        """
        return (
            isinstance(self.token, tokens.FormToken)
            and self.token.is_ours
            and isinstance(self.altcha, altcha.SolvedChallenge)
        )

    @property
    def is_late(self) -> bool:
        """Whether it has a token or a solution that was good once: a person whose page was open for
        long, more likely than a bot.
        """
        return self.token == tokens.TOO_OLD or self.altcha == altcha.TOO_OLD

    @cached_property
    def text(self) -> str:
        """All that was filled in."""
        return blocklists.submission_text(self.fields)


@dataclass(frozen=True, slots=True)
class SpamLayer:
    """What a submission may be held to be spam by, under the name that the reason begins with."""

    name: str
    reason: Callable[[SpamSubmission], str | None]


def _honeypot(one: SpamSubmission) -> str | None:
    filled = next((name for name in one.spam.honeypots if _is_filled(one.controls.get(name))), None)
    return filled and f"the field {filled}, which nobody sees, was filled in"


def _is_filled(value: JSON) -> bool:
    if isinstance(value, list):
        return any(map(_is_filled, value))
    return bool(value.strip() if isinstance(value, str) else value)


def _token(one: SpamSubmission) -> str | None:
    if one.spam.token == "off":  # noqa: S105 - the word for how a form uses its token
        return None
    if one.token is None:
        return "there is none" if one.spam.token == "required" else None  # noqa: S105 - the word for how a form uses its token
    if isinstance(one.token, str):
        return one.token
    took = one.now - one.token.issued_at
    return None if took >= one.spam.min_fill else f"it was filled in within {max(took, 0.0):.1f} s"


def _altcha(one: SpamSubmission) -> str | None:
    if one.spam.altcha == "off":
        return None
    if one.altcha is None:
        return "there is no solution" if one.spam.altcha == "required" else None
    return one.altcha if isinstance(one.altcha, str) else None


def _address(one: SpamSubmission) -> str | None:
    return (
        "it comes from a blocked network"
        if blocklists.is_blocked(one.address, one.spam.blocked)
        else None
    )


def _name(one: SpamSubmission) -> str | None:
    found = blocklists.find_name(one.text, one.spam.blocked)
    return found and f"it holds {found}"


def _word(one: SpamSubmission) -> str | None:
    found = blocklists.find_word(one.text, one.spam.blocked)
    return found and f"it holds “{found}”"


def _links(one: SpamSubmission) -> str | None:
    most = one.spam.max_links
    found = blocklists.count_links(one.text) if most is not None else 0
    return (
        f"it holds {found} links, and {most} are allowed"
        if most is not None and found > most
        else None
    )


def _captcha(one: SpamSubmission) -> str | None:
    captcha = one.spam.captcha
    if captcha is None or one.is_worked_for:
        return None
    given = captchas.find_response(captcha, one.controls)
    reason = one.solve(captcha, given, one.address) if given else "there is no answer"
    return None if reason and captchas.UNCHECKED in reason and not captcha.holds else reason


LAYERS: tuple[SpamLayer, ...] = (
    SpamLayer("honeypot", _honeypot),
    SpamLayer("token", _token),
    SpamLayer("altcha", _altcha),
    SpamLayer("network", _address),
    SpamLayer("name", _name),
    SpamLayer("word", _word),
    SpamLayer("links", _links),
    SpamLayer("captcha", _captcha),  # last: it is the only one that asks somebody else
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
    """Return what of a submission is remembered.

    Where a good token tells it from all others, that decides alone whether it came twice: two
    people may send the same from one address.
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
