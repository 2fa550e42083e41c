"""The settings that a command uses, and the messages where they are wrong."""

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
    """Return the durations that `main` was called with."""
    context = click.get_current_context(silent=True)
    timings: Timings = TIMINGS if context is None else context.meta.get(Timings.__name__, TIMINGS)
    return timings


def settings_of(config: str | None, *, secrets: bool = False) -> Settings:
    """Return the settings that every command uses; with `secrets` those that call the embedded
    platform.

    The addresses are those of the bridge that runs on the data folder, if one does: it may have
    been started with other ones.
    """
    from bridge.config.settings import load_settings
    from bridge.monitoring.presence import addresses

    settings = load_settings(os.environ, config=config, secrets=False, timings=command_timings())
    if secrets:
        is_sqlite = settings.database_url.startswith("sqlite")
        if is_sqlite and not settings.data.exists():  # this run would create it in a wrong folder
            require_routes(settings)
        settings = load_settings(os.environ, config=config, secrets=True, timings=command_timings())
    found = addresses(settings.data)
    return settings if found is None else replace(settings, bind=found[0], private_bind=found[1])


def require_routes(settings: Settings) -> None:
    """Refuse to start where there is no routes.yaml, and say how to make one."""
    if not settings.config.exists():
        raise SettingsError(explain_no_routes(settings.config))


def explain_no_routes(file: Path) -> str:
    """Return that there is no routes.yaml, and how to come to one."""
    return (
        f"there is no {file.name} in {file.absolute().parent}: `flowbridge init` writes one in an"
        " empty folder; else change to your project's folder, or pass --config FILE"
    )
