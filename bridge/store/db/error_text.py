"""Describes errors of the database without statements and values."""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError

ERROR_PREFIXES = re.compile(r"^connection failed: |\[Errno -?[0-9]+\] ")
# psycopg's messages for an unreachable server
CONNECTION_FAILURES = ("connection failed: ", "failed to resolve host")


def describe_error(error: BaseException) -> str:
    """Return the driver's message without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    message = (
        str(cause).splitlines()[0]
        if str(cause)
        else "out of memory"
        if isinstance(cause, MemoryError)
        else "no detail"
    )
    if message.startswith(CONNECTION_FAILURES):
        return f"no connection to the database: {ERROR_PREFIXES.sub('', message)}"
    return f"{type(cause).__name__}: {message}"
