"""The WSGI application for a gunicorn of your own: see deploy/gunicorn.conf.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bridge.cli.commands.serve import load_and_warn
from bridge.cli.main import UMASK
from bridge.config.settings import load_settings
from bridge.monitoring.tracing import exporter
from bridge.runtime.reload.follower import ConfigFollower
from bridge.runtime.reload.process import start
from bridge.runtime.reload.shared_config import describe
from bridge.runtime.services import make_receiver_start, prepare_in_child
from bridge.store.db.database import Database
from bridge.system.logs import configure
from bridge.system.wakeup import Wake
from bridge.web.app import create_app
from bridge.web.app_context import AppContext
from bridge.web.server.app import options

_starts: list[Callable[[str], None]] = []


def create() -> Callable[..., Any]:
    """Return the receivers' application, configured by the environment, after migrating the store.

    A separate process reads routes.yaml when it changes; `begin` makes a receiver follow it. Each
    process opens the store for itself, after its fork. A worker elsewhere delivers.

    Raises `ConfigError`, `FlowError` or `SettingsError`.
    """
    os.umask(UMASK)
    settings = load_settings(os.environ)
    configure(settings.log, settings.log_addresses)
    exporter.import_exporter(settings.environ)
    loaded = load_and_warn(settings)
    prepare_in_child(settings, loaded)
    following = ConfigFollower(settings, loaded)
    start(settings, following.board, loaded)
    context = AppContext(
        settings=settings,
        config=following,
        database=Database.of(settings),
        wake=Wake().notify,
        status=lambda: describe(following.board),
    )
    _starts.append(make_receiver_start(context, following))
    return create_app(context)


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
