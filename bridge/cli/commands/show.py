"""show: one event, delivery or reject with all its details."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.command_settings import find_server
from bridge.cli.completion_values import complete_ids
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.services.records.event_records import REJECT_DETAILS

if TYPE_CHECKING:
    from bridge.cli.bridge.client import NamedRecord
    from bridge.cli.bridge.transport import Shape


NO_FILES = "a reject has no files: flowbridge stores none for requests that failed verification"


@click.command()
@click.argument("id_", metavar="[ID]", required=False, shell_complete=complete_ids)
@click.option(
    "--body",
    "with_body",
    is_flag=True,
    help="Also print the whole request of the event, however long it is.",
)
@click.option(
    "--all",
    "with_all",
    is_flag=True,
    help="On a terminal, print everything, including what is usually shortened.",
)
@click.option(
    "--save",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=(
        "Instead, write its files to this folder, without overwriting any, and print their paths."
    ),
)
@AS_JSON
@click.pass_obj
def show(
    config: str | None,
    /,
    id_: str | None,
    with_body: bool,
    with_all: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Show one event with its deliveries, their attempts and runs; one delivery; or one reject, and
    why it failed.

    ID is the id of an event, a delivery, a run or a reject, or the start or end of it. Without ID,
    the newest event of a sender is shown.

    On a terminal, long values are cut, and headers and early attempts are left out; --all shows
    everything.

    It also shows why a route did not match (the clause, the expected value and the actual one), and
    which path of an input the event does not have, by the current routes.yaml.

    \b
    flowbridge show                                   the newest event
    flowbridge show k2m9abcd                          by the end of its id, as lists print it
    flowbridge show dlv_01jd2x… --json | jq .deliveries
    flowbridge show evt_01jd2x --save cvs/            the files that came with a form
    """
    from bridge.system.ids import REJECT_PREFIX

    if folder is not None and id_ is not None and id_.startswith(REJECT_PREFIX):
        raise click.UsageError(NO_FILES)
    if folder is not None:
        sys.exit(not _save_event_files(config, id_, folder, as_json=as_json))
    is_folded = output.on_terminal() and not with_all
    with open_bridge(config) as bridge:
        record = bridge.read_record(id_, with_screen=not as_json)
    _say_newer(record.alert_id)
    if as_json:
        output.json_line(record.shape)
    elif record.is_reject:
        _print_reject(record, with_body=with_body, is_folded=is_folded)
    else:
        _print_event(record.shape, with_body=with_body, is_folded=is_folded)


def _say_newer(alert_id: str | None) -> None:
    """Print a note of an alert that is newer than the event."""
    if alert_id is not None:
        output.say(f"newer: alert {alert_id} (flowbridge show {output.ending(alert_id)})")


def _print_event(shape: Shape, *, with_body: bool, is_folded: bool) -> None:
    from bridge.cli.ui.event_view import print_delivery, print_event
    from bridge.cli.usable_config import say_unusable
    from bridge.services.events.event_screen import parse_screen

    screen = parse_screen(shape)
    say_unusable(screen.config_error)
    if screen.asked_for is not None:
        print_delivery(screen, screen.asked_for, with_body=with_body, is_folded=is_folded)
    else:
        print_event(screen, with_body=with_body, is_folded=is_folded)


def _print_reject(record: NamedRecord, *, with_body: bool, is_folded: bool) -> None:
    from bridge.cli.ui.event_view import print_reject
    from bridge.services.records.json_record import expect_shape
    from bridge.services.rejects import list_reasons

    shape = record.shape
    with expect_shape():
        has_contents = shape["headers"] is not None
        reasons = list_reasons(shape["diagnosis"]) if has_contents else ()
    print_reject(
        REJECT_DETAILS.parse(shape),
        reasons,
        with_body=with_body,
        is_folded=is_folded,
        has_contents=has_contents,
    )


def _save_event_files(config: str | None, id_: str | None, folder: Path, *, as_json: bool) -> bool:
    """Save the files of the event that is named and print their paths; return whether all could be
    read.
    """
    from bridge.services.saved_files import save_files

    is_whole = True
    with open_bridge(config) as bridge:
        files = bridge.find_files(id_)
        if files is None:
            raise click.UsageError(NO_FILES)
        _say_newer(files.alert_id)
        for saved_file in save_files(files, folder):
            if saved_file.path is None:
                is_whole = False
                name = output.clean(saved_file.file.name)
                machine = "this machine" if find_server() is None else "the bridge's machine"
                output.say(f"the bytes of {name} are not in the data folder of {machine}")
            elif as_json:
                output.json_line(saved_file.as_json())
            else:
                output.answer(output.clean(str(saved_file.path)))
    return is_whole
