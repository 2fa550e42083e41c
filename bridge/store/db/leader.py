"""Who does what only one needs to do: the holder of a lock that lasts as long as its process, and
goes to another when it dies.

PostgreSQL: an advisory lock of a session, and what is done under it is done by that very session:
who could commit held the lock. A holder that hangs loses its session, and with it the lock. SQLite:
a `flock` on a file beside the database.
"""

from __future__ import annotations

import fcntl
import os

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from bridge.core.errors import StoreError
from bridge.store.db.advisory_locks import Lock
from bridge.store.db.database import Database, Work
from bridge.store.db.group_commit import brief
from bridge.store.db.postgres import milliseconds

# Of this schema, since others of the same database may be another flowbridge's.
_TRY = text("SELECT pg_try_advisory_lock(CAST(:lock AS integer), hashtext(current_schema()))")


class Leadership:
    """Leads, or tries to whenever it is asked to do something. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fd = -1
        self._session: Connection | None = None

    def do(self, work: Work[int]) -> int | None:
        """Run `work` in a transaction and return its value once that is durable; None, and nothing
        is done, where another leads.

        `StoreError`: the database failed; the lead may have gone to another.
        """
        if self._database.is_sqlite:
            return self._database.write(work) if self._has_file() else None
        try:
            session = self._hold()
            if session is None:
                return None
            with session.begin():
                # work that says nothing would not find out that the session is over
                session.execute(text("SELECT 1"))
                return work(session)
        except SQLAlchemyError as error:
            self.give_up()
            raise StoreError(brief(error)) from error

    def give_up(self) -> None:
        """Let another lead."""
        session = self._session
        self._session = None
        if session is not None:
            session.invalidate()  # not for the pool: it would take the lock along
            session.close()
        fd = self._fd
        self._fd = -1
        if fd >= 0:
            os.close(fd)

    def _hold(self) -> Connection | None:
        """Return the session that holds the lock, None where another's does."""
        if self._session is not None:
            return self._session
        session = self._database.engine.connect()
        try:
            with session.begin():
                leads = session.execute(_TRY, {"lock": Lock.LEAD.value}).scalar()
                if leads:
                    # the server ends a leader that hangs
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
