"""erase: delete a person's data from the store."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions.confirmation import confirm_operation
from bridge.cli.actions.erase_cleanup import clean_up
from bridge.cli.actions.request import OperationRequest, operation_options
from bridge.cli.command_settings import settings_of
from bridge.cli.options import require_existing, wrong_usage
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar
from bridge.cli.usable_config import load_sources
from bridge.services import erasure
from bridge.services.operations.commands import count_items
from bridge.services.store_access import open_store_to_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence, Set

    from bridge.config.settings import Settings
    from bridge.core.model import Delivery
    from bridge.core.operations import Operation
    from bridge.routing.model import Source
    from bridge.store.db.database import Database
    from bridge.store.operations.erase import EraseHandler

MAX_LISTED = 20  # runs, and files


@click.command()
@click.argument("subject")
@click.option("--source", metavar="NAME", help="Only events of this source, and their deliveries.")
@click.option(
    "--field",
    metavar="PATH",
    help="Only in fields whose path ends with PATH: email, customer.email.",
)
@click.option(
    "--anywhere",
    is_flag=True,
    help="Also as a part of any text, in headers and logs too (default: the whole of a field).",
)
@operation_options
@click.pass_obj
def erase(
    config: str | None,
    /,
    subject: str,
    source: str | None,
    field: str | None,
    anywhere: bool,
    **options: Any,
) -> None:
    """Delete a person's data. SUBJECT is the value of a field, such as an e-mail address; upper and
    lower case are the same. - reads it from stdin.

    Events that contain it are deleted with their deliveries, inputs, outputs, runs and files; so
    are rejects. Deliveries in progress are refused, to be erased later. Deliveries that went to
    flows are listed: flowbridge cannot delete what the flows did with the data.

    Earlier backups still contain the data. Files that flows have written (data/files) are listed
    where they contain it.

    \b
    flowbridge erase ann@example.com --dry-run
    flowbridge erase ann@example.com --source contact --field email
    flowbridge erase - --anywhere --yes < subject.txt
    """
    from bridge.core.fingerprints import fingerprint
    from bridge.store.inbound import blob_owners

    letters = _letters(subject)
    with wrong_usage():
        erasure.check_subject(letters, field, anywhere=anywhere)
    operation_request = OperationRequest.of(options | {"limit": 0})
    settings = settings_of(config, secrets=True)
    filters = {"source": source, "field": field, "anywhere": anywhere or None}
    sources = load_sources(settings)
    parsed_subject = erasure.read_subject(sources, settings, letters, field, anywhere=anywhere)
    with open_store_to_change(settings) as database:
        require_existing(settings, database, source=source)
        owned_before = blob_owners.owned_digests(database)
        search = erasure.search_records(database, sources, parsed_subject, source)
        with progress_bar("search", search.total()) as advance:
            ids = search.found(advance)
        _print_started(
            database, ids, as_json=operation_request.as_json and operation_request.dry_run
        )
        request = {
            "command": "erase",
            "ids": [fingerprint(settings.secret_key, "", parsed_subject.text)],
            "filters": {name: value for name, value in filters.items() if value is not None},
            "how": {} if operation_request.rate is None else {"rate": operation_request.rate},
        }
        with _cleaning_up(
            database,
            settings,
            sources,
            owned_before,
            parsed_subject.text,
            begun=not ids and not operation_request.dry_run,
        ) as doing:
            _erase(config, settings, database, ids, operation_request, request, doing)


def _erase(
    config: str | None,
    settings: Settings,
    database: Database,
    ids: Sequence[str],
    operation_request: OperationRequest,
    request: Mapping[str, Any],
    make_handler: Callable[[Database, Operation], EraseHandler],
) -> None:
    """Ask for confirmation, store the operation with its items, and carry it out."""
    from bridge.cli.actions.run import follow_operation
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.local_transport import LocalTransport
    from bridge.services.operations.execution import begin_operation, do_items, find_actor

    if not ids and not operation_request.dry_run:
        output.say("No matching records to erase.")
        return
    if not confirm_operation(
        f"{count_items('erase', len(ids), ids)} to erase", len(ids), operation_request
    ):
        return
    actor = find_actor(settings)
    operation = begin_operation(database, "erase", ids, actor=actor, request=request)
    bridge = Bridge(LocalTransport(config, settings, database))
    handler = make_handler(database, operation)
    outcomes = do_items(database, operation, handler, operation_request.rate)
    follow_operation(bridge, outcomes, operation, operation_request)


@contextmanager
def _cleaning_up(
    database: Database,
    settings: Settings,
    sources: Mapping[str, Source],
    owned_before: Set[str],
    letters: str,
    *,
    begun: bool,
) -> Iterator[Callable[[Database, Operation], EraseHandler]]:
    """Yield the handler of the operation, and clean up afterwards if the operation began.

    `begun`: clean up in any case, since there are no records to confirm.
    """
    from bridge.services.operations.handlers import make_erase_handler

    def doing(database: Database, act: Operation) -> EraseHandler:
        nonlocal begun
        begun = True
        return make_erase_handler(sources)(database, act)

    try:
        yield doing
    finally:  # the operation exits by an exception where an item was refused
        if begun:
            clean_up(database, settings, owned_before, letters)


def _letters(subject: str) -> str:
    text = sys.stdin.read(erasure.MAX_LENGTH + 1) if subject == "-" else subject
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise click.UsageError("the subject is not valid UTF-8")
    return text


def _print_started(database: Database, ids: Sequence[str], *, as_json: bool) -> None:
    listed = erasure.started_deliveries(database, ids)
    if as_json:
        for delivery in listed:
            output.json_line(erasure.started_delivery_json(delivery))
        return
    if listed:
        went_on = output.number(len(listed), "delivery", "deliveries")
        output.say(f"{went_on} went to flows; what the flows did with the data is not erased here:")
    for delivery in listed[:MAX_LISTED]:
        output.say(f"  {_run(delivery)}")
    if len(listed) > MAX_LISTED:
        output.say(f"  and {len(listed) - MAX_LISTED} more: --dry-run --json lists all")


def _run(delivery: Delivery) -> str:
    return " ".join(
        filter(
            None,
            (
                delivery.event_id,
                delivery.flow,
                f"run {delivery.run_id}" if delivery.run_id else "(run unknown)",
                delivery.run_url,
            ),
        )
    )
