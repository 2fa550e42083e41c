"""Finds the page of a path: of a request, above a form, or of the page that sent a form."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Request

from bridge.web.console.login import check_page
from bridge.web.console.page_row import ConsolePage
from bridge.web.console.pages import PAGES
from bridge.web.mount_paths import CONSOLE_PATH

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"


def find_page(path: str, method: str) -> tuple[Any, Mapping[str, str]]:
    """Return the row of a page, `LOGIN`, `LOGOUT` or an HTTP error, and the ids in the path."""
    path = "/" + path.removeprefix(CONSOLE_PATH).removeprefix("/")
    method = "GET" if method == "HEAD" else method
    try:
        return _map_pages().bind("localhost").match(path, method=method)
    except RequestRedirect:
        return NotFound(), {}
    except (NotFound, MethodNotAllowed) as error:
        return error, {}


def find_page_above(path: str) -> str:
    """Return the path of the nearest page above the URL of a form, which a bookmark may open."""
    endpoint: Any = None
    while not isinstance(endpoint, ConsolePage):
        path = path.rpartition("/")[0]
        endpoint, _ = find_page(path, "GET")
    return path if path != CONSOLE_PATH else f"{CONSOLE_PATH}/"


def find_sender(request: Request) -> str | None:
    """Return the page of the console that sent a form; None if the browser does not name it."""
    try:
        sent_by = urlsplit(request.referrer or "")
    except ValueError:  # no browser sends this
        return None
    page = check_page(sent_by._replace(scheme="", netloc="", fragment="").geturl())
    if request.method in ("GET", "HEAD") or sent_by.netloc != request.host or page is None:
        return None
    endpoint, _ = find_page(sent_by.path, "GET")
    return page if isinstance(endpoint, ConsolePage) else None


@cache
def _map_pages() -> Map:
    """Return the map of the paths of pages; to compile its rules takes longer than most pages."""
    rules = [Rule(page.path, methods=[page.method], endpoint=page) for page in PAGES]
    own = (("GET", LOGIN), ("POST", LOGIN), ("POST", LOGOUT))
    rules += [Rule(path, methods=[method], endpoint=path) for method, path in own]
    return Map(rules, strict_slashes=False, merge_slashes=False)
