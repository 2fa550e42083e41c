"""Blows that find the bridge in the middle of something: who makes the calls is stopped first, so
that there is something to be lost.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from bridge.core.errors import StoreError
from bridge.store.db.database import Database
from bridge.store.queries import census
from bridge.torture.arena import Arena
from bridge.torture.lanes import LANES
from bridge.torture.processes import strike

# seconds in which nobody makes calls, so that many wait for the first who does
WAITING: Final = 2.0
# the type of the event that is sent meanwhile: it makes a delivery by each of many routes
MANY: Final = "seldom"
LOOKED_FOR: Final = {lane.route for lane in LANES if lane.on_unknown == "reconcile"}
# seconds in which somebody who makes calls again begins some; who was stopped may hold a lock, for
# 10 at most
CAUGHT: Final = 12.0
# seconds in which others have taken over what one held, and have looked twice for the runs: leases
# last 10
SETTLED: Final = 25.0
HELD: Final = 5.0  # seconds in which messages come to wait in the broker


def lapse(arena: Arena) -> bool:
    """A machine that is suspended in the middle of its calls for so long that others have looked
    for its runs and gone on without it.

    Everybody is stopped for a moment, so that much waits; one goes on, and is stopped again as soon
    as it has written down that it begins.
    """
    node = arena.random.choice(arena.nodes)
    maker = "celery" if arena.broker is not None else "work"
    others = [pid for each in arena.nodes if each is not node for pid in each.processes[maker].tree]
    own = node.processes[maker].tree
    if not own:
        return False
    arena.load.want([MANY])
    with _stopped(own):
        with _stopped(others):
            arena.wait(WAITING)
            caught = _caught(arena, own)
        arena.kills["SIGSTOP", "celery" if maker == "celery" else "worker"] += 1
        arena.until(lambda: _is_settled(arena, caught), SETTLED)
        overtaken = caught - (arena.ask(census.open_attempts) or dict.fromkeys(caught)).keys()
    arena.done["overtaken"] += len(overtaken)
    return bool(overtaken)


def _caught(arena: Arena, own: Collection[int]) -> set[tuple[str, int]]:
    """Let it go on until it has begun attempts, and stop it at once; return those that it had begun
    by then.
    """
    database = Database(arena.url)  # one for all looks: it is about milliseconds
    try:
        before = census.open_attempts(database)

        def begun() -> dict[tuple[str, int], str]:
            return {
                one: route
                for one, route in census.open_attempts(database).items()
                if one not in before
            }

        _signal(own, signal.SIGCONT)
        arena.until(lambda: not LOOKED_FOR.isdisjoint(begun().values()), CAUGHT, every=0.001)
        _signal(own, signal.SIGSTOP)
        return set(begun())
    except StoreError:
        return set()
    finally:
        database.close()


def _is_settled(arena: Arena, caught: Collection[tuple[str, int]]) -> bool:
    """Whether nobody has to do anything any more about these attempts."""
    pending = arena.ask(census.unresolved_attempts)
    return pending is not None and not pending.keys() & set(caught)


def broker(arena: Arena) -> bool:
    """What the broker holds is lost: it says so while messages wait in it, or it dies."""
    assert arena.broker is not None  # noqa: S101 - for the type checker: else the act is not possible
    if arena.done["broker_emptied"] and arena.random.random() < 0.3:
        arena.broker.kill()
        arena.kills["SIGKILL", "broker"] += 1
        arena.wait(arena.random.uniform(0.1, 2.0))
        return True
    with _stopped([pid for node in arena.nodes for pid in node.processes["celery"].tree]):
        arena.until(lambda: arena.broker is not None and arena.broker.holds() > 0, HELD)
        lost = arena.broker.flush()
    arena.done["broker_emptied"] += bool(lost)
    arena.done["messages_lost"] += lost
    return bool(lost)


@contextmanager
def _stopped(pids: Collection[int]) -> Iterator[None]:
    """Stop these processes for a while."""
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: Collection[int], number: int) -> None:
    for pid in pids:
        strike(pid, number)
