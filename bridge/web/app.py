"""The WSGI application: one app, two faces."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Protocol

from flask import Flask, Response
from werkzeug.exceptions import MethodNotAllowed

from bridge.config.allowed_hosts import MISDIRECTED
from bridge.config.settings import Settings
from bridge.core.model import Delivery, Event
from bridge.ingest.forms.spam.check import Gate
from bridge.ingest.forms.spam.dedup import Marks
from bridge.ingest.ports import Arrivals
from bridge.monitoring.prometheus import exposition_of
from bridge.monitoring.tracing import exporter
from bridge.routing.model import Config
from bridge.store.blobs import Blobs
from bridge.store.db.database import Database
from bridge.store.db.disk_space import Room
from bridge.store.db.notify import Bell
from bridge.store.encryption import of_secrets
from bridge.store.inbound import (
    daily_bytes,
    events,
    form_files,
    refused_submissions,
    rejects,
    submissions,
)
from bridge.store.inbound.events import Added, Replan
from bridge.store.local.runs import Runs
from bridge.system.logs import get_logger
from bridge.web import hooks
from bridge.web.body_reader import Intake
from bridge.web.captcha_client import Solving
from bridge.web.downloads import downloads
from bridge.web.flow_api.context import Served
from bridge.web.flow_api.routes import flow_api
from bridge.web.form_files import keeper_of
from bridge.web.forms.challenges import challenges, given_parts
from bridge.web.forms.views import hosted
from bridge.web.health import Told, health_pages
from bridge.web.key_fetcher import Keyring
from bridge.web.learned_secrets import Learning
from bridge.web.listeners import Faces
from bridge.web.metrics import metrics_page
from bridge.web.rate_limiter import Limiter
from bridge.web.refusal_counter import RefusalCounter
from bridge.web.reject_recorder import TurnedAway

log = get_logger()
NOT_FOUND = b'{"error":"not_found","message":"there is nothing here"}'


def create_app(
    settings: Settings,
    config: Callable[[], Config],
    database: Database,
    ring: Callable[[], None],
    told: Told = dict,
) -> Flask:
    """Return the application. `config` gives the configuration of the moment; `ring` wakes the
    worker of this process tree.

    `told` is what an administrator gets to see of the configuration and the processes.

    Nothing is opened here, so the app may be created before a fork.
    """
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    room = Room(database.path) if database.is_sqlite else None

    check_room = room.check if room is not None else _no_limit

    def keep(arrivals: Arrivals, replan: Replan) -> list[Added]:
        source = config().source(arrivals[0][0].source)
        check_room(
            sum(len(event.body) for event, _ in arrivals),
            is_public=source is not None and source.is_public,
        )
        if source is None or source.daily_bytes is None:
            return events.add_all(database, arrivals, replan)
        return daily_bytes.add_all(database, arrivals, replan, source.daily_bytes, time.time())

    ring = Bell(database, ring).ring
    limiter = Limiter()
    blobs = Blobs.of(settings)
    turned_away = TurnedAway(
        lambda reject: rejects.add(database, reject),
        limiter,
        lambda: room is not None and room.is_low(),
    )
    refusals = RefusalCounter(
        partial(refused_submissions.add, database),
        lambda: room is not None and room.is_low(),
        settings.timings,
    )
    learning = Learning(
        database, cache(lambda: of_secrets(settings.encryption_keys, settings.secret_key))
    )
    secret_key = settings.secret_key or secrets.token_hex(32)
    gate = cache(lambda: _gate(database, secret_key, check_room))
    parts = lambda source, came: given_parts(source, secret_key, time.time(), came)  # noqa: E731 - a function of one expression beside its use
    receiving = hooks.Hooks(
        settings,
        config,
        keep,
        ring,
        Intake(),
        limiter,
        turned_away,
        learning,
        cache(Keyring),
        gate=gate,
        refusals=refusals,
        parts=parts,
        keep_file=keeper_of(blobs),
        tracer=exporter.current,
    )
    credentials = settings.local_api_key, settings.local_user_id
    served = Served(Runs(database, ring), blobs, lambda: config().local_platform, credentials)
    app.register_blueprint(flow_api(served))
    app.register_blueprint(health_pages(settings, config, database, told, room))
    app.register_blueprint(metrics_page(exposition_of(settings, database, config)))
    app.register_blueprint(challenges(settings, config, limiter, secret_key))
    app.register_blueprint(hosted(settings, config, limiter, parts))
    app.register_blueprint(downloads(settings, database, blobs))
    app.register_error_handler(404, lambda _: _json(404, NOT_FOUND))
    app.register_error_handler(MethodNotAllowed, _not_with_this_method)
    app.register_error_handler(Exception, _unforeseen)
    app.wsgi_app = _by_path(receiving, app.wsgi_app, Faces(settings))  # type: ignore[method-assign]  # Flask documents it as the place for middleware
    return app


class _CheckRoom(Protocol):
    def __call__(self, size: int, *, is_public: bool) -> None: ...


def _no_limit(size: int, *, is_public: bool) -> None:
    """A database elsewhere looks after its own disk."""


def _gate(database: Database, secret_key: str, check_room: _CheckRoom) -> Gate:
    def submit(event: Event, deliveries: Sequence[Delivery], marks: Marks, replan: Replan) -> Added:
        check_room(len(event.body), is_public=True)
        return submissions.add(database, event, deliveries, marks, replan)

    return Gate(
        secret_key=secret_key,
        solve=Solving().solve,
        submit=submit,
        repeated=lambda marks: submissions.repeated(database, marks),
        files_of=lambda source: form_files.held_by(database, source),
        stored_today=lambda source, now: daily_bytes.stored_by(database, source, now),
    )


def _not_with_this_method(error: MethodNotAllowed) -> Response:
    response = _json(405, b'{"error":"method_not_allowed","message":"not with this method"}')
    response.allow.update(error.valid_methods or ())
    return response


def _by_path(receiving: hooks.Hooks, inner: Any, faces: Faces) -> Any:
    def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if not faces.serves(path, environ):
            return _json(404, NOT_FOUND)(environ, start_response)
        if not faces.knows_host(path, environ):
            return _json(421, MISDIRECTED)(environ, start_response)
        if path.startswith(hooks.PREFIX):
            return receiving(environ, start_response)
        return inner(environ, start_response)

    return wsgi


def _unforeseen(error: Exception) -> Response:
    """The last handler: a bug is logged with its traceback, and the caller learns nothing of it."""
    log.error("unforeseen", exc_info=error)
    return _json(500, b'{"error":"internal_error","message":"something went wrong here"}')


def _json(status: int, body: bytes) -> Response:
    return Response(body, status=status, content_type="application/json")
