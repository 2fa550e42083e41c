"""What is done to the bridge: a row for each kind. An act returns whether it could be done just
now.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.store.db import scratch_schema
from bridge.torture import disk, inflight_faults
from bridge.torture.clock import classify_step
from bridge.torture.environment import Environment
from bridge.torture.nodes import Node
from bridge.torture.plan import DAY_STEP_SECONDS, LARGE_STEP_SECONDS, list_impossible
from bridge.torture.processes import Service, list_children, list_descendants, send_signal
from bridge.torture.records import Finding

FIRST_ROUNDS: Final = 3  # rounds in which a kind that was not done yet comes before chance decides
HANDOVER_SECONDS: Final = 90.0  # seconds that a busy machine may need for it
CLOCK_RESET_SHARE: Final = 0.5  # of the steps of a clock that are taken back by the same act
KILLED_HANDOVER_SHARE: Final = (
    0.3  # of the takings over in which a process is killed before it is through
)
EARLY_SHARE: Final = (
    0.3  # of the acts do not wait until the bridge has recovered from the one before
)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind. `share`: how often, beside the others. `turn`: when, in the first round: 0 wants a
    bridge that is well, 2 takes long.
    """

    inject: Callable[[Environment], bool]
    weight: int
    rank: int = 1


def _make_kill(
    pick: Callable[[Environment, Node], int], victim: str
) -> Callable[[Environment], bool]:
    """Return the act that kills what `pick` finds."""

    def act(env: Environment) -> bool:
        pid = pick(env, env.random.choice(env.nodes))
        if not pid or not send_signal(pid, signal.SIGKILL):
            return False
        env.kills["SIGKILL", victim] += 1
        return True

    return act


def _pick_receiver(env: Environment, node: Node) -> int:
    found = list_children(node.find_web(env.list_workers()))
    return env.random.choice(found) if found else 0


def _pick_flow_process(env: Environment, node: Node) -> int:
    """The host, the generation below it, or the keeper of a run: never the runs alone, which are
    for their flows to lose.
    """
    worker = node.find_worker(env.list_workers())
    found = list_descendants(worker) if worker else []
    return env.random.choice(found[:3]) if found else 0


def _kill_tree(env: Environment) -> bool:
    """All processes of a node at one moment; or the supervisor alone, with whom all end; or,
    rarely, every node.
    """
    for node in env.nodes if env.random.random() < 0.2 else [env.random.choice(env.nodes)]:
        supervisors = [service.pid for service in node.services if service.pid]
        if supervisors and env.random.random() < 0.5:
            send_signal(env.random.choice(supervisors), signal.SIGKILL)
            env.kills["SIGKILL", "supervisor"] += 1
        else:
            node.kill()
            env.kills["SIGKILL", "tree"] += 1
    return True


def _redeploy(env: Environment) -> bool:
    """Every node in turn is ended and started again, as a deployment does it."""
    for node in env.nodes:
        began = time.monotonic()
        if not all(process.pid for process in node.processes.values()):
            continue
        env.kills["SIGTERM", "node"] += 1
        # the code says nothing here: it may just have been dying of the blow before
        if None in node.stop():
            text = f"it had not ended {time.monotonic() - began:.1f} s after SIGTERM: see logs/"
            env.findings.append(Finding("process", f"node {node.number}", text))
        node.start()
        env.wait_until(lambda node=node: node.is_ready, 10.0)  # type: ignore[misc]  # mypy infers no lambda with defaults
    return True


def _hand_over(env: Environment) -> bool:
    """A service is replaced as a deployment without a stop does it; or one of the two is killed
    meanwhile.
    """
    node = env.random.choice([node for node in env.nodes if node.services])
    service = env.random.choice(node.services)
    before = service.pid
    if not node.is_ready or not before or not send_signal(before, signal.SIGUSR2):
        return False
    env.kills["SIGUSR2", "supervisor"] += 1
    if env.random.random() < KILLED_HANDOVER_SHARE:
        env.wait(env.random.uniform(0.0, 2.0))
        _kill_during_handover(env, service)
    elif not env.wait_until(lambda: service.pid != before, HANDOVER_SECONDS):
        text = f"no other process had taken over {HANDOVER_SECONDS:g} s after SIGUSR2: see logs/"
        env.findings.append(Finding("process", f"{service.name}", text))
    return True


def _kill_during_handover(env: Environment, service: Service) -> None:
    """Kill who gives way, or who takes over."""
    replacements = service.replacements
    replacement = replacements[0] if replacements and env.random.random() < 0.5 else 0
    if send_signal(replacement or service.pid or service.session, signal.SIGKILL):
        env.kills["SIGKILL", "successor" if replacement else "supervisor"] += 1


def _freeze_process(env: Environment) -> bool:
    """A machine that is suspended, or swaps."""
    node = env.random.choice(env.nodes)
    victim = env.random.choice(("worker", "receiver"))
    pid = node.find_worker(env.list_workers()) if victim == "worker" else _pick_receiver(env, node)
    if not pid or not send_signal(pid, signal.SIGSTOP):
        return False
    env.kills["SIGSTOP", victim] += 1
    try:
        env.wait(env.random.uniform(0.5, 3.0))
    finally:
        send_signal(pid, signal.SIGCONT)
    return True


def _restart_platform(env: Environment) -> bool:
    env.platform.kill()
    env.kills["SIGKILL", "platform"] += 1
    env.wait(env.random.uniform(0.1, 1.0))
    env.start_platform()
    return True


