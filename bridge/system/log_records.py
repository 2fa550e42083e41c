"""Log records without the values that no line has."""

from __future__ import annotations

import logging
import os
import threading
import time
from types import TracebackType
from typing import Final

ErrorTriple = tuple[type[BaseException], BaseException, TracebackType | None]

_BARE_VALUES: Final = vars(logging.LogRecord("", 0, "", 0, "", None, None))


def make_record(
    name: str, level: int, event: str, error: ErrorTriple | None = None
) -> logging.LogRecord:
    """Make a record without the place of the caller, the thread's name and the task.

    `LogRecord` looks them up, which takes longer than all else of a line.
    """
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(_BARE_VALUES)
    created = time.time()
    record.name = name
    record.levelno = level
    record.levelname = logging.getLevelName(level)
    record.msg = event
    record.exc_info = error
    record.created = created
    record.msecs = created % 1 * 1000
    record.process = os.getpid()
    record.thread = threading.get_ident()
    return record
