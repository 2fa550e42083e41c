"""`GET /files/<token>`: the file of a form, for anyone with the link.

Browsers download it and never show it, since anyone may have made it. With `?preview` it is a small
picture of the file, which browsers may show: we render it, so it holds nothing of the file itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
from flask import Blueprint, Response, request
from werkzeug.wsgi import wrap_file

from bridge.config.settings import Settings
from bridge.core.file_links import FILES_PATH, read_file_token
from bridge.core.file_types import DOWNLOAD_MEDIA_TYPES, UNKNOWN_TYPE
from bridge.core.model import FormFile
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.system.logs import get_logger
from bridge.system.previews.render import PREVIEW_MEDIA_TYPE, NoPreview, render_preview

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = get_logger()

#: No browser may show, run or sniff a download, and no proxy may cache it.
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
}
PRIVATE_HEADERS = {
    **DOWNLOAD_HEADERS,
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MAX_PREVIEW_THREADS = 4  # of the sixteen of a receiver: the others receive
FILE_NOT_FOUND = ("not_found", "no such file, or the link has expired")


def content_disposition(name: str) -> str:
    """Return a Content-Disposition that no name can break out of (RFC 6266)."""
    plain = "".join(
        char if char.isascii() and (char.isalnum() or char in "._- ") else "_" for char in name
    )
    return (
        f'attachment; filename="{plain}";'
        f" filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    )


class PreviewQueue:
    """Lets one preview be rendered at a time, while a few others wait."""

    def __init__(self) -> None:
        self._seats = BoundedSemaphore(MAX_PREVIEW_THREADS)
        self._turn = Lock()

    @contextmanager
    def wait_turn(self) -> Iterator[bool]:
        """Wait for the turn and yield True; yield False at once where too many wait."""
        if not self._seats.acquire(blocking=False):
            yield False
            return
        try:
            with self._turn:
                yield True
        finally:
            self._seats.release()


#: Of the process: the console renders previews in the same turns.
PREVIEW_QUEUE = PreviewQueue()


def downloads(
    settings: Settings, database: Database, blobs: BlobStore, clock: Callable[[], float] = time.time
) -> Blueprint:
    """Return the endpoint: 404 alike for a forged link, an expired one, and a deleted event."""
    blueprint = Blueprint("files", __name__)
    limit = settings.timings.preview_seconds

    @blueprint.get(f"{FILES_PATH}<token>")
    def download(token: str) -> Response:
        file = _file(database, token, settings.secret_key, clock())
        if file is None:
            return _refuse(404, *FILE_NOT_FOUND)
        try:
            return (
                send_preview(blobs, file, limit)
                if "preview" in request.args
                else send_file(blobs, file, request.environ)
            )
        except OSError as error:
            log.error("file_missing", sha256=file.sha256, error=error.strerror)
            return _refuse(404, *FILE_NOT_FOUND)

    return blueprint


def send_file(blobs: BlobStore, file: FormFile, environ: WSGIEnvironment) -> Response:
    """Return a file as a download. Raises OSError."""
    opened = blobs.open(file.sha256)
    headers = {
        **PRIVATE_HEADERS,
        "Content-Length": str(file.size),
        "Content-Disposition": content_disposition(file.name),
    }
    media = file.type if file.type in DOWNLOAD_MEDIA_TYPES else UNKNOWN_TYPE.media
    return Response(
        wrap_file(environ, opened),
        200,
        headers,
        content_type=media,
        direct_passthrough=True,
    )


def send_preview(blobs: BlobStore, file: FormFile, limit: float) -> Response:
    """Return a preview of a file, rendered within `limit` seconds. Raises OSError."""
    with PREVIEW_QUEUE.wait_turn() as is_admitted:
        if not is_admitted:
            response = _refuse(503, "busy", "too many previews are being rendered")
            response.headers["Retry-After"] = "2"
            return response
        try:
            picture = render_preview(blobs.read(file.sha256), file.type, limit)
            return Response(picture, 200, PRIVATE_HEADERS, content_type=PREVIEW_MEDIA_TYPE)
        except NoPreview as none:
            log.info("preview_unavailable", sha256=file.sha256, type=file.type, reason=str(none))
            return _refuse(404, "no_preview", str(none))


def _refuse(status: int, code: str, message: str) -> Response:
    return Response(
        orjson.dumps({"error": code, "message": message}),
        status,
        PRIVATE_HEADERS,
        content_type="application/json",
    )


def _file(database: Database, token: str, secret_key: str, now: float) -> FormFile | None:
    meant = read_file_token(token, secret_key, now)
    if meant is None:
        return None
    files = events.files_of(database, meant[0])
    return files[meant[1]] if meant[1] < len(files) else None
