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
from bridge.torture import disk, stalling
from bridge.torture.arena import Arena
from bridge.torture.clock import step_size
from bridge.torture.nodes import Node
from bridge.torture.plan import DAY, MINUTES, impossible
from bridge.torture.processes import Service, children_of, descendants_of, strike
from bridge.torture.records import Finding

TRIES: Final = 3  # rounds in which a kind that was not done yet comes before chance decides
TAKEN_OVER: Final = 90.0  # seconds that a busy machine may need for it
SET_RIGHT: Final = 0.5  # of the steps of a clock that are taken back by the same act
CUT_SHORT: Final = 0.3  # of the takings over in which a process is killed before it is through
EARLY: Final = 0.3  # of the acts do not wait until the bridge has recovered from the one before


@dataclass(frozen=True, slots=True)
class Act:
    """One kind. `share`: how often, beside the others. `turn`: when, in the first round: 0 wants a
    bridge that is well, 2 takes long.
    """

    do: Callable[[Arena], bool]
    share: int
    turn: int = 1


def _kill(pick: Callable[[Arena, Node], int], victim: str) -> Callable[[Arena], bool]:
    """Return the act that kills what `pick` finds."""

    def act(arena: Arena) -> bool:
        pid = pick(arena, arena.random.choice(arena.nodes))
        if not pid or not strike(pid, signal.SIGKILL):
            return False
        arena.kills["SIGKILL", victim] += 1
        return True

    return act


def _receiver(arena: Arena, node: Node) -> int:
    found = children_of(node.web(arena.workers()))
    return arena.random.choice(found) if found else 0


def _flows(arena: Arena, node: Node) -> int:
    """The host, the generation below it, or the keeper of a run: never the runs alone, which are
    for their flows to lose.
    """
    worker = node.worker(arena.workers())
    found = descendants_of(worker) if worker else []
    return arena.random.choice(found[:3]) if found else 0


def _tree(arena: Arena) -> bool:
    """All processes of a node at one moment; or the supervisor alone, with whom all end; or,
    rarely, every node.
    """
    for node in arena.nodes if arena.random.random() < 0.2 else [arena.random.choice(arena.nodes)]:
        supervisors = [service.pid for service in node.services if service.pid]
        if supervisors and arena.random.random() < 0.5:
            strike(arena.random.choice(supervisors), signal.SIGKILL)
            arena.kills["SIGKILL", "supervisor"] += 1
        else:
            node.kill()
            arena.kills["SIGKILL", "tree"] += 1
    return True


def _deploy(arena: Arena) -> bool:
    """Every node in turn is ended and started again, as a deployment does it."""
    for node in arena.nodes:
        began = time.monotonic()
        if not all(process.pid for process in node.processes.values()):
            continue
        arena.kills["SIGTERM", "node"] += 1
        # the code says nothing here: it may just have been dying of the blow before
        if None in node.stop():
            text = f"it had not ended {time.monotonic() - began:.1f} s after SIGTERM: see logs/"
            arena.findings.append(Finding("process", f"node {node.number}", text))
        node.start()
        arena.until(lambda node=node: node.is_ready, 10.0)  # type: ignore[misc]  # mypy infers no lambda with defaults
    return True


def _take_over(arena: Arena) -> bool:
    """A service is replaced as a deployment without a stop does it; or one of the two is killed
    meanwhile.
    """
    node = arena.random.choice([node for node in arena.nodes if node.services])
    service = arena.random.choice(node.services)
    before = service.pid
    if not node.is_ready or not before or not strike(before, signal.SIGUSR2):
        return False
    arena.kills["SIGUSR2", "supervisor"] += 1
    if arena.random.random() < CUT_SHORT:
        arena.wait(arena.random.uniform(0.0, 2.0))
        _kill_either(arena, service)
    elif not arena.until(lambda: service.pid != before, TAKEN_OVER):
        text = f"no other process had taken over {TAKEN_OVER:g} s after SIGUSR2: see logs/"
        arena.findings.append(Finding("process", f"{service.name}", text))
    return True


def _kill_either(arena: Arena, service: Service) -> None:
    """Kill who gives way, or who takes over."""
    heirs = service.heirs
    heir = heirs[0] if heirs and arena.random.random() < 0.5 else 0
    if strike(heir or service.pid or service.session, signal.SIGKILL):
        arena.kills["SIGKILL", "successor" if heir else "supervisor"] += 1


def _freeze(arena: Arena) -> bool:
    """A machine that is suspended, or swaps."""
    node = arena.random.choice(arena.nodes)
    victim = arena.random.choice(("worker", "receiver"))
    pid = node.worker(arena.workers()) if victim == "worker" else _receiver(arena, node)
    if not pid or not strike(pid, signal.SIGSTOP):
        return False
    arena.kills["SIGSTOP", victim] += 1
    try:
        arena.wait(arena.random.uniform(0.5, 3.0))
    finally:
        strike(pid, signal.SIGCONT)
    return True


def _platform(arena: Arena) -> bool:
    arena.platform.kill()
    arena.kills["SIGKILL", "platform"] += 1
    arena.wait(arena.random.uniform(0.1, 1.0))
    arena.start_platform()
    return True


