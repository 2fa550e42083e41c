"""The WSGI application for a gunicorn of your own: see deploy/gunicorn.conf.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bridge.cli.receiver_setup import set_up_receivers
from bridge.config.settings import load_settings
from bridge.system.logs import configure
from bridge.web.app import create_app
from bridge.web.server.app import options

_starts: list[Callable[[str], None]] = []


def create() -> Callable[..., Any]:
    """Return the receivers' application, configured by the environment, after migrating the store.

    A separate process reads routes.yaml when it changes; `begin` makes a receiver follow it. Each
    process opens the store for itself, after its fork. A worker elsewhere delivers.

    Raises `ConfigError`, `FlowError` or `SettingsError`.
    """
    setup = set_up_receivers()
    _starts.append(setup.begin)
    return create_app(setup.context)


def begin(role: str) -> None:
    """Make a receiver that was forked after `create` follow the changes of routes.yaml."""
    _starts[0](role)


def gunicorn_options() -> dict[str, Any]:
    """Return the settings of gunicorn for this application, from the environment and `.env`. From
    now on the log goes to stderr.

    Raises `SettingsError`.
    """
    settings = load_settings(os.environ)
    configure(settings.log, settings.log_addresses)
    return {"wsgi_app": "bridge.cli.wsgi:create()", **options(settings, begin)}
