"""The advice that commands print, with its commands, and what it takes to follow it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from command_line import run

from bridge.config.settings import Settings, load_settings
from bridge.core.advice import Advice, Command
from bridge.services.events.event_details import find_record, read_event_details
from bridge.services.overview.status_report import StatusReport, read_status
from bridge.store.db.database import Database

#: Commands that ask before they act.
ASKING = ("cancel", "db release", "rejects readmit", "replay", "retry", "spam release")


def read_settings() -> Settings:
    """Return the settings of the folder that the test is in."""
    return load_settings({}, secrets=False)


def read_report(store: Database) -> StatusReport:
    """Return the status, whose problems `status` prints."""
    report = read_status(read_settings(), store)
    printed = " ".join(run("status").stdout.split())
    for problem in report.found:
        assert " ".join(problem.do.sentence.split()) in printed
    return report


def read_problems(store: Database) -> dict[str, Advice]:
    """Return what `status` advises, by condition."""
    return {problem.condition: problem.do for problem in read_report(store).found}


def read_next_steps(store: Database, id_: str) -> list[Advice]:
    """Return the next steps of a delivery, which `show` prints."""
    record = find_record(store, id_).found
    assert record is not None
    details = read_event_details(store, read_settings(), record)
    delivery = next(one for one in details.deliveries if one.id == id_)
    steps = [*details.next_steps(delivery)]
    printed = [line.removeprefix("next").strip() for line in run("show", id_).stdout.splitlines()]
    assert {step.sentence for step in steps} <= set(printed)
    return steps


def split_line(command: Command) -> list[str]:
    """Return the arguments that a shell makes of the line of a command."""
    program, *arguments = shlex.split(command.line)
    assert program == "flowbridge"
    return arguments


def follow(advice: Advice | Iterable[Command]) -> str:
    """Run the commands of an advice, and return what they print."""
    printed = ""
    for command in advice.commands if isinstance(advice, Advice) else advice:
        arguments = split_line(command)
        is_asking = " ".join(arguments).startswith(ASKING) and not command.filters.get("dry_run")
        is_asking = is_asking or "as" in command.filters
        result = run(*arguments, *(["--yes"] if is_asking else []))
        assert result.exit_code == 0, (command, result.output)
        printed += result.output
    return printed
