"""Format the output of `check`, from the JSON of a check here or by another bridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from bridge.cli.bridge.transport import Shape
from bridge.cli.ui import output
from bridge.config.problems import WHOLE_FILE
from bridge.services.config_checks.report import ProjectReport
from bridge.services.records.config_records import ENTRY_COUNTS


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswer:
    """The answer to a check. `shape`: as `check --json`; `code`: the exit code.

    `is_refused`: the file or the settings cannot be used. `unasked`: how many of the last problems
    are flows that could not be compared with their platform.
    """

    shape: Shape
    code: int
    is_refused: bool
    unasked: int = 0

    @classmethod
    def of_report(cls, name: str, report: ProjectReport) -> CheckAnswer:
        """Return the answer of a check on this machine of the file called `name`."""
        return cls(
            shape=report.as_json(name),
            code=report.code,
            is_refused=report.refused,
            unasked=len(report.unasked),
        )


def print_check(answer: CheckAnswer) -> None:
    """Print each problem, the notes, and the result."""
    problems: list[dict[str, Any]] = list(answer.shape["problems"])
    compared = len(problems) - answer.unasked
    for place, problem in enumerate(problems):
        if problem["file"] is not None:
            _print_problem(problem)
            continue
        label = "error: " if place < compared else "not asked: "
        click.echo(click.style(label, fg="red") + output.clean_lines(problem["message"]))
    for text in answer.shape["notes"]:
        output.say(f"note: {text}")
    click.echo(_describe_result(answer, problems[:compared]))


def _print_problem(problem: dict[str, Any]) -> None:
    is_warning = problem["level"] == "warning"
    place = click.style(
        output.clean(f"{problem['file']}:{problem['line']}:{problem['column']}:"), bold=True
    )
    path = output.clean(problem["shown"] or problem["path"])
    level = click.style("warning: ", fg="yellow") if is_warning else ""
    styled_path = click.style(path, fg="yellow" if is_warning else "red")
    click.echo(f"{place} {styled_path}: {level}{output.clean(problem['message'])}")


def _describe_result(answer: CheckAnswer, problems: list[dict[str, Any]]) -> str:
    shape, name = answer.shape, answer.shape["config"]
    is_built = shape["config_hash"] is not None
    errors = sum(problem["level"] == "error" for problem in problems)
    warnings = len(problems) - errors
    tail = f", {output.number(warnings, 'warning')}" if warnings else ""
    if answer.code == 0 and is_built:
        counts = ", ".join(output.number(shape[key], key[:-1]) for key in ENTRY_COUNTS)
        return click.style(f"{name} is valid", fg="green") + f": {counts}{tail}"
    if answer.is_refused:
        is_placed = any(problem["file"] is not None for problem in problems)
        what = name if is_placed or is_built else "the settings"
        is_unread = any(problem["path"] == WHOLE_FILE for problem in problems)
        more = "; there may be others once the file can be read" if is_unread else ""
        counted = f": {output.number(errors, 'error')}{more}{tail}"
        return click.style(f"{what} cannot be used", fg="red") + counted
    if answer.unasked:
        unasked = f": {output.number(answer.unasked, 'flow')} not asked"
        return click.style(f"{name} could not be compared with every flow", fg="red") + unasked
    needs = click.style(output.number(errors, "problem needs", "problems need"), fg="red")
    return f"{name} is valid, but {needs} fixing{tail}"
