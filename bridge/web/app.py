"""The WSGI application: one app behind a public and a private listener.

`/hooks/<source>` is a WSGI application in front of Flask: nearly all requests come there, and none
needs what Flask prepares for a view.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.utils import redirect

from bridge.config.allowed_hosts import MISDIRECTED_BODY
from bridge.core.model import JSON
from bridge.monitoring.prometheus import make_exposition
from bridge.routing.model import Source
from bridge.services.overview.cached_overview import cached_overview
from bridge.store.blobs import BlobStore
from bridge.store.db.disk_space import DiskSpaceGuard
from bridge.store.db.notify import WakeupNotifier
from bridge.store.local.platform_store import LocalPlatformStore
from bridge.system.logs import get_logger
from bridge.web.admin.context import ReaderContext
from bridge.web.admin.entry import admin_app
from bridge.web.app_context import AppContext
from bridge.web.console.entry import console_app
from bridge.web.downloads import downloads
from bridge.web.flow_api.context import FlowApiContext
from bridge.web.flow_api.routes import flow_api
from bridge.web.forms.challenges import challenge_pages, make_page_fields
from bridge.web.forms.hidden_fields import AntiSpamFields
from bridge.web.forms.views import form_pages
from bridge.web.health import health_pages, metrics_page
from bridge.web.late_app import LATE_USE, WsgiApp
from bridge.web.listeners import NOT_FOUND_BODY, ListenerPaths
from bridge.web.mount_paths import CONSOLE_PATH, is_admin_path, is_console_path
from bridge.web.reader_seats import READER_SEATS
from bridge.web.receiving.body_reader import BodyReader
from bridge.web.receiving.dry_run import DryRunEffects
from bridge.web.receiving.edge_parts import EXTENSION, EdgeParts
from bridge.web.receiving.effects import make_effects
from bridge.web.receiving.event_storage import EventStorage
from bridge.web.receiving.hook_messages import HookAnswer, RequestHead
from bridge.web.receiving.hook_receiver import PREFIX, HookReceiver, HookRequest, ReceivedHook
from bridge.web.receiving.process_resources import ProcessResources
from bridge.web.receiving.rate_limiter import RateLimiter

__all__ = ["PREFIX", "Hooks"]
StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks(HookReceiver):
    """The WSGI application that receives webhooks and forms under `/hooks/`."""

    intake: BodyReader = field(default_factory=lambda: BodyReader(is_shared=True))

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request under `/hooks/`."""
        return _write_answer(self._answer(environ), start_response)

    def _answer(self, environ: Mapping[str, Any]) -> HookAnswer:
        request = self.begin(_read_head(environ))
        if isinstance(request, HookAnswer):
            return request
        return request.answer(partial(self._receive, request, environ))

    def _receive(self, request: HookRequest, environ: Mapping[str, Any]) -> ReceivedHook:
        with self.intake.body(environ, request.max_body, request.network) as body:
            return request.receive(body)


def _read_head(environ: Mapping[str, Any]) -> RequestHead:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name[:5] == "HTTP_"
    }
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    path = environ["PATH_INFO"]
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or path
    return RequestHead(
        method=environ["REQUEST_METHOD"],
        path=path,
        target=raw if raw.startswith("/") else path,
        query_string=environ.get("QUERY_STRING", ""),
        headers=headers,
        scheme=environ["wsgi.url_scheme"],
        address=environ.get("REMOTE_ADDR") or None,
    )


