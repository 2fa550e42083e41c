"""The settings, read once from the environment: no other module reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from io import StringIO
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from bridge.config.addresses import (
    Address,
    Network,
    make_local_url,
    parse_address,
    parse_hosts,
    parse_networks,
    parse_optional_address,
    parse_public_url,
)
from bridge.config.data_folder import find_store
from bridge.config.local_credentials import derive_local_credentials
from bridge.config.setting_values import (
    check_engine,
    parse_address_log_mode,
    parse_admin_token,
    parse_backup_interval,
    parse_backup_number,
    parse_edge,
    parse_engine,
    parse_exposed,
    parse_keys,
    parse_log_level,
    parse_name,
    parse_path,
    parse_pool,
    parse_reload_test,
    parse_seconds,
    parse_text,
)
from bridge.core.errors import SettingsError
from bridge.core.timings import TIMINGS, Timings

VARIABLE_PREFIX: Final = "FLOWBRIDGE_"
DEFAULT_CONFIG: Final = "routes.yaml"
DEFAULT_BIND: Final = "127.0.0.1:8080"
SETTING: Final = "setting"  # the key of the metadata of a field
#: What reads a setting.
AT_START: Final = "every command, at its start"
COMMANDS: Final = "commands for another machine"
FLOWS: Final = "ready-made flows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A row of the table of settings.

    `name`: of the variable, without its prefix. `meaning`: for the docs, in Markdown. `default`:
    the text of a variable that is not set; `computed_default`: what the docs say where the default
    is computed. `parse` returns the value of a text; it gets the name of the variable too, for its
    messages. `read_by`: what reads it. Flows do not get a secret one.
    """

    name: str
    meaning: str
    default: str = ""
    computed_default: str = ""
    read_by: str = AT_START
    is_secret: bool = False
    parse: Callable[[str, str], Any] | None = None

    @property
    def variable(self) -> str:
        """The variable of the environment."""
        return VARIABLE_PREFIX + self.name

    def read(self, environ: Mapping[str, str]) -> Any:
        """Return its value. Raises `SettingsError`."""
        text = environ.get(self.variable) or self.default
        return text if self.parse is None else self.parse(self.variable, text)


