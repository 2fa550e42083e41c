"""The faults that are injected into the bridge, one function for each kind.

A function returns False if the fault was not possible at that moment.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.store.db import scratch_schema
from bridge.torture import clock_faults, disk, inflight_faults
from bridge.torture.clock import classify_step
from bridge.torture.environment import Environment
from bridge.torture.nodes import Node
from bridge.torture.plan import DAY_STEP_SECONDS, LARGE_STEP_SECONDS, list_impossible
from bridge.torture.processes import Service, list_children, list_descendants, send_signal
from bridge.torture.records import Finding

FIRST_ROUNDS: Final = 3  # for kinds that have not occurred yet; then the order is random
HANDOVER_SECONDS: Final = 90.0  # on a busy machine
CLOCK_RESET_SHARE: Final = 0.5  # of the clock steps are reverted at once
KILLED_HANDOVER_SHARE: Final = 0.3  # of the handovers lose one of the two processes
EARLY_SHARE: Final = 0.3  # of the faults do not wait until the bridge has recovered
ALL_NODES_SHARE: Final = 0.2  # of the `tree` faults kill every node
FULL_DISK_SHARE: Final = 0.3  # of the disks stay full until the node is killed


@dataclass(frozen=True, slots=True)
class CrashFault:
    """One kind of fault.

    `weight`: its frequency relative to the other kinds.
    `rank`: its order in the first round: 0 if it needs a healthy bridge, 2 if it takes long.
    """

    inject: Callable[[Environment], bool]
    weight: int
    rank: int = 1


def _make_kill(
    pick: Callable[[Environment, Node], int], victim: str
) -> Callable[[Environment], bool]:
    """Return a function that kills the process that `pick` returns."""

    def kill(env: Environment) -> bool:
        pid = pick(env, env.random.choice(env.nodes))
        if not pid or not send_signal(pid, signal.SIGKILL):
            return False
        env.kills["SIGKILL", victim] += 1
        return True

    return kill


def _pick_receiver(env: Environment, node: Node) -> int:
    receivers = list_children(node.find_web(env.list_workers()))
    return env.random.choice(receivers) if receivers else 0


def _pick_flow_process(env: Environment, node: Node) -> int:
    """Return the flow host, the loaded version below it, or the supervisor of a run.

    Never a run itself: a flow that crashes may lose its own run.
    """
    worker = node.find_worker(env.list_workers())
    descendants = list_descendants(worker) if worker else []
    return env.random.choice(descendants[:3]) if descendants else 0


def _kill_tree(env: Environment) -> bool:
    """Kill all processes of a node at once, or its supervisor, or, rarely, every node."""
    for node in (
        env.nodes if env.random.random() < ALL_NODES_SHARE else [env.random.choice(env.nodes)]
    ):
        supervisors = [service.pid for service in node.services if service.pid]
        if supervisors and env.random.random() < 0.5:
            send_signal(env.random.choice(supervisors), signal.SIGKILL)
            env.kills["SIGKILL", "supervisor"] += 1
        else:
            node.kill()
            env.kills["SIGKILL", "tree"] += 1
    return True


def _redeploy(env: Environment) -> bool:
    """Stop and start the nodes one after the other, as a deployment does."""
    for node in env.nodes:
        began = time.monotonic()
        if not all(process.pid for process in node.processes.values()):
            continue
        env.kills["SIGTERM", "node"] += 1
        # other exit codes are no finding: it may have been ending after the fault before
        if None in node.stop():
            text = f"still running {time.monotonic() - began:.1f} s after SIGTERM: see logs/"
            env.findings.append(Finding("process", f"node {node.number}", text))
        node.start()
        env.wait_until(lambda node=node: node.is_ready, 10.0)  # type: ignore[misc]  # mypy infers no lambda with defaults
    return True


def _hand_over(env: Environment) -> bool:
    """Replace a service as a deployment without downtime does, or kill one of the two processes."""
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
        text = f"no new process took over within {HANDOVER_SECONDS:g} s of SIGUSR2: see logs/"
        env.findings.append(Finding("process", f"{service.name}", text))
    return True


def _kill_during_handover(env: Environment, service: Service) -> None:
    """Kill the old or the new process of a handover."""
    replacements = service.replacements
    replacement = replacements[0] if replacements and env.random.random() < 0.5 else 0
    if send_signal(replacement or service.pid or service.session, signal.SIGKILL):
        env.kills["SIGKILL", "successor" if replacement else "supervisor"] += 1


def _freeze_process(env: Environment) -> bool:
    """Stop a process for some seconds, like a machine that is suspended or swaps."""
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
    """Step the clock of one node by minutes, by a day and by seconds in turn.

    Half of the steps are reverted at once; the others last until the next step or the drain.
    """
    clock = env.random.choice(env.clocks)
    sizes = (env.random.uniform(*LARGE_STEP_SECONDS), DAY_STEP_SECONDS, env.plan.small_step)
    offset = sizes[env.done["clock"] % len(sizes)] * env.random.choice((-1.0, 1.0))
    for to in (offset, 0.0) if env.random.random() < CLOCK_RESET_SHARE else (offset,):
        env.done.update(size for size in (classify_step(to - clock.offset),) if size)
        clock.step(to)
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
    """Move the data to a small disk, fill it, usually free it again, and move the data back."""
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
        env.findings.append(
            Finding("process", "disk", "flowbridge did not become ready on the small disk")
        )
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

    def remove_limit() -> None:
        now = [pid for process in node.processes.values() for pid in process.pids]
        disk.limit_file_sizes({*pids, *now}, disk.NO_LIMIT)

    _run_while_full(env, remove_limit)
    remove_limit()
    return True


def _run_while_full(env: Environment, make_room: Callable[[], None]) -> None:
    """Wait until the full disk causes refusals, then usually free space.

    flowbridge must acknowledge events again without a restart.
    """
    refused = env.load.count()[2]
    env.done["disk_refusals"] += env.wait_until(lambda: env.load.count()[2] > refused, 6.0)
    env.wait(env.random.uniform(0.5, 2.0))
    if env.random.random() < FULL_DISK_SHARE:
        return
    make_room()
    acknowledged = env.load.count()[1]
    if not env.wait_until(lambda: env.load.count()[1] > acknowledged, 15.0):
        env.findings.append(
            Finding(
                "process",
                "disk",
                "no event was acknowledged within 15 s after disk space was freed",
            )
        )


FAULTS: Final[Mapping[str, CrashFault]] = {
    "receiver": CrashFault(_make_kill(_pick_receiver, "receiver"), 4),
    "web": CrashFault(_make_kill(lambda env, node: node.find_web(env.list_workers()), "web"), 2),
    "worker": CrashFault(
        _make_kill(lambda env, node: node.find_worker(env.list_workers()), "worker"), 5
    ),
    "flows": CrashFault(_make_kill(_pick_flow_process, "flows"), 2),
    "tree": CrashFault(_kill_tree, 4),
    "deploy": CrashFault(_redeploy, 1, rank=2),
    "takeover": CrashFault(_hand_over, 2),
    "freeze": CrashFault(_freeze_process, 2),
    "lapse": CrashFault(inflight_faults.pause_during_calls, 1, rank=0),
    "disk": CrashFault(_fill_disk, 1),
    "clock": CrashFault(_step_clock, 2),
    "blip": CrashFault(clock_faults.blip_clock, 2),
    "database": CrashFault(_disconnect_database, 2),
    "celery": CrashFault(_make_kill(_pick_celery_worker, "celery"), 4),
    "broker": CrashFault(inflight_faults.lose_broker_messages, 3, rank=0),
    "platform": CrashFault(_restart_platform, 1),
}


def select_possible(env: Environment, own_mounts: bool) -> list[str]:
    """Return the requested kinds that are possible; record the reasons of the others."""
    requested = [kind for kind in FAULTS if kind in env.plan.kinds]
    impossible = list_impossible(env.plan)
    if "disk" in requested and "disk" not in impossible and not own_mounts:
        env.not_run["a full file system"] = (
            "mounting a file system needs root: the size of files was limited instead"
        )
    env.not_run |= {kind: impossible[kind] for kind in requested if kind in impossible}
    return [kind for kind in requested if kind not in impossible]


def schedule_faults(kinds: list[str], env: Environment) -> Iterator[str]:
    """Yield kinds without end: those that have not occurred yet first, then at random by weight."""
    for _ in range(FIRST_ROUNDS):
        due = [kind for kind in kinds if not env.done[kind]]
        yield from sorted(env.random.sample(due, len(due)), key=lambda kind: FAULTS[kind].rank)
    bag = list(kinds)
    while kinds:
        env.random.shuffle(bag)
        yield from bag
        bag = [kind for kind in kinds for _ in range(FAULTS[kind].weight)]
