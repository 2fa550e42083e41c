"""The plan of a crash test: its faults, and the division of its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.errors import SettingsError
from bridge.torture import broker, clock

#: kind of fault, as in `--only` -> its description for the docs and the progress line
FAULT_DESCRIPTIONS: Final = {
    "receiver": "kill -9 of a receiver",
    "web": "kill -9 of the receivers' parent",
    "worker": "kill -9 of the worker",
    "flows": "kill -9 of the flow host, or of the supervisor of a run",
    "tree": (
        "kill -9 of all processes of a node at once, or of its supervisor, which ends them all"
    ),
    "deploy": "SIGTERM under load, then a start; the stop must finish in time",
    "takeover": (
        "SIGUSR2 under load: a new process takes over while the old one finishes its calls; or one"
        " of the two is killed"
    ),
    "freeze": "SIGSTOP, then SIGCONT some seconds later",
    "lapse": (
        "SIGSTOP during calls, one of them just before its time begins and one between its"
        " connection and its write, and SIGCONT only after other processes have taken the calls"
        " over and searched for their runs (several nodes)"
    ),
    "disk": (
        "the disk fills up; usually space is freed again, and flowbridge must continue without a"
        " restart (SQLite)"
    ),
    "clock": (
        "the processes' clock is stepped forward and backward by seconds, minutes and a day, with"
        " libfaketime"
    ),
    "blip": (
        "the processes' clock is set forward by up to a day and back at once, while the platform"
        " answers 429; nothing may wait longer than its own interval, with libfaketime"
    ),
    "database": "all connections to the database are terminated (PostgreSQL)",
    "celery": "kill -9 of a Celery worker (--engine celery)",
    "broker": "the broker loses all messages (FLUSHALL), or is killed (--engine celery)",
    "platform": "kill -9 of the flow platform",
    "weather": (
        "the platform misbehaves all the time: 429 with and without Retry-After, 5xx, redirects,"
        " garbage; slow, late, truncated and missing answers; connection resets; runs that fail or"
        " never end; undocumented states"
    ),
}
#: engine -> the commands that run beside `web` on each node
ENGINE_COMMANDS: Final = {"worker": ("work",), "celery": ("work", "celery")}
CLOSING_SECONDS: Final = 6.0  # for the stop and the accounting
DRAIN_SECONDS: Final = (60.0, 150.0)  # the minimum and the maximum
MIN_DRAIN_SECONDS: Final = 35.0  # if the load is extended for kinds that have not occurred
# until other workers have taken over from a dead one; the probe of a circuit takes longest
RECOVERY_SECONDS: Final = 50.0
# the minimum and the maximum of a clock step within the allowed skew
SMALL_STEP_SECONDS: Final = (5.0, 45.0)
LARGE_STEP_SECONDS: Final = (120.0, 600.0)  # beyond the skew
DAY_STEP_SECONDS: Final = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The options of a crash test.

    `kills`: the number of signals that ends the load; 0: only the time ends it.
    `rate`: events per second of all senders together.
    `only`: the requested kinds, each of which must be possible here; empty: every possible kind.
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
        """The requested kinds of faults, possible or not."""
        return self.only or tuple(FAULT_DESCRIPTIONS)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of a node: `serve` on SQLite, separate ones on PostgreSQL."""
        return ("web", *ENGINE_COMMANDS[self.engine]) if self.database_url else ("serve",)

    @property
    def total_seconds(self) -> float:
        """The total duration."""
        return self.minutes * 60

    @property
    def drain_seconds(self) -> float:
        """The limit of the drain: leases must expire, and retries become due."""
        return min(max(self.total_seconds * 0.35, DRAIN_SECONDS[0]), DRAIN_SECONDS[1])

    @property
    def load_seconds(self) -> float:
        """The duration of the load with its faults, including the first start."""
        return self.total_seconds - self.drain_seconds - CLOSING_SECONDS

    @property
    def max_load_seconds(self) -> float:
        """The limit of a load that is extended for kinds that have not occurred yet."""
        return max(self.load_seconds, self.total_seconds - MIN_DRAIN_SECONDS - CLOSING_SECONDS)

    @property
    def small_step(self) -> float:
        """The seconds of a clock step within the allowed skew."""
        return float(
            int(
                min(
                    max(self.drain_seconds - RECOVERY_SECONDS, SMALL_STEP_SECONDS[0]),
                    SMALL_STEP_SECONDS[1],
                )
            )
        )


def check_plan(plan: Plan) -> Plan:
    """Return the plan, or raise `SettingsError` if it is not possible."""
    if plan.nodes > 1 and not plan.database_url:
        raise SettingsError(
            "--nodes: several nodes need one PostgreSQL database: add its --database-url"
        )
    if plan.engine not in ENGINE_COMMANDS:
        raise SettingsError(
            f"--engine: {plan.engine!r} is not an engine; allowed: {', '.join(ENGINE_COMMANDS)}"
        )
    if plan.engine == "celery" and not plan.database_url:
        raise SettingsError(
            "--engine celery: it is for several machines on one PostgreSQL database: add its"
            " --database-url"
        )
    if plan.engine == "celery" and not broker.is_installed():
        raise SettingsError(f"--engine celery: {broker.NO_REDIS_SERVER}")
    if unknown := sorted(set(plan.only) - set(FAULT_DESCRIPTIONS)):
        raise SettingsError(
            f"--only: {unknown[0]!r} is not a kind of fault; allowed:"
            f" {', '.join(FAULT_DESCRIPTIONS)}"
        )
    if missing := [
        f"{kind}: {why}" for kind, why in list_impossible(plan).items() if kind in plan.only
    ]:
        raise SettingsError(f"--only {missing[0]}")
    return plan


def list_impossible(plan: Plan) -> Mapping[str, str]:
    """Return the kinds that are impossible with this plan on this machine, with the reasons."""
    cannot = (
        {"disk": "the test does not fill the disk of a PostgreSQL server"}
        if plan.database_url
        else {"database": "SQLite has no connections to terminate"}
    )
    cannot |= {} if plan.nodes > 1 else {"lapse": "it needs a second node that takes over"}
    cannot |= (
        {}
        if plan.engine == "celery"
        else dict.fromkeys(("celery", "broker"), "it needs --engine celery")
    )
    return cannot | (
        {} if clock.find_library() else dict.fromkeys(clock.CLOCK_KINDS, clock.NO_LIBFAKETIME)
    )
