"""URLs that others wrote: only those of web pages become links."""

from __future__ import annotations

from urllib.parse import urlsplit


def web_url(text: str) -> str | None:
    """Return a URL if it is http or https, else None."""
    try:
        return text if urlsplit(text).scheme in ("http", "https") else None
    except ValueError:
        return None
