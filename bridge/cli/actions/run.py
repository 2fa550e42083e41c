"""Operations on the terminal: the confirmation, a line for each item, and the summary."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions.confirmation import (
    MAX_EXAMPLES,
    NO_FIELDS,
    REASONS_SHOWN,
    confirm_operation,
    say_counts,
    say_notes,
    say_problems,
    say_still_refused,
    warn_of_repetition,
)
from bridge.cli.actions.request import OperationRequest
from bridge.cli.bridge.access import open_bridge
from bridge.cli.ui import output
from bridge.cli.ui.progress import PROGRESS_ITEMS
from bridge.cli.ui.run_progress import INTERRUPTED
from bridge.core.advice import name_command
from bridge.core.errors import BridgeError, StoreError
from bridge.core.model import JSON
from bridge.core.operations import OPEN_ITEMS, Operation
from bridge.services.operations.commands import count_items, find_words, name_items
from bridge.services.operations.execution import outcome_json
from bridge.services.records.json_record import expect_shape
from bridge.services.records.operation_records import OPERATION, STEP, count_expected

if TYPE_CHECKING:
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.transport import OperationDriver, Shape
    from bridge.store.operations.actions import ItemResult

URL_TEST = "a test of the URL, which is not an event"


def run_operation(
    config: str | None,
    command: str,
    names: Sequence[str],
    request: OperationRequest,
    how: Mapping[str, Any] = NO_FIELDS,
) -> None:
    """Run an operation on the bridge that is asked; exits with 1 if an item was refused.

    `names`: ids of its items; without ids, the filters of the request select them.
    """
    options = {**how, "rate": request.rate}
    body: dict[str, JSON] = {
        "command": command,
        "how": {name: value for name, value in options.items() if value},
    }
    with open_bridge(config, is_changed=True) as bridge:
        body |= {"ids": list(names)} if names else {"filters": bridge.describe(request.chosen)}
        if request.limit:
            body["limit"] = request.limit
        driver = bridge.transport.drive(body)
        counted = driver.count()
        _say_counted(command, counted)
        problems = read_problems(counted)
        if request.dry_run:
            say_problems((result.id, result.problem or "") for result in problems)
            _confirm(command, counted, request)
        elif not counted["examples"]:
            if not problems:
                output.say(f"No matching {name_items(command)} to {find_words(command).verb}.")
                return
            OutcomePrinter(command, None, request, 0).end(problems)
        elif _confirm(command, driver.propose(), request):
            _carry_out(bridge, driver, driver.begin(), request, problems)


def resume_operation(config: str | None, id_: str, request: OperationRequest) -> None:
    """Resume an operation, and print the outcomes of the items that are left."""
    with open_bridge(config, is_changed=True) as bridge:
        operation = OPERATION.parse(bridge.read_operation(id_))
        if operation.count is None:
            raise BridgeError(
                f"{operation.id} was interrupted while it stored its items: nothing was done; run"
                " the command again"
            )
        if not operation.left:
            output.say(f"{operation.id} is finished: no items are left.")
            return
        driver = bridge.transport.drive({})
        shapes = bridge.list_items(operation.id, outcome=OPEN_ITEMS, limit=MAX_EXAMPLES)
        ids = [STEP.parse(shape).item_id for shape in shapes]
        left = count_items(operation.command, operation.left, ids)
        text = f"{left} of {operation.count} left to {find_words(operation.command).verb}"
        if confirm_operation(text, operation.left, request):
            rate = request.rate or operation.options.get("rate")
            resumed = driver.resume(operation, request.rate)
            _carry_out(bridge, driver, resumed, replace(request, rate=rate))


@expect_shape()
def _say_counted(command: str, counted: Shape) -> None:
    """Print what a person should know before the confirmation."""
    left_out, refused = _split_left_out(counted)
    if command == "readmit":
        say_still_refused(left_out.total())
    else:
        say_counts(command, "left out", left_out)
        say_counts(command, "refused", refused)
    skipped = Counter[str](counted.get("skipped") or {})
    for route, count in skipped.most_common(REASONS_SHOWN):
        verb = "is" if count == 1 else "are"
        output.say(
            f"{count_items(command, count)} {verb} not planned through {output.clean(route)}: no"
            " delivery of it matches, or it was replayed since"
        )
    if command == "replay":
        ids = [str(id_) for id_ in counted["examples"]]
        warn_of_repetition(int(counted["went_already"]), ids)
    say_notes(map(str, counted.get("notes") or ()))  # a bridge of an earlier version has none


def _split_left_out(counted: Shape) -> tuple[Counter[str], Counter[str]]:
    """Return how many items are left out, and how many are refused, by reason."""
    refused = Counter[str](counted.get("refusals") or {})  # a bridge of 0.2.0 has none
    return Counter[str](counted["left_out"]) - refused, refused


@expect_shape()
def _confirm(command: str, counted: Shape, request: OperationRequest) -> bool:
    count = count_expected(counted)
    examples = [str(id_) for id_ in counted["examples"]]
    more: dict[str, JSON] = {}
    if command == "replay":
        left_out, refused = _split_left_out(counted)
        more = {"left_out": dict(left_out), "refused": dict(refused)}
    text = f"{count_items(command, count, examples)} to {find_words(command).verb}"
    return confirm_operation(text, count, request, more)


@expect_shape()
def read_problems(counted: Shape) -> list[ItemResult]:
    """Return why ids name no item, as outcomes."""
    from bridge.store.operations.actions import ItemResult

    return [ItemResult(id=row["id"], problem=row["problem"]) for row in counted["problems"]]


def _carry_out(
    bridge: Bridge,
    driver: OperationDriver,
    operation: Operation,
    request: OperationRequest,
    problems: Sequence[ItemResult] = (),
) -> None:
    outcomes = driver.follow(operation, request.rate)
    stop = partial(driver.stop, operation)
    follow_operation(bridge, outcomes, operation, request, problems, stop)


def follow_operation(
    bridge: Bridge,
    outcomes: Generator[Sequence[ItemResult]] | Generator[list[ItemResult]],
    operation: Operation,
    request: OperationRequest,
    problems: Sequence[ItemResult] = (),
    stop: Callable[[], object] = lambda: None,
) -> None:
    """Print the outcome of each item that is left, in their order, and the summary.

    `outcomes` yields them, and `stop` ends an operation that goes on without the command.
    """
    printer = OutcomePrinter(operation.command, operation.id, request, operation.left)
    if operation.left > PROGRESS_ITEMS:
        output.say(
            f"{operation.id}: Ctrl-C stops it;"
            f" `{name_command('operations resume', operation.id)}` continues with the rest"
        )
    try:
        with _progress(operation) as advance, closing(outcomes):
            for results in outcomes:
                for result in results:
                    printer.add(result)
                advance(len(results))
    except KeyboardInterrupt:
        stop()
        printer.stop(bridge, "Stopped", INTERRUPTED)
    except StoreError as error:
        printer.stop(bridge, f"Error: {error}", 1)
    printer.end(problems)


class OutcomePrinter:
    """Prints the outcomes of an operation's items, and counts them."""

    def __init__(
        self, command: str, act_id: str | None, request: OperationRequest, total: int
    ) -> None:
        self._command = command
        self._act_id = act_id
        self._as_json = request.as_json
        # on a terminal the bar and the refusals are enough
        self._quiet = total > PROGRESS_ITEMS and not request.as_json and output.on_terminal()
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

    def stop(self, bridge: Bridge, why: str, code: int) -> None:
        """Print how many items are done and how to continue, and exit."""
        through = ""
        id_ = self._act_id or ""
        with suppress(BridgeError):  # the store may be unavailable
            operation = OPERATION.parse(bridge.read_operation(id_))
            shapes = bridge.list_items(id_, outcome=None, limit=MAX_EXAMPLES)
            ids = [STEP.parse(shape).item_id for shape in shapes]
            through = (
                f" {operation.count - operation.left} of"
                f" {count_items(operation.command, operation.count, ids)} are done;"
                if operation.count
                else ""
            )
        resume = name_command("operations resume", self._act_id or "ID")
        output.say(f"{why}.{through} `{resume}` continues with the rest")
        sys.exit(code)

    def end(self, problems: Iterable[ItemResult]) -> None:
        """Print the refusals that were held back, and the summary."""
        for result in self._held:
            self._print(result)
        for result in problems:
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
            planned = ", ".join(
                f"{delivery.id} {delivery.route} {delivery.status}"
                for delivery in result.deliveries
            )
            output.answer(f"{result.id}  {done}: {planned or 'no delivery'}")
        else:
            output.answer(f"{result.id}  {result.was} → {result.became}")


@contextmanager
def _progress(operation: Operation | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with rate and remaining time, on a terminal and for many items."""
    if operation is None or operation.left <= PROGRESS_ITEMS or not sys.stderr.isatty():
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
            operation.command,
            total=operation.count,
            completed=(operation.count or 0) - operation.left,
        )
        yield lambda count: progress.advance(task, count)
