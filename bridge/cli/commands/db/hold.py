"""db hold, db release: hold all starts, and release them."""

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
from bridge.core.audit import AuditAction
from bridge.core.scopes import suggest_token
from bridge.core.units import iso
from bridge.services.operations.execution import find_audit_actor
from bridge.services.records.bridge_records import HOLD
from bridge.services.store_access import open_store_to_change

if TYPE_CHECKING:
    from bridge.store.queue.hold import HeldCounts, Hold


@click.command()
@click.option("--reason", metavar="TEXT", help="The reason, for other people. Default: your name.")
@click.option(
    "--restored",
    type=TimeParam(),
    metavar="TIME",
    help=(
        "The time to which the database was restored by other means than db restore: deliveries in"
        " progress then become unknown, and all access tokens are removed."
    ),
)
@click.pass_obj
def hold(config: str | None, /, reason: str | None, restored: float | None) -> None:
    """Stop starting flows, on all machines. Events are still stored and planned, and runs are
    tracked. End it with `db release`.

    Calls in progress finish. After pg_restore, or after the disk was reset to a snapshot, use
    --restored before any start.

    \b
    flowbridge db hold --reason 'the CRM is being moved'
    flowbridge db hold --restored 2026-11-24T03:15Z
    """
    from bridge.services.audit import new_entry
    from bridge.store.queue import hold as start_hold

    settings = settings_of(config)
    actor = find_audit_actor(settings)
    removed_tokens = 0
    with open_store_to_change(settings) as database:
        why = reason or f"held by {actor.name}"
        if restored is None:
            entry = new_entry(AuditAction.HOLD_BEGUN, actor, why)
            database.write(lambda connection: start_hold.begin(connection, why, time.time(), entry))
        else:
            entry = new_entry(AuditAction.STORE_RESTORED, actor, f"as of {iso(restored)}")
            removed_tokens = database.write(
                lambda connection: start_hold.mark_restored(
                    connection, restored, time.time(), entry
                )
            )
        with database.read() as connection:
            current_hold = start_hold.read_hold(connection)
    if current_hold is not None:
        output.answer(f"starts are on hold since {iso(current_hold.since)}: {current_hold.reason}")
    if removed_tokens:
        output.say(explain_removed_tokens(removed_tokens))


@click.command()
@AS_JSON
@DRY_RUN
@YES
@click.pass_obj
def release(config: str | None, /, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Release the starts that db restore or db hold has put on hold. The command first says how
    many wait.

    After a restore, first cancel the deliveries that the platform has started since; a retry undoes
    a cancellation.

    \b
    flowbridge db release --dry-run
    flowbridge deliveries --status queued --until 2026-11-24T03:15Z
    flowbridge cancel --until 2026-11-24T03:15Z --dry-run
    flowbridge db release
    """
    from bridge.services.audit import new_entry
    from bridge.store.queue import hold as start_hold

    settings = settings_of(config)
    with open_store_to_change(settings) as database:
        with database.read() as connection:
            current_hold = start_hold.read_hold(connection)
            waiting = start_hold.count_held(connection, current_hold.since if current_hold else 0.0)
        if current_hold is None:
            if as_json:
                output.json_line(HOLD.write((None, waiting)))
            output.say("Starts are not on hold.")
            return
        if as_json:
            output.json_line(HOLD.write((current_hold, waiting)))
        else:
            _print(current_hold, waiting)
        if not dry_run and confirm(
            _question(current_hold, waiting),
            waiting.before,
            dry_run=False,
            yes=yes,
            as_json=as_json,
        ):
            entry = new_entry(AuditAction.HOLD_RELEASED, find_audit_actor(settings))
            database.write(lambda connection: start_hold.release(connection, entry))
            output.say("Released: workers continue within seconds.")


def explain_removed_tokens(count: int) -> str:
    """Return why a restore removed access tokens, and the next step."""
    return (
        f"{output.number(count, 'access token')} removed, since tokens that were removed after the"
        " backup would be valid again. Create new ones, for example:"
        f" {suggest_token('read')}"
    )


def _deliveries(count: int) -> str:
    """Return how many deliveries there are, in words."""
    return output.number(count, "delivery", "deliveries")


def _local_runs(count: int) -> str:
    """Return how many runs of the local platform there are, in words."""
    return output.number(count, "local run")


def _print(current_hold: Hold, waiting: HeldCounts) -> None:
    output.line("held since", iso(current_hold.since))
    output.line("reason", current_hold.reason)
    output.line("backup of", iso(current_hold.taken_at))
    output.line(
        "waiting",
        f"{_deliveries(waiting.before)} from before, {waiting.after} since,"
        f" {_local_runs(waiting.runs)}",
    )
    output.line(
        "unknown", f"{waiting.unknown}: flowbridge resolve" if waiting.unknown else None, "yellow"
    )


def _question(current_hold: Hold, waiting: HeldCounts) -> str:
    if current_hold.taken_at is None:
        return (
            f"{_deliveries(waiting.before + waiting.after)} and {_local_runs(waiting.runs)} will be"
            " started"
        )
    old = (
        f"{_deliveries(waiting.before)} and {_local_runs(waiting.runs)} from before"
        f" {iso(current_hold.taken_at)}"
    )
    return (
        f"{old} will be started, although they may have started before, and {waiting.after} that"
        " arrived since"
    )
