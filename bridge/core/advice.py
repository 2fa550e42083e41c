"""Advice: a sentence that says what to do, and the commands in it. Pure.

A sentence contains the line of each of its commands word for word, in the order of `commands`. So
the text form is the sentence, a page finds the commands in it by `parts`, and JSON can have both.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

#: Commands that act on stored records -> the operation that each carries out.
OPERATIONS: Final = {
    "cancel": "cancel",
    "rejects readmit": "readmit",
    "replay": "replay",
    "resolve": "resolve",
    "retry": "retry",
    "spam release": "spam release",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command in an advice: the line that a person types, and what it does.

    `operation`: the operation that it carries out, None if it carries out none. `ids`: the records
    that it names. `filters`: its options, by their names in the admin API; True stands for a flag.
    """

    line: str
    operation: str | None = None
    ids: tuple[str, ...] = ()
    filters: Mapping[str, str | bool] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, as a sentence, and the commands in it."""

    sentence: str
    commands: tuple[Command, ...] = ()

    def __str__(self) -> str:
        return self.sentence

    @property
    def parts(self) -> list[str | Command]:
        """The sentence as texts and commands, in their order."""
        parts: list[str | Command] = []
        rest = self.sentence
        for command in self.commands:
            text, line, rest = rest.partition(command.line)
            parts += [text, command] if line else [text]
        return [part for part in (*parts, rest) if part]


def name_command(words: str, *ids: str, **options: str | bool) -> Command:
    """Return a command with what it acts on. Its line follows from `ids` and `options`.

    An option has its name with `_` for `-`, and one more at its end where Python has the word.
    """
    filters = {name.rstrip("_"): value for name, value in options.items()}
    line = [f"flowbridge {words}", *map(shlex.quote, ids)]
    for name, value in filters.items():
        line.append(f"--{name.replace('_', '-')}")
        if isinstance(value, str):
            line.append(shlex.quote(value))
    only_shows = "dry_run" in filters or (words == "resolve" and "as" not in filters)
    operation = None if only_shows else OPERATIONS.get(words)
    return Command(" ".join(line), operation, ids, filters)


def advise(*parts: str | Command | Advice) -> Advice:
    """Return the advice that consists of these texts, commands and other advice."""
    commands: list[Command] = []
    for part in parts:
        if isinstance(part, Command):
            commands.append(part)
        elif isinstance(part, Advice):
            commands += part.commands
    return Advice("".join(map(str, parts)), tuple(commands))


def join_advice(separator: str, steps: Iterable[str | Command | Advice]) -> Advice:
    """Return one advice of several, with a text between them."""
    first, *others = steps
    return advise(first, *(part for step in others for part in (separator, step)))
