"""`GET /files/<token>`: a form's file, for who has the link. It is downloaded, never shown: anyone
may have made it.

With `?preview` it is a small picture of it, which is shown: that was drawn here, and has nothing of
the file but its looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from urllib.parse import quote

import orjson
from flask import Blueprint, Response, request
from werkzeug.wsgi import wrap_file

from bridge.config.settings import Settings
from bridge.core.file_links import PREFIX, file_of
from bridge.core.file_types import OTHER, SHOWN
from bridge.core.model import FormFile
from bridge.store.blobs import Blobs
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.system.logs import get_logger
from bridge.system.previews.render import MEDIA, NoPreview, preview

log = get_logger()

#: A download is never shown, run or guessed at by a browser, nor kept on the way.
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
}
PRIVATE = {
    **SAFE,
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SEATS = 4  # threads of a receiver, of sixteen, that previews may hold up: receiving comes first
GONE = ("not_found", "there is nothing here, or the link has expired")


def disposition(name: str) -> str:
    """Return a Content-Disposition that no name can break out of (RFC 6266)."""
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "._- ") else "_" for one in name
    )
    return (
        f'attachment; filename="{plain}";'
        f" filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    )


class Drawing:
    """Has one preview drawn at a time; a few wait for their turn, and there are no more of them."""

    def __init__(self) -> None:
        self._seats = BoundedSemaphore(SEATS)
        self._pencil = Lock()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Wait for the turn, and give whether there was a seat to wait on."""
        if not self._seats.acquire(blocking=False):
            yield False
            return
        try:
            with self._pencil:
                yield True
        finally:
            self._seats.release()


def downloads(
    settings: Settings, database: Database, blobs: Blobs, clock: Callable[[], float] = time.time
) -> Blueprint:
    """Return the endpoint. A link that is forged, has expired, or whose event is gone: 404, all the
    same.
    """
    blueprint = Blueprint("files", __name__)
    drawing = Drawing()
    limit = settings.timings.preview_seconds

    @blueprint.get(f"{PREFIX}<token>")
    def download(token: str) -> Response:
        file = _file(database, token, settings.secret_key, clock())
        if file is None:
            return _refuse(404, *GONE)
        try:
            return (
                _picture(blobs, file, drawing, limit)
                if "preview" in request.args
                else _whole(blobs, file)
            )
        except OSError as error:
            log.error("file_lost", sha256=file.sha256, error=error.strerror)
            return _refuse(404, *GONE)

    return blueprint


def _whole(blobs: Blobs, file: FormFile) -> Response:
    opened = blobs.open(file.sha256)
    headers = {
        **PRIVATE,
        "Content-Length": str(file.size),
        "Content-Disposition": disposition(file.name),
    }
    media = file.type if file.type in SHOWN else OTHER.media
    return Response(
        wrap_file(request.environ, opened),
        200,
        headers,
        content_type=media,
        direct_passthrough=True,
    )


def _picture(blobs: Blobs, file: FormFile, drawing: Drawing, limit: float) -> Response:
    with drawing.turn() as may:
        if not may:
            response = _refuse(503, "busy", "other previews are being drawn")
            response.headers["Retry-After"] = "2"
            return response
        try:
            picture = preview(blobs.read(file.sha256), file.type, limit)
            return Response(picture, 200, PRIVATE, content_type=MEDIA)
        except NoPreview as none:
            log.info("no_preview", sha256=file.sha256, type=file.type, reason=str(none))
            return _refuse(404, "no_preview", str(none))


def _refuse(status: int, code: str, message: str) -> Response:
    return Response(
        orjson.dumps({"error": code, "message": message}),
        status,
        PRIVATE,
        content_type="application/json",
    )


def _file(database: Database, token: str, secret_key: str, now: float) -> FormFile | None:
    meant = file_of(token, secret_key, now)
    if meant is None:
        return None
    files = events.files_of(database, meant[0])
    return files[meant[1]] if meant[1] < len(files) else None
