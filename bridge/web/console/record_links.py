"""Links to records by their ids."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from bridge.web.console.links import make_link
from bridge.web.mount_paths import CONSOLE_PATH

#: The page of a record, by the beginning of its id.
_PAGES: Final = {
    "evt_": "/events/",
    "dlv_": "/deliveries/",
    "rej_": "/rejects/",
    "act_": "/operations/",
}


def link_record(id_: str) -> str | None:
    """Return the URL of the page of a record; None for an id, or a part of one, without a page."""
    page = _PAGES.get(id_[:4])
    return None if page is None else make_link(f"{page}{id_}")


def link_run(url: str | None) -> str | None:
    """Return the URL of a run. A run of the local platform gets a path, which works on every host
    name of the console.

    None for a URL that is neither of the console nor http or https.
    """
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    if parts.path == f"{CONSOLE_PATH}/runs":
        return make_link("/runs", parse_qs(parts.query))
    return url if parts.scheme in ("http", "https") else None
