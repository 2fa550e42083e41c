"""The confirmation of an operation, with the count of its items."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import click

from bridge.cli.actions.request import OperationRequest
from bridge.cli.ui import output
from bridge.core.model import JSON
from bridge.services.operations.commands import count_items, name_items

REASONS_SHOWN = 5
MAX_EXAMPLES = 50  # items of a stored operation that are read to name their kind
NO_FIELDS: Mapping[str, JSON] = MappingProxyType({})


def say_still_refused(count: int) -> None:
    """Say how many rejects were left out, since they would be refused again."""
    if count:
        verb = "fails" if count == 1 else "fail"
        output.say(
            f"{output.number(count, 'reject')} still {verb} verification: flowbridge rejects shows"
            " why"
        )


def say_counts(command: str, what: str, counts: Counter[str]) -> None:
    """Print how many items are left out, or refused, by reason."""
    ranked = counts.most_common()
    for reason, count in ranked[:REASONS_SHOWN]:
        output.say(f"{_items_are(command, count)} {what}: {output.clean(reason)}")
    if rest := sum(count for _, count in ranked[REASONS_SHOWN:]):
        output.say(f"{_items_are(command, rest)} {what} for other reasons")


def _items_are(command: str, count: int) -> str:
    return f"{count_items(command, count)} {'is' if count == 1 else 'are'}"


def warn_of_repetition(count: int, ids: Sequence[str]) -> None:
    """Print how many items of a replay have started a flow before. `ids`: some of the items."""
    if count:
        items = name_items("replay", ids=ids)
        output.say(
            f"{count} of these {items} {'was' if count == 1 else 'were'} already delivered, or"
            f" {'is' if count == 1 else 'are'} about to be: replaying starts the same flows again,"
            " unless --through names another route"
        )


def say_problems(problems: Iterable[tuple[str, str]]) -> None:
    """Print why ids select nothing. `problems`: each id with the reason."""
    for id_, problem in problems:
        output.say(f"{output.clean(id_)}: {output.clean(problem)}")


def say_notes(notes: Iterable[str]) -> None:
    """Print what could not be checked."""
    for note in notes:
        output.say(output.clean(note))


def confirm_operation(
    text: str, count: int, request: OperationRequest, more: Mapping[str, JSON] = NO_FIELDS
) -> bool:
    """Ask for confirmation as the request wants it; False where nothing is to be done."""
    return confirm(
        text,
        count,
        dry_run=request.dry_run,
        yes=request.yes or not count,
        as_json=request.as_json,
        more=more,
    )


def confirm(
    text: str,
    count: int,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    more: Mapping[str, JSON] = NO_FIELDS,
) -> bool:
    """Ask for confirmation unless `yes`; False where nothing is to be done.

    A dry run only prints the text, or the count and `more` as JSON.
    """
    if dry_run:
        output.json_line({"count": count, **more}) if as_json else output.answer(text)
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError(f"{text}: not a terminal, so pass --yes (or --dry-run)")
    if not click.confirm(f"{text}. Continue?", err=True):
        output.say("Nothing was done.")
        return False
    return True
