"""test: recorded events, or saved cases, planned by two configurations and compared."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bridge.cli.command_choices import write_choices
from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.options import (
    AS_JSON,
    FilteredCommand,
    filter_options,
    make_filters,
    require_existing,
    say_search_size,
    wrong_usage,
)
from bridge.cli.traffic_report import TrafficReport
from bridge.cli.ui import output
from bridge.core.errors import BridgeError, InvalidRequest, NotFound
from bridge.core.operations import NOW
from bridge.core.units import DAY
from bridge.services.records.json_record import expect_shape
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.config.settings import Settings

DEFAULT_DAYS: Final = 7
DEFAULT_CASES: Final = 100  # that --save writes without --limit
FAIL_WORDS: Final = ("changed", "lost", "dead", "never")
OF_EVENTS: Final = "lost"  # the default of --fail-on for stored events
OF_CASES: Final = "changed"  # and for cases


@click.command(cls=FilteredCommand, epilog=write_choices("test"))
@click.argument("what", metavar="[DIR | EVENT...]", nargs=-1)
@click.option(
    "--routes",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The routes.yaml to test (default: the present file, as it is on disk).",
)
@click.option(
    "--against",
    metavar="now|then|FILE",
    help=(
        "The configuration to compare with: the one in use (now, the default), the one with which"
        " each event was first planned (then), or a file."
    ),
)
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_WORDS),
    help=(
        "Exit with 1 if any delivery changed, if one is lost or dead (lost, the default), if one is"
        " dead, or never. For cases the default is changed."
    ),
)
@click.option(
    "--save",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write events as cases to this folder, with the deliveries that --routes plans.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Also explain the newest 50 events that change, by the routes that are tested.",
)
@filter_options(statuses=("none",), limit=0)
@AS_JSON
@click.pass_obj
def test(
    config: str | None,
    /,
    what: tuple[str, ...],
    file: Path | None,
    against: str | None,
    fail_on: str | None,
    folder: Path | None,
    explain: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Plan recorded events by the routes.yaml on disk and by the configuration in use, and list
    what would change. Nothing is stored or sent, and no secret needs to be set.

    Without --since, the events of the last 7 days are compared. Changes: inputs, new, lost, dead
    (planning fails), alive (planning no longer fails), flow, order (the key of order_by or
    debounce) and renamed. With --json there is a line for each changed delivery, then a summary.
    Events that cannot be compared are counted with the reason. --explain shows each clause of the
    routes, with the value found, as `flowbridge explain` does; with --json as a line
    {"explanation": ...} for each event, before the summary.

    --save writes events as files, without the values at `redact` and without signatures: those with
    the ids, or the newest 100 that match the filters (--limit: more, or fewer). `test DIR` tests
    them without a database, for example in CI.

    With `flowbridge --server URL test --routes FILE`, a file of this machine is tested on the
    events of that bridge. It is not saved there.

    \b
    flowbridge test --routes new.yaml              what the edited copy changes
    flowbridge test --routes new.yaml --since 2d --source github
    flowbridge test --routes new.yaml --explain    and why, clause by clause
    flowbridge test --against then --fail-on changed
    flowbridge test --save cases/ evt_01jd2x       write a case
    flowbridge test --save cases/ --since 1d       and cases of a day
    flowbridge test cases/                         test the cases, without a database
    """
    limit = options.pop("limit")
    is_filtered = limit > 0 or any(value is not None for value in options.values())
    with wrong_usage():
        _check_usage(what, folder, against, fail_on, explain=explain, is_filtered=is_filtered)
    fails = fail_on or (OF_CASES if what else OF_EVENTS)
    how = TrafficReport(fail_on=fails, as_json=as_json, explain=explain)
    if find_server() is not None:
        _refuse_cases(what, folder)
        _test_remote(options, limit, (_require_file(file), against), how)
        return
    settings = settings_of(config)
    if folder is not None:
        _save(settings, what, (options, limit), folder, file)
    elif what:
        _test_cases(settings, Path(what[0]), file, how)
    else:
        _test_events(settings, options, limit, (file, against), how)


def _check_usage(
    what: tuple[str, ...],
    folder: Path | None,
    against: str | None,
    fail_on: str | None,
    *,
    explain: bool,
    is_filtered: bool,
) -> None:
    """Raise `InvalidRequest` for arguments that contradict each other."""
    if folder is not None:
        if bool(what) == is_filtered:
            raise InvalidRequest(
                "--save needs the ids of events, or filters such as --since 1d"
                if not what
                else "--save takes the ids of events or filters, not both"
            )
        for option, value in (("against", against), ("fail-on", fail_on), ("explain", explain)):
            if value:
                raise InvalidRequest(f"--save compares nothing, so it takes no --{option}")
    elif what and (is_filtered or against is not None):
        raise InvalidRequest("cases take neither filters nor --against")
    if folder is None and len(what) > 1:
        raise InvalidRequest("test takes one folder of cases; to write cases: --save DIR EVENT...")
    if folder is None and what and not Path(what[0]).is_dir():
        raise InvalidRequest(
            f"{what[0]!r} is not a folder of cases; to write a case of an event:"
            f" flowbridge test --save DIR {what[0]}"
        )


