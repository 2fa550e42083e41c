"""What every process of flowbridge begins with: the configuration, ready to use, and a store that knows the flows."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from bridge.config import load
from bridge.errors import SettingsError
from bridge.flows.library import Library, load_library
from bridge.routes import Config, Platform
from bridge.settings import Settings, is_loopback, take_environ
from bridge.store import events, local_flows, migrate
from bridge.store.database import Database


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, with the embedded platform where it really is."""

    config: Config


def load_all(settings: Settings) -> Loaded:
    """Read routes.yaml. Raises `ConfigError` or `SettingsError`. No flow's code is run."""
    config = load(settings.config, settings.environ)
    platforms = {name: _reachable(platform, settings) for name, platform in config.platforms.items()}
    return Loaded(replace(config, platforms=platforms))


def local_platform(config: Config) -> Platform | None:
    """Return the embedded platform, of which there is one at most."""
    return next((one for one in config.platforms.values() if one.type == "local"), None)


def library_of(config: Config) -> Library | None:
    """Run flows.py and return the embedded platform's flows, None where there is none; `FlowError` says what is wrong.

    The file can do anything, so this is for processes that may be lost.
    """
    platform = local_platform(config)
    return None if platform is None else load_library(platform.flows)


def _reachable(platform: Platform, settings: Settings) -> Platform:
    """Fill in where the embedded platform is and what it is called with."""
    if platform.type != "local":
        return platform
    if not platform.base_url and settings.private_bind is None and not is_loopback(settings.bind[0]) and "api" not in settings.expose:
        raise SettingsError(
            f"platform {platform.name!r} is served on the private face, but {settings.bind[0]}:{settings.bind[1]} "
            "can be reached from outside: "
            "set FLOWBRIDGE_PRIVATE_BIND (such as 127.0.0.1:8081)"
        )
    return replace(
        platform,
        base_url=platform.base_url or settings.local_base_url,
        api_key=platform.api_key or settings.local_api_key,
        user_id=platform.user_id or settings.local_user_id,
    )


def prepare_store(settings: Settings, config: Config) -> None:
    """Bring the schema up to date, note the configuration and the flows; the store is closed again.

    For a process of its own: flows.py is run, in the environment that flows get.
    """
    database = Database(settings.database_url)
    try:
        migrate.upgrade(database)
    except OSError as error:
        raise SettingsError(f"the database cannot be kept in {database.path.parent}: {error.strerror}") from error
    events.remember_config(database, config.hash, config.canonical, time.time())
    database.close()  # what flows.py starts has none of it
    take_environ(settings.flow_environ)
    library = library_of(config)
    flows = [] if library is None else library.described()
    database = Database(settings.database_url)
    database.write(lambda connection: local_flows.replace(connection, flows, time.time()))
    database.close()