def _write_answer(answer: HookAnswer, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{answer.status} {answer.reason}", list(answer.headers))
    return [answer.body]


log = get_logger()
PAGE_METHODS = frozenset({"GET", "HEAD"})
BODY_METHODS = frozenset({"DELETE", "PATCH", "POST", "PUT"})
#: Parts of the application that Flask does not route: which paths each answers.
PartsByPath = tuple[tuple[Callable[[str], bool], WsgiApp], ...]


def create_app(context: AppContext) -> Flask:
    """Return the application.

    Nothing is opened here, so the application may be created before a fork.
    """
    settings = context.settings
    database = context.database
    config = context.config
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    room = DiskSpaceGuard(database.path) if database.is_sqlite else None
    limiter = RateLimiter()
    blobs = BlobStore.of(settings)
    secret_key = settings.secret_key or secrets.token_hex(32)
    resources = ProcessResources(
        context=context,
        storage=EventStorage(database=database, room=room),
        blobs=blobs,
        limiter=limiter,
        wake_workers=WakeupNotifier(database, context.wake).notify,
        secret_key=secret_key,
    )

    def parts(source: Source, came: Mapping[str, JSON] | None) -> AntiSpamFields:
        return make_page_fields(source, secret_key, time.time(), came)

    receiving = Hooks(
        settings=settings,
        config=config,
        effects=partial(make_effects, resources),
        dry_run=lambda: DryRunEffects(keys=resources.keys, learning=resources.learning),
        parts=parts,
    )
    credentials = settings.local_api_key, settings.local_user_id
    runs = LocalPlatformStore(database, resources.wake_workers)
    faces = ListenerPaths(settings)
    served = FlowApiContext(
        runs, blobs, lambda: config().local_platform, credentials, faces.serves_console
    )
    app.register_blueprint(flow_api(served))
    app.register_blueprint(health_pages(settings, config, database, context.status, room))
    app.register_blueprint(metrics_page(make_exposition(settings, database, config)))
    app.register_blueprint(challenge_pages(settings, config, limiter, secret_key))
    app.register_blueprint(form_pages(settings, config, limiter, parts))
    app.register_blueprint(downloads(settings, database, blobs))
    app.register_error_handler(404, lambda _: _json(404, NOT_FOUND_BODY))
    app.register_error_handler(MethodNotAllowed, _not_with_this_method)
    app.register_error_handler(Exception, _unforeseen)
    readers = ReaderContext(
        settings=settings,
        store=database,
        config=config,
        limiter=limiter,
        overview=cached_overview(settings, database, config),
        keys=lambda: resources.keys,
    )
    app.extensions[LATE_USE] = readers.late_use
    app.extensions[READER_SEATS] = readers.seats
    parts_by_path: PartsByPath = (
        (is_admin_path, admin_app(readers)),
        (is_console_path, console_app(readers)),
    )
    app.extensions[EXTENSION] = EdgeParts(
        receiver=receiving,
        storage=resources.storage,
        faces=faces,
        intake=receiving.intake,
        takes_body=partial(_takes_body, app, faces, parts_by_path),
    )
    app.wsgi_app = _by_path(receiving, parts_by_path, app.wsgi_app, faces)  # type: ignore[method-assign]  # as Flask documents it
    return app


def _not_with_this_method(error: MethodNotAllowed) -> Response:
    response = _json(405, b'{"error":"method_not_allowed","message":"method not allowed"}')
    response.allow.update(error.valid_methods or ())
    return response


def _by_path(receiving: Hooks, parts: PartsByPath, inner: Any, faces: ListenerPaths) -> Any:
    def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if (
            path == "/"
            and environ["REQUEST_METHOD"] in PAGE_METHODS
            and faces.is_local_browser(environ)
        ):
            return redirect(f"{CONSOLE_PATH}/", 303)(environ, start_response)
        if not faces.serves(path, environ):
            return _json(404, NOT_FOUND_BODY)(environ, start_response)
        if not faces.knows_host(path, environ):
            return _json(421, MISDIRECTED_BODY)(environ, start_response)
        if path.startswith(PREFIX):
            return receiving(environ, start_response)
        _replace_spoiled_bytes(environ)
        for is_own_path, part in parts:
            if is_own_path(path):
                return part(environ, start_response)
        return inner(environ, start_response)

    return wsgi


def _takes_body(
    app: Flask, faces: ListenerPaths, parts: PartsByPath, environ: dict[str, Any]
) -> bool:
    """Return whether the body of a request that is not for /hooks may be read."""
    path = environ["PATH_INFO"]
    is_served = faces.serves(path, environ) and faces.knows_host(path, environ)
    if not is_served or environ["REQUEST_METHOD"] not in BODY_METHODS:
        return False
    if any(is_own_path(path) for is_own_path, _ in parts):
        return True
    try:
        app.url_map.bind_to_environ(environ).match()
    except HTTPException:  # Flask answers it without the body
        return False
    return True


def _replace_spoiled_bytes(environ: dict[str, Any]) -> None:
    """Replace the bytes of a query that are not UTF-8: werkzeug fails at them."""
    query = environ.get("QUERY_STRING", "")
    if not query.isascii():
        text = query.encode("latin-1").decode("utf-8", "replace")
        environ["QUERY_STRING"] = text.encode().decode("latin-1")


def _unforeseen(error: Exception) -> Response:
    """Log a bug with its traceback; the response has no details."""
    log.limited().error("internal_error", exc_info=error)
    return _json(500, b'{"error":"internal_error","message":"an unexpected error occurred"}')


def _json(status: int, body: bytes) -> Response:
    return Response(body, status=status, content_type="application/json")
