"""The overview of a bridge, read at most once in a while by the readers of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.status import Overview
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

T = TypeVar("T")


class CachedValue(Generic[T]):
    """A value that is read again when it is older than `seconds`, by one thread at a time."""

    def __init__(
        self, read: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._clock = clock
        self._mutex = threading.Lock()
        self._known: tuple[float, T] | None = None

    def get(self) -> T:
        """Return the value, read now or a short while ago."""
        with self._mutex:
            now = self._clock()
            if self._known is not None and 0 <= now - self._known[0] < self._seconds:
                return self._known[1]
            value = self._read()
            self._known = now, value
            return value


def cached_overview(
    settings: Settings, database: Database, config: Callable[[], Config]
) -> CachedValue[Overview]:
    """Return the overview of the bridge; `config` returns the caller's configuration."""

    def read() -> Overview:
        from bridge.monitoring.status import read_overview

        return read_overview(settings, database, config())

    return CachedValue(read, settings.timings.overview_cache_seconds)
