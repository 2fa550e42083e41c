"""explain: what each route does with an event, clause by clause."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.body_file import read_body_file
from bridge.cli.bridge.access import open_bridge
from bridge.cli.command_choices import write_choices
from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.completion_values import complete_ids, complete_routes, complete_sources
from bridge.cli.options import AS_JSON, wrong_usage
from bridge.cli.ui import output
from bridge.cli.usable_config import say_unusable
from bridge.core.errors import NotFound, Refused
from bridge.core.operations import NOW, THEN
from bridge.services.explain.explanation_screen import describe_explanation, parse_explanation
from bridge.services.explain.explanations import (
    RouteChoice,
    explain_record,
    explain_request,
    explain_sample,
)
from bridge.services.explain.given_requests import MAX_HEADERS, GivenRequest, parse_header
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape
    from bridge.config.settings import Settings
    from bridge.services.explain.explanations import EventExplanation

#: Options that read files or the routes of this machine, by the names of their arguments.
LOCAL_OPTIONS = {"file": "--routes", "body_file": "--body", "sample": "--sample"}


@click.command(epilog=write_choices("explain"))
@click.argument("event", metavar="[EVENT]", required=False, shell_complete=complete_ids)
@click.option(
    "--route", metavar="NAME", help="Explain only this route.", shell_complete=complete_routes
)
@click.option(
    "--routes",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Explain the routes of this file instead of routes.yaml.",
)
@click.option(
    "--with-routes",
    "when",
    type=click.Choice([NOW, THEN]),
    default=NOW,
    show_default=True,
    help="The current routes (now), or those with which the event was first planned (then).",
)
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=complete_sources,
    help="With --body or --sample: the source that receives it.",
)
@click.option(
    "--type", "type_", metavar="TYPE", help="With --body: the event type, as the sender names it."
)
@click.option(
    "--body",
    "body_file",
    metavar="FILE|-",
    help="Explain this body, as if it came now; - is standard input.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="With --body: a header of the request. Repeatable.",
)
@click.option(
    "--sample",
    nargs=2,
    metavar="PROVIDER TYPE",
    help="Explain the sample of this provider (or source) and type.",
)
@AS_JSON
@click.pass_obj
def explain(config: str | None, /, event: str | None, as_json: bool, **options: Any) -> None:
    """Explain what each route does with an event: whether it matches, clause by clause with the
    value found, and the inputs that would be sent.

    EVENT is the id of an event, a delivery, a run or a reject. A unique prefix or suffix is enough.
    Without EVENT, --body and --sample, the newest event of a sender is explained.

    Routes that match come first, then those that one clause separates from a match. A clause that
    fails names near misses, such as a misspelt key, or "100" for 100. Nothing is stored or sent,
    and the exit code is 0 whether or not a route matches.

    \b
    flowbridge explain k2m9abcd
    flowbridge explain evt_01jd2x --route triage-opened-issues
    flowbridge explain evt_01jd2x --routes draft.yaml
    flowbridge explain --source github --type issues --body payload.json
    flowbridge explain --sample github issues --json | jq .routes
    """
    _check_options(event, options)
    if all(options[name] is None for name in LOCAL_OPTIONS):
        with open_bridge(config) as bridge:
            shapes = bridge.explain(event, when=options["when"], route=options["route"])
    elif find_server() is not None:
        raise _refuse_local_options(options)
    else:
        shapes = _explain_here(settings_of(config), event, options)
    screens = [] if as_json else [parse_explanation(shape) for shape in shapes]
    for shape in shapes if as_json else ():
        output.json_line({name: value for name, value in shape.items() if name != "screen"})
    for number, screen in enumerate(screens):
        from bridge.cli.ui.explanation_view import print_explanation

        if number:
            click.echo()
        print_explanation(screen)


def _refuse_local_options(options: dict[str, Any]) -> click.UsageError:
    """Return the error for an option that reads files or the routes of this machine."""
    option = next(text for name, text in LOCAL_OPTIONS.items() if options[name] is not None)
    return click.UsageError(
        f"{option} works on the bridge's own machine only, not with --server: the admin API"
        " explains stored events and rejects, by the bridge's own routes"
    )


def _explain_here(settings: Settings, event: str | None, options: dict[str, Any]) -> list[Shape]:
    """Return explanations by the store and the routes of this machine."""
    choice = RouteChoice(file=options["file"], when=options["when"], route=options["route"])
    with wrong_usage():
        explanations = _explain(settings, event, choice, options)
    if explanations:
        say_unusable(explanations[0].config_error)
    return [describe_explanation(explanation) for explanation in explanations]


def _check_options(event: str | None, options: dict[str, Any]) -> None:
    """Raise a usage error for options that contradict each other."""
    has_body = options["body_file"] is not None
    has_sample = options["sample"] is not None
    if (event is not None) + has_body + has_sample > 1:
        raise click.UsageError("EVENT, --body and --sample cannot be combined: give one of them")
    if has_body and options["source"] is None:
        raise click.UsageError("--body needs --source: the source that receives it")
    if options["source"] is not None and not (has_body or has_sample):
        raise click.UsageError("--source needs --body or --sample: a stored event has a source")
    for name in ("type_", "headers"):
        if options[name] and not has_body:
            raise click.UsageError(f"--{name.strip('_').removesuffix('s')} needs --body")
    if options["when"] == THEN and (has_body or has_sample):
        raise click.UsageError("--with-routes then needs a stored event")
    if options["when"] == THEN and options["file"] is not None:
        raise click.UsageError("--routes and --with-routes then cannot be combined")
    if options["file"] is not None and not os.access(options["file"], os.R_OK):
        raise click.UsageError(f"--routes {options['file']}: there is no such file to read")
    if len(options["headers"]) > MAX_HEADERS:
        raise click.UsageError(f"--header: at most {MAX_HEADERS} can be given")


def _explain(
    settings: Settings, event: str | None, choice: RouteChoice, options: dict[str, Any]
) -> Sequence[EventExplanation]:
    if options["body_file"] is not None:
        request = GivenRequest(
            source=options["source"],
            body=read_body_file(options["body_file"]),
            headers=dict(_parse(parse_header, header) for header in options["headers"]),
            type=options["type_"],
        )
        try:
            return explain_request(settings, request, choice)
        except Refused as error:
            raise NotFound(_describe_refusal(error)) from None
    if options["sample"] is not None:
        provider, type_ = options["sample"]
        return explain_sample(settings, provider, type_, choice, options["source"])
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing has been received yet: try --sample or --body")
        return list(explain_record(database, settings, event, choice))


def _describe_refusal(error: Refused) -> str:
    fields = f" (fields: {', '.join(filter(None, error.fields))})" if any(error.fields) else ""
    return f"the form refuses this submission, {error.status} {error.code}: {error}{fields}"


def _parse(parse: Callable[[str], tuple[str, str]], text: str) -> tuple[str, str]:
    try:
        return parse(text)
    except ValueError as error:
        raise click.UsageError(f"--header: {error}") from None
