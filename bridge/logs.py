"""Structured logs on stderr: JSON off a terminal, coloured lines on one. The only place that imports structlog."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson

# structlog imports rich if it finds it, for tracebacks that we do not use: five megabytes in every process.
_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if _absent:
    del sys.modules["rich"]


def get_logger() -> Any:
    """Return the logger; its methods take an event word and what belongs to it."""
    return structlog.get_logger()


def configure(level: str) -> None:
    """Set up structlog for this process and those it forks."""
    shared: list[Any] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if sys.stderr.isatty():
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
            wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
        return
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_serialize)],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _serialize(values: object, **_: object) -> bytes:
    return orjson.dumps(values, default=str)
