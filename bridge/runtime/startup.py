"""Preparation of the store, once for all processes of a bridge."""

from __future__ import annotations

import time

from bridge.config.settings import Settings, take_environ
from bridge.core.errors import SettingsError
from bridge.flows.registry import FlowLibrary, load_library
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.local import flows as local_flows
from bridge.store.migrations import upgrade
from bridge.store.queries import configs
from bridge.store.tables import key_usage


def load_flows(config: Config) -> FlowLibrary | None:
    """Run flows.py and return the flows of the local platform, None without one.

    Raises `FlowError` for a problem in flows.py. The file can do anything, so call this only in a
    process that may crash.
    """
    platform = config.local_platform
    return None if platform is None else load_library(platform.flows)


def prepare_store(settings: Settings, config: Config) -> None:
    """Migrate the schema, store the configuration and the flows, and close the store.

    Call it in a process of its own: it runs flows.py, in the environment of flows.
    """
    database = Database.of(settings)
    try:
        upgrade.upgrade(database)
    except OSError as error:
        raise SettingsError(
            f"cannot store the database in {database.path.parent}: {error.strerror}"
        ) from error
    key_usage.check_keys(database)
    configs.remember_config(database, config.hash, config.canonical, time.time())
    database.close()  # processes that flows.py starts must not inherit it
    take_environ(settings.flow_environ)
    library = load_flows(config)
    flows = [] if library is None else library.described()
    database = Database.of(settings)
    database.write(lambda connection: local_flows.replace(connection, flows, time.time()))
    database.close()