def _clock(arena: Arena) -> bool:
    """One node's clock jumps, by minutes, by a day or by seconds in turn; the next act of this kind
    takes it elsewhere, the drain mends it.

    Now and then it is right again for a while.
    """
    one = arena.random.choice(arena.clocks)
    sizes = (arena.random.uniform(*MINUTES), DAY, arena.plan.step)
    offset = sizes[arena.done["clock"] % len(sizes)] * arena.random.choice((-1.0, 1.0))
    for to in (offset, 0.0) if arena.random.random() < SET_RIGHT else (offset,):
        arena.done.update(size for size in (step_size(to - one.offset),) if size)
        one.step(to)
        arena.wait(arena.random.uniform(2.0, 4.0))
    return True


def _database(arena: Arena) -> bool:
    scratch_schema.disconnect(arena.url)
    return True


def _celery(_arena: Arena, node: Node) -> int:
    return node.processes["celery"].pid


# -- the disk


def _disk(arena: Arena) -> bool:
    return _small_disk(arena, arena.disk) if arena.disk is not None else _limited_files(arena)


def _small_disk(arena: Arena, small: disk.SmallDisk) -> bool:
    """The bridge goes on, on a disk that fills up under it; somebody makes room, or does not; then
    it gets its own disk back.
    """
    [node] = arena.nodes
    node.kill()
    arena.kills["SIGKILL", "tree"] += 1
    try:
        small.mount(arena.folder.data)
    except OSError as error:
        arena.not_run.setdefault("disk", str(error))
        return False
    node.use_data(small.path)
    if not arena.recover():
        arena.findings.append(Finding("process", "disk", "it was not ready on the small disk"))
    small.fill()
    _while_full(arena, small.empty)
    node.kill()
    arena.kills["SIGKILL", "tree"] += 1
    small.give_back(arena.folder.data)
    node.use_data(arena.folder.data)
    return True


def _limited_files(arena: Arena) -> bool:
    [node] = arena.nodes
    pids = [pid for process in node.processes.values() for pid in process.tree]
    if not pids:
        return False
    disk.limit_files(pids, 65536)

    def free() -> None:
        now = [pid for process in node.processes.values() for pid in process.tree]
        disk.limit_files({*pids, *now}, disk.FREE)

    _while_full(arena, free)
    free()
    return True


def _while_full(arena: Arena, make_room: Callable[[], None]) -> None:
    """Let senders meet the full disk; then, mostly, make room and see that events are taken in
    again without a restart.
    """
    refused = arena.load.count()[2]
    arena.done["disk_refusals"] += arena.until(lambda: arena.load.count()[2] > refused, 6.0)
    arena.wait(arena.random.uniform(0.5, 2.0))
    if arena.random.random() < 0.3:
        return
    make_room()
    acknowledged = arena.load.count()[1]
    if not arena.until(lambda: arena.load.count()[1] > acknowledged, 15.0):
        arena.findings.append(
            Finding(
                "process",
                "disk",
                "no event was taken in within 15 s after there was room on the disk again",
            )
        )


ACTS: Final[Mapping[str, Act]] = {
    "receiver": Act(_kill(_receiver, "receiver"), 4),
    "web": Act(_kill(lambda arena, node: node.web(arena.workers()), "web"), 2),
    "worker": Act(_kill(lambda arena, node: node.worker(arena.workers()), "worker"), 5),
    "flows": Act(_kill(_flows, "flows"), 2),
    "tree": Act(_tree, 4),
    "deploy": Act(_deploy, 1, turn=2),
    "takeover": Act(_take_over, 2),
    "freeze": Act(_freeze, 2),
    "lapse": Act(stalling.lapse, 1, turn=0),
    "disk": Act(_disk, 1),
    "clock": Act(_clock, 2),
    "database": Act(_database, 2),
    "celery": Act(_kill(_celery, "celery"), 4),
    "broker": Act(stalling.broker, 3, turn=0),
    "platform": Act(_platform, 1),
}


def possible(arena: Arena, secluded: bool) -> list[str]:
    """Return the kinds that were asked for and can be done here; why the others cannot is noted in
    `not_run`.
    """
    asked = [kind for kind in ACTS if kind in arena.plan.kinds]
    cannot = impossible(arena.plan)
    if "disk" in asked and "disk" not in cannot and not secluded:
        arena.not_run["a full file system"] = (
            "none can be mounted here, which needs root: the size of files was limited instead"
        )
    arena.not_run |= {kind: cannot[kind] for kind in asked if kind in cannot}
    return [kind for kind in asked if kind not in cannot]


def order(kinds: list[str], arena: Arena) -> Iterator[str]:
    """Yield kinds for ever: each until it was done once, or could not be done again and again; then
    by their shares, shuffled.
    """
    for _ in range(TRIES):
        due = [kind for kind in kinds if not arena.done[kind]]
        yield from sorted(arena.random.sample(due, len(due)), key=lambda kind: ACTS[kind].turn)
    bag = list(kinds)
    while kinds:
        arena.random.shuffle(bag)
        yield from bag
        bag = [kind for kind in kinds for _ in range(ACTS[kind].share)]
