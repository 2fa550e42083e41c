"""Redirects after a form: only to pages of allowed sites. Pure.

A URL that browsers may parse differently (https://url.spec.whatwg.org/#url-parsing) is refused, not
repaired. A returned URL begins with an origin from the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import quote, urljoin, urlsplit

MAX_URL = 2000  # characters
_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f\\\s]")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?")
_DEFAULT_PORT = {"http": "80", "https": "443"}
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"


def origin_of(url: str) -> str | None:
    """Return the origin of an absolute URL, or None if the text is not one.

    An origin is lower-case, without a default port: `https://example.com:8443`.
    """
    if len(url) > MAX_URL or _UNFIT.search(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return plain_origin(f"{parts.scheme}://{parts.netloc}")


def plain_origin(text: str) -> str | None:
    """Return an origin in normal form; None for `null`, a URL with a path, or any other text."""
    match = _ORIGIN.fullmatch(text.lower())
    if not match:
        return None
    scheme, host, port = match.groups()
    return (
        f"{scheme}://{host}"
        if port in (None, _DEFAULT_PORT[scheme])
        else f"{scheme}://{host}:{port}"
    )


def redirect_target(url: str, allowed: Container[str], base: str | None = None) -> str | None:
    """Return the absolute URL of a redirect, or None if its origin is not in `allowed`.

    `base`: the origin of a relative URL, such as `/thanks`.
    """
    if not url or len(url) > MAX_URL or _UNFIT.search(url):
        return None
    try:
        absolute = urljoin(f"{base}/", url) if base else url
        parts = urlsplit(absolute)
    except ValueError:
        return None
    origin = origin_of(absolute)
    if origin is None or origin not in allowed:
        return None
    rest = (
        (parts.path or "/")
        + (f"?{parts.query}" if parts.query else "")
        + (f"#{parts.fragment}" if parts.fragment else "")
    )
    return origin + quote(rest, safe=_AS_IT_IS)
