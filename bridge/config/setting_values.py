"""Parses and checks the values of settings; each error names the variable."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from bridge.config.local_credentials import MIN_KEY_LENGTH
from bridge.core.errors import SettingsError

# what FLOWBRIDGE_EXPOSE can add to the public listener
EXPOSABLE_PARTS = frozenset({"api", "console", "admin", "metrics"})
EDGES = ("async", "flask")
# threads of an event loop's receiver for all but /hooks; the console and the admin API may hold
# four of them (`web/admin/limits.py`)
DEFAULT_POOL = 8
MAX_POOL = 64
ENGINES = ("worker", "celery")
BACKUP_INTERVAL_SECONDS = {"off": None, "hourly": 3600.0, "daily": 86400.0, "weekly": 7 * 86400.0}
MAX_RELOAD_TEST_SECONDS = 7 * 86400.0
LOG_LEVELS = ("debug", "info", "warning", "error")
ADDRESS_LOG_MODES = ("full", "truncated", "none")


def parse_exposed(name: str, text: str) -> frozenset[str]:
    """Return the parts that the public listener also serves."""
    parts = frozenset(filter(None, (word.strip() for word in text.split(","))))
    if unknown := sorted(parts - EXPOSABLE_PARTS):
        raise SettingsError(
            f"{name}: {unknown[0]!r} cannot be exposed; allowed:"
            f" {', '.join(sorted(EXPOSABLE_PARTS))}"
        )
    return parts


def parse_seconds(name: str, text: str) -> float:
    """Return the seconds of a duration such as 60, 60s or 5m."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([smh]?)", text.strip())
    if match is None:
        raise SettingsError(f"{name}: {text!r} is not a duration; allowed: 60, 60s or 5m")
    return float(match[1]) * {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}[match[2]]


def parse_reload_test(name: str, text: str) -> float | None:
    """Return how far back a reload tests stored events, in seconds; None for `off`."""
    if text == "off":
        return None
    seconds = parse_seconds(name, text)
    if not 0 < seconds <= MAX_RELOAD_TEST_SECONDS:
        raise SettingsError(f"{name}: {text!r} is out of range; allowed: off, or up to 168h")
    return seconds


def parse_name(name: str, text: str) -> str:
    """Return a name without surrounding blanks."""
    if len(text) > 100 or not text.isprintable():
        raise SettingsError(f"{name}: needs a name of at most 100 printable characters")
    return text.strip()


def parse_admin_token(name: str, text: str) -> str:
    """Return the token of the administrator; empty where none is set."""
    if text and len(text) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"{name} needs at least {MIN_KEY_LENGTH} characters: it gives"
            " access to everything an administrator sees"
        )
    return text


def parse_keys(_name: str, text: str) -> tuple[str, ...]:
    """Return the keys of a list, as they are written."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def parse_edge(name: str, text: str) -> str:
    """Return what receives requests."""
    return check_choice(name, text, "an edge", EDGES)


def parse_log_level(name: str, text: str) -> str:
    """Return the log level in lower case."""
    if text.lower() not in LOG_LEVELS:
        raise SettingsError(
            f"{name}: {text!r} is not a log level; allowed: {', '.join(LOG_LEVELS)}"
        )
    return text.lower()


def check_choice(name: str, text: str, what: str, allowed: Collection[str]) -> str:
    """Return the value of a setting. Raises `SettingsError` unless it is allowed."""
    if text not in allowed:
        raise SettingsError(f"{name}: {text!r} is not {what}; allowed: {', '.join(allowed)}")
    return text


def parse_address_log_mode(name: str, text: str) -> str:
    """Return how addresses are logged."""
    if text not in ADDRESS_LOG_MODES:
        raise SettingsError(
            f"{name}: unknown value {text!r}; allowed: {', '.join(ADDRESS_LOG_MODES)}"
        )
    return text


def parse_pool(name: str, text: str) -> int:
    """Return the number of threads for all but /hooks."""
    if not (text.isascii() and text.isdigit() and DEFAULT_POOL <= int(text[:9]) <= MAX_POOL):
        raise SettingsError(
            f"{name}: {text!r} is not a number of threads; allowed: {DEFAULT_POOL} to {MAX_POOL}"
        )
    return int(text)


def parse_engine(name: str, text: str) -> str:
    """Return what makes the calls."""
    return check_choice(name, text, "an engine", ENGINES)


def check_engine(engine: str, broker: str, url: str) -> None:
    """Raise `SettingsError` unless Celery has a broker, and a database that machines can share.

    The URL of the broker contains a password, so no message shows it.
    """
    if engine != "celery":
        return
    if url.startswith("sqlite"):
        raise SettingsError(
            "FLOWBRIDGE_ENGINE=celery needs a PostgreSQL database that all machines share: set"
            " FLOWBRIDGE_DATABASE_URL"
        )
    if "://" not in broker:
        defect = "its value is not a URL" if broker else "it is not set"
        raise SettingsError(
            "FLOWBRIDGE_BROKER_URL needs the URL of Celery's broker, such as"
            f" redis://broker.internal:6379/0: {defect}"
        )


def parse_backup_interval(name: str, text: str) -> float | None:
    """Return the seconds between automatic backups; None for `off`."""
    if text not in BACKUP_INTERVAL_SECONDS:
        raise SettingsError(
            f"{name}: unknown value {text!r}; allowed: {', '.join(BACKUP_INTERVAL_SECONDS)}"
        )
    return BACKUP_INTERVAL_SECONDS[text]


def parse_backup_number(name: str, text: str) -> int:
    """Return the number of automatic backups to keep."""
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        raise SettingsError(f"{name}: {text!r} is not a number of backups, such as 7")
    return int(text)


def parse_text(_name: str, text: str) -> str:
    """Return a text as it is written."""
    return text


def parse_path(_name: str, text: str) -> Path:
    """Return a path as it is written."""
    return Path(text)
