"""Faults that are injected while calls or messages are in flight.

The processes that make the calls are stopped first, so that work is waiting when the fault comes.
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

# no process makes calls for so long, so that many deliveries are waiting
QUEUE_SECONDS: Final = 2.0
# the type of the event that is sent meanwhile; it matches many routes
MULTI_ROUTE_TYPE: Final = "seldom"
RECONCILED_ROUTES: Final = {
    scenario.route for scenario in SCENARIOS if scenario.on_unknown == "reconcile"
}
# until a continued process begins calls; a stopped one may hold a lock, for 10 s at most
BEGIN_TIMEOUT_SECONDS: Final = 12.0
# until others have taken over, after leases of 10 s, and searched twice for the runs
TAKEOVER_TIMEOUT_SECONDS: Final = 25.0
MESSAGE_TIMEOUT_SECONDS: Final = 5.0  # until messages wait in the broker


def pause_during_calls(env: Environment) -> bool:
    """Suspend a node during its calls until other nodes have searched for its runs and resumed.

    All workers stop for a moment so that deliveries wait. One node continues, and is stopped again
    as soon as it has recorded attempts.
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
            attempts = _stop_after_begin(env, own)
        env.kills["SIGSTOP", "celery" if maker == "celery" else "worker"] += 1
        env.wait_until(lambda: _is_settled(env, attempts), _limit(env, TAKEOVER_TIMEOUT_SECONDS))
        overtaken = attempts - (env.query(census.open_attempts) or dict.fromkeys(attempts)).keys()
    env.done["overtaken"] += len(overtaken)
    return bool(overtaken)


def _stop_after_begin(env: Environment, own: Collection[int]) -> set[tuple[str, int]]:
    """Continue processes until they have recorded attempts, stop them, and return the attempts."""
    database = Database(env.url)  # one connection for all queries: milliseconds matter
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
            _limit(env, BEGIN_TIMEOUT_SECONDS),
            every=0.001,
        )
        _signal_all(own, signal.SIGSTOP)
        return set(begun())
    except StoreError:
        return set()
    finally:
        database.close()


def _limit(env: Environment, seconds: float) -> float:
    """Return the seconds that a wait may take: the drain needs the time after the load."""
    return min(seconds, env.remaining(env.plan.max_load_seconds))


def _is_settled(env: Environment, attempts: Collection[tuple[str, int]]) -> bool:
    """Whether all of these attempts have been resolved."""
    pending = env.query(census.unresolved_attempts)
    return pending is not None and not pending.keys() & set(attempts)


def lose_broker_messages(env: Environment) -> bool:
    """Empty the broker while messages wait in it, or kill it; return whether messages were lost."""
    assert env.broker is not None  # noqa: S101 - for the type checker: else the fault is not possible
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
    """Suspend these processes within the block."""
    _signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal_all(pids, signal.SIGCONT)


def _signal_all(pids: Collection[int], number: int) -> None:
    for pid in pids:
        send_signal(pid, number)
