"""The WSGI application: one app, two faces."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import MethodNotAllowed

from bridge.blobs import Blobs
from bridge.errors import BridgeError
from bridge.keyring import Keyring
from bridge.logs import get_logger
from bridge.routes import Config
from bridge.sealing import Sealer
from bridge.settings import Settings
from bridge.start import local_platform
from bridge.store import events, health, rejects
from bridge.store.database import Database
from bridge.store.runs import Runs
from bridge.web import hooks
from bridge.web.faces import Faces
from bridge.web.flow_api import Served, flow_api
from bridge.web.intake import Intake
from bridge.web.learning import Learning
from bridge.web.rate import Limiter
from bridge.web.turned_away import TurnedAway

log = get_logger()
NOT_FOUND = b'{"error":"not_found","message":"there is nothing here"}'


def create_app(settings: Settings, config: Callable[[], Config], database: Database, ring: Callable[[], None]) -> Flask:
    """Return the application. `config` gives the configuration of the moment; `ring` wakes the worker.

    Nothing is opened here, so the app may be created before a fork.
    """
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    keep = lambda arrivals, replan: events.add_all(database, arrivals, replan)  # noqa: E731
    limiter = Limiter()
    turned_away = TurnedAway(lambda reject: rejects.add(database, reject), limiter)
    learning = Learning(database, cache(lambda: Sealer(settings.encryption_keys, settings.secret_key)))
    receiving = hooks.Hooks(settings, config, keep, ring, Intake(), limiter, turned_away, learning, cache(Keyring))
    credentials = settings.local_api_key, settings.local_user_id
    served = Served(Runs(database, ring), Blobs(settings.data / "blobs"), lambda: local_platform(config()), credentials)
    app.register_blueprint(flow_api(served))
    _add_health(app, database)
    app.register_error_handler(404, lambda _: _json(404, NOT_FOUND))
    app.register_error_handler(MethodNotAllowed, _not_with_this_method)
    app.register_error_handler(Exception, _unforeseen)
    app.wsgi_app = _by_path(receiving, app.wsgi_app, Faces(settings))  # type: ignore[method-assign]
    return app


def _not_with_this_method(error: MethodNotAllowed) -> Response:
    response = _json(405, b'{"error":"method_not_allowed","message":"not with this method"}')
    response.allow.update(error.valid_methods or ())
    return response


def _by_path(receiving: hooks.Hooks, inner: Any, faces: Faces) -> Any:
    def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if not faces.serves(path, environ):
            return _json(404, NOT_FOUND)(environ, start_response)
        if path.startswith(hooks.PREFIX):
            return receiving(environ, start_response)
        return inner(environ, start_response)

    return wsgi


def _add_health(app: Flask, database: Database) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return _json(200, b'{"alive":true}')

    @app.get("/readyz")
    def readyz() -> Response:
        try:
            ready = health.is_writable(database) and health.workers_alive(database, time.time()) > 0
        except BridgeError:
            ready = False
        return _json(200 if ready else 503, orjson.dumps({"ready": ready}))


def _unforeseen(error: Exception) -> Response:
    """The last handler: a bug is logged with its traceback, and the caller learns nothing of it."""
    log.error("unforeseen", exc_info=error)
    return _json(500, b'{"error":"internal_error","message":"something went wrong here"}')


def _json(status: int, body: bytes) -> Response:
    return Response(body, status=status, content_type="application/json")
