"""The style, the script and the icons of the console, at URLs with their hash."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Final

from werkzeug.wrappers import Request, Response

from bridge.web.console.security_headers import secure_asset
from bridge.web.mount_paths import CONSOLE_PATH

MEDIA_TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "pages.css": "text/css; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "keyboard.js": "text/javascript; charset=utf-8",
    "retry.js": "text/javascript; charset=utf-8",
    "values.js": "text/javascript; charset=utf-8",
    "icons.svg": "image/svg+xml",
    "favicon.svg": "image/svg+xml",
}
FOLDER: Final = "/assets/"
HASH_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file with its compressed form. `name` has its hash, as in `console.0a1b2c3d4e5f.css`."""

    name: str
    media_type: str
    content: bytes
    compressed: bytes


@cache
def _load() -> Mapping[str, Asset]:
    folder = files("bridge.web.console").joinpath("assets")
    assets = {}
    for file_name, media_type in MEDIA_TYPES.items():
        content = folder.joinpath(file_name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
        name = f"{PurePath(file_name).stem}.{digest}{PurePath(file_name).suffix}"
        assets[file_name] = Asset(name, media_type, content, gzip.compress(content, mtime=0))
    return assets


def asset_url(file_name: str) -> str:
    """Return the URL of a file of `assets/`."""
    return f"{CONSOLE_PATH}{FOLDER}{_load()[file_name].name}"


def send_asset(name: str, request: Request) -> Response | None:
    """Return the file with a name that has its hash; None where there is none."""
    asset = next((candidate for candidate in _load().values() if candidate.name == name), None)
    if asset is None:
        return None
    is_compressed = request.accept_encodings.quality("gzip") > 0
    response = Response(
        asset.compressed if is_compressed else asset.content, content_type=asset.media_type
    )
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    secure_asset(response)
    return response
