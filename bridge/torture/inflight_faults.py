"""Faults that are injected while calls or messages are in flight.

The processes that make the calls are stopped first, so that work is waiting when the fault comes.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bridge.store.queries import census
from bridge.torture.call_gate import close_gate, holds_all
from bridge.torture.environment import Environment
from bridge.torture.processes import send_signal

# no process makes calls for so long, so that many deliveries are waiting
QUEUE_SECONDS: Final = 2.0
# the type of the event that is sent meanwhile; it matches many routes
MULTI_ROUTE_TYPE: Final = "seldom"
# until a continued process makes calls; a stopped one may hold a lock, for 10 s at most
GATE_TIMEOUT_SECONDS: Final = 12.0
# until others have taken over, after leases of 10 s, and searched twice for the runs
TAKEOVER_TIMEOUT_SECONDS: Final = 25.0
MESSAGE_TIMEOUT_SECONDS: Final = 5.0  # until messages wait in the broker


def pause_during_calls(env: Environment) -> bool:
    """Suspend a node during its calls until other nodes have searched for its runs and resumed.

    All workers stop for a moment so that deliveries wait. One node continues, and is stopped again
    as soon as its gate holds a start at each moment. Return whether others took over all of its
    calls, those in the gate included.
    """
    node = env.random.choice(env.nodes)
    maker = "celery" if env.broker is not None else "work"
    others = [
        pid for other in env.nodes if other is not node for pid in other.processes[maker].pids
    ]
    own = node.processes[maker].pids
    if not own:
        return False
    with _paused(own), close_gate(node.gate):
        with _paused(others):
            env.load.queue_types([MULTI_ROUTE_TYPE])
            env.wait(QUEUE_SECONDS)
            attempts = _stop_in_gate(env, own, node.gate)
        env.kills["SIGSTOP", "celery" if maker == "celery" else "worker"] += 1
        env.wait_until(lambda: _is_settled(env, attempts), _limit(env, TAKEOVER_TIMEOUT_SECONDS))
        pending = env.query(census.open_attempts)
        overtaken = set() if pending is None else attempts - pending.keys()
        is_gated = holds_all(node.gate)
    env.done["overtaken"] += len(overtaken)
    return is_gated and 0 < len(overtaken) == len(attempts)


def _stop_in_gate(env: Environment, own: Collection[int], gate: Path) -> set[tuple[str, int]]:
    """Continue processes until their gate holds a start at each moment, and stop them.

    Return the attempts that they have recorded meanwhile.
    """
    before = env.query(census.open_attempts)
    _signal_all(own, signal.SIGCONT)
    limit = _limit(env, GATE_TIMEOUT_SECONDS)
    env.wait_until(lambda: holds_all(gate), limit, every=0.001)
    _signal_all(own, signal.SIGSTOP)
    after = env.query(census.open_attempts)
    return set() if before is None or after is None else after.keys() - before.keys()


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
