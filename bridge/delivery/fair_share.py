"""Fair share: the route that had the fewest slots of a platform goes first. Pure.

A route counts from the moment at which it waits: one that comes to wait begins with what the least
of the others had, so that it has no claim on what it missed, and no other has to wait until it
caught up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class FairShares:
    """The slots that each waiting route had of each platform, in one worker."""

    def __init__(self) -> None:
        self._had: dict[str, dict[str, int]] = {}  # by platform, by route

    def order(self, platform: str, routes: Sequence[str]) -> list[str]:
        """Return the waiting routes of a platform, those with the fewest slots first."""
        had = self._had.get(platform, {})
        least = min((had[route] for route in routes if route in had), default=0)
        present = self._had[platform] = {route: had.get(route, least) for route in routes}
        return sorted(routes, key=present.__getitem__)

    def count(self, taken: Iterable[tuple[str, str]]) -> None:
        """Count taken slots, as (platform, route) pairs."""
        for platform, route in taken:
            had = self._had.setdefault(platform, {})
            had[route] = had.get(route, 0) + 1
