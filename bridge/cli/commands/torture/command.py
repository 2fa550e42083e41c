"""torture: crash-test a bridge, and certify the result."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from bridge.cli.numbers import BoundedNumber
from bridge.cli.ui import output
from bridge.core.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from bridge.torture.plan import Plan

#: The values of `--only`; bridge.torture.plan describes each, and a test compares the two.
FAULT_KINDS = (
    "receiver",
    "web",
    "worker",
    "flows",
    "tree",
    "deploy",
    "takeover",
    "freeze",
    "lapse",
    "disk",
    "clock",
    "blip",
    "database",
    "celery",
    "broker",
    "platform",
    "weather",
)
ENGINES = ("worker", "celery")
GRACE_SECONDS = 10.0  # after its time, until it is aborted


@click.command()
@click.option(
    "--minutes",
    type=BoundedNumber(1.5, decimal=True),
    default=2.0,
    show_default=True,
    metavar="N",
    help="The total duration.",
)
@click.option(
    "--kills",
    type=BoundedNumber(1),
    metavar="N",
    help="Stop after N signals, once each kind of fault has occurred, or when the time is up.",
)
@click.option(
    "--rate",
    type=BoundedNumber(1, 1000, decimal=True),
    default=20.0,
    show_default=True,
    metavar="N",
    help="Events per second.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(FAULT_KINDS),
    metavar="KIND",
    help=f"Only this kind of fault. Repeatable: {', '.join(FAULT_KINDS)}.",
)
@click.option(
    "--database-url",
    metavar="URL",
    help="An empty PostgreSQL database (default: SQLite in the temporary folder).",
)
@click.option(
    "--nodes",
    type=BoundedNumber(1, 8),
    default=1,
    show_default=True,
    metavar="N",
    help="How many nodes run on that database.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="worker",
    show_default=True,
    help="The engine that makes the calls.",
)
@click.option(
    "--seed",
    type=BoundedNumber(0),
    metavar="N",
    help="The random seed, to repeat a run (default: a new one).",
)
@click.option(
    "--keep",
    is_flag=True,
    help=(
        "Keep the folder, and the schema on PostgreSQL. They remain anyway if a problem was found."
    ),
)
@click.option(
    "--certificate",
    "file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the certificate there, as JSON.",
)
@click.option(
    "--recount",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Start nothing: count the evidence of an earlier run in DIR again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the certificate as one line of JSON.")
def torture(
    *,
    file: Path | None,
    recount: Path | None,
    keep: bool,
    as_json: bool,
    seed: int | None,
    kills: int | None,
    database_url: str | None,
    only: tuple[str, ...],
    **options: Any,
) -> None:
    """Crash-test a bridge under load, and account for every event: a certificate for this machine.

    It starts flowbridge in a temporary folder and a flow platform that misbehaves, posts signed
    events, kills processes, fills the disk, steps the clock, and then compares the acknowledged
    events with the store and with the starts on the platform. Nothing of yours is used.

    Exit code 1: an event was lost, a flow was started twice without being declared unknown, or the
    test could not be completed.

    \b
    flowbridge torture
    flowbridge torture --minutes 60 --certificate certificate.json
    flowbridge torture --only worker --only tree --kills 100 --minutes 30
    flowbridge torture --database-url postgresql://localhost/empty --nodes 2
    flowbridge torture --database-url postgresql://localhost/empty --nodes 2 --engine celery
    """
    from bridge.torture import run
    from bridge.torture.plan import Plan, check_plan

    folder: Path | None
    if recount is not None:
        made = run.recount(recount, database_url or "")
        folder = recount
    else:
        plan = check_plan(
            Plan(
                seed=secrets.randbelow(10**6) if seed is None else seed,
                kills=kills or 0,
                database_url=database_url or "",
                only=only,
                **options,
            )
        )
        _check_writable(file)
        made, folder = _run(plan, keep=keep)
    if file is not None:
        file.write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n")
    _print(made, folder, as_json=as_json)
    sys.exit(0 if made["verdict"] == "kept" else 1)


def _run(plan: Plan, *, keep: bool) -> tuple[dict[str, Any], Path | None]:
    from bridge.cli.commands.torture.screen import show_progress
    from bridge.torture import run

    with _limit_run(plan.total_seconds + GRACE_SECONDS):
        try:
            with show_progress(plan) as report_progress:
                result = run.run_torture(plan, os.environ, report_progress, keep=keep)
        except KeyboardInterrupt:
            output.say("stopped early; everything was removed")
            sys.exit(130)
    return result.certificate, result.folder


@contextmanager
def _limit_run(seconds: float) -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the run like Ctrl-C, and abort it after `seconds`."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def late(_number: int, _frame: object) -> None:
        raise BridgeError(
            f"not finished {GRACE_SECONDS:g} s after the time was up; everything was removed"
        )

    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGTERM, end), (signal.SIGHUP, end), (signal.SIGALRM, late))
    }
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_writable(file: Path | None) -> None:
    """Raise `SettingsError` if the certificate could not be written after the run."""
    if file is not None and not os.access(file.absolute().parent, os.W_OK):
        raise SettingsError(f"--certificate: {file.absolute().parent} is not a writable folder")


def _print(made: dict[str, Any], folder: Path | None, *, as_json: bool) -> None:
    from bridge.torture.certificate import VERDICTS, format_rows

    if folder is not None:
        output.say(
            f"the evidence is in {folder}; count it again with: flowbridge torture --recount"
            f" {shlex.quote(str(folder))}"
        )
    if as_json:
        output.json_line(made)
        return
    for title, text in format_rows(made):
        output.answer(f"{title:<14}  {output.wrap_text(text, 16)}".rstrip())
    for finding in made["findings"]:
        click.echo(
            click.style("wrong: ", fg="red")
            + output.clean(f"{finding['kind']}: {finding['id']}: {finding['text']}")
        )
    if (others := sum(made["wrong"].values()) - len(made["findings"])) > 0:
        output.answer(f"and {others} more")
    verdict = output.wrap_text(f"{made['verdict']}: {VERDICTS[made['verdict']]}")
    click.secho(verdict, fg="green" if made["verdict"] == "kept" else "red")
