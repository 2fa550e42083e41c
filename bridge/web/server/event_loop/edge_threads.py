"""The threads of a process that receives on an event loop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

HOOK_THREADS: Final = 8  # requests under /hooks that wait or take long


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeThreads:
    """The pools: for requests under /hooks that wait, for commits, and for what Flask answers.

    One commit at a time waits for the disk, so `commits` has one thread; `flask` has as many as
    `flask_places` says.
    """

    hooks: ThreadPoolExecutor
    commits: ThreadPoolExecutor
    flask: ThreadPoolExecutor
    flask_places: int

    @classmethod
    def create(cls, flask_places: int) -> EdgeThreads:
        """Return the pools, which start a thread when they need it."""
        return cls(
            hooks=ThreadPoolExecutor(HOOK_THREADS, "hooks"),
            commits=ThreadPoolExecutor(1, "commit"),
            flask=ThreadPoolExecutor(flask_places, "flask"),
            flask_places=flask_places,
        )

    def shut_down(self) -> None:
        """Take no more work, and let the threads end after what they have; do not wait for them."""
        for pool in (self.hooks, self.commits, self.flask):
            pool.shutdown(wait=False)