def setting(name: str, meaning: str, *, initial: Any = None, **row: Any) -> Any:
    """Return a field of `Settings` that a variable sets. `row`: further fields of `Setting`.

    Without `parse` several variables decide, in `load_settings`, and `initial` is the value of
    settings that are made by hand.
    """
    described = Setting(name=name, meaning=meaning, **row)
    value = described.read({}) if described.parse else initial
    return field(default=value, repr=not described.is_secret, metadata={SETTING: described})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one installation.

    `own` is the process environment; `environ` is the same with the variables of the `.env` next to
    routes.yaml, which the process environment overrides.
    """

    config: Path = setting(
        "CONFIG",
        "the configuration file; `--config` takes precedence. Not read from `.env`, which is "
        "beside it. If the current folder has another `routes.yaml`, commands say which one they "
        "use",
        parse=parse_path,
        default=DEFAULT_CONFIG,
    )
    data: Path = setting(
        "DATA",
        "the data folder: the database, the generated secret key, `files/` of the local platform",
        parse=parse_path,
        default="data",
    )
    database_url: str = setting(
        "DATABASE_URL",
        "`sqlite:///PATH` (absolute: `sqlite:////PATH`), or `postgresql://…` (also "
        "`postgresql+psycopg://…`) with the extra `postgres`. SQLite is for one machine with any "
        "number of processes, PostgreSQL for [several machines](fleet.md)",
        initial="",
        computed_default="`sqlite:///<data>/flowbridge.db`",
        is_secret=True,
    )
    edge: str = setting(
        "EDGE",
        "what receives requests: `async`, an event loop in each receiver, or `flask`, 16 threads "
        "in each, for where the event loop fails. With threads, a proxy must [wait for slow "
        "senders](security.md#threat-model), and receivers answer for the console themselves",
        parse=parse_edge,
        default="async",
    )
    pool: int = setting(
        "POOL",
        "threads of each receiver for all but webhooks, 8 to 64. The console and the admin API "
        "hold at most four of them, where they have no [process of their "
        "own](architecture.md#processes)",
        parse=parse_pool,
        default="8",
    )
    engine: str = setting(
        "ENGINE",
        "what makes the calls: `worker`, or [`celery`](fleet.md#celery), with PostgreSQL and the "
        "extra `celery`",
        parse=parse_engine,
        default="worker",
    )
    broker_url: str = setting(
        "BROKER_URL",
        "Celery's broker, such as `redis://:PASSWORD@broker.internal:6379/0` or `amqp://…`. It is "
        "never logged, shown or passed to flows",
        parse=parse_text,
        is_secret=True,
    )
    bind: Address = setting(
        "BIND",
        "the address to listen on, `HOST:PORT`; `--bind` takes precedence",
        parse=parse_address,
        default=DEFAULT_BIND,
    )
    private_bind: Address | None = setting(
        "PRIVATE_BIND",
        "a second address for the [private listener](http.md#public-and-private-listener); then "
        "each socket serves its own paths only",
        parse=parse_optional_address,
    )
    metrics_bind: Address | None = setting(
        "METRICS_BIND",
        "the address at which a worker serves [metrics](metrics.md#a-worker-alone) on a machine "
        "without a receiver, such as `127.0.0.1:9464`",
        parse=parse_optional_address,
    )
    expose: frozenset[str] = setting(
        "EXPOSE",
        "private paths that the public listener also serves: `api`, `metrics`, `admin`, `console`, "
        "separated by commas",
        parse=parse_exposed,
    )
    console_hosts: frozenset[str] = setting(
        "CONSOLE_HOSTS",
        "further host names and addresses that the [private "
        "listener](http.md#public-and-private-listener) answers to, separated by commas, without "
        "ports, such as `bridge.internal`",
        initial=frozenset(),
    )
    public_url: str = setting(
        "PUBLIC_URL",
        "the address that senders use, such as `https://hooks.example.com`; commands show it, and "
        "some senders sign it. Its [certificate](operations.md#alerts) is checked",
        parse=parse_public_url,
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        "addresses or networks of your reverse proxies, separated by commas; only their "
        "`X-Forwarded-For` is believed. All clients behind any other proxy share the limits of one "
        "network",
        parse=parse_networks,
    )
    admin_token: str = setting(
        "ADMIN_TOKEN",
        "the token for `Authorization: Bearer …`, at least 32 characters: "
        "[`/readyz`](http.md#get-readyz) then gives details, and the [admin API](admin-api.md) "
        "accepts it with every scope. Tokens of `flowbridge token add` work without it",
        parse=parse_admin_token,
        is_secret=True,
    )
    secret_key: str = setting(
        "SECRET_KEY",
        "the key for the local platform's credentials, fingerprints, hashed addresses, form "
        "tokens, hashes of erased ids and (without encryption keys) learned secrets. `flowbridge "
        "init` writes one to `.env`. Required on PostgreSQL, where all machines share it. Back it "
        "up",
        initial="",
        computed_default="generated into `<data>/secret_key`",
        is_secret=True,
    )
    encryption_keys: tuple[str, ...] = setting(
        "ENCRYPTION_KEYS",
        "keys for [encryption at rest](privacy.md#encryption-at-rest), separated by commas: the "
        "first encrypts, all decrypt. Unset: only [delivered "
        "secrets](connect.md#senders-that-deliver-their-secret-asana-notion) are encrypted, with a "
        "key derived from the secret key. They are never logged, shown or passed to flows",
        parse=parse_keys,
        is_secret=True,
    )
    local_api_key: str = setting(
        "LOCAL_API_KEY",
        "the API key of the local platform",
        initial="",
        computed_default="derived from the secret key",
        is_secret=True,
    )
    local_user_id: str = setting(
        "LOCAL_USER_ID",
        "the user id of the local platform",
        initial="",
        computed_default="derived from the secret key",
    )
    backup_every: float | None = setting(
        "BACKUP",
        "how often a [backup](backup.md) of SQLite is made: `off`, `hourly`, `daily` or `weekly`",
        parse=parse_backup_interval,
        default="off",
    )
    backups: Path = setting(
        "BACKUPS",
        "the folder for backups; better on another disk",
        initial=Path("data/backups"),
        computed_default="`<data>/backups`",
    )
    backup_keep: int = setting(
        "BACKUP_KEEP",
        "how many scheduled backups to keep",
        parse=parse_backup_number,
        default="7",
    )
    actor: str = setting(
        "ACTOR",
        "the name that `flowbridge operations` and `flowbridge audit` record for what you do. Set "
        "it in scheduled jobs. It is not verified",
        parse=parse_name,
        computed_default="`USER@HOST`",
    )
    log: str = setting(
        "LOG",
        "`debug`, `info`, `warning` or `error`; logs go to stderr, as JSON unless it is a terminal",
        parse=parse_log_level,
        default="info",
    )
    log_addresses: str = setting(
        "LOG_ADDRESSES",
        "how much of a refused caller's address is logged: `full`, `truncated` (its network, /24 "
        "or /48) or `none`",
        parse=parse_address_log_mode,
        default="truncated",
    )
    reconcile_after: float = setting(
        "RECONCILE_AFTER",
        "time (`60`, `60s`, `5m`) after the deadline of an unanswered call until flowbridge looks "
        "for its run (`on_unknown: reconcile`)",
        parse=parse_seconds,
        default="60",
    )
    reload_test: float | None = setting(
        "RELOAD_TEST",
        "`1h`, `30m`, up to `168h`: a changed configuration is "
        "[tested](testing-routes.md#before-each-reload) on the events of this time, and not used "
        "if deliveries would be lost",
        parse=parse_reload_test,
        default="off",
    )
    unused_stores: tuple[Path, ...] = ()  # what versions before 0.3.0 used: see `find_store`
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


#: All settings that the environment has, in the order of the docs.
SETTINGS: Final = (
    *(
        setting_field.metadata[SETTING]
        for setting_field in fields(Settings)
        if SETTING in setting_field.metadata
    ),
    Setting(
        name="SERVER",
        meaning=(
            "the URL of a bridge on [another machine](remote.md); `--server` takes precedence. Not "
            "read from `.env`"
        ),
        read_by=COMMANDS,
    ),
    Setting(
        name="TOKEN",
        meaning=(
            "the token for that bridge, instead of the one that `flowbridge login` stored. Not "
            "read from `.env`"
        ),
        read_by=COMMANDS,
        is_secret=True,
    ),
    Setting(
        name="SMTP_URL",
        meaning=(
            "the mail server: `smtp://USER:PASSWORD@HOST:587` (requires STARTTLS, unless it ends "
            "with `?starttls=no`) or `smtps://USER:PASSWORD@HOST:465`"
        ),
        read_by=FLOWS,
    ),
    Setting(
        name="SMTP_FROM",
        meaning=("the sender of mail, `hooks@example.com` or `Hooks <hooks@example.com>`"),
        read_by=FLOWS,
        computed_default="the user, if that is an address",
    ),
    Setting(
        name="SMTP_ALLOWED_TO",
        meaning=(
            "allowed recipients: addresses, and domains as `@example.com`, separated by commas"
        ),
        read_by=FLOWS,
        computed_default="anyone",
    ),
    Setting(
        name="SMTP_CA",
        meaning=("a PEM file with the authorities for the mail server"),
        read_by=FLOWS,
        computed_default="the usual authorities",
    ),
    Setting(
        name="SLACK_WEBHOOK_URL",
        meaning=("Slack's incoming webhook"),
        read_by=FLOWS,
    ),
    Setting(
        name="SLACK_HOSTS",
        meaning=(
            "hosts besides `hooks.slack.com` that the input `webhook_url` may name, separated by "
            "commas"
        ),
        read_by=FLOWS,
    ),
    Setting(
        name="HTTP_REQUEST_PRIVATE",
        meaning=(
            "non-public targets that `http_request` may call: host names, addresses and networks, "
            "separated by commas, or `1` for all"
        ),
        read_by=FLOWS,
    ),
    Setting(
        name="HTTP_REQUEST_CA",
        meaning=(
            "a PEM file with the authorities for targets of `http_request` and `slack_message`"
        ),
        read_by=FLOWS,
        computed_default="the usual authorities",
    ),
)
VARIABLES: Final = frozenset(row.variable for row in SETTINGS)
#: Variables that flows do not get: the last two hold the key of a trace collector.
SECRET_VARIABLES: Final = frozenset(row.variable for row in SETTINGS if row.is_secret) | {
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
}


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
    path = Path(config or environ.get("FLOWBRIDGE_CONFIG") or DEFAULT_CONFIG)
    merged = merge_dotenv(environ, _read_dotenv(path.parent / ".env"))
    variables = {**merged, "FLOWBRIDGE_BIND": bind} if bind else merged
    data, url, unused = find_store(path, environ, merged)
    values = {
        setting_field.name: row.read(variables)
        for setting_field in fields(Settings)
        if (row := setting_field.metadata.get(SETTING)) is not None and row.parse is not None
    }
    check_engine(values["engine"], values["broker_url"], url)
    if values["backup_every"] is not None and not url.startswith("sqlite"):
        raise SettingsError("FLOWBRIDGE_BACKUP is for SQLite; back up PostgreSQL with pg_dump")
    backups = merged.get("FLOWBRIDGE_BACKUPS")
    values |= {
        "config": path,
        "data": data,
        "database_url": url,
        "backups": path.absolute().parent / backups if backups else data / "backups",
        "console_hosts": parse_hosts(
            "FLOWBRIDGE_CONSOLE_HOSTS",
            merged.get("FLOWBRIDGE_CONSOLE_HOSTS", ""),
            variables.get("FLOWBRIDGE_BIND") or DEFAULT_BIND,
            merged.get("FLOWBRIDGE_PRIVATE_BIND"),
            merged.get("FLOWBRIDGE_METRICS_BIND"),
        ),
    }
    if secrets:
        values |= derive_local_credentials(merged, data, url)
    return Settings(
        unused_stores=unused, environ=merged, own=dict(environ), timings=timings, **values
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
