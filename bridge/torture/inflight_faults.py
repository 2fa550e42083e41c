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
from bridge.torture.environment import Environment
from bridge.torture.processes import send_signal
from bridge.torture.scenarios import SCENARIOS

# seconds in which nobody makes calls, so that many wait for the first who does
QUEUE_SECONDS: Final = 2.0
# the type of the event that is sent meanwhile: it makes a delivery by each of many routes
MULTI_ROUTE_TYPE: Final = "seldom"
RECONCILED_ROUTES: Final = {
    scenario.route for scenario in SCENARIOS if scenario.on_unknown == "reconcile"
}
# seconds in which somebody who makes calls again begins some; who was stopped may hold a lock, for
# 10 at most
BEGIN_TIMEOUT_SECONDS: Final = 12.0
# seconds in which others have taken over what one held, and have looked twice for the runs: leases
# last 10
TAKEOVER_TIMEOUT_SECONDS: Final = 25.0
MESSAGE_TIMEOUT_SECONDS: Final = 5.0  # seconds in which messages come to wait in the broker


def pause_during_calls(env: Environment) -> bool:
    """A machine that is suspended in the middle of its calls for so long that others have looked
    for its runs and gone on without it.

    Everybody is stopped for a moment, so that much waits; one goes on, and is stopped again as soon
    as it has written down that it begins.
    """
    node = env.random.choice(env.nodes)
    maker = "celery" if env.broker is not None else "work"
    others = [pid for each in env.nodes if each is not node for pid in each.processes[maker].pids]
    own = node.processes[maker].pids
    if not own:
        return False
    env.load.queue_types([MULTI_ROUTE_TYPE])
    with _paused(own):
        with _paused(others):
            env.wait(QUEUE_SECONDS)
            caught = _stop_after_begin(env, own)
        env.kills["SIGSTOP", "celery" if maker == "celery" else "worker"] += 1
        env.wait_until(lambda: _is_settled(env, caught), TAKEOVER_TIMEOUT_SECONDS)
        overtaken = caught - (env.query(census.open_attempts) or dict.fromkeys(caught)).keys()
    env.done["overtaken"] += len(overtaken)
    return bool(overtaken)


def _stop_after_begin(env: Environment, own: Collection[int]) -> set[tuple[str, int]]:
    """Let it go on until it has begun attempts, and stop it at once; return those that it had begun
    by then.
    """
    database = Database(env.url)  # one for all looks: it is about milliseconds
    try:
        before = census.open_attempts(database)

        def begun() -> dict[tuple[str, int], str]:
            return {
                one: route
                for one, route in census.open_attempts(database).items()
                if one not in before
            }

        _signal_all(own, signal.SIGCONT)
        env.wait_until(
            lambda: not RECONCILED_ROUTES.isdisjoint(begun().values()),
            BEGIN_TIMEOUT_SECONDS,
            every=0.001,
        )
        _signal_all(own, signal.SIGSTOP)
        return set(begun())
    except StoreError:
        return set()
    finally:
        database.close()


def _is_settled(env: Environment, caught: Collection[tuple[str, int]]) -> bool:
    """Whether nobody has to do anything any more about these attempts."""
    pending = env.query(census.unresolved_attempts)
    return pending is not None and not pending.keys() & set(caught)


def lose_broker_messages(env: Environment) -> bool:
    """What the broker holds is lost: it says so while messages wait in it, or it dies."""
    assert env.broker is not None  # noqa: S101 - for the type checker: else the act is not possible
    if env.done["broker_emptied"] and env.random.random() < 0.3:
        env.broker.kill()
        env.kills["SIGKILL", "broker"] += 1
        env.wait(env.random.uniform(0.1, 2.0))
        return True
    with _paused([pid for node in env.nodes for pid in node.processes["celery"].pids]):
        env.wait_until(
            lambda: env.broker is not None and env.broker.count_messages() > 0,
            MESSAGE_TIMEOUT_SECONDS,
        )
        lost = env.broker.flush()
    env.done["broker_emptied"] += bool(lost)
    env.done["messages_lost"] += lost
    return bool(lost)


@contextmanager
def _paused(pids: Collection[int]) -> Iterator[None]:
    """Stop these processes for a while."""
    _signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal_all(pids, signal.SIGCONT)


def _signal_all(pids: Collection[int], number: int) -> None:
    for pid in pids:
        send_signal(pid, number)
