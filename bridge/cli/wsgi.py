"""The application for a gunicorn that is started by itself: see deploy/gunicorn.conf.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bridge.logs import configure
from bridge.settings import load_settings
from bridge.start import load_all
from bridge.store.database import Database
from bridge.supervise import prepare_in_child
from bridge.wake import Wake
from bridge.web.app import create_app


def create() -> Callable[..., Any]:
    """Return the receivers' application, made of the environment, its store brought up to date. A worker elsewhere delivers.

    Raises `ConfigError`, `FlowError` or `SettingsError`. The store is opened by each process for itself, after its fork.
    """
    settings = load_settings(os.environ)
    configure(settings.log)
    loaded = load_all(settings)
    prepare_in_child(settings, loaded)
    return create_app(settings, lambda: loaded.config, Database(settings.database_url), Wake().ring)
