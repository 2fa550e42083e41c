"""Engines for PostgreSQL, with session settings that do not depend on the server's defaults."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from bridge.core.errors import SettingsError
from bridge.core.timings import Timings
from bridge.system.descriptors import wait_readable

#: A lost connection is noticed within seconds instead of the hours that TCP takes. Parameters of
#: the URL take precedence.
#: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
CONNECT_PARAMETERS = {
    "application_name": "flowbridge",
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",  # milliseconds
}
#: For the life of a connection. A commit that returned is on disk: `local`, `remote_write` and
#: `remote_apply` guarantee at least that, so only `off` is changed. A transaction of a process
#: that hangs, or of a lost machine, holds its locks no longer than a lease: all workers count
#: slots under one lock, and would stop with it. PostgreSQL compresses bodies with pglz unless told
#: otherwise; lz4, which a server may lack, takes a fraction of its time.
#: https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-DEFAULT-TOAST-COMPRESSION
SESSION_SETTINGS = """
SELECT set_config('synchronous_commit', CASE value WHEN 'off' THEN 'on' ELSE value END, false),
       set_config('idle_in_transaction_session_timeout', %s, false),
       (SELECT set_config(name, 'lz4', false) FROM pg_settings
        WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))
FROM current_setting('synchronous_commit') AS known(value)
"""
#: A transaction that counts rows under an advisory lock must see what the previous holder
#: committed, so an older snapshot is not enough.
WRITE_ISOLATION = "READ COMMITTED"
READ_ISOLATION = "REPEATABLE READ"


def create_write_engine(url: URL, said_by: str, timings: Timings) -> Engine:
    """Create the engine for writes; it does not connect yet. `said_by` names the URL's setting."""
    parameters = {
        name: value for name, value in CONNECT_PARAMETERS.items() if name not in url.query
    }
    try:
        engine = create_engine(
            url,
            pool_size=8,
            max_overflow=24,
            pool_use_lifo=True,  # one that was used last has its statements prepared
            isolation_level=WRITE_ISOLATION,
            connect_args=parameters,
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{said_by}: PostgreSQL needs the extra: pip install 'flowbridge[postgres]'"
        ) from error

    @event.listens_for(engine, "connect")
    def connect(raw: Any, _record: object) -> None:
        try:
            before = raw.autocommit
            raw.autocommit = True
            raw.execute(SESSION_SETTINGS, [milliseconds(timings.idle_transaction_seconds)])
            raw.autocommit = before
        except BaseException:
            raw.close()  # the pool does not own it yet
            raise

    @event.listens_for(engine, "checkout")
    def checkout(raw: Any, _record: object, _proxy: object) -> None:
        if raw.closed or has_input(raw):
            raise DisconnectionError  # the pool opens another one

    return engine


def milliseconds(seconds: float) -> str:
    """Format a duration for PostgreSQL's settings."""
    return f"{round(1000 * seconds)}ms"


def create_read_engine(engine: Engine) -> Engine:
    """Return an engine for reads, whose transactions each see one state."""
    return engine.execution_options(isolation_level=READ_ISOLATION)


class KeptConnection:
    """A connection in autocommit mode that one thread at a time uses again and again.

    One of the pool is tested and reset each time, which takes longer than a small statement.
    `settings` is a statement with its parameters for each new connection.
    """

    def __init__(self, engine: Engine, *settings: Any) -> None:
        self._engine = engine
        self._settings = settings
        self._connection: Connection | None = None

    def open(self) -> Any:
        """Return psycopg's connection; another one if the server has closed it."""
        if self._connection is not None:
            raw: Any = self._connection.connection.driver_connection
            if not raw.closed and not has_input(raw):
                return raw
            self.close()
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        raw = self._connection.connection.driver_connection
        if self._settings:
            raw.execute(*self._settings)
        return raw

    def close(self) -> None:
        """Close the connection; another one is opened when it is needed."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.invalidate()  # not returned to the pool
            connection.close()


def has_input(raw: Any) -> bool:
    """Return whether the server said something to an idle connection, such as its end."""
    return bool(wait_readable([raw.fileno()], 0.0))
