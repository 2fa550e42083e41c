"""Platforms, flows and runs by name; an unknown name is a usage error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.cli.command_settings import settings_of
from bridge.cli.options import wrong_usage
from bridge.services import platform_queries

if TYPE_CHECKING:
    from bridge.routing.model import Config

find_flow = wrong_usage()(platform_queries.find_flow)
find_platform = wrong_usage()(platform_queries.find_platform)
find_run = wrong_usage()(platform_queries.find_run)


def load_config(config: str | None) -> Config:
    """Return routes.yaml, with what calls to the local platform need."""
    from bridge.runtime.startup import load_config

    return load_config(settings_of(config, secrets=True)).config
