"""check: routes.yaml and everything that it needs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.config.problems import WHOLE_FILE
from bridge.core.errors import ConfigError, SettingsError
from bridge.services.config_checks.report import ProjectReport, check_project, count_entries

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.services.config_checks.written_routes import WrittenRoutes


@click.command()
@click.option(
    "--live",
    is_flag=True,
    help="Also ask the platforms for the inputs of the flows, and compare them with the routes.",
)
@click.option(
    "--lock",
    is_flag=True,
    help="With --live: write the inputs to flows.lock, to notice when a flow changes.",
)
@AS_JSON
@click.pass_obj
def check(config: str | None, /, live: bool, lock: bool, as_json: bool) -> None:
    """Check routes.yaml and everything that it needs: secrets, schemas, expressions, flows.py,
    settings and the database.

    Every problem is listed with its file and line. Exit code 2: routes.yaml or the settings cannot
    be used, or a secret is missing. Exit code 1: any other error.

    Names that look misspelt, text that looks like an unquoted path ({{body.id}} for ${body.id}),
    and secrets that look like an API key are warnings, which do not change the exit code.

    With --live, a flow that its platform does not have is an error. Inputs that the flow does not
    have, inputs that the route does not give, values of a wrong type, and inputs that changed since
    flows.lock are warnings. A flow that could not be asked is an error; a platform whose circuit is
    open is not asked.

    \b
    flowbridge check
    flowbridge check --live --lock
    flowbridge --config other.yaml check --json
    """
    from bridge.runtime.loaded_config import complete_platforms

    name = config or os.environ.get("FLOWBRIDGE_CONFIG") or "routes.yaml"
    if lock and not live:
        raise click.UsageError("--lock needs --live")
    found = ProjectReport()

    def ask(loaded: Config, written: WrittenRoutes) -> None:
        from bridge.services.config_checks.live_report import check_live

        settings = settings_of(config, secrets=True)
        check_live(complete_platforms(loaded, settings), settings, written, found, lock=lock)

    try:
        check_project(settings_of(config), found, complete_platforms, ask if live else None)
    except (SettingsError, ConfigError) as error:
        found.refused = True
        found.wrong.append(str(error))
    if as_json:
        output.json_line(found.as_json(name))
    else:
        _print(name, found)
    sys.exit(found.code)


# -- output


def _print(name: str, found: ProjectReport) -> None:
    for one in found.problems:
        place = click.style(output.clean(f"{one.file}:{one.line}:{one.column}:"), bold=True)
        level = click.style("warning: ", fg="yellow") if one.level == "warning" else ""
        path = click.style(
            output.clean(one.shown or one.path), fg="yellow" if one.level == "warning" else "red"
        )
        click.echo(f"{place} {path}: {level}{output.clean(one.message)}")
    for text in found.wrong:
        click.echo(click.style("error: ", fg="red") + output.clean_lines(text))
    for text in found.unasked:
        click.echo(click.style("not asked: ", fg="red") + output.clean_lines(text))
    for text in found.notes:
        output.say(f"note: {text}")
    errors = sum(one.level == "error" for one in found.problems) + len(found.wrong)
    warnings = len(found.problems) + len(found.wrong) - errors
    tail = f", {output.number(warnings, 'warning')}" if warnings else ""
    if found.code == 0 and found.config:
        counts = ", ".join(
            output.number(count, what[:-1]) for what, count in count_entries(found.config).items()
        )
        click.echo(click.style(f"{name} is valid", fg="green") + f": {counts}{tail}")
    elif found.refused:
        what = name if found.problems or found.config else "the settings"
        more = (
            "; there may be others once the file can be read"
            if any(one.path == WHOLE_FILE for one in found.problems)
            else ""
        )
        click.echo(
            click.style(f"{what} cannot be used", fg="red")
            + f": {output.number(errors, 'error')}{more}{tail}"
        )
    elif found.unasked:
        click.echo(
            click.style(f"{name} could not be compared with every flow", fg="red")
            + f": {output.number(len(found.unasked), 'flow')} not asked"
        )
    else:
        click.echo(
            f"{name} is valid, but "
            + click.style(output.number(errors, "problem needs", "problems need"), fg="red")
            + f" fixing{tail}"
        )
