"""check: routes.yaml and everything that it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.command_choices import write_choices
from bridge.cli.command_settings import (
    choose_config,
    explain_local_only,
    find_server,
    settings_of,
)
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.cli.ui.check_view import CheckAnswer, print_check
from bridge.config.data_folder import refuse_folder
from bridge.core.errors import ConfigError, SettingsError
from bridge.services.config_checks.report import ProjectReport, check_project

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.services.config_checks.written_routes import WrittenRoutes


@click.command(epilog=write_choices("check"))
@click.argument("file", metavar="[FILE]", required=False)
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
def check(config: str | None, /, file: str | None, live: bool, lock: bool, as_json: bool) -> None:
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

    FILE is the routes.yaml to check, as with --config. With `flowbridge --server URL check FILE`,
    the bridge at URL checks it and the files that it names, which are sent there and not saved. It
    reads nothing else: no value of ${env:...} or ${file:...}, no flows.py, no settings and no
    database are checked.

    \b
    flowbridge check
    flowbridge check --live --lock
    flowbridge check other.yaml --json
    """
    if find_server() is None:
        if lock and not live:
            raise click.UsageError("--lock needs --live")
        answer = _check_here(choose_config(config, file), live=live, lock=lock)
    else:
        if live or lock:
            raise click.UsageError(explain_local_only(f"check --{'live' if live else 'lock'}"))
        answer = _check_remote(file)
    if as_json:
        output.json_line(answer.shape)
    else:
        print_check(answer)
    sys.exit(answer.code)


def _check_remote(file: str | None) -> CheckAnswer:
    from bridge.cli.remote.config_check import check_remote

    if file is None:
        raise click.UsageError("--server needs the routes.yaml to check: check FILE")
    try:
        refuse_folder(Path(file))
    except SettingsError as error:
        return _refuse(file, error)
    return check_remote(file)


def _check_here(config: str | None, *, live: bool, lock: bool) -> CheckAnswer:
    """Check the project of this machine."""
    from bridge.runtime.loaded_config import complete_platforms

    report = ProjectReport()

    def ask(loaded: Config, written: WrittenRoutes) -> None:
        from bridge.services.config_checks.live_report import check_live

        settings = settings_of(config, secrets=True)
        check_live(complete_platforms(loaded, settings), settings, written, report, lock=lock)

    try:
        check_project(settings_of(config), report, complete_platforms, ask if live else None)
    except (SettingsError, ConfigError) as error:
        return _refuse(_name_of(config), error, report)
    return CheckAnswer.of_report(_name_of(config), report)


def _name_of(config: str | None) -> str:
    return config or os.environ.get("FLOWBRIDGE_CONFIG") or "routes.yaml"


def _refuse(
    name: str, error: Exception, partial_report: ProjectReport | None = None
) -> CheckAnswer:
    """Return the answer about settings that cannot be used."""
    report = partial_report or ProjectReport()
    report.refused = True
    report.wrong.append(str(error))
    return CheckAnswer.of_report(name, report)
