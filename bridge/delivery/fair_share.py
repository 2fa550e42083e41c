"""Who goes first among the routes that wait for the same slots: who has had least of them. Pure.

A route counts from the moment at which it waits: one that comes to wait begins with what the least
of the others had, so that it has no claim on what it missed, and no other has to wait until it
caught up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Shares:
    """What each route had of each platform's slots since it has been waiting. Held by one worker:
    what is fair of each is fair of all.
    """

    def __init__(self) -> None:
        self._had: dict[str, dict[str, int]] = {}  # by platform, by route

    def order(self, platform: str, routes: Sequence[str]) -> list[str]:
        """Return the routes that wait for a platform, those that had least of it first."""
        had = self._had.get(platform, {})
        least = min((had[route] for route in routes if route in had), default=0)
        present = self._had[platform] = {route: had.get(route, least) for route in routes}
        return sorted(routes, key=present.__getitem__)

    def count(self, taken: Iterable[tuple[str, str]]) -> None:
        """Note what was taken: (platform, route) of each."""
        for platform, route in taken:
            had = self._had.setdefault(platform, {})
            had[route] = had.get(route, 0) + 1
