"""Links to records by their ids."""

from __future__ import annotations

from typing import Final

from bridge.web.console.links import make_link

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