def _refuse_cases(what: tuple[str, ...], folder: Path | None) -> None:
    if what or folder is not None:
        raise click.UsageError(
            "cases are written and tested on this machine only, not with --server (or"
            " FLOWBRIDGE_SERVER)"
        )


def _require_file(file: Path | None) -> Path:
    if file is None:
        raise click.UsageError("--server needs --routes FILE: the routes.yaml to test")
    return file


def _test_remote(
    options: dict[str, Any],
    limit: int,
    sides: tuple[Path, str | None],
    how: TrafficReport,
) -> None:
    """Test a file of this machine on the events of the bridge of --server."""
    from bridge.cli.remote.trials import RemoteTrial, run_remote_trial

    file, against = sides
    _set_since(options)
    trial = RemoteTrial(
        file=file, against=against or NOW, chosen=options, limit=limit, explain=how.explain
    )
    result = run_remote_trial(trial)
    with expect_shape():
        if how.as_json and not result["changes_complete"]:
            raise BridgeError("there are too many changes for --json: select fewer events")
        if how.as_json:
            output.json_lines(result["changes"])
        how.end(result, result if how.explain else None, _describe_since(options))


def _set_since(options: dict[str, Any]) -> None:
    if options["since"] is None:
        options["since"] = time.time() - DEFAULT_DAYS * DAY


def _describe_since(options: dict[str, Any]) -> str:
    return f"since {output.utc(options['since'])}"


def _test_events(
    settings: Settings,
    options: dict[str, Any],
    limit: int,
    sides: tuple[Path | None, str | None],
    how: TrafficReport,
) -> None:
    from bridge.services.comparison import traffic_comparison
    from bridge.services.explain.change_explanations import explain_changes, read_stored

    file, against = sides
    after = traffic_comparison.load_routes(settings, file)
    _set_since(options)
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database to test with")
        require_existing(settings, database, **options)
        event_filters = make_filters(**options)
        before = traffic_comparison.find_compared_config(settings, database, against or NOW)
        say_search_size(database, event_filters, of_deliveries=False)
        comparisons = traffic_comparison.compare_recorded(
            database, event_filters, before, after, limit
        )
        read = read_stored(database)
        how.show(
            comparisons, _describe_since(options), lambda ids: explain_changes(ids, read, after)
        )


def _test_cases(settings: Settings, folder: Path, file: Path | None, how: TrafficReport) -> None:
    from bridge.services.comparison.saved_cases import compare_cases, list_cases, read_case_events
    from bridge.services.comparison.traffic_comparison import load_routes
    from bridge.services.explain.change_explanations import explain_changes

    config = load_routes(settings, file)
    files = list_cases(folder)
    read = read_case_events(files)
    comparisons = compare_cases(files, config)
    how.show(comparisons, f"in {folder}", lambda ids: explain_changes(ids, read, config))


def _save(
    settings: Settings,
    names: tuple[str, ...],
    filters: tuple[dict[str, Any], int],
    folder: Path,
    file: Path | None,
) -> None:
    """Write cases, and print their files. Exit code 1: a named event, or a file, was not written.

    Without names the filters select the events, the newest first.
    """
    from bridge.services.comparison.saved_cases import MAX_CASES, make_case, save_case
    from bridge.services.comparison.traffic_comparison import load_routes
    from bridge.services.selection import select_named_events
    from bridge.store.queries.recorded_events import read_events, read_named_events

    options, limit = filters
    if limit > MAX_CASES:
        raise click.UsageError(f"--save writes at most {MAX_CASES:,} cases")
    limit = limit or DEFAULT_CASES
    config = load_routes(settings, file)
    problems: dict[str, None] = {}  # each once
    saved = 0
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database")
        if names:
            selected = select_named_events(database, names)
            problems = dict.fromkeys(selected.problems.values())
            events = read_named_events(database, selected.ids)
        else:
            require_existing(settings, database, **options)
            event_filters = make_filters(**options)
            say_search_size(database, event_filters, of_deliveries=False)
            events = read_events(database, event_filters, limit + 1)
        for number, event in enumerate(events):
            if not names and number == limit:
                output.say(f"Only the newest {limit:,} events were read; --limit reads more")
                break
            try:
                case = make_case(event, config)
            except BridgeError as error:
                if names:
                    problems[str(error)] = None
                else:
                    output.say(f"Left out: {error}")
                continue
            try:
                output.answer(str(save_case(case, folder)))
                saved += 1
            except BridgeError as error:
                problems[str(error)] = None
    for problem in problems:
        output.say(f"Error: {problem}")
    output.say(f"{output.number(saved, 'case')} saved in {folder}")
    sys.exit(1 if problems else 0)
