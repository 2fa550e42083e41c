"""show: one event, delivery or reject with all its details."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.completion_values import complete_ids
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.core.errors import NotFound
from bridge.core.model import Event
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.services.event_details import NamedRecord
    from bridge.store.blobs import BlobStore
    from bridge.store.db.database import Database
    from bridge.store.queries.event_lookup import EventHistory


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

    ID is the id of an event, a delivery, a run or a reject. A unique prefix or suffix is enough.
    Without ID, the newest event of a sender is shown; a line on stderr names a newer alert of
    flowbridge itself.

    On a terminal, inputs, outputs, log and body are cut to a few lines, and headers and early
    attempts are left out; --all shows everything.

    For a route that did not match, it shows the clause that failed, the expected value and the
    actual one. For an input without a value, it shows the path that the event does not have. Both
    are evaluated with the current routes.yaml.

    \b
    flowbridge show                                   the newest event
    flowbridge show k2m9abcd                          by the end of its id, as lists print it
    flowbridge show dlv_01jd2x… --json | jq .deliveries
    flowbridge show evt_01jd2x --save cvs/            the files that came with a form
    """
    from bridge.services.event_details import REJECT_PREFIX

    if folder is not None and id_ is not None and id_.startswith(REJECT_PREFIX):
        raise click.UsageError(NO_FILES)
    settings = settings_of(config)
    is_folded = output.on_terminal() and not with_all
    with open_store(settings) as database:
        if database is None:
            missing = "" if id_ is None else f"no event, delivery or run has the id {id_!r}: "
            raise NotFound(f"{missing}nothing has been received yet")
        record = _find(database, id_)
        if record.found is not None:
            _show_event(
                database,
                record.found,
                settings,
                with_body=with_body,
                is_folded=is_folded,
                folder=folder,
                as_json=as_json,
            )
            return
    if folder is not None:
        raise click.UsageError(NO_FILES)
    if record.reject is not None:
        from bridge.cli.commands.rejects import show_reject

        show_reject(
            config, record.reject, with_body=with_body, is_folded=is_folded, as_json=as_json
        )


def _find(database: Database, text: str | None) -> NamedRecord:
    """Return the record that `text` names, and print a note of an alert that is newer."""
    from bridge.services.event_details import find_record

    record = find_record(database, text)
    if record.alert_id is not None:
        short = output.ending(record.alert_id)
        output.say(f"newer: alert {record.alert_id} (flowbridge show {short})")
    return record


def _show_event(
    database: Database,
    found: EventHistory,
    settings: Settings,
    *,
    with_body: bool,
    is_folded: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    from bridge.cli.ui.event_view import print_delivery, print_event
    from bridge.cli.usable_config import say_unusable
    from bridge.services.event_details import read_event_details
    from bridge.store.blobs import BlobStore

    if folder is not None:
        sys.exit(not _save_files(found.event, BlobStore.of(settings), folder, as_json=as_json))
    details = read_event_details(database, settings, found, with_reasons=not as_json)
    say_unusable(details.reasons.config_error)
    if as_json:
        output.json_line(details.as_json())
    elif details.asked_for is not None:
        print_delivery(details, details.asked_for, with_body=with_body, is_folded=is_folded)
    else:
        print_event(details, with_body=with_body, is_folded=is_folded)


def _save_files(event: Event, blobs: BlobStore, folder: Path, *, as_json: bool) -> bool:
    """Save the files of an event and print their paths; return whether all could be read."""
    from bridge.services.saved_files import save_files

    is_whole = True
    for one in save_files(event, blobs, folder):
        if one.path is None:
            is_whole = False
            name = output.clean(one.file.name)
            output.say(f"the bytes of {name} are not in the data folder of this machine")
        elif as_json:
            output.json_line(one.as_json())
        else:
            output.answer(output.clean(str(one.path)))
    return is_whole
