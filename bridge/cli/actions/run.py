"""Operations on the terminal: the confirmation, a line for each item, and the summary."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridge.cli.actions.confirmation import MAX_EXAMPLES, confirm_operation, say_problems
from bridge.cli.actions.request import OperationRequest
from bridge.cli.ui import output
from bridge.cli.ui.run_progress import INTERRUPTED
from bridge.core.advice import name_command
from bridge.core.errors import StoreError
from bridge.services.operation_commands import count_items, find_words, name_items
from bridge.services.operations import do_items, outcome_json

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.operations import Operation
    from bridge.services.operations import ReplaySelection
    from bridge.store.db.database import Database
    from bridge.store.operations.actions import ItemResult
    from bridge.store.operations.log import OperationHandler

F = TypeVar("F", bound=Callable[..., Any])
PROGRESS_ITEMS = 20  # above which a progress bar is shown
URL_TEST = "a test of the URL, which is not an event"


def do_operation(
    database: Database,
    command: str,
    one: Operation | None,
    doing: OperationHandler[Any] | None,
    asked: OperationRequest,
    problems: Mapping[str, str],
) -> None:
    """Do the items that are left, print a line for each, and exit with 1 if one was refused.

    `problems`: by name, why it names no item. Without any item there is no operation.
    """
    from bridge.store.operations.actions import ItemResult

    printer = OutcomePrinter(command, one.id if one else None, asked, one.left if one else 0)
    if one is not None and one.left > PROGRESS_ITEMS:
        output.say(
            f"{one.id}: Ctrl-C stops it; `{name_command('operations resume', one.id)}` continues"
            " with the rest"
        )
    try:
        with _progress(one) as advance:
            for results in do_items(database, one, doing, asked.rate) if one and doing else ():
                for result in results:
                    printer.add(result)
                advance(len(results))
    except KeyboardInterrupt:
        printer.stop(database, "Stopped", INTERRUPTED)
    except StoreError as error:
        printer.stop(database, f"Error: {error}", 1)
    printer.end([ItemResult(id=name, problem=problem) for name, problem in problems.items()])


class OutcomePrinter:
    """Prints the outcomes of an operation's items, and counts them."""

    def __init__(
        self, command: str, act_id: str | None, asked: OperationRequest, total: int
    ) -> None:
        self._command = command
        self._act_id = act_id
        self._as_json = asked.as_json
        # on a terminal the bar and the refusals are enough
        self._quiet = total > PROGRESS_ITEMS and not asked.as_json and output.on_terminal()
        self._held: list[ItemResult] = []
        self._done = 0
        self._bad = 0

    def add(self, result: ItemResult) -> None:
        """Count the outcome of an item, and print it."""
        self._done += result.problem is None
        self._bad += result.problem is not None
        if not self._quiet:
            self._print(result)
        elif result.problem is not None:
            self._held.append(result)

    def stop(self, database: Database, why: str, code: int) -> None:
        """Print how many items are done and how to continue, and exit."""
        from bridge.store.operations import operation_records

        through = ""
        with suppress(StoreError):  # the store may be unavailable
            one = operation_records.find(database, self._act_id or "")
            items = operation_records.list_items(database, one, limit=MAX_EXAMPLES)
            ids = [item.item_id for item in items]
            through = (
                f" {one.chosen - one.left} of {count_items(one.command, one.chosen, ids)} are done;"
                if one.chosen
                else ""
            )
        resume = name_command("operations resume", self._act_id or "ID")
        output.say(f"{why}.{through} `{resume}` continues with the rest")
        sys.exit(code)

    def end(self, held: Iterable[ItemResult]) -> None:
        """Print the refusals that were held back, and the summary."""
        for result in self._held:
            self._print(result)
        for result in held:
            self._bad += 1
            self._print(result)
        text = f"{self._done} {find_words(self._command).done}" + (
            f", {self._bad} not" if self._bad else ""
        )
        output.say(text + (f" ({self._act_id})" if self._act_id else ""))
        if self._bad:
            sys.exit(1)

    def _print(self, result: ItemResult) -> None:
        try:
            self._line(result)
        except BrokenPipeError:
            # the reader, such as `head`, has closed the pipe; the operation goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _line(self, result: ItemResult) -> None:
        done = find_words(self._command).done
        if self._as_json:
            output.json_line(outcome_json(self._act_id, result))
        elif result.problem is not None:
            click.echo(
                f"{output.clean(result.id)}  {click.style(f'not {done}', fg='red')}:"
                f" {output.clean(result.problem)}"
            )
        elif self._command == "readmit":
            output.answer(f"{result.id}  {done}: {', '.join(result.event_ids) or URL_TEST}")
        elif result.became is None:
            planned = ", ".join(f"{one.id} {one.route} {one.status}" for one in result.deliveries)
            output.answer(f"{result.id}  {done}: {planned or 'no delivery'}")
        else:
            output.answer(f"{result.id}  {result.was} → {result.became}")


@contextmanager
def _progress(one: Operation | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with rate and remaining time, on a terminal and for many items."""
    if one is None or one.left <= PROGRESS_ITEMS or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(
                "" if task.speed is None else f"{task.speed:,.{0 if task.speed >= 10 else 1}f}/s"
            )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.console(err=True), transient=True) as progress:
        task = progress.add_task(
            one.command, total=one.chosen, completed=(one.chosen or 0) - one.left
        )
        yield lambda count: progress.advance(task, count)


def start_operation(  # noqa: PLR0913 - the last step of every operation
    database: Database,
    settings: Settings,
    name: str,
    ids: Sequence[str],
    problems: Mapping[str, str],
    asked: OperationRequest,
    kept_asked: Mapping[str, Any],
    doing: Any,
    *,
    replayed: ReplaySelection | None = None,
) -> None:
    """Ask for confirmation, store the operation with its items, and do it.

    `doing` returns the handler of the items. `replayed`: the selection of a replay.
    """
    from bridge.services.operations import begin_operation, find_actor

    verb = find_words(name).verb
    if not ids and not problems and not asked.dry_run:
        output.say(f"No matching {name_items(name)} to {verb}.")
        return
    if asked.dry_run:
        say_problems(problems.items())
    count = len(ids) if replayed is None else replayed.count
    more = {} if replayed is None else replayed.as_json()
    if not confirm_operation(f"{count_items(name, count, ids)} to {verb}", count, asked, more):
        return
    one = (
        begin_operation(database, name, ids, actor=find_actor(settings), asked=kept_asked)
        if ids
        else None
    )
    do_operation(database, name, one, doing(database, one) if one else None, asked, problems)
