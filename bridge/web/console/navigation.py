"""The navigation of the console: the pages that a session may open, with their counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.core.scopes import Scope
from bridge.core.status import Overview
from bridge.web.console.links import make_link
from bridge.web.console.page_row import ConsolePage


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationLink:
    """A link of the navigation. `is_current`: it leads to the page itself, or to one above it."""

    url: str
    label: str
    icon: str
    count: int
    counted_to: int | None
    is_current: bool


def list_navigation(
    pages: Sequence[ConsolePage],
    scopes: Collection[Scope],
    path: str,
    overview: Overview | None,
) -> list[NavigationLink]:
    """Return the links for the scopes of a session; without an overview they have no counts."""
    return [
        NavigationLink(
            url=make_link(page.path),
            label=page.label,
            icon=page.icon,
            count=0 if page.count is None or overview is None else page.count(overview),
            counted_to=page.counted_to,
            is_current=_is_below(path, page.path),
        )
        for page in pages
        if page.label is not None and page.scope in scopes
    ]


def _is_below(path: str, page: str) -> bool:
    path = path.rstrip("/")
    page = page.rstrip("/")
    return path == page or (bool(page) and path.startswith(f"{page}/"))
