"""Leader election: a lock that one process holds until it exits.

On PostgreSQL it is an advisory lock of a session, and work runs in that same session, so only the
holder can commit it. A leader that hangs loses its session, and with it the lock. On SQLite it is a
`flock` on a file beside the database.
"""

from __future__ import annotations

import fcntl
import os

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from bridge.core.errors import StoreError
from bridge.store.db.advisory_locks import Lock
from bridge.store.db.database import Database, Work
from bridge.store.db.error_text import describe_error
from bridge.store.db.postgres import milliseconds

# For this schema: other schemas of the database may belong to another flowbridge.
_TRY = text("SELECT pg_try_advisory_lock(CAST(:lock AS integer), hashtext(current_schema()))")


class Leadership:
    """Takes the lead, or tries to whenever there is work. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fd = -1
        self._session: Connection | None = None

    def run_as_leader(self, work: Work[int]) -> int | None:
        """Run `work` in a transaction and return its value once it is durable; None if another
        process leads.

        `StoreError`: the database failed, and another process may have taken the lead.
        """
        if self._database.is_sqlite:
            return self._database.write(work) if self._has_file() else None
        try:
            session = self._hold()
            if session is None:
                return None
            with session.begin():
                # Work without statements would not notice that the session has ended.
                session.execute(text("SELECT 1"))
                return work(session)
        except SQLAlchemyError as error:
            self.release()
            raise StoreError(describe_error(error)) from error

    def release(self) -> None:
        """Release the lead."""
        session = self._session
        self._session = None
        if session is not None:
            session.invalidate()  # not returned to the pool, which would keep the lock
            session.close()
        fd = self._fd
        self._fd = -1
        if fd >= 0:
            os.close(fd)

    def _hold(self) -> Connection | None:
        """Return the session that holds the lock; None if another session does."""
        if self._session is not None:
            return self._session
        session = self._database.engine.connect()
        try:
            with session.begin():
                leads = session.execute(_TRY, {"lock": Lock.LEAD.value}).scalar()
                if leads:
                    # The server ends the session of a leader that hangs.
                    idle = milliseconds(self._database.timings.leader_idle_seconds)
                    session.execute(
                        text("SELECT set_config('idle_session_timeout', :idle, false)"),
                        {"idle": idle},
                    )
        except BaseException:
            session.invalidate()
            session.close()
            raise
        if leads:
            self._session = session
            return session
        session.close()
        return None

    def _has_file(self) -> bool:
        if self._fd < 0:
            path = self._database.path
            self._fd = os.open(
                path.with_name(path.name + ".leader"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
