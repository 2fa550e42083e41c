"""The settings of a command, and the error where there is no routes.yaml."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from bridge.core.errors import SettingsError
from bridge.core.timings import TIMINGS, Timings

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.settings import Settings


def command_timings() -> Timings:
    """Return the timings that `main` was called with."""
    context = click.get_current_context(silent=True)
    timings: Timings = TIMINGS if context is None else context.meta.get(Timings.__name__, TIMINGS)
    return timings


def settings_of(config: str | None, *, secrets: bool = False) -> Settings:
    """Return the settings of a command; with `secrets`, also those that calls to the local platform
    need.

    If a bridge runs on the data folder, the addresses are its own: they may differ from the
    settings.
    """
    from bridge.config.settings import load_settings
    from bridge.monitoring.presence import find_addresses

    settings = load_settings(os.environ, config=config, secrets=False, timings=command_timings())
    if secrets:
        is_sqlite = settings.database_url.startswith("sqlite")
        if is_sqlite and not settings.data.exists():  # most likely the wrong folder
            require_routes(settings)
        settings = load_settings(os.environ, config=config, secrets=True, timings=command_timings())
    found = find_addresses(settings.data)
    return settings if found is None else replace(settings, bind=found[0], private_bind=found[1])


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
