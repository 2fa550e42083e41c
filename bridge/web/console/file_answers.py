"""Answers of the console that a browser stores as a file, and shows nowhere."""

from __future__ import annotations

from typing import Final

from werkzeug.wrappers import Response

from bridge.web.console.security_headers import SANDBOX
from bridge.web.downloads import content_disposition

RAW: Final = "application/octet-stream"


def make_download(content: bytes, name: str, media_type: str = RAW) -> Response:
    """Return a file with a name."""
    response = Response(content, content_type=media_type)
    response.headers["Content-Disposition"] = content_disposition(name)
    response.headers["Content-Security-Policy"] = SANDBOX
    return response
