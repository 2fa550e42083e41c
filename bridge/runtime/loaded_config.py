"""The configuration of a bridge: routes.yaml as read, with the address of the local platform.

Reading it here imports neither the store nor the servers: they are imported meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bridge.config.addresses import is_loopback
from bridge.config.files import FileTracker
from bridge.config.loader import LoadResult, read, rebuild
from bridge.config.settings import Settings, merge_dotenv
from bridge.core.errors import BridgeError, ConfigError, SettingsError
from bridge.routing.model import Config, Platform
from bridge.system.forked_call import begin_in_fork
from bridge.system.logs import get_logger

log = get_logger()

MAX_DOTENV_BYTES: Final = 1024 * 1024  # bytes
READ_TIMEOUT_SECONDS: Final = 60.0
NO_PUBLIC_URL: Final = (
    "the public URL of this flowbridge is not set: set FLOWBRIDGE_PUBLIC_URL (such as"
    " https://hooks.example.com)"
)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration with the address of the local platform.

    `key`: see `LoadResult`. `disk`: the files that it was read from, null where they may have
    changed since.
    """

    config: Config
    key: str = ""
    disk: FileTracker | None = None


def load_config(settings: Settings) -> LoadedConfig:
    """Read routes.yaml without running flows.py. Raises `ConfigError` or `SettingsError`."""
    return with_local_platform(read_routes(settings), settings)


def read_routes(settings: Settings) -> LoadedConfig:
    """Read routes.yaml with the local platform as written, without generated values.

    Raises as `load_config` does.
    """
    reading, disk = _read(settings)
    if reading.config is None:
        raise _refuse(reading)
    return LoadedConfig(reading.config, reading.key, disk)


def begin_reading_routes(settings: Settings) -> Callable[[], LoadedConfig]:
    """Begin to read routes.yaml in a child; return a function that waits for it and returns what
    `read_routes` does, or raises as it does.

    The libraries that read and validate the file take 10 MB, which end with the child. This process
    must have no threads.
    """

    def read_parts() -> tuple[LoadResult, FileTracker | None] | SettingsError:
        try:
            reading, disk = _read(settings)
        except SettingsError as error:
            return error
        return replace(reading, config=None), disk  # compiled parts cannot be sent

    call = begin_in_fork(read_parts, READ_TIMEOUT_SECONDS)

    def wait() -> LoadedConfig:
        try:
            result = call.wait()
        except BridgeError as error:
            raise SettingsError(f"cannot read {settings.config}: {error}") from None
        if isinstance(result, SettingsError):
            raise result
        reading, disk = result
        if not reading.parts:
            raise _refuse(reading)
        return LoadedConfig(rebuild(reading.parts, settings.config.parent), reading.key, disk)

    return wait


def _read(settings: Settings) -> tuple[LoadResult, FileTracker | None]:
    """Read the files; return the tracker too, unless `.env` has changed since the start."""
    disk = FileTracker()
    is_same = merge_dotenv(settings.own, read_dotenv(settings, disk)) == settings.environ
    reading = read(settings.config, settings.environ, disk, strict_secrets=False)
    return reading, disk if is_same else None


def _refuse(reading: LoadResult) -> ConfigError:
    return ConfigError([problem for problem in reading.problems if problem.level == "error"])


def with_local_platform(loaded: LoadedConfig, settings: Settings) -> LoadedConfig:
    """Return the configuration with the address and credentials of the local platform.

    Raises `SettingsError` where it is not reachable.
    """
    return replace(loaded, config=complete_platforms(loaded.config, settings))


def read_dotenv(settings: Settings, disk: FileTracker) -> str:
    """Return the text of the `.env` beside routes.yaml, empty where there is none.

    Raises `SettingsError` where it is unreadable.
    """
    path = settings.config.parent / ".env"
    try:
        return disk.read(path, MAX_DOTENV_BYTES).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from None


def complete_platforms(config: Config, settings: Settings) -> Config:
    """Return the configuration with the address and credentials of the local platform.

    Raises `SettingsError` where it is not reachable.
    """
    for route in config.routes:
        if route.links_files and not settings.public_url:
            raise SettingsError(
                f"route {route.name!r} has links to files in its inputs (`file_url`), but"
                f" {NO_PUBLIC_URL}"
            )
    return replace(
        config,
        platforms={
            name: _complete_platform(platform, settings)
            for name, platform in config.platforms.items()
        },
    )


def warn_of_missing(missing: Mapping[str, str]) -> None:
    """Log a warning with the sources and platforms of `Config.missing`."""
    if missing:
        log.warning("values_missing", missing=missing)


def _complete_platform(platform: Platform, settings: Settings) -> Platform:
    """Fill in the address and credentials of the local platform; refuse an unreachable one."""
    if platform.files == "link" and not settings.public_url:
        raise SettingsError(
            f"platform {platform.name!r} receives links to files (`files: link`), but"
            f" {NO_PUBLIC_URL}"
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
            f"platform {platform.name!r} is served on the private listener, but"
            f" {settings.bind[0]}:{settings.bind[1]} is reachable from outside: set"
            " FLOWBRIDGE_PRIVATE_BIND (such as 127.0.0.1:8081)"
        )
    return replace(
        platform,
        base_url=platform.base_url or settings.local_base_url,
        api_key=platform.api_key or settings.local_api_key,
        user_id=platform.user_id or settings.local_user_id,
    )
