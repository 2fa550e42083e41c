"""Sets up the receivers that another server runs, for `wsgi.create` and `asgi.create`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from bridge.cli.commands.serve import load_and_warn
from bridge.cli.main import UMASK
from bridge.config.settings import load_settings
from bridge.core.timings import TIMINGS, Timings
from bridge.monitoring.tracing import exporter
from bridge.runtime.reload.follower import ConfigFollower
from bridge.runtime.reload.process import start
from bridge.runtime.reload.shared_config import describe
from bridge.runtime.services import make_receiver_start, prepare_in_child
from bridge.store.db.database import Database
from bridge.system.logs import configure
from bridge.system.wakeup import Wake
from bridge.web.app_context import AppContext


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSetup:
    """The parts that the application is created from.

    `begin` makes a process follow the changes of routes.yaml, by its role. `reader_pid`: the
    process that reads it.
    """

    context: AppContext
    begin: Callable[[str], None]
    reader_pid: int


def set_up_receivers(timings: Timings = TIMINGS) -> ReceiverSetup:
    """Configure this process by the environment, migrate the store, and start the reader process.

    Raises `ConfigError`, `FlowError` or `SettingsError`.
    """
    os.umask(UMASK)
    settings = load_settings(os.environ, timings=timings)
    configure(settings.log, settings.log_addresses)
    exporter.import_exporter(settings.environ)
    loaded = load_and_warn(settings)
    prepare_in_child(settings, loaded)
    following = ConfigFollower(settings, loaded)
    reader_pid = start(settings, following.board, loaded)
    context = AppContext(
        settings=settings,
        config=following,
        database=Database.of(settings),
        wake=Wake().notify,
        status=lambda: describe(following.board),
    )
    begin = make_receiver_start(context, following)
    return ReceiverSetup(context=context, begin=begin, reader_pid=reader_pid)
