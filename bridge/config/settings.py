"""The settings, read once from the environment: no other module reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from bridge.config.addresses import (
    Address,
    Network,
    make_local_url,
    parse_address,
    parse_hosts,
    parse_networks,
    parse_public_url,
)
from bridge.config.local_credentials import MIN_KEY_LENGTH, derive_local_credentials
from bridge.core.errors import SettingsError
from bridge.core.timings import TIMINGS, Timings

# what FLOWBRIDGE_EXPOSE can add to the public listener
EXPOSABLE_PARTS = frozenset({"api", "console", "admin", "metrics"})
#: Variables that flows do not get: the last two hold the key of a trace collector.
SECRET_VARIABLES = frozenset(
    f"FLOWBRIDGE_{name}"
    for name in (
        "SECRET_KEY",
        "LOCAL_API_KEY",
        "ADMIN_TOKEN",
        "DATABASE_URL",
        "ENCRYPTION_KEYS",
        "BROKER_URL",
    )
) | {"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"}
VARIABLE_PREFIX = "FLOWBRIDGE_"
VARIABLES = frozenset(
    VARIABLE_PREFIX + name
    for name in (
        "CONFIG",
        "DATA",
        "DATABASE_URL",
        "EDGE",
        "POOL",
        "ENGINE",
        "BROKER_URL",
        "BIND",
        "PRIVATE_BIND",
        "METRICS_BIND",
        "EXPOSE",
        "CONSOLE_HOSTS",
        "PUBLIC_URL",
        "TRUSTED_PROXIES",
        "ADMIN_TOKEN",
        "SECRET_KEY",
        "ENCRYPTION_KEYS",
        "LOCAL_API_KEY",
        "LOCAL_USER_ID",
        "BACKUP",
        "BACKUPS",
        "BACKUP_KEEP",
        "ACTOR",
        "SERVER",
        "TOKEN",
        "LOG",
        "LOG_ADDRESSES",
        "RECONCILE_AFTER",
        "RELOAD_TEST",
        "SMTP_URL",
        "SMTP_FROM",
        "SMTP_ALLOWED_TO",
        "SMTP_CA",
        "SLACK_WEBHOOK_URL",
        "SLACK_HOSTS",
        "HTTP_REQUEST_PRIVATE",
        "HTTP_REQUEST_CA",
    )
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one installation.

    `own` is the process environment; `environ` is the same with the variables of the `.env` next to
    routes.yaml, which the process environment overrides.
    """

    config: Path
    data: Path
    database_url: str
    bind: Address
    private_bind: Address | None = None
    metrics_bind: Address | None = None  # for a worker without a receiver on its machine
    expose: frozenset[str] = frozenset()
    console_hosts: frozenset[str] = frozenset()  # further host names of the private listener
    public_url: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    log: str = "info"
    log_addresses: str = "truncated"  # how much of a caller's address is logged
    edge: str = "async"  # what receives: an event loop, or a thread for each request
    pool: int = DEFAULT_POOL  # threads of a receiver on an event loop for all but webhooks
    engine: str = "worker"  # what calls the platforms: the worker itself, or Celery
    actor: str = ""  # name in the operations log; default: the system user
    backups: Path = Path("data/backups")
    # seconds between automatic backups; null: none
    backup_every: float | None = None
    backup_keep: int = 7  # automatic backups that are not deleted
    reconcile_after: float = 60.0  # seconds after a call's deadline until the search for its run
    # seconds of stored events that a changed configuration is tested on; null: not tested
    reload_test: float | None = None
    broker_url: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    local_api_key: str = field(default="", repr=False)
    local_user_id: str = ""
    admin_token: str = field(default="", repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    own: Mapping[str, str] = field(default_factory=dict, repr=False)
    # not set by the environment
    timings: Timings = field(default=TIMINGS, repr=False)

    @property
    def private_url(self) -> str:
        """The URL of the private listener on this machine."""
        return make_local_url(self.private_bind or self.bind)

    @property
    def bound_url(self) -> str:
        """The URL of the listener for senders on this machine."""
        return make_local_url(self.bind)

    @property
    def local_base_url(self) -> str:
        """The local platform's URL on this machine."""
        return f"{self.private_url}/api/v1"

    @property
    def flow_environ(self) -> dict[str, str]:
        """The environment of flows: `environ` without flowbridge's secrets."""
        return {name: value for name, value in self.environ.items() if name not in SECRET_VARIABLES}


def take_environ(environ: Mapping[str, str]) -> None:
    """Replace the environment of this process and its child processes."""
    os.environ.clear()
    os.environ.update(environ)


def add_to_environ(environ: Mapping[str, str]) -> None:
    """Add to the environment of this process, for libraries that read it."""
    os.environ.update(environ)


def load_settings(
    environ: Mapping[str, str],
    *,
    config: str | None = None,
    bind: str | None = None,
    secrets: bool = True,
    timings: Timings = TIMINGS,
) -> Settings:
    """Return the settings of `environ`, or raise SettingsError naming the invalid variable.

    Without `secrets`, a secret key is neither needed nor created: for commands that only read the
    store.
    """
    path = Path(config or environ.get("FLOWBRIDGE_CONFIG") or "routes.yaml")
    merged = merge_dotenv(environ, _read_dotenv(path.parent / ".env"))
    data = Path(merged.get("FLOWBRIDGE_DATA") or "data").absolute()
    url = merged.get("FLOWBRIDGE_DATABASE_URL") or f"sqlite:///{data / 'flowbridge.db'}"
    public = bind or merged.get("FLOWBRIDGE_BIND") or "127.0.0.1:8080"
    private = merged.get("FLOWBRIDGE_PRIVATE_BIND")
    metrics = merged.get("FLOWBRIDGE_METRICS_BIND")
    return Settings(
        config=path,
        data=data,
        database_url=url,
        bind=parse_address("FLOWBRIDGE_BIND", public),
        private_bind=parse_address("FLOWBRIDGE_PRIVATE_BIND", private) if private else None,
        metrics_bind=parse_address("FLOWBRIDGE_METRICS_BIND", metrics) if metrics else None,
        expose=_parse_exposed("FLOWBRIDGE_EXPOSE", merged.get("FLOWBRIDGE_EXPOSE", "")),
        console_hosts=parse_hosts(
            "FLOWBRIDGE_CONSOLE_HOSTS",
            merged.get("FLOWBRIDGE_CONSOLE_HOSTS", ""),
            public,
            private,
            metrics,
        ),
        public_url=parse_public_url(merged.get("FLOWBRIDGE_PUBLIC_URL", "").rstrip("/")),
        trusted_proxies=parse_networks(merged.get("FLOWBRIDGE_TRUSTED_PROXIES", "")),
        log=_parse_log_level(merged.get("FLOWBRIDGE_LOG") or "info"),
        log_addresses=_parse_address_log_mode(
            merged.get("FLOWBRIDGE_LOG_ADDRESSES") or "truncated"
        ),
        actor=_parse_name("FLOWBRIDGE_ACTOR", merged.get("FLOWBRIDGE_ACTOR", "")),
        reconcile_after=_parse_seconds(
            "FLOWBRIDGE_RECONCILE_AFTER", merged.get("FLOWBRIDGE_RECONCILE_AFTER") or "60"
        ),
        reload_test=_parse_reload_test(merged.get("FLOWBRIDGE_RELOAD_TEST") or "off"),
        encryption_keys=tuple(
            filter(None, map(str.strip, merged.get("FLOWBRIDGE_ENCRYPTION_KEYS", "").split(",")))
        ),
        admin_token=_parse_admin_token(merged),
        environ=merged,
        own=dict(environ),
        timings=timings,
        edge=_check_choice(
            "FLOWBRIDGE_EDGE", merged.get("FLOWBRIDGE_EDGE") or "async", "an edge", EDGES
        ),
        pool=_parse_pool(merged.get("FLOWBRIDGE_POOL") or str(DEFAULT_POOL)),
        **_parse_backups(merged, data, url),
        **_parse_engine(merged, url),
        **(derive_local_credentials(merged, data, url) if secrets else {}),
    )


def find_unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the FLOWBRIDGE_ variables that are not settings."""
    return sorted(
        name for name in environ if name.startswith(VARIABLE_PREFIX) and name not in VARIABLES
    )


def merge_dotenv(environ: Mapping[str, str], text: str) -> dict[str, str]:
    """Return an environment with the variables of a `.env` that it does not set itself."""
    beside = dotenv_values(stream=StringIO(text))
    return {**{name: value for name, value in beside.items() if value is not None}, **environ}


def _read_dotenv(path: Path) -> str:
    if not (path.is_file() or path.is_fifo()):
        return ""
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from None


def _parse_exposed(name: str, text: str) -> frozenset[str]:
    chosen = frozenset(filter(None, (word.strip() for word in text.split(","))))
    if unknown := sorted(chosen - EXPOSABLE_PARTS):
        raise SettingsError(
            f"{name}: {unknown[0]!r} cannot be exposed; allowed:"
            f" {', '.join(sorted(EXPOSABLE_PARTS))}"
        )
    return chosen


def _parse_seconds(name: str, text: str) -> float:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([smh]?)", text.strip())
    if found is None:
        raise SettingsError(f"{name}: {text!r} is not a duration; allowed: 60, 60s or 5m")
    return float(found[1]) * {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}[found[2]]


def _parse_reload_test(text: str) -> float | None:
    if text == "off":
        return None
    seconds = _parse_seconds("FLOWBRIDGE_RELOAD_TEST", text)
    if not 0 < seconds <= MAX_RELOAD_TEST_SECONDS:
        raise SettingsError(
            f"FLOWBRIDGE_RELOAD_TEST: {text!r} is out of range; allowed: off, or up to 168h"
        )
    return seconds


def _parse_name(name: str, text: str) -> str:
    if len(text) > 100 or not text.isprintable():
        raise SettingsError(f"{name}: needs a name of at most 100 printable characters")
    return text.strip()


def _parse_admin_token(environ: Mapping[str, str]) -> str:
    token = environ.get("FLOWBRIDGE_ADMIN_TOKEN", "")
    if token and len(token) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"FLOWBRIDGE_ADMIN_TOKEN needs at least {MIN_KEY_LENGTH} characters: it gives"
            " access to everything an administrator sees"
        )
    return token


def _parse_log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise SettingsError(
            f"FLOWBRIDGE_LOG: {text!r} is not a log level; allowed: {', '.join(LOG_LEVELS)}"
        )
    return text.lower()


def _check_choice(name: str, text: str, what: str, allowed: Collection[str]) -> str:
    """Return the value of a setting. Raises `SettingsError` unless it is allowed."""
    if text not in allowed:
        raise SettingsError(f"{name}: {text!r} is not {what}; allowed: {', '.join(allowed)}")
    return text


def _parse_address_log_mode(text: str) -> str:
    if text not in ADDRESS_LOG_MODES:
        raise SettingsError(
            f"FLOWBRIDGE_LOG_ADDRESSES: unknown value {text!r}; allowed:"
            f" {', '.join(ADDRESS_LOG_MODES)}"
        )
    return text


def _parse_pool(text: str) -> int:
    if not (text.isascii() and text.isdigit() and DEFAULT_POOL <= int(text[:9]) <= MAX_POOL):
        raise SettingsError(
            f"FLOWBRIDGE_POOL: {text!r} is not a number of threads; allowed:"
            f" {DEFAULT_POOL} to {MAX_POOL}"
        )
    return int(text)


def _parse_engine(environ: Mapping[str, str], url: str) -> dict[str, Any]:
    """Return the engine and, for Celery, the broker's URL, as fields of `Settings`.

    The URL contains a password, so no message shows it.
    """
    engine = environ.get("FLOWBRIDGE_ENGINE") or "worker"
    broker = environ.get("FLOWBRIDGE_BROKER_URL") or ""
    _check_choice("FLOWBRIDGE_ENGINE", engine, "an engine", ENGINES)
    if engine == "celery" and url.startswith("sqlite"):
        raise SettingsError(
            "FLOWBRIDGE_ENGINE=celery needs a PostgreSQL database that all machines share: set"
            " FLOWBRIDGE_DATABASE_URL"
        )
    if engine == "celery" and "://" not in broker:
        found = "its value is not a URL" if broker else "it is not set"
        raise SettingsError(
            "FLOWBRIDGE_BROKER_URL needs the URL of Celery's broker, such as"
            f" redis://broker.internal:6379/0: {found}"
        )
    return {"engine": engine, "broker_url": broker}


def _parse_backups(environ: Mapping[str, str], data: Path, url: str) -> dict[str, Any]:
    """Return the folder, interval and number of backups, as fields of `Settings`."""
    often = environ.get("FLOWBRIDGE_BACKUP") or "off"
    keep = environ.get("FLOWBRIDGE_BACKUP_KEEP") or "7"
    if often not in BACKUP_INTERVAL_SECONDS:
        raise SettingsError(
            f"FLOWBRIDGE_BACKUP: unknown value {often!r}; allowed:"
            f" {', '.join(BACKUP_INTERVAL_SECONDS)}"
        )
    if BACKUP_INTERVAL_SECONDS[often] is not None and not url.startswith("sqlite"):
        raise SettingsError("FLOWBRIDGE_BACKUP is for SQLite; back up PostgreSQL with pg_dump")
    if not re.fullmatch(r"[1-9]\d{0,2}", keep):
        raise SettingsError(
            f"FLOWBRIDGE_BACKUP_KEEP: {keep!r} is not a number of backups, such as 7"
        )
    folder = environ.get("FLOWBRIDGE_BACKUPS")
    return {
        "backups": Path(folder).absolute() if folder else data / "backups",
        "backup_every": BACKUP_INTERVAL_SECONDS[often],
        "backup_keep": int(keep),
    }
