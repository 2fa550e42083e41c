"""The settings of a command, and the error where there is no routes.yaml."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from bridge.config.data_folder import DEMO_FOLDER_PREFIX, explain_unused
from bridge.core.errors import SettingsError
from bridge.core.timings import TIMINGS, Timings

if TYPE_CHECKING:
    from bridge.config.settings import Settings


SERVER_KEY: Final = "flowbridge.server"
#: Commands that work with --server.
REMOTE_COMMANDS: Final = (
    "status",
    "events",
    "deliveries",
    "causes",
    "trends",
    "types",
    "shadow",
    "show",
    "rejects",
    "spam",
    "tail",
    "export",
    "alerts",
    "flows",
    "explain",
    "operations",
    "audit",
    "retry",
    "cancel",
    "resolve",
    "replay",
    "learn",
    "token",
    "check",
    "console",
    "doctor",
    "test",
    "mcp",
)
#: Commands that ask no bridge, or take the URL of one themselves.
SERVERLESS_COMMANDS: Final = frozenset(
    {"completion", "login", "logout", "providers", "schema", "help", "version"}
)


def command_timings() -> Timings:
    """Return the timings that `main` was called with."""
    context = click.get_current_context(silent=True)
    timings: Timings = TIMINGS if context is None else context.meta.get(Timings.__name__, TIMINGS)
    return timings


def use_server(ctx: click.Context, server: str, command: str, *, is_help: bool) -> None:
    """Have a command ask the bridge at a URL; a usage error where it cannot.

    `is_help`: only the help of the command is asked for.
    """
    if not is_help and command not in (*REMOTE_COMMANDS, *SERVERLESS_COMMANDS):
        others = ", ".join(REMOTE_COMMANDS)
        raise click.UsageError(f"{explain_local_only(command)}. These work with it: {others}")
    if ctx.get_parameter_source("config") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--config and --server cannot be combined: no routes.yaml is read")
    ctx.meta[SERVER_KEY] = server


def find_server() -> str | None:
    """Return the URL of --server or FLOWBRIDGE_SERVER, None where this machine's bridge is used."""
    context = click.get_current_context(silent=True)
    server: str | None = None if context is None else context.meta.get(SERVER_KEY)
    return server


def refuse_server() -> None:
    """Raise a usage error where --server is given: the rest of the command works here only."""
    if find_server() is not None:
        context = click.get_current_context()
        raise click.UsageError(explain_local_only(context.command_path.partition(" ")[2]))


def explain_local_only(command: str) -> str:
    """Return that a command does not work with --server."""
    return (
        f"`{command}` works on the bridge's own machine only, not with --server (or"
        " FLOWBRIDGE_SERVER)"
    )


def settings_of(config: str | None, *, secrets: bool = False) -> Settings:
    """Return the settings of a command; with `secrets`, also those that calls to the local platform
    need.

    If a bridge runs on the data folder, the addresses are its own: they may differ from the
    settings. A usage error with --server, whose commands use no settings of this machine.
    """
    from bridge.config.settings import load_settings
    from bridge.monitoring.presence import find_addresses

    refuse_server()
    settings = load_settings(os.environ, config=config, secrets=False, timings=command_timings())
    if secrets:
        is_sqlite = settings.database_url.startswith("sqlite")
        if is_sqlite and not settings.data.exists():  # most likely the wrong folder
            require_routes(settings)
        settings = load_settings(os.environ, config=config, secrets=True, timings=command_timings())
    _warn_of_unused_stores(settings)
    addresses = find_addresses(settings.data)
    return (
        settings
        if addresses is None
        else replace(settings, bind=addresses[0], private_bind=addresses[1])
    )


def _warn_of_unused_stores(settings: Settings) -> None:
    """Warn once a command of the files that an earlier version would have used."""
    from bridge.cli.ui import output

    context = click.get_current_context(silent=True)
    if context is not None and not context.meta.setdefault("warned_of_unused_stores", False):
        context.meta["warned_of_unused_stores"] = True
        for file in settings.unused_stores:
            output.say(f"warning: {explain_unused(file, settings.config)}")


def choose_config(config: str | None, file: str | None) -> str | None:
    """Return the routes.yaml of a command that may take it as FILE. Both are wrong usage."""
    if file is None:
        note_other_routes(config)
        return config
    if _is_from(ParameterSource.COMMANDLINE):
        raise click.UsageError("FILE and --config cannot be combined: both name the routes.yaml")
    return file


def note_other_routes(config: str | None) -> None:
    """Note which routes.yaml is used where FLOWBRIDGE_CONFIG names another than this folder's.

    That of a running demo needs no note: the demo says to set the variable.
    """
    from bridge.cli.ui import output

    here, named = Path("routes.yaml"), Path(config or "")
    if not _is_from(ParameterSource.ENVIRONMENT) or not here.is_file():
        return
    is_demo = named.parent.name.startswith(DEMO_FOLDER_PREFIX) and named.exists()
    if not is_demo and not (named.exists() and named.samefile(here)):
        instead = "not the routes.yaml of this folder (unset FLOWBRIDGE_CONFIG to use that)"
        output.say(f"note: FLOWBRIDGE_CONFIG is set, so {config} is used, {instead}")


def _is_from(source: ParameterSource) -> bool:
    """Return whether the routes.yaml was named there."""
    return click.get_current_context().find_root().get_parameter_source("config") is source


def require_routes(settings: Settings) -> None:
    """Raise `SettingsError` where there is no routes.yaml."""
    if not settings.config.exists():
        raise SettingsError(explain_no_routes(settings.config))


def explain_no_routes(file: Path) -> str:
    """Return that there is no routes.yaml, and how to create one."""
    return (
        f"there is no {file.name} in {file.absolute().parent}: create one in an empty folder with"
        " `flowbridge init`, change to your project's folder, or pass --config FILE"
    )
