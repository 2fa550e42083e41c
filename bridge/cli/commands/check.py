"""check: routes.yaml and everything that it needs."""

from __future__ import annotations

import os
import sys

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.config.problems import WHOLE_FILE
from bridge.core.errors import ConfigError, SettingsError
from bridge.services.config_checks.report import ProjectReport, check_project, count_entries


@click.command()
@AS_JSON
@click.pass_obj
def check(config: str | None, /, as_json: bool) -> None:
    """Check routes.yaml and everything that it needs: secrets, schemas, expressions, flows.py,
    settings and the database.

    Every problem is listed with its file and line. Exit code 2: routes.yaml or the settings cannot
    be used, or a secret is missing. Exit code 1: any other error.

    Names that look misspelt, text that looks like an unquoted path ({{body.id}} for ${body.id}),
    and secrets that look like an API key are warnings, which do not change the exit code.

    \b
    flowbridge check
    flowbridge --config other.yaml check --json
    """
    from bridge.runtime.startup import complete_platforms

    name = config or os.environ.get("FLOWBRIDGE_CONFIG") or "routes.yaml"
    found = ProjectReport()
    try:
        check_project(settings_of(config), found, complete_platforms)
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
    else:
        click.echo(
            f"{name} is valid, but "
            + click.style(output.number(errors, "problem needs", "problems need"), fg="red")
            + f" fixing{tail}"
        )
