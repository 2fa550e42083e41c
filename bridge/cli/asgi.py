"""The ASGI application for an ASGI server of your own: see docs/deploy.md."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial

from bridge.cli.receiver_setup import set_up_receivers
from bridge.core.timings import TIMINGS, Timings
from bridge.web.app import create_app
from bridge.web.asgi_app import AsgiApp


def create(timings: Timings = TIMINGS) -> AsgiApp:
    """Return the receivers' application, configured by the environment, after migrating the store.

    A separate process reads routes.yaml when it changes. Each process opens the store for itself,
    after its fork, when the server begins its lifespan. A worker elsewhere delivers.

    Raises `ConfigError`, `FlowError` or `SettingsError`.
    """
    setup = set_up_receivers(timings)
    return AsgiApp(
        create_app(setup.context),
        setup.context.settings,
        begin=partial(setup.begin, "web"),
        end=partial(_end_reader, os.getpid(), setup.reader_pid),
    )


def _end_reader(creator: int, reader: int) -> None:
    """End the reader process; not in a process that was forked after `create`."""
    if os.getpid() == creator:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(reader, signal.SIGTERM)
            os.waitpid(reader, 0)
