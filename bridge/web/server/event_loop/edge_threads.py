"""The threads of a process that receives on an event loop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

HOOK_THREADS: Final = 8  # requests under /hooks that wait or take long


class EdgePool(ThreadPoolExecutor):
    """A pool whose tasks wait for one of its threads where the machine refuses a further one.

    Where it has none, `submit` raises RuntimeError, and the task never runs. The library's pool
    raises it in both cases, and runs the task later all the same.
    """

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if self._threads:
                return
            self._work_queue.get_nowait()  # the task of this call: no thread has taken any
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeThreads:
    """The pools: for requests under /hooks that wait, for commits, and for what Flask answers.

    One commit at a time waits for the disk, so `commits` has one thread; `flask` has as many as
    `flask_places` says.
    """

    hooks: EdgePool
    commits: EdgePool
    flask: EdgePool
    flask_places: int

    @classmethod
    def create(cls, flask_places: int) -> EdgeThreads:
        """Return the pools, which start a thread when they need it."""
        return cls(
            hooks=EdgePool(HOOK_THREADS, "hooks"),
            commits=EdgePool(1, "commit"),
            flask=EdgePool(flask_places, "flask"),
            flask_places=flask_places,
        )

    def shut_down(self) -> None:
        """Take no more work, and let the threads end after what they have; do not wait for them."""
        for pool in (self.hooks, self.commits, self.flask):
            pool.shutdown(wait=False)
