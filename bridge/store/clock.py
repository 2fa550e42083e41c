"""The time that leases go by: the database's, so that machines whose clocks differ agree on when one has run out."""

from __future__ import annotations

import time

from bridge.logs import get_logger
from bridge.store.database import Database

log = get_logger()

WORTH_SAYING = 2.0  # seconds


class Clock:
    """Gives the time as this machine reckons it, corrected by how far it was off when `set` was called last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ahead = 0.0  # seconds that the database's clock is ahead of ours
        self._said = 0.0

    def __call__(self) -> float:
        """Return the time: seconds since 1970."""
        return time.time() + self._ahead

    def set(self) -> None:
        """Look at the database's clock; `StoreError` where that is not possible."""
        if self._database.is_sqlite:
            return
        self._ahead = ahead(self._database)
        if abs(self._ahead - self._said) > WORTH_SAYING:
            self._said = self._ahead
            log.warning("clocks_differ", database_ahead=round(self._ahead, 3))


def ahead(database: Database) -> float:
    """Return how many seconds the database's clock is ahead of this machine's, to within the time that the question takes."""
    with database.read() as connection:
        connection.exec_driver_sql("SELECT 1")  # connected by now, and the transaction begun
        before = time.time()
        theirs: float = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())::double precision").scalar_one()
        return theirs - (before + time.time()) / 2
