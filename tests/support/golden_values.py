"""Puts placeholders for what differs from run to run into the JSON that a bridge prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

WINDOW_SECONDS = 3 * 86_400  # numbers this near to now are times
#: Keys of numbers that the machine and the hour decide: durations, sizes, processes, counts of today.
MEASURED = re.compile(r"(^|_)(ms|age|pid|uptime|free|total|rss|today)$")
#: Keys of texts that the machine, or a release, decides.
DECIDED = re.compile(r"^(host|python|version)$|signature$|^authorization$", re.IGNORECASE)
UNNUMBERED = {
    "time": (
        r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| UTC|[+-]\d\d:\d\d)?"
        r"|\b\d\d:\d\d:\d\dZ"
        r"|\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
    ),
    "url": r"http://(?:127\.0\.0\.1|localhost):\d+",
    "request": r"\breq_[0-9a-z]{26}",
    "number": r"\b1\d{9}(?:\d{3})?\b",
}
#: What is told apart by a number.
NUMBERED = {
    "event": r"\bevt_[0-9a-z]{26}",
    "delivery": r"\bdlv_[0-9a-z]{26,}",
    "reject": r"\brej_[0-9a-z]{26}",
    "operation": r"\bact_[0-9a-z]{26}",
    "trial": r"\btrl_[0-9a-z]{26}",
    "audit": r"\baud_[0-9a-z]{26}",
    "token": r"\btok_[0-9a-z]+",
    "hex": r"(?<![0-9A-Za-z])(?:[0-9a-f]{8})?[0-9a-f]{12}(?:[0-9a-f]{4}(?:[0-9a-f]{16}){,3})?"
    r"(?![0-9A-Za-z])",
    "run": r"(?<![0-9A-Za-z])(?=[0-9A-Z]*[a-z])(?=[0-9a-z]*[A-Z])[0-9A-Za-z]{22}(?![0-9A-Za-z])",
}
VARYING = re.compile(
    "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in (UNNUMBERED | NUMBERED).items())
)


class Placeholders:
    """Placeholders for the values of a run of the test: the same one for the same value.

    `texts`: what to replace first, with its placeholder. `ids` get the first numbers, in their
    order, whatever is replaced later.
    """

    def __init__(self, now: float, texts: Mapping[str, str], ids: Iterable[str]) -> None:
        self._now = now
        self._texts = texts
        self._numbers: dict[str, dict[str, int]] = {}
        for text in ids:
            self.replace_in_text(text)

    def replace(self, value: Any, key: str = "") -> Any:
        """Return a JSON value with placeholders. Its keys keep their order."""
        if isinstance(value, Mapping):
            return {
                self.replace_in_text(name): self.replace(inner, name)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.replace(inner, key) for inner in value]
        if isinstance(value, str):
            return f"<{key.lower()}>" if DECIDED.search(key) else self.replace_in_text(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        if self._is_near(value):
            return "<time>"
        return "<number>" if MEASURED.search(key) else value

    def replace_in_text(self, text: str) -> str:
        """Return a text with placeholders."""
        for shown, placeholder in self._texts.items():
            text = text.replace(shown, placeholder)
        return VARYING.sub(self._name, text)

    def _name(self, match: re.Match[str]) -> str:
        kind, text = match.lastgroup, match[0]
        if kind == "number":
            return "<time>" if self._is_near(int(text)) else text
        if kind in UNNUMBERED:
            return f"<{kind}>"
        numbers = self._numbers.setdefault(str(kind), {})
        return f"<{kind} {numbers.setdefault(text, len(numbers) + 1)}>"

    def _is_near(self, number: float) -> bool:
        """Return whether a number is a time near now, in seconds or milliseconds."""
        return any(abs(number / scale - self._now) < WINDOW_SECONDS for scale in (1, 1000))
