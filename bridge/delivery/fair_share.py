"""Fair share: the route that had the fewest slots of a platform is first. Pure.

A route counts only while it waits. One that starts to wait begins with the lowest count of the
others: it has no claim on slots it did not need before, and the others need not wait for it to
catch up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class FairShares:
    """Count the slots of each platform that each waiting route had, in one worker."""

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
