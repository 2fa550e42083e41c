"""The application for a gunicorn that is started by itself: see deploy/gunicorn.conf.py."""

from __future__ import annotations

import multiprocessing
import os

from flask import Flask

from bridge.errors import SettingsError
from bridge.logs import configure
from bridge.settings import load_settings
from bridge.start import load_all, prepare_store
from bridge.store.database import Database
from bridge.wake import Wake
from bridge.web.app import create_app


def create() -> Flask:
    """Return the receivers' application, made of the environment, its store brought up to date. A worker elsewhere delivers.

    Raises `ConfigError`, `FlowError` or `SettingsError`. The store is opened by each process for itself, after its fork.
    """
    settings = load_settings(os.environ)
    configure(settings.log)
    loaded = load_all(settings)
    preparing = multiprocessing.get_context("fork").Process(target=prepare_store, args=(settings, loaded.config))
    preparing.start()
    preparing.join()
    if preparing.exitcode != 0:
        raise SettingsError("the store could not be prepared; the reason is above")
    return create_app(settings, lambda: loaded.config, Database(settings.database_url), Wake().ring, loaded.flows)
