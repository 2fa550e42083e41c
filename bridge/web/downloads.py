"""`GET /files/<token>`: a form's file, for who has the link. It is downloaded, never shown: anyone may have made it."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.wsgi import wrap_file

from bridge.blobs import Blobs
from bridge.filetypes import OTHER, SHOWN
from bridge.links import PREFIX, file_of
from bridge.logs import get_logger
from bridge.model import FormFile
from bridge.settings import Settings
from bridge.store import events
from bridge.store.database import Database

log = get_logger()

#: A download is never shown, run or guessed at by a browser, nor kept on the way.
SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store"}
PRIVATE = {**SAFE, "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex", "Cross-Origin-Resource-Policy": "same-origin"}
GONE = b'{"error":"not_found","message":"there is nothing here, or the link has expired"}'


def disposition(name: str) -> str:
    """Return a Content-Disposition that no name can break out of (RFC 6266)."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "._- ") else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def downloads(settings: Settings, database: Database, blobs: Blobs, clock: Callable[[], float] = time.time) -> Blueprint:
    """Return the endpoint. A link that is forged, has expired, or whose event is gone: 404, all the same."""
    blueprint = Blueprint("files", __name__)

    @blueprint.get(f"{PREFIX}<token>")
    def download(token: str) -> Response:
        file = _file(database, token, settings.secret_key, clock())
        if file is None:
            return Response(GONE, 404, PRIVATE, content_type="application/json")
        try:
            opened = blobs.open(file.sha256)
        except OSError as error:
            log.error("file_lost", sha256=file.sha256, error=error.strerror)
            return Response(GONE, 404, PRIVATE, content_type="application/json")
        headers = {**PRIVATE, "Content-Length": str(file.size), "Content-Disposition": disposition(file.name)}
        media = file.type if file.type in SHOWN else OTHER.media
        return Response(wrap_file(request.environ, opened), 200, headers, content_type=media, direct_passthrough=True)

    return blueprint


def _file(database: Database, token: str, secret_key: str, now: float) -> FormFile | None:
    meant = file_of(token, secret_key, now)
    if meant is None:
        return None
    files = events.files_of(database, meant[0])
    return files[meant[1]] if meant[1] < len(files) else None
