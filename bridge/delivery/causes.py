"""Find the cause of a dead delivery: a short label that many deliveries share. Pure.

The label is safe for readers who may not see payloads; the reason is not, since it can quote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bridge.core.model import DeadKind
from bridge.delivery.cause_rules import (
    ADVICE_BY_STATUS,
    ADVICE_BY_STATUS_CLASS,
    FIX_ROUTES,
    GAVE_UP,
    NO_ADVICE,
    RETRY,
    RULES,
    WRAPPERS,
    CauseRule,
)

MAX_REASON_CHARS: Final = 4000  # of a reason that are read
MAX_LABEL_CHARS: Final = 200
BLANK: Final = "…"
NO_REASON: Final = "no reason is stored"
ADVICE_BY_DEAD_KIND: Final = {
    DeadKind.OURS: FIX_ROUTES,
    DeadKind.PLATFORM: RETRY,
    DeadKind.PERSON: NO_ADVICE,
    None: RETRY,
}
#: The label of a reason that has no word besides values and ids.
LABELS_BY_DEAD_KIND: Final = {
    DeadKind.OURS: "planning failed; each delivery has its reason",
    DeadKind.PLATFORM: "the call or the run failed; each delivery has its reason",
    DeadKind.PERSON: "given up by a person",
    None: "each delivery has its reason",
}
#: Keys of routes.yaml that look like identifiers.
OWN_WORDS: Final = frozenset(
    {"payload_schema", "inputs_schema", "order_by", "saved_item_id", "base_url"}
)
_WORD: Final = re.compile(r"[^\W\d_]{2}")
_QUOTED: Final = re.compile(
    r"""`[^`]*`?|(?<!\w)'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|“[^”]*”?|<[^>]*>?"""
)
# a word with a digit, an @, a / or an underscore: an id, a number, an address, a URL, a path
_IDENTIFIER: Final = re.compile(r"\S*[\d@/\\_]\S*")
_INDEX: Final = re.compile(r"\[[0-9]+\]")
_QUOTED_NAME: Final = re.compile(r"\['(?:[^'\\]|\\.)*'\]")
_NUMBERED_NAME: Final = re.compile(r"\.(?=(?:[A-Za-z_]*[0-9]){3})\w+")


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of dead deliveries.

    `key` identifies it, `label` describes it without any content of a payload, and `advice` says
    what to do.
    """

    key: str
    label: str
    advice: str


def find_cause(reason: str | None, dead_kind: DeadKind | None) -> Cause:
    """Return the cause of a dead delivery by its reason.

    A reason that no rule matches is a cause of its own: its text up to the first colon, without
    quoted values, numbers and ids. Where no word is left, its kind has a label.
    """
    if not reason:
        return Cause("no_reason", NO_REASON, ADVICE_BY_DEAD_KIND[dead_kind])
    text = reason[:MAX_REASON_CHARS]
    rules = (
        RULES[dead_kind] if dead_kind else tuple(rule for some in RULES.values() for rule in some)
    )
    return _find(text, rules) or _unlisted(text, dead_kind)


def blank_text(text: str) -> str:
    """Return the text up to the first colon, with its quoted values, numbers and ids replaced."""
    head = _QUOTED.sub(BLANK, text)
    head = head.partition(": ")[0].partition("\n")[0]
    head = _IDENTIFIER.sub(lambda match: match[0] if match[0] in OWN_WORDS else BLANK, head)
    return " ".join(head.split())[:MAX_LABEL_CHARS]


def blank_path(path: str) -> str:
    """Return a JSON path without indexes and quoted names, and without names that look like ids."""
    path = _QUOTED_NAME.sub(f"[{BLANK}]", path)
    return _NUMBERED_NAME.sub(f".{BLANK}", _INDEX.sub("[]", path))


def _find(text: str, rules: tuple[CauseRule, ...]) -> Cause | None:
    for rule in rules:
        if match := rule.pattern.fullmatch(text):
            return _make(rule, match)
    for inner in _unwrap(text):
        if cause := _find(inner, rules):
            return cause
    return None


def _unwrap(text: str) -> Iterator[str]:
    """Yield the reasons that a text contains, the likeliest cause first."""
    for wrapper in WRAPPERS:
        if match := wrapper.fullmatch(text):
            parts = match.groupdict()
            yield parts["inner"]
            if outer := parts.get("outer"):
                yield outer
            return


def _make(rule: CauseRule, match: re.Match[str]) -> Cause:
    groups = {name: value or "" for name, value in match.groupdict().items()}
    if path := groups.get("path"):
        groups["path"] = blank_path(path)
    key = f"{rule.key}:{rule.detail.format_map(groups)}".rstrip(":")
    label = rule.label.format_map(groups).strip()
    return Cause(key[:MAX_LABEL_CHARS], label[:MAX_LABEL_CHARS], rule.advice or _advise(groups))


def _advise(groups: dict[str, str]) -> str:
    """Return what to do about an HTTP status."""
    status = int(groups["status"])
    return ADVICE_BY_STATUS.get(status) or ADVICE_BY_STATUS_CLASS.get(status // 100, RETRY)


def _unlisted(text: str, dead_kind: DeadKind | None) -> Cause:
    inner = GAVE_UP.fullmatch(text)
    label = blank_text(inner["inner"] if inner else text)
    if not _WORD.search(label):
        label = LABELS_BY_DEAD_KIND[dead_kind]
    return Cause(f"other:{label}", label, ADVICE_BY_DEAD_KIND[dead_kind])
