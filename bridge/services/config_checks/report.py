"""The report of a check: routes.yaml with its secrets, flows, settings and database."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.core.advice import name_command
from bridge.core.errors import BridgeError, ConfigProblem, SettingsError
from bridge.core.status import IdleKind
from bridge.core.units import write_time
from bridge.routing.idle_routes import describe_idle_routes, find_idle_routes
from bridge.services.records.config_records import CONFIG_CHECK, ENTRY_COUNTS, PROBLEM

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.services.config_checks.written_routes import WrittenRoutes


#: The effect of a missing value, by the section that it is missing in.
MISSING_EFFECTS = {
    "sources": "source {} answers 503 until its secret is set in .env; no restart is needed",
    "platforms": (
        "deliveries to platform {} wait until its value is set in .env; no restart is needed"
    ),
}


@dataclass(slots=True)
class ProjectReport:
    """The result of a check.

    `problems` have a place in a file, `wrong` are other errors, and `notes` need no action.
    `unasked`: why a flow could not be compared with the platform.
    """

    problems: list[ConfigProblem] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    config: Config | None = None
    refused: bool = False  # the settings or routes.yaml cannot be used
    incomplete: bool = False  # routes.yaml can be used, and a secret or another value is missing

    @property
    def code(self) -> int:
        """The exit code: 2 where a process would not start or a value is missing, 1 where something
        else is wrong.
        """
        if self.refused or self.incomplete:
            return 2
        is_wrong = any(problem.level == "error" for problem in self.problems)
        return int(is_wrong or bool(self.wrong or self.unasked))

    def as_json(self, name: str) -> dict[str, Any]:
        """Return the report on the file called `name`, in the shape of `check --json`."""
        others = [
            dict.fromkeys(PROBLEM.properties) | {"level": "error", "message": text}
            for text in [*self.wrong, *self.unasked]
        ]
        return CONFIG_CHECK.write(
            self,
            config=name,
            problems=[*(PROBLEM.write(problem) for problem in self.problems), *others],
            **(count_entries(self.config) if self.config else dict.fromkeys(ENTRY_COUNTS)),
        )


def check_project(
    settings: Settings,
    report: ProjectReport,
    ready: Callable[[Config, Settings], object],
    ask: Callable[[Config, WrittenRoutes], None] | None = None,
) -> None:
    """Check routes.yaml and everything that it needs, and add the findings to `report`.

    `ready` raises `SettingsError` where the settings lack a value that a platform needs. `ask`
    checks the routes against the platforms.
    """
    from bridge.config.loader import check_files
    from bridge.services.config_checks.misnamed_variables import find_misnamed_variables
    from bridge.services.config_checks.misspelt_paths import warn_of_misspelt
    from bridge.services.config_checks.unbraced_paths import warn_of_unbraced
    from bridge.services.config_checks.written_routes import list_routes
    from bridge.services.file_modes import find_exposed_files

    checked = check_files(settings.config, settings.environ)
    report.config = checked.config
    report.problems = checked.problems
    # where only values are missing, the rest is checked all the same
    report.incomplete = checked.config is not None and any(
        problem.level == "error" for problem in checked.problems
    )
    if not settings.config.exists():
        report.notes.append(f"there is no {settings.config}: `{name_command('init')}` writes one")
    canonical = report.config.canonical if report.config else ""
    report.notes += [
        *find_misnamed_variables(settings, canonical),
        *find_exposed_files(settings, canonical),
    ]
    if report.config is None:
        report.refused = True
    else:
        report.notes += [
            MISSING_EFFECTS[name.partition(".")[0]].format(name.partition(".")[2])
            for name in report.config.missing
        ]
        paused = [idle for idle in find_idle_routes(report.config) if idle.kind is IdleKind.PAUSED]
        report.notes += describe_idle_routes(paused)
        _check_platforms(report.config, settings, report, ready)
        _check_keys(report.config, report)
        _check_secrets(report.config, report)
        written = list_routes(str(settings.config), checked.document, checked.places)
        _check_flows(report.config, settings, written, report)
        warn_of_misspelt(report.config, written)
        warn_of_unbraced(written)
        if ask is not None and not report.refused:
            ask(report.config, written)
        report.problems += written.report.problems
        report.problems.sort(key=lambda problem: (problem.file != str(settings.config), problem))
        _check_alerts(report.config, report)
    _check_running(settings, report)
    _check_database(settings, report)


def _check_platforms(
    config: Config,
    settings: Settings,
    report: ProjectReport,
    ready: Callable[[Config, Settings], object],
) -> None:
    try:
        ready(config, settings)
    except SettingsError as error:
        report.refused = True
        report.wrong.append(str(error))


def _check_keys(config: Config, report: ProjectReport) -> None:
    """Note which keys have a user of their own, since routes.yaml does not name that user."""
    from bridge.config.build.local_keys import default_user_id

    for platform in config.platforms.values():
        report.notes += [
            f"platforms.{platform.name}.keys: the key {key.name} has `flows`, so its callers must"
            f" send the user id {key.user_id}"
            for key in platform.keys
            if key.flows is not None and key.user_id == default_user_id(key.name)
        ]


def _check_secrets(config: Config, report: ProjectReport) -> None:
    """Report secrets that have expired: processes start, and refuse requests signed with them."""
    now = time.time()
    for source in config.sources.values():
        ended = [
            secret.not_after
            for secret in source.secrets
            if secret.not_after is not None and secret.not_after <= now
        ]
        if ended and len(ended) == len(source.secrets):
            report.wrong.append(
                f"sources.{source.name}: all of its secrets have expired (not_after), so every"
                " request is refused"
            )
        elif ended:
            report.notes.append(
                f"sources.{source.name}: {_ended(ended)}; requests signed with it are refused"
            )


def _ended(moments: list[float]) -> str:
    days = ", ".join(write_time(moment, "%Y-%m-%d") for moment in sorted(moments))
    return (
        f"a secret expired on {days}"
        if len(moments) == 1
        else f"{len(moments)} secrets expired on {days}"
    )


def _check_flows(
    config: Config, settings: Settings, written: WrittenRoutes, report: ProjectReport
) -> None:
    """Load flows.py, and check that the routes to the local platform fit its flows."""
    from bridge.flows import FlowError
    from bridge.services.config_checks.flow_inputs import warn_of_misfits
    from bridge.services.platforms.local_flows import list_local_flows

    try:
        flows = list_local_flows(config, settings.flow_environ)
    except FlowError as error:
        report.wrong.append(str(error))
        return
    warn_of_misfits(config, flows, settings.flow_environ, written)


def _check_alerts(config: Config, report: ProjectReport) -> None:
    """Note that no route subscribes to alerts: they are stored, and not sent anywhere."""
    from bridge.monitoring.alerts import has_alert_route

    if not has_alert_route(config):
        report.notes.append(
            "alerts are not sent anywhere; a route can send them:"
            f" {name_command('alerts', help=True)}"
        )


def _check_running(settings: Settings, report: ProjectReport) -> None:
    """Note the settings that a running bridge uses only after a restart."""
    from bridge.monitoring.conditions import describe_restart
    from bridge.monitoring.presence import list_bridges

    names = {name for bridge in list_bridges(settings.data) for name in bridge.get("restart", ())}
    if names:
        report.notes.append(describe_restart(sorted(names)))


def _check_database(settings: Settings, report: ProjectReport) -> None:
    from bridge.store.db.database import Database
    from bridge.store.migrations import upgrade
    from bridge.store.tables.schema import HEAD, describe_other_schema, is_upgradable

    try:
        database = Database.of(settings)
        if database.is_sqlite and not database.path.exists():
            folder = next(parent for parent in database.path.absolute().parents if parent.exists())
            if os.access(folder, os.W_OK | os.X_OK):
                report.notes.append(
                    f"the database {database.path} does not exist yet; the first start creates it"
                )
            else:
                report.wrong.append(
                    f"the database {database.path} cannot be created: {folder} is not writable"
                )
            return
        revision = upgrade.read_revision(database)
        database.close()
    except BridgeError as error:
        if isinstance(error, SettingsError):
            raise
        report.wrong.append(f"the database cannot be opened: {error}")
        return
    if revision == HEAD:
        return
    if is_upgradable(revision):
        report.notes.append(
            "the next start will upgrade the schema of the database; to do it now:"
            f" {name_command('db upgrade')}"
        )
    else:
        report.wrong.append(f"the database has {describe_other_schema(revision)}")


def count_entries(config: Config) -> dict[str, int]:
    """Return how many sources, routes, flows and platforms routes.yaml has."""
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
