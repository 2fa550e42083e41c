"""The parts of an advice as a page shows them: texts, and commands to copy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.core.advice import Advice, Command


@dataclass(frozen=True, slots=True)
class AdvicePart:
    """A part of an advice: a command, or the text around it."""

    text: str
    is_command: bool


def split_advice(advice: Advice) -> list[AdvicePart]:
    """Return the parts of an advice in their order, texts without the punctuation at a command."""
    return [*_split(advice)]


def _split(advice: Advice) -> Iterator[AdvicePart]:
    is_first = True
    for part in advice.parts:
        if isinstance(part, Command):
            yield AdvicePart(part.line, is_command=True)
        elif text := part.lstrip(" " if is_first else " ,;:.").rstrip():
            yield AdvicePart(text, is_command=False)
        is_first = False
