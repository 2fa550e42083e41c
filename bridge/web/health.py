"""`/healthz` and `/readyz`: whether the process is alive, and whether an event would be kept and delivered."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from flask import Blueprint, Response, request

from bridge import __version__
from bridge.errors import BridgeError
from bridge.settings import Settings
from bridge.store import health
from bridge.store.clock import Clock
from bridge.store.database import Database
from bridge.store.disk import Room
from bridge.store.overdue import overdue

Told = Callable[[], dict[str, Any]]


def health_pages(settings: Settings, database: Database, told: Told, room: Room | None) -> Blueprint:
    """Return the pages. Who has the admin token also gets to see why, and what is `told` of the configuration and the processes."""
    pages = Blueprint("health", __name__)

    @pages.get("/healthz")
    def healthz() -> Response:
        return _json(200, {"alive": True})

    @pages.get("/readyz")
    def readyz() -> Response:
        writable, workers, error = _look(database, room)
        ready = writable and workers > 0
        body: dict[str, Any] = {"ready": ready}
        if _is_admin(settings.admin_token, request.headers.get("Authorization", "")):
            body |= {"version": __version__, "store": {"writable": writable, "error": error}, "workers": workers,
                     "overdue": _overdue(database) if writable else None, **told()}  # fmt: skip
        return _json(200 if ready else 503, body)

    return pages


def _look(database: Database, room: Room | None) -> tuple[bool, int, str | None]:
    """Return whether the store can be written, how many workers are alive, and what went wrong."""
    writable = False
    try:
        clock = Clock(database)
        clock.set()
        if room is not None:
            room.check()
        writable = health.is_writable(database)
        return writable, health.workers_alive(database, clock()), None
    except BridgeError as error:
        return writable, 0, str(error)


def _overdue(database: Database) -> dict[str, int] | None:
    """Return what is overdue, null where the store cannot say."""
    try:
        clock = Clock(database)
        clock.set()
        with database.read() as connection:
            return asdict(overdue(connection, clock()))
    except BridgeError:
        return None


def _is_admin(token: str, authorization: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    is_same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    return bool(token) and scheme.lower() == "bearer" and is_same


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), status=status, content_type="application/json")
