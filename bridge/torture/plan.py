"""What a torture will do, and how its time is divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.errors import SettingsError
from bridge.torture import broker, clock

#: What is done to the bridge -> what that is. `--only` takes these words.
FAULT_DESCRIPTIONS: Final = {
    "receiver": "kill -9 of a receiver",
    "web": "kill -9 of the receivers' parent",
    "worker": "kill -9 of the worker",
    "flows": "kill -9 of the flow host, or of what keeps a run",
    "tree": (
        "kill -9 of all processes of a node at one moment, or of the supervisor, with whom all end"
    ),
    "deploy": "SIGTERM under load, then a start; it has to end in time",
    "takeover": (
        "SIGUSR2 under load: another process takes over while the one before sees its calls to"
        " their end; or one of both is killed"
    ),
    "freeze": "SIGSTOP, and SIGCONT some seconds later",
    "lapse": (
        "SIGSTOP in the middle of calls, and SIGCONT only after others have taken them over and"
        " looked for their runs (several nodes)"
    ),
    "disk": (
        "the disk is full; mostly somebody makes room, and it has to go on without a restart"
        " (SQLite)"
    ),
    "clock": (
        "the clock of its processes is stepped forward and backward by seconds, by minutes and by a"
        " day, with libfaketime"
    ),
    "database": "all connections to the database are ended (PostgreSQL)",
    "celery": "kill -9 of a Celery worker (--engine celery)",
    "broker": "the broker loses all that it holds (FLUSHALL), or is killed (--engine celery)",
    "platform": "kill -9 of the flow platform",
    "weather": (
        "the platform misbehaves, all the time: 429 with and without Retry-After, 5xx, redirects,"
        " nonsense, slow, dropped, reset, cut off and late answers, runs that fail or never end,"
        " states that nobody knows"
    ),
}
#: What makes the calls -> the commands that run beside `web` on each node.
ENGINE_COMMANDS: Final = {"worker": ("work",), "celery": ("work", "celery")}
CLOSING_SECONDS: Final = 6.0  # seconds for the stop and the accounting
DRAIN_SECONDS: Final = (60.0, 150.0)  # seconds: the least and the most that the drain may take
MIN_DRAIN_SECONDS: Final = 35.0  # seconds of a drain that kinds which were not done in time leave
# seconds until all that a dead worker held is in other hands: a circuit's probe takes longest
RECOVERY_SECONDS: Final = 50.0
# seconds by which a clock is stepped that stays within the skew, the least and the most
SMALL_STEP_SECONDS: Final = (5.0, 45.0)
LARGE_STEP_SECONDS: Final = (120.0, 600.0)  # the same, of one that is stepped by minutes
DAY_STEP_SECONDS: Final = 86400.0  # and by a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for. `kills`: stop after so many signals; 0: when the time is up. `rate`:
    events a second, of all senders.

    `only`: these kinds, each of which has to be possible here; none: whatever is possible.
    """

    minutes: float = 2.0
    kills: int = 0
    rate: float = 20.0
    nodes: int = 1
    engine: str = "worker"
    seed: int = 1
    only: tuple[str, ...] = ()
    database_url: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is to be done, as far as it is possible."""
        return self.only or tuple(FAULT_DESCRIPTIONS)

    @property
    def commands(self) -> tuple[str, ...]:
        """What runs on a node: all in one on SQLite, each by itself on PostgreSQL."""
        return ("web", *ENGINE_COMMANDS[self.engine]) if self.database_url else ("serve",)

    @property
    def total_seconds(self) -> float:
        """All of it."""
        return self.minutes * 60

    @property
    def drain_seconds(self) -> float:
        """How long the drain may take: leases have to run out, and retries to come due."""
        return min(max(self.total_seconds * 0.35, DRAIN_SECONDS[0]), DRAIN_SECONDS[1])

    @property
    def load_seconds(self) -> float:
        """How long events are sent and the bridge is hurt, its first start included."""
        return self.total_seconds - self.drain_seconds - CLOSING_SECONDS

    @property
    def max_load_seconds(self) -> float:
        """How long the load goes on where it must, for kinds that have not been done even once."""
        return max(self.load_seconds, self.total_seconds - MIN_DRAIN_SECONDS - CLOSING_SECONDS)

    @property
    def small_step(self) -> float:
        """How far a clock is stepped that stays within the skew, in seconds."""
        return float(
            int(
                min(
                    max(self.drain_seconds - RECOVERY_SECONDS, SMALL_STEP_SECONDS[0]),
                    SMALL_STEP_SECONDS[1],
                )
            )
        )


def check_plan(plan: Plan) -> Plan:
    """Return the plan; `SettingsError` where it cannot be done."""
    if plan.nodes > 1 and not plan.database_url:
        raise SettingsError(
            "--nodes: several nodes need one PostgreSQL database: give its --database-url"
        )
    if plan.engine not in ENGINE_COMMANDS:
        raise SettingsError(
            f"--engine: {plan.engine!r} is none; allowed: {', '.join(ENGINE_COMMANDS)}"
        )
    if plan.engine == "celery" and not plan.database_url:
        raise SettingsError(
            "--engine celery: it is for several machines on one PostgreSQL database: give its"
            " --database-url"
        )
    if plan.engine == "celery" and not broker.is_installed():
        raise SettingsError(f"--engine celery: {broker.NO_REDIS_SERVER}")
    if unknown := sorted(set(plan.only) - set(FAULT_DESCRIPTIONS)):
        raise SettingsError(
            f"--only: {unknown[0]!r} is nothing that can be done; allowed: {', '.join(FAULT_DESCRIPTIONS)}"
        )
    if missing := [
        f"{kind}: {why}" for kind, why in list_impossible(plan).items() if kind in plan.only
    ]:
        raise SettingsError(f"--only {missing[0]}")
    return plan


def list_impossible(plan: Plan) -> Mapping[str, str]:
    """Return what cannot be done with this database and engine on this machine -> why."""
    cannot = (
        {"disk": "the disk of a PostgreSQL server is not ours to fill"}
        if plan.database_url
        else {"database": "SQLite has no connections to end"}
    )
    cannot |= {} if plan.nodes > 1 else {"lapse": "one node alone has nobody who takes over"}
    cannot |= (
        {}
        if plan.engine == "celery"
        else dict.fromkeys(("celery", "broker"), "the workers make the calls themselves")
    )
    return cannot | ({} if clock.find_library() else {"clock": clock.NO_LIBFAKETIME})
