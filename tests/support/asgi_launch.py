"""The ASGI application for a server of another kind: `asgi_launch:create()`."""

from __future__ import annotations

from bridge.cli import asgi
from bridge.web import rate_limiter
from bridge.web.asgi_app import AsgiApp


def create() -> AsgiApp:
    """Return the application, whose rate limits share no cell by chance."""
    rate_limiter.SALT = bytes(16)
    return asgi.create()
