"""check, schema: routes.yaml and all that it needs, and the schema that editors want of it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.config.problems import WHOLE_FILE
from bridge.core.errors import BridgeError, ConfigError, Problem, SettingsError
from bridge.core.times import write_time

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.services.config_checks.written_routes import WrittenRoutes


#: What it comes to that a source or a platform lacks a value.
MISSING = {
    "sources": "source {} answers 503 until its secret is set in .env; no restart is needed",
    "platforms": (
        "deliveries to platform {} wait until its value is set in .env; no restart is needed"
    ),
}


@dataclass(slots=True)
class Findings:
    """What a check came to. `wrong` is what stands in no configuration file; `notes` is what is
    merely to be known.
    """

    problems: list[Problem] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    config: Config | None = None
    refused: bool = False  # the settings or routes.yaml cannot be used
    incomplete: bool = False  # routes.yaml can be used, and a secret or another value is missing

    @property
    def code(self) -> int:
        """The exit code: 2 where a process would not start or a value is missing, 1 where something
        else is wrong.
        """
        return (
            2
            if self.refused or self.incomplete
            else int(bool(self.wrong) or any(one.level == "error" for one in self.problems))
        )


@click.command()
@AS_JSON
@click.pass_obj
def check(config: str | None, /, as_json: bool) -> None:
    """Check routes.yaml with all that belongs to it: secrets, schemas, expressions, flows.py,
    settings and the database.

    Every problem is listed with its place. Exit code 2: routes.yaml or the settings cannot be used,
    or a secret is missing.
    1: something else is wrong.

    An event type that GitHub or Stripe does not document is a warning, and so is one that looks
    misspelt beside the samples of another provider. So is a path that looks misspelt beside the
    samples, or the declared fields of a form, with the name that was meant, and plain text in
    inputs that looks like a path: $body.id or {{body.id}} for ${body.id}. A secret that starts like
    an API key of the sender is a warning too. Warnings leave the exit code at 0: samples are
    examples and do not show every field.

    \b
    flowbridge check
    flowbridge --config other.yaml check --json
    """
    name = config or os.environ.get("FLOWBRIDGE_CONFIG") or "routes.yaml"
    found = Findings()
    try:
        _look(config, found)
    except (SettingsError, ConfigError) as error:
        found.refused = True
        found.wrong.append(str(error))
    if as_json:
        output.json_line(_shape(name, found))
    else:
        _print(name, found)
    sys.exit(found.code)


def _look(config: str | None, found: Findings) -> None:
    from bridge.cli.options import misnamed, settings_of
    from bridge.config.loader import check as check_config
    from bridge.services.config_checks.misspelt_paths import warn_of_misspelt
    from bridge.services.config_checks.unbraced_paths import warn_of_unbraced
    from bridge.services.config_checks.written_routes import read_routes
    from bridge.services.file_modes import exposed_files

    settings = settings_of(config)
    found.config, found.problems = check_config(settings.config, settings.environ)
    if found.config is None:  # where only values are missing, the rest is looked at all the same
        found.config, _ = check_config(settings.config, settings.environ, strict_secrets=False)
        found.incomplete = found.config is not None
    if not settings.config.exists():
        found.notes.append(f"there is no {settings.config}: `flowbridge init` writes one")
    canonical = found.config.canonical if found.config else ""
    found.notes += [*misnamed(settings, canonical), *exposed_files(settings, canonical)]
    if found.config is None:
        found.refused = True
    else:
        found.notes += [
            MISSING[name.partition(".")[0]].format(name.partition(".")[2])
            for name in found.config.missing
        ]
        _look_at_platforms(found.config, settings, found)
        _look_at_keys(found.config, found)
        _look_at_secrets(found.config, found)
        written = read_routes(found.config)
        _look_at_flows(found.config, settings, written, found)
        warn_of_misspelt(found.config, written)
        warn_of_unbraced(written)
        found.problems += written.report.problems
        found.problems.sort(key=lambda one: (one.file != str(settings.config), one))
        _look_at_alerts(found.config, found)
    _look_at_database(settings, found)


def _look_at_platforms(config: Config, settings: Settings, found: Findings) -> None:
    """See that the settings have what the platforms need, as every process does before it
    starts.
    """
    from bridge.runtime.startup import ready

    try:
        ready(config, settings)
    except SettingsError as error:
        found.refused = True
        found.wrong.append(str(error))


def _look_at_keys(config: Config, found: Findings) -> None:
    """Note which keys have a user of their own, since routes.yaml does not name that user."""
    from bridge.config.build.local_keys import own_user

    for platform in config.platforms.values():
        found.notes += [
            f"platforms.{platform.name}.keys: the key {key.name} has `flows`, so its user is"
            f" {key.user_id}, which its callers say"
            for key in platform.keys
            if key.flows is not None and key.user_id == own_user(key.name)
        ]


def _look_at_secrets(config: Config, found: Findings) -> None:
    """Say which secrets have ended: a process starts all the same, and refuses what is signed with
    them.
    """
    now = time.time()
    for source in config.sources.values():
        ended = [
            one.not_after
            for one in source.secrets
            if one.not_after is not None and one.not_after <= now
        ]
        if ended and len(ended) == len(source.secrets):
            found.wrong.append(
                f"sources.{source.name}: none of its secrets is live (not_after), so every request"
                " is refused"
            )
        elif ended:
            found.notes.append(
                f"sources.{source.name}: {_ended(ended)}; what is signed with it is refused"
            )


def _ended(moments: list[float]) -> str:
    days = ", ".join(write_time(moment, "%Y-%m-%d") for moment in sorted(moments))
    return (
        f"a secret ended on {days}"
        if len(moments) == 1
        else f"{len(moments)} secrets ended on {days}"
    )


def _look_at_flows(
    config: Config, settings: Settings, written: WrittenRoutes, found: Findings
) -> None:
    """Load flows.py, and see that the routes to the embedded platform fit the flows that it has."""
    from bridge.flows import FlowError
    from bridge.services.config_checks.flow_inputs import warn_of_misfits
    from bridge.services.local_flows import known_flows

    try:
        flows = known_flows(config, settings.flow_environ)
    except FlowError as error:
        found.wrong.append(str(error))
        return
    warn_of_misfits(config, flows, settings.flow_environ, written)


def _look_at_alerts(config: Config, found: Findings) -> None:
    """Say where nobody is told what goes wrong: an alert is kept then, and seen by who asks."""
    from bridge.monitoring.alerts import is_told

    if not is_told(config):
        found.notes.append(
            "no route takes alerts, so nobody is told what goes wrong: write one with `on:"
            " flowbridge alert.*` (`flowbridge alerts --help` has one), or watch `flowbridge"
            " status`"
        )


def _look_at_database(settings: Settings, found: Findings) -> None:
    from bridge.store.db.database import Database
    from bridge.store.migrations import upgrade
    from bridge.store.tables.schema import HEAD

    try:
        database = Database.of(settings)
        if database.is_sqlite and not database.path.exists():
            folder = next(parent for parent in database.path.absolute().parents if parent.exists())
            if os.access(folder, os.W_OK | os.X_OK):
                found.notes.append(
                    f"the database {database.path} does not exist yet; it is made at the first"
                    " start"
                )
            else:
                found.wrong.append(
                    f"the database {database.path} cannot be made: {folder} cannot be written"
                )
            return
        revision = upgrade.revision(database)
        database.close()
    except BridgeError as error:
        if isinstance(error, SettingsError):
            raise
        found.wrong.append(f"the database cannot be opened: {error}")
        return
    known = {
        file.name[:4] for file in (Path(upgrade.__file__).parent / "versions").glob("[0-9]*.py")
    }
    if revision is None or (revision != HEAD and revision in known):
        found.notes.append(
            "the database's schema will be brought up to date at the next start, or now: flowbridge"
            " db upgrade"
        )
    elif revision != HEAD:
        found.wrong.append(
            f"the database has schema {revision}, newer than this flowbridge's {HEAD}: upgrade"
            " flowbridge"
        )


# -- what is printed


def _counts(config: Config) -> dict[str, int]:
    flows = {
        (flow.platform, flow.saved_item_id)
        for flow in (*config.flows.values(), *(route.flow for route in config.routes))
    }
    return {
        "sources": len(config.sources),
        "routes": len(config.route_names),
        "flows": len(flows),
        "platforms": len(config.platforms),
    }


def _shape(name: str, found: Findings) -> dict[str, Any]:
    keys = ("level", "file", "line", "column", "path", "message")
    problems: list[dict[str, Any]] = [
        {key: getattr(one, key) for key in keys} for one in found.problems
    ]
    problems += [dict.fromkeys(keys) | {"level": "error", "message": text} for text in found.wrong]
    counts = (
        _counts(found.config)
        if found.config
        else dict.fromkeys(("sources", "routes", "flows", "platforms"))
    )
    config_hash = found.config.hash if found.config else None
    head = {"config": name, "valid": found.code == 0, "config_hash": config_hash}
    return head | counts | {"problems": problems, "notes": found.notes}


def _print(name: str, found: Findings) -> None:
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
            output.number(count, what[:-1]) for what, count in _counts(found.config).items()
        )
        click.echo(click.style(f"{name} is valid", fg="green") + f": {counts}{tail}")
    elif found.refused:
        what = name if found.problems or found.config else "the settings"
        more = (
            "; others may follow once the file can be read"
            if any(one.path == WHOLE_FILE for one in found.problems)
            else ""
        )
        click.echo(
            click.style(f"{what} cannot be used", fg="red")
            + f": {output.number(errors, 'error')}{more}{tail}"
        )
    else:
        click.echo(
            f"{name} can be used, but "
            + click.style(output.number(errors, "thing"), fg="red")
            + f" must be mended{tail}"
        )


@click.command()
@click.option(
    "--write",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Write it to a file.",
)
def schema(path: Path | None) -> None:
    """Print the JSON Schema of routes.yaml, with which editors complete and check it.

    The first line of routes.yaml names the file: # yaml-language-server: $schema=PATH

    \b
    flowbridge schema --write .flowbridge/routes.schema.json
    """
    from bridge.config.schema.json_schema import schema_text

    if path is None:
        click.echo(schema_text(), nl=False)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise BridgeError(f"{path} cannot be written: {error.strerror}") from error
    output.say(f"wrote {path}")
