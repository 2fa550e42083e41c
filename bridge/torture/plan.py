"""What a torture will do, and how its time is divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.errors import SettingsError
from bridge.torture import broker, clock

#: What is done to the bridge -> what that is. `--only` takes these words.
KINDS: Final = {
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
ENGINES: Final = {"worker": ("work",), "celery": ("work", "celery")}
CLOSING: Final = 6.0  # seconds for the stop and the accounting
DRAIN: Final = (60.0, 150.0)  # seconds: the least and the most that the drain may take
AT_LEAST: Final = 35.0  # seconds of a drain that kinds which were not done in time leave
# seconds until all that a dead worker held is in other hands: a circuit's probe takes longest
TAKEN_OVER: Final = 50.0
# seconds by which a clock is stepped that stays within the skew, the least and the most
STEPS: Final = (5.0, 45.0)
MINUTES: Final = (120.0, 600.0)  # the same, of one that is stepped by minutes
DAY: Final = 86400.0  # and by a day


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
        return self.only or tuple(KINDS)

    @property
    def commands(self) -> tuple[str, ...]:
        """What runs on a node: all in one on SQLite, each by itself on PostgreSQL."""
        return ("web", *ENGINES[self.engine]) if self.database_url else ("serve",)

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.minutes * 60

    @property
    def drain(self) -> float:
        """How long the drain may take: leases have to run out, and retries to come due."""
        return min(max(self.seconds * 0.35, DRAIN[0]), DRAIN[1])

    @property
    def load(self) -> float:
        """How long events are sent and the bridge is hurt, its first start included."""
        return self.seconds - self.drain - CLOSING

    @property
    def latest(self) -> float:
        """How long the load goes on where it must, for kinds that have not been done even once."""
        return max(self.load, self.seconds - AT_LEAST - CLOSING)

    @property
    def step(self) -> float:
        """How far a clock is stepped that stays within the skew, in seconds."""
        return float(int(min(max(self.drain - TAKEN_OVER, STEPS[0]), STEPS[1])))


def checked(plan: Plan) -> Plan:
    """Return the plan; `SettingsError` where it cannot be done."""
    if plan.nodes > 1 and not plan.database_url:
        raise SettingsError(
            "--nodes: several nodes need one PostgreSQL database: give its --database-url"
        )
    if plan.engine not in ENGINES:
        raise SettingsError(f"--engine: {plan.engine!r} is none; allowed: {', '.join(ENGINES)}")
    if plan.engine == "celery" and not plan.database_url:
        raise SettingsError(
            "--engine celery: it is for several machines on one PostgreSQL database: give its"
            " --database-url"
        )
    if plan.engine == "celery" and not broker.is_there():
        raise SettingsError(f"--engine celery: {broker.ABSENT}")
    if unknown := sorted(set(plan.only) - set(KINDS)):
        raise SettingsError(
            f"--only: {unknown[0]!r} is nothing that can be done; allowed: {', '.join(KINDS)}"
        )
    if missing := [f"{kind}: {why}" for kind, why in impossible(plan).items() if kind in plan.only]:
        raise SettingsError(f"--only {missing[0]}")
    return plan


def impossible(plan: Plan) -> Mapping[str, str]:
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
    return cannot | ({} if clock.library() else {"clock": clock.ABSENT})
