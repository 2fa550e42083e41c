"""Checks that a request comes from a page of the console, against forgery by another site.

A browser says which site made a request: `Sec-Fetch-Site`, over https and to this machine, else
`Origin`. https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

OWN_SITES: Final = frozenset({"same-origin", "none"})  # none: typed, or a bookmark


def is_from_elsewhere(request: Request) -> bool:
    """Return whether another site may have made a request.

    It may link to a page, as an alert does, but neither embed nor read one, nor send a form.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if request.method in ("GET", "HEAD"):
        return site is not None and site not in OWN_SITES and not _is_followed_link(request)
    if site is not None:
        return site != "same-origin"
    return not _is_own_origin(request)


def is_own_navigation(request: Request) -> bool:
    """Return whether a browser says that the console or a person opened the page."""
    return request.headers.get("Sec-Fetch-Site") in OWN_SITES


def _is_followed_link(request: Request) -> bool:
    sent = request.headers
    return sent.get("Sec-Fetch-Mode") == "navigate" and sent.get("Sec-Fetch-Dest") == "document"


def _is_own_origin(request: Request) -> bool:
    try:
        origin = urlsplit(request.headers.get("Origin", ""))
    except ValueError:
        return False
    # Not the scheme: a proxy may have taken TLS off.
    return origin.scheme in ("http", "https") and origin.netloc.lower() == request.host.lower()
