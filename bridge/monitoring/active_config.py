"""The configuration that this machine's processes use, and the last one that was valid."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge.core.errors import BridgeError
from bridge.core.status import ConfigStatus

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.store.db.database import Database


def find_current_config(
    settings: Settings,
    database: Database | None,
    bridges: list[dict[str, Any]],
    used: Config | None,
) -> tuple[Config | None, ConfigStatus]:
    """Return the current configuration and its status.

    It is `used`, else the one that this machine's bridges use, else that of the files.
    """
    from bridge.config.loader import check

    if bridges:
        newest = _newest_config(bridges)
        said = ConfigStatus(
            hash=newest["hash"],
            since=parse_time(newest["since"]),
            error=newest["error"],
            error_since=parse_time(newest["error_since"]),
            restart=newest["restart"],
            held=newest.get("held"),  # an older version has none
        )
        if used is not None:
            return used, said
        return (
            None if database is None else _load_stored(settings, database, newest["hash"])
        ), said
    if used is not None:  # the data folder is not writable
        return used, ConfigStatus(hash=used.hash)
    config, problems = check(settings.config, settings.environ, strict_secrets=False)
    errors = [str(problem) for problem in problems if problem.level == "error"]
    return config, ConfigStatus(hash=config.hash if config else None, error=errors)


def find_last_valid(settings: Settings, database: Database) -> Config | None:
    """Return the configuration that the bridges here use, or used last; None if none loads."""
    config_hash = _find_used_hash(settings, database)
    return None if config_hash is None else _load_stored(settings, database, config_hash)


def find_last_canonical(settings: Settings, database: Database) -> str | None:
    """Return the canonical form of the configuration of `find_last_valid`; it is not loaded."""
    from bridge.store.queries import configs

    config_hash = _find_used_hash(settings, database)
    return None if config_hash is None else configs.find_config(database, config_hash)


def _find_used_hash(settings: Settings, database: Database) -> str | None:
    from bridge.monitoring.presence import list_bridges
    from bridge.store.queries import configs

    bridges = list_bridges(settings.data)
    if not bridges:
        return configs.last_config(database)
    used: str = _newest_config(bridges)["hash"]
    return used


def _newest_config(bridges: list[dict[str, Any]]) -> dict[str, Any]:
    return max((bridge["config"] for bridge in bridges), key=lambda config: str(config["since"]))


def _load_stored(settings: Settings, database: Database, config_hash: str) -> Config | None:
    from bridge.config.loader import load_canonical
    from bridge.store.queries import configs

    canonical = configs.find_config(database, config_hash)
    with suppress(BridgeError):  # another version wrote it
        return (
            load_canonical(
                canonical, settings.environ, settings.config.parent, strict_secrets=False
            )
            if canonical
            else None
        )
    return None


def parse_time(text: str | None) -> float | None:
    """Return the time of an ISO 8601 text; None for none."""
    return None if text is None else datetime.fromisoformat(text).timestamp()
