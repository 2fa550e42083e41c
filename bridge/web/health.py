"""`/healthz`: the process is alive. `/readyz`: it would store an event, and a worker is alive.
`/metrics`: for Prometheus, on the private listener.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from flask import Blueprint, Response, request

from bridge import __version__
from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.timings import TIMINGS, Timings
from bridge.monitoring.prometheus import CONTENT_TYPE, Exposition
from bridge.routing.model import Config
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.db.disk_space import DiskSpaceGuard
from bridge.store.local import flows
from bridge.store.queries.overdue import count_overdue
from bridge.store.queue import heartbeats
from bridge.web.bearer import is_admin_token, read_bearer


def metrics_page(exposition: Exposition) -> Blueprint:
    """Return the page."""
    pages = Blueprint("metrics", __name__)

    @pages.get("/metrics")
    def metrics() -> Response:
        return Response(exposition.text(), content_type=CONTENT_TYPE)

    return pages


Details = Callable[[], dict[str, Any]]
# whether the store can be written to, the number of workers alive, the error
Readiness = tuple[bool, int, str | None]


def health_pages(
    settings: Settings,
    config: Callable[[], Config],
    database: Database,
    details: Details,
    room: DiskSpaceGuard | None,
) -> Blueprint:
    """Return the pages. With the admin token, `/readyz` adds the reasons and `details`."""
    pages = Blueprint("health", __name__)
    check = ReadinessCache(lambda: _check(database, room), settings.timings)

    @pages.get("/healthz")
    def healthz() -> Response:
        return _json(200, {"alive": True})

    @pages.get("/readyz")
    def readyz() -> Response:
        writable, workers, error = check()
        ready = writable and workers > 0
        body: dict[str, Any] = {"ready": ready}
        token = read_bearer(request.headers.get("Authorization", ""))
        if is_admin_token(token, settings.admin_token):
            body |= {
                "version": __version__,
                "store": {"writable": writable, "error": error},
                "workers": workers,
                "overdue": _overdue(database) if writable else None,
                **details(),
            }
            if "flows" in body:
                body["flows"] |= {"absent": _absent(database, config()) if writable else None}
        return _json(200 if ready else 503, body)

    return pages


class ReadinessCache:
    """Caches the readiness, so that frequent requests cost the store nothing. Thread-safe."""

    def __init__(self, check: Callable[[], Readiness], timings: Timings = TIMINGS) -> None:
        self._timings = timings
        self._check = check
        self._mutex = threading.Lock()
        self._found: Readiness | None = None
        self._until = 0.0

    def __call__(self) -> Readiness:
        """Return the last result, or check again once it is old.

        While one thread checks, the others get the last result.
        """
        readiness = self._found
        if readiness is not None and (
            time.monotonic() < self._until or not self._mutex.acquire(blocking=False)
        ):
            return readiness
        if readiness is None:
            self._mutex.acquire()
        try:
            if self._found is None or time.monotonic() >= self._until:
                self._found = self._check()
                ready = self._found[0] and self._found[1] > 0
                timings = self._timings
                seconds = timings.ready_cache_seconds if ready else timings.not_ready_cache_seconds
                self._until = time.monotonic() + seconds
            return self._found
        finally:
            self._mutex.release()


def _check(database: Database, room: DiskSpaceGuard | None) -> Readiness:
    try:
        clock = DatabaseClock(database)
        clock.set()
        if room is not None:
            room.check()
        return True, heartbeats.check_store(database, clock()), None
    except BridgeError as error:
        return False, 0, str(error)


def _overdue(database: Database) -> dict[str, int] | None:
    """Return the counts of overdue work, None if the store cannot be read."""
    try:
        clock = DatabaseClock(database)
        clock.set()
        with database.read() as connection:
            return asdict(count_overdue(connection, clock()))
    except BridgeError:
        return None


def _absent(database: Database, config: Config) -> dict[str, str] | None:
    """Return by route the local flow that it names and flows.py lacks; None if the store fails."""
    try:
        with database.read() as connection:
            return dict(flows.find_absent(connection, config).by_route)
    except BridgeError:
        return None


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), status=status, content_type="application/json")
