"""Split an advice into sentences and commands, so that a page shows commands to copy. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Commands that advice names; others stay a part of the text. A second word comes first.
COMMANDS: Final = (
    "alerts test",
    "alerts",
    "cancel",
    "check",
    "deliveries",
    "doctor",
    "events",
    "rejects readmit",
    "rejects",
    "replay",
    "resolve",
    "retry",
    "serve",
    "show",
    "test",
    "web",
    "work",
)
#: Commands that always have a second word.
GROUPS: Final = ("db", "flows", "operations", "spam", "token")
#: Options of these commands that take no value. Any other option takes one.
FLAGS: Final = (
    "all",
    "clear",
    "dry-run",
    "explain",
    "force",
    "help",
    "json",
    "live",
    "lock",
    "no-wait",
    "not-spam",
    "repair",
    "replace",
    "rewrite",
    "snapshot",
    "spam",
    "unfinished",
    "verbose",
    "wait",
    "with-secret-key",
    "yes",
)
_VALUE: Final = r"[^\s,;()]*[^\s,;().:]"
_COMMAND: Final = re.compile(
    rf"flowbridge (?:(?:{'|'.join(COMMANDS)})(?![\w-])|(?:{'|'.join(GROUPS)}) [a-z]+)"
    rf"(?: --(?:{'|'.join(FLAGS)})(?![\w-])| --[a-z-]+ {_VALUE}| [a-z]{{3}}_{_VALUE})*"
)


@dataclass(frozen=True, slots=True)
class AdvicePart:
    """A part of an advice: a command, or the text around it."""

    text: str
    is_command: bool


def split_advice(advice: str) -> list[AdvicePart]:
    """Return the parts of an advice in their order."""
    return [*_split(advice)]


def _split(advice: str) -> Iterator[AdvicePart]:
    end = 0
    for found in _COMMAND.finditer(advice):
        yield from _text(advice[end : found.start()], is_first=end == 0)
        yield AdvicePart(found[0], is_command=True)
        end = found.end()
    yield from _text(advice[end:], is_first=end == 0)


def _text(text: str, *, is_first: bool) -> Iterator[AdvicePart]:
    """Yield a text without the punctuation that followed a command."""
    text = text.strip() if is_first else text.lstrip(" ,;:.").rstrip()
    if text:
        yield AdvicePart(text, is_command=False)