def _step_clock(env: Environment) -> bool:
    """One node's clock jumps, by minutes, by a day or by seconds in turn; the next act of this kind
    takes it elsewhere, the drain mends it.

    Now and then it is right again for a while.
    """
    one = env.random.choice(env.clocks)
    sizes = (env.random.uniform(*LARGE_STEP_SECONDS), DAY_STEP_SECONDS, env.plan.small_step)
    offset = sizes[env.done["clock"] % len(sizes)] * env.random.choice((-1.0, 1.0))
    for to in (offset, 0.0) if env.random.random() < CLOCK_RESET_SHARE else (offset,):
        env.done.update(size for size in (classify_step(to - one.offset),) if size)
        one.step(to)
        env.wait(env.random.uniform(2.0, 4.0))
    return True


def _disconnect_database(env: Environment) -> bool:
    scratch_schema.disconnect(env.url)
    return True


def _pick_celery_worker(_arena: Environment, node: Node) -> int:
    return node.processes["celery"].pid


# -- the disk


def _fill_disk(env: Environment) -> bool:
    return _fill_small_disk(env, env.disk) if env.disk is not None else _limit_file_sizes(env)


def _fill_small_disk(env: Environment, small: disk.SmallDisk) -> bool:
    """The bridge goes on, on a disk that fills up under it; somebody makes room, or does not; then
    it gets its own disk back.
    """
    [node] = env.nodes
    node.kill()
    env.kills["SIGKILL", "tree"] += 1
    try:
        small.mount(env.folder.data)
    except OSError as error:
        env.not_run.setdefault("disk", str(error))
        return False
    node.set_data_folder(small.path)
    if not env.recover():
        env.findings.append(Finding("process", "disk", "it was not ready on the small disk"))
    small.fill()
    _run_while_full(env, small.make_room)
    node.kill()
    env.kills["SIGKILL", "tree"] += 1
    small.copy_back(env.folder.data)
    node.set_data_folder(env.folder.data)
    return True


def _limit_file_sizes(env: Environment) -> bool:
    [node] = env.nodes
    pids = [pid for process in node.processes.values() for pid in process.pids]
    if not pids:
        return False
    disk.limit_file_sizes(pids, 65536)

    def free() -> None:
        now = [pid for process in node.processes.values() for pid in process.pids]
        disk.limit_file_sizes({*pids, *now}, disk.NO_LIMIT)

    _run_while_full(env, free)
    free()
    return True


def _run_while_full(env: Environment, make_room: Callable[[], None]) -> None:
    """Let senders meet the full disk; then, mostly, make room and see that events are taken in
    again without a restart.
    """
    refused = env.load.count()[2]
    env.done["disk_refusals"] += env.wait_until(lambda: env.load.count()[2] > refused, 6.0)
    env.wait(env.random.uniform(0.5, 2.0))
    if env.random.random() < 0.3:
        return
    make_room()
    acknowledged = env.load.count()[1]
    if not env.wait_until(lambda: env.load.count()[1] > acknowledged, 15.0):
        env.findings.append(
            Finding(
                "process",
                "disk",
                "no event was taken in within 15 s after there was room on the disk again",
            )
        )


FAULTS: Final[Mapping[str, FaultKind]] = {
    "receiver": FaultKind(_make_kill(_pick_receiver, "receiver"), 4),
    "web": FaultKind(_make_kill(lambda env, node: node.find_web(env.list_workers()), "web"), 2),
    "worker": FaultKind(
        _make_kill(lambda env, node: node.find_worker(env.list_workers()), "worker"), 5
    ),
    "flows": FaultKind(_make_kill(_pick_flow_process, "flows"), 2),
    "tree": FaultKind(_kill_tree, 4),
    "deploy": FaultKind(_redeploy, 1, rank=2),
    "takeover": FaultKind(_hand_over, 2),
    "freeze": FaultKind(_freeze_process, 2),
    "lapse": FaultKind(inflight_faults.pause_during_calls, 1, rank=0),
    "disk": FaultKind(_fill_disk, 1),
    "clock": FaultKind(_step_clock, 2),
    "database": FaultKind(_disconnect_database, 2),
    "celery": FaultKind(_make_kill(_pick_celery_worker, "celery"), 4),
    "broker": FaultKind(inflight_faults.lose_broker_messages, 3, rank=0),
    "platform": FaultKind(_restart_platform, 1),
}


def select_possible(env: Environment, own_mounts: bool) -> list[str]:
    """Return the kinds that were asked for and can be done here; why the others cannot is noted in
    `not_run`.
    """
    asked = [kind for kind in FAULTS if kind in env.plan.kinds]
    cannot = list_impossible(env.plan)
    if "disk" in asked and "disk" not in cannot and not own_mounts:
        env.not_run["a full file system"] = (
            "none can be mounted here, which needs root: the size of files was limited instead"
        )
    env.not_run |= {kind: cannot[kind] for kind in asked if kind in cannot}
    return [kind for kind in asked if kind not in cannot]


def schedule_faults(kinds: list[str], env: Environment) -> Iterator[str]:
    """Yield kinds for ever: each until it was done once, or could not be done again and again; then
    by their shares, shuffled.
    """
    for _ in range(FIRST_ROUNDS):
        due = [kind for kind in kinds if not env.done[kind]]
        yield from sorted(env.random.sample(due, len(due)), key=lambda kind: FAULTS[kind].rank)
    bag = list(kinds)
    while kinds:
        env.random.shuffle(bag)
        yield from bag
        bag = [kind for kind in kinds for _ in range(FAULTS[kind].weight)]
