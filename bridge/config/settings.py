"""The settings, read once from the environment: no other module reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

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
from bridge.config.data_folder import find_store
from bridge.config.local_credentials import derive_local_credentials
from bridge.config.setting_values import (
    DEFAULT_POOL,
    EDGES,
    check_choice,
    parse_address_log_mode,
    parse_admin_token,
    parse_backups,
    parse_engine,
    parse_exposed,
    parse_log_level,
    parse_name,
    parse_pool,
    parse_reload_test,
    parse_seconds,
)
from bridge.core.errors import SettingsError
from bridge.core.timings import TIMINGS, Timings

#: Variables that flows do not get: the last two hold the key of a trace collector.
SECRET_VARIABLES = frozenset(
    f"FLOWBRIDGE_{name}"
    for name in (
        "SECRET_KEY",
        "LOCAL_API_KEY",
        "ADMIN_TOKEN",
        "TOKEN",
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
    unused_stores: tuple[Path, ...] = ()  # what versions before 0.3.0 used: see `find_store`
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
    serves_console: bool = True
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
    data, url, unused = find_store(path, environ, merged)
    public = bind or merged.get("FLOWBRIDGE_BIND") or "127.0.0.1:8080"
    private = merged.get("FLOWBRIDGE_PRIVATE_BIND")
    metrics = merged.get("FLOWBRIDGE_METRICS_BIND")
    return Settings(
        config=path,
        data=data,
        database_url=url,
        unused_stores=unused,
        bind=parse_address("FLOWBRIDGE_BIND", public),
        private_bind=parse_address("FLOWBRIDGE_PRIVATE_BIND", private) if private else None,
        metrics_bind=parse_address("FLOWBRIDGE_METRICS_BIND", metrics) if metrics else None,
        expose=parse_exposed("FLOWBRIDGE_EXPOSE", merged.get("FLOWBRIDGE_EXPOSE", "")),
        console_hosts=parse_hosts(
            "FLOWBRIDGE_CONSOLE_HOSTS",
            merged.get("FLOWBRIDGE_CONSOLE_HOSTS", ""),
            public,
            private,
            metrics,
        ),
        public_url=parse_public_url(merged.get("FLOWBRIDGE_PUBLIC_URL", "").rstrip("/")),
        trusted_proxies=parse_networks(merged.get("FLOWBRIDGE_TRUSTED_PROXIES", "")),
        log=parse_log_level(merged.get("FLOWBRIDGE_LOG") or "info"),
        log_addresses=parse_address_log_mode(merged.get("FLOWBRIDGE_LOG_ADDRESSES") or "truncated"),
        actor=parse_name("FLOWBRIDGE_ACTOR", merged.get("FLOWBRIDGE_ACTOR", "")),
        reconcile_after=parse_seconds(
            "FLOWBRIDGE_RECONCILE_AFTER", merged.get("FLOWBRIDGE_RECONCILE_AFTER") or "60"
        ),
        reload_test=parse_reload_test(merged.get("FLOWBRIDGE_RELOAD_TEST") or "off"),
        encryption_keys=tuple(
            filter(None, map(str.strip, merged.get("FLOWBRIDGE_ENCRYPTION_KEYS", "").split(",")))
        ),
        admin_token=parse_admin_token(merged),
        environ=merged,
        own=dict(environ),
        timings=timings,
        edge=check_choice(
            "FLOWBRIDGE_EDGE", merged.get("FLOWBRIDGE_EDGE") or "async", "an edge", EDGES
        ),
        pool=parse_pool(merged.get("FLOWBRIDGE_POOL") or str(DEFAULT_POOL)),
        **parse_backups(merged, path.absolute().parent, data, url),
        **parse_engine(merged, url),
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
