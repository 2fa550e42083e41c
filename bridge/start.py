"""What every process of flowbridge begins with: the configuration and the flows of the embedded platform, ready to use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.config import load
from bridge.errors import SettingsError
from bridge.flows import FlowFunction
from bridge.flows.loading import load_flows
from bridge.flows.ready import READY
from bridge.routes import Config, Platform
from bridge.settings import Settings, is_loopback
from bridge.store import events, migrate
from bridge.store.database import Database


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, and the embedded platform's flows by name (empty where routes.yaml has no local platform)."""

    config: Config
    flows: Mapping[str, FlowFunction]


def load_all(settings: Settings) -> Loaded:
    """Read routes.yaml and flows.py. Raises `ConfigError`, `FlowError` or `SettingsError`."""
    config = load(settings.config, settings.environ)
    platforms = {name: _reachable(platform, settings) for name, platform in config.platforms.items()}
    flows: dict[str, FlowFunction] = {}
    for platform in platforms.values():
        if platform.type == "local":
            flows |= READY
            flows |= load_flows(platform.flows) if platform.flows else {}
    return Loaded(replace(config, platforms=platforms), flows)


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
    """Bring the schema up to date and note the configuration; the store is closed again."""
    database = Database(settings.database_url)
    try:
        migrate.upgrade(database)
    except OSError as error:
        raise SettingsError(f"the database cannot be kept in {database.path.parent}: {error.strerror}") from error
    events.remember_config(database, config.hash, config.canonical, time.time())
    database.close()

