"""Wake-ups between machines that share a PostgreSQL database.

A process that queues something notifies, and workers on other machines wake at once
(https://www.postgresql.org/docs/current/sql-notify.html). A notification may be lost, so workers
poll as well. On SQLite there is one machine, whose processes share a pipe (`bridge.system.wakeup`),
and nothing here does anything.

A transaction that notifies holds a lock of the whole server while it commits, which would serialize
the syncs of concurrent receivers. So notifications have transactions of their own, after the
commit; these write nothing, wait for no disk, and combine many notifications into one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.store.db.database import Database
from bridge.store.db.postgres import KeptConnection
from bridge.system.descriptors import wait_readable
from bridge.system.logs import get_logger

log = get_logger()

CHANNEL = "flowbridge_due"
MIN_INTERVAL_SECONDS = 0.02  # between two notifications of a process
CHECK_SECONDS = 10.0  # after which an idle connection is tested
RECONNECT_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)  # before each attempt to reconnect


def notify_workers(database: Database) -> None:
    """Wake the workers on other machines; a failure is logged at DEBUG."""
    if database.is_sqlite:
        return
    try:
        with _autocommit_connection(database) as connection:
            connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
    except SQLAlchemyError as error:
        log.debug("notify_failed", error=type(error).__name__)


def _autocommit_connection(database: Database) -> Connection:
    """Return a connection in autocommit mode."""
    return database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")


class WakeupNotifier:
    """Notifies workers from its own thread, so that callers do not wait.

    `wake_local` wakes the worker on this machine.
    """

    def __init__(self, database: Database, wake_local: Callable[[], None]) -> None:
        self._database = database
        self._wake_local = wake_local
        self._wanted = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None
        self._kept = KeptConnection(database.engine)

    def notify(self) -> None:
        """Wake the workers."""
        self._wake_local()
        if self._database.is_sqlite:
            return
        self._wanted.set()
        if self._thread is None:  # started by the first call, since receivers are forked
            with self._mutex:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="bell", daemon=True)
                    self._thread.start()

    def _work(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            self._notify_workers()
            time.sleep(MIN_INTERVAL_SECONDS)

    def _notify_workers(self) -> None:
        try:
            self._kept.open().execute(f"NOTIFY {CHANNEL}")
        except (SQLAlchemyError, self._database.driver_error) as error:
            self._kept.close()
            log.debug("notify_failed", error=type(error).__name__)


class WakeupListener:
    """Listens for notifications in its own thread, and calls `heard` for each.

    It also calls `heard` once after it reconnects.
    """

    def __init__(self, database: Database, heard: Callable[[], None]) -> None:
        self._database = database
        self._heard = heard
        self._over = -1
        self._thread: threading.Thread | None = None
        self.is_connected = False  # whether it is connected, as far as is known

    def start(self) -> None:
        """Start to listen."""
        if not self._database.is_sqlite:
            self._over = os.eventfd(0, os.EFD_CLOEXEC)
            self._thread = threading.Thread(target=self._work, name="listener", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        if self._thread is not None:
            os.eventfd_write(self._over, 1)
            self._thread.join(5.0)

    def _work(self) -> None:
        failures = 0
        connection: Connection | None = None
        while True:
            try:
                connection = _autocommit_connection(self._database)
                raw: Any = connection.connection.driver_connection
                raw.add_notify_handler(lambda _: self._heard())
                connection.exec_driver_sql(f"LISTEN {CHANNEL}")
                self.is_connected = True
                failures = 0
                self._heard()
                while not self._is_over(raw.fileno(), CHECK_SECONDS):
                    connection.exec_driver_sql("SELECT 1")  # notifications arrive with the response
            except (SQLAlchemyError, OSError) as error:
                log.debug("listen_failed", error=type(error).__name__)
                self.is_connected = False
                _discard(connection)
                connection = None
                failures += 1
                if not self._is_over(
                    -1, RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS)) - 1]
                ):
                    continue
            _discard(connection)
            self.is_connected = False
            os.close(self._over)
            return

    def _is_over(self, line: int, seconds: float) -> bool:
        """Wait for data from the server, at most `seconds`; return whether `close` was called."""
        descriptors = [self._over, line] if line >= 0 else [self._over]
        return self._over in wait_readable(descriptors, seconds)


def _discard(connection: Connection | None) -> None:
    """Close a connection without returning it to the pool."""
    if connection is not None:
        connection.invalidate()
        connection.close()
