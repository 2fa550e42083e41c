"""db hold, db release: start nothing, until a person lets it go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import DRY_RUN, YES
from bridge.cli.command_settings import settings_of
from bridge.cli.option_types import TimeParam
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.monitoring.serializers import iso
from bridge.services.operations import find_actor
from bridge.services.store_access import open_store_to_change

if TYPE_CHECKING:
    from bridge.store.queue.hold import Hold, Waiting


@click.command()
@click.option("--reason", metavar="TEXT", help="Why, for others to read. Default: who holds it.")
@click.option(
    "--restored",
    type=TimeParam(),
    metavar="TIME",
    help=(
        "The database was restored by other means than db restore, to how it was then: settle what"
        " was under way."
    ),
)
@click.pass_obj
def hold(config: str | None, /, reason: str | None, restored: float | None) -> None:
    """Start nothing from now on, on any machine. What comes in is kept and planned, and runs are
    followed. `db release` ends it.

    A worker that runs takes notice within seconds; calls that are under way come to their end.
    After pg_restore, or when the machine's disk was set back to a snapshot, say --restored before
    anything is started: what waited then may have been started since.

    \b
    flowbridge db hold --reason 'the CRM is being moved'
    flowbridge db hold --restored 2026-11-24T03:15Z
    """
    from bridge.store.queue import hold as start_hold

    settings = settings_of(config)
    with open_store_to_change(settings) as database:
        why = reason or f"{find_actor(settings)} holds it"
        if restored is None:
            database.write(lambda connection: start_hold.begin(connection, why, time.time()))
        else:
            database.write(
                lambda connection: start_hold.restored(connection, restored, time.time())
            )
        with database.read() as connection:
            found = start_hold.current(connection)
    if found is not None:
        output.answer(f"nothing is started, since {iso(found.since)}: {found.reason}")


@click.command()
@AS_JSON
@DRY_RUN
@YES
@click.pass_obj
def release(config: str | None, /, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Let starts go on that were held back by db restore or db hold, after a count of what waits.

    After a restore, look first at what waited when the backup was taken: the platform knows what
    was started since. Cancel what was; retry brings a cancelled one back.

    \b
    flowbridge db release --dry-run
    flowbridge deliveries --status queued --until 2026-11-24T03:15Z
    flowbridge cancel --until 2026-11-24T03:15Z --dry-run
    flowbridge db release
    """
    from bridge.store.queue import hold as start_hold

    with open_store_to_change(settings_of(config)) as database:
        with database.read() as connection:
            found = start_hold.current(connection)
            waiting = start_hold.waiting(connection, found.since if found else 0.0)
        if found is None:
            if as_json:
                output.json_line(_shape(None, waiting))
            output.say("Nothing is held back.")
            return
        if as_json:
            output.json_line(_shape(found, waiting))
        else:
            _print(found, waiting)
        if not dry_run and confirm(
            _question(found, waiting), waiting.before, dry_run=False, yes=yes, as_json=as_json
        ):
            database.write(start_hold.release)
            output.say("Released: workers go on within seconds.")


def _shape(found: Hold | None, waiting: Waiting) -> dict[str, object]:
    return {
        "since": found and iso(found.since),
        "reason": found and found.reason,
        "taken_at": found and iso(found.taken_at),
        "before": waiting.before,
        "after": waiting.after,
        "unknown": waiting.unknown,
        "runs": waiting.runs,
    }


def _deliveries(count: int) -> str:
    """Return how many deliveries there are, in words."""
    return output.number(count, "delivery", "deliveries")


def _local_runs(count: int) -> str:
    """Return how many runs of the local platform there are, in words."""
    return output.number(count, "local run")


def _print(found: Hold, waiting: Waiting) -> None:
    output.line("held since", iso(found.since))
    output.line("because", found.reason)
    output.line("backup of", iso(found.taken_at))
    output.line(
        "waiting",
        f"{_deliveries(waiting.before)} from before, {waiting.after} that came since,"
        f" {_local_runs(waiting.runs)}",
    )
    output.line(
        "unknown", f"{waiting.unknown}: flowbridge resolve" if waiting.unknown else None, "yellow"
    )


def _question(found: Hold, waiting: Waiting) -> str:
    if found.taken_at is None:
        return (
            f"{_deliveries(waiting.before + waiting.after)} and {_local_runs(waiting.runs)} are"
            " started"
        )
    old = (
        f"{_deliveries(waiting.before)} and {_local_runs(waiting.runs)} from before"
        f" {iso(found.taken_at)}"
    )
    return (
        f"{old} are started, though they may have been started before, and {waiting.after} that"
        " came since"
    )
