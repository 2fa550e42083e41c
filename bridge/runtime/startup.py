"""What every process of flowbridge begins with: the configuration, ready to use, and a store that
knows the flows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bridge.config.addresses import is_loopback
from bridge.config.files import Disk
from bridge.config.loader import read
from bridge.config.settings import Settings, take_environ, with_dotenv
from bridge.core.errors import ConfigError, SettingsError
from bridge.flows.registry import Library, load_library
from bridge.routing.model import Config, Platform
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import flows as local_flows
from bridge.store.migrations import upgrade
from bridge.store.tables import key_usage
from bridge.system.logs import get_logger

log = get_logger()

MAX_DOTENV_BYTES: Final = 1024 * 1024  # bytes
NO_PUBLIC_URL: Final = (
    "nobody knows the URL of this flowbridge: set FLOWBRIDGE_PUBLIC_URL (such as"
    " https://hooks.example.com)"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, with the embedded platform where it really is.

    `key`: see `config.Reading`. `disk`: the files that it was read from, null where it is not sure
    that they were so.
    """

    config: Config
    key: str = ""
    disk: Disk | None = None


def load_all(settings: Settings) -> Loaded:
    """Read routes.yaml. Raises `ConfigError` or `SettingsError`. No flow's code is run."""
    return made_ready(read_routes(settings), settings)


def read_routes(settings: Settings) -> Loaded:
    """Read routes.yaml, the embedded platform as it is written. Raises as `load_all` does; nothing
    is generated for it.
    """
    disk = Disk()
    is_same = with_dotenv(settings.own, read_dotenv(settings, disk)) == settings.environ
    reading = read(settings.config, settings.environ, disk, strict_secrets=False)
    if reading.config is None:
        raise ConfigError([problem for problem in reading.problems if problem.level == "error"])
    return Loaded(reading.config, reading.key, disk if is_same else None)


def made_ready(loaded: Loaded, settings: Settings) -> Loaded:
    """Return what was read with what the embedded platform is reached by; `SettingsError` where it
    cannot be.
    """
    return replace(loaded, config=ready(loaded.config, settings))


def read_dotenv(settings: Settings, disk: Disk) -> str:
    """Return the text of the `.env` beside routes.yaml, empty where there is none; `SettingsError`
    where it cannot be read.
    """
    path = settings.config.parent / ".env"
    try:
        return disk.read(path, MAX_DOTENV_BYTES).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}"
        ) from None


def ready(config: Config, settings: Settings) -> Config:
    """Return the configuration with what the embedded platform is reached by; `SettingsError` where
    it cannot be.
    """
    for route in config.routes:
        if route.links_files and not settings.public_url:
            raise SettingsError(
                f"route {route.name!r} has links to files in its inputs (`file_url`), but {NO_PUBLIC_URL}"
            )
    return replace(
        config,
        platforms={
            name: _complete_platform(platform, settings)
            for name, platform in config.platforms.items()
        },
    )


def warn_of_missing(missing: Mapping[str, str]) -> None:
    """Warn in the log, in one line, of the sources and platforms of `Config.missing`."""
    if missing:
        log.warning("values_missing", missing=missing)


def load_flows(config: Config) -> Library | None:
    """Run flows.py and return the embedded platform's flows, None where there is none; `FlowError`
    says what is wrong.

    The file can do anything, so this is for processes that may be lost.
    """
    platform = config.local_platform
    return None if platform is None else load_library(platform.flows)


def _complete_platform(platform: Platform, settings: Settings) -> Platform:
    """Fill in where the embedded platform is and what it is called with; refuse what cannot be
    reached.
    """
    if platform.files == "link" and not settings.public_url:
        raise SettingsError(
            f"platform {platform.name!r} is sent links to files (`files: link`), but {NO_PUBLIC_URL}"
        )
    if platform.type != "local":
        return platform
    if (
        not platform.base_url
        and settings.private_bind is None
        and not is_loopback(settings.bind[0])
        and "api" not in settings.expose
    ):
        raise SettingsError(
            f"platform {platform.name!r} is served on the private face, but"
            f" {settings.bind[0]}:{settings.bind[1]} can be reached from outside: set"
            " FLOWBRIDGE_PRIVATE_BIND (such as 127.0.0.1:8081)"
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
    database = Database.of(settings)
    try:
        upgrade.upgrade(database)
    except OSError as error:
        raise SettingsError(
            f"the database cannot be kept in {database.path.parent}: {error.strerror}"
        ) from error
    key_usage.must_open(database)
    events.remember_config(database, config.hash, config.canonical, time.time())
    database.close()  # what flows.py starts has none of it
    take_environ(settings.flow_environ)
    library = load_flows(config)
    flows = [] if library is None else library.described()
    database = Database.of(settings)
    database.write(lambda connection: local_flows.replace(connection, flows, time.time()))
    database.close()
