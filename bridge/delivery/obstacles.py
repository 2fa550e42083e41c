"""Obstacles to settling an unknown start: the platform's list of runs cannot be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.circuit_state import Circuit
from bridge.core.model import JSON
from bridge.delivery.platforms.model import NO_RUNS
from bridge.delivery.reconcile import MAX_LISTED_RUNS

UNAUTHORIZED: Final = 401
TRANSIENT_STATUSES: Final = (408, 425, 429)  # of class 4xx, for which a later call may succeed
LIST_CALL: Final = "when asked for its list of runs"
START_WORKER: Final = advise(name_command("serve"), ", or ", name_command("work"))
IN_ENV: Final = "in .env (no restart needed)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformState:
    """The state of a platform: its configuration, its circuit, and the number of workers.

    `is_configured`: routes.yaml can be used; else the other fields of the configuration have no
    meaning. `missing`: the value of the platform that is not set.
    """

    is_configured: bool = True
    has_platform: bool = True
    missing: str | None = None
    circuit: Circuit | None = None
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """An obstacle to reading the platform's list of runs.

    `fix`: how an operator removes it; None if it passes by itself. `until`: no call is made before
    this time. `needs_decision`: it does not pass by itself, and flowbridge cannot settle the
    delivery until then. `makes_calls`: flowbridge still asks for the list.
    """

    kind: str
    problem: str
    fix: Advice | None = None
    until: float | None = None
    needs_decision: bool = False
    makes_calls: bool = True


def find_obstacle(
    platform: str, evidence: JSON, setting: PlatformState, now: float
) -> Obstacle | None:
    """Return the first obstacle, or None.

    Obstacles that an operator must remove come before those that pass by themselves.
    """
    obstacle = _of_platform(platform, setting)
    if obstacle is not None and not setting.workers:
        return replace(
            obstacle, fix=advise(obstacle.fix or "", ", and start a worker (", START_WORKER, ")")
        )
    if obstacle is None and not setting.workers:
        return Obstacle(
            kind="worker", problem="no worker is running", fix=START_WORKER, makes_calls=False
        )
    return (
        obstacle
        or _of_credentials(platform, evidence, setting, now)
        or _of_list(platform, evidence)
        or _of_circuit(platform, setting.circuit, now)
    )


def next_call(look_at: float, obstacle: Obstacle | None) -> float | None:
    """Return the time of the next call for the list; None if the obstacle prevents calls."""
    if obstacle is None:
        return look_at
    return max(look_at, obstacle.until or 0.0) if obstacle.makes_calls else None


def _of_platform(name: str, setting: PlatformState) -> Obstacle | None:
    if setting.is_configured and not setting.has_platform:
        problem = f"routes.yaml no longer has the platform {name!r}"
        return Obstacle(
            kind="platform",
            problem=problem,
            fix=Advice("add it again"),
            needs_decision=True,
            makes_calls=False,
        )
    if setting.is_configured and setting.missing is not None:
        problem = f"the platform {name!r} cannot be called: {setting.missing}"
        return Obstacle(
            kind="missing", problem=problem, fix=Advice(f"set it {IN_ENV}"), makes_calls=False
        )
    return None


def _of_credentials(
    name: str, evidence: JSON, setting: PlatformState, now: float
) -> Obstacle | None:
    problem, status = last_list_failure(evidence)
    circuit = setting.circuit
    fix = Advice(f"correct them {IN_ENV}")
    if circuit is not None and circuit.is_unauthorized:
        why = f" ({circuit.reason})" if circuit.reason else ""
        until = circuit.open_until if circuit.state(now) == "open" else None
        return Obstacle(
            kind="refused",
            problem=f"platform {name} refused the credentials{why}",
            fix=fix,
            until=until,
        )
    if status == UNAUTHORIZED:
        return Obstacle(
            kind="refused",
            problem=f"platform {name} refused the credentials {LIST_CALL} ({problem})",
            fix=fix,
        )
    return None


def _of_list(name: str, evidence: JSON) -> Obstacle | None:
    problem, status = last_list_failure(evidence)
    if problem == NO_RUNS:
        return Obstacle(
            kind="list", problem=f"the platform {name!r} has no list of runs", needs_decision=True
        )
    if problem is None or status is None:
        return (
            None
            if problem is None
            else Obstacle(
                kind="unreachable", problem=f"platform {name} did not answer {LIST_CALL}: {problem}"
            )
        )
    if status // 100 == 5 or status in TRANSIENT_STATUSES:
        return Obstacle(
            kind="unreachable", problem=f"platform {name} gave no list of runs: {problem}"
        )
    fix = Advice("check its base_url, user_id and project_id in routes.yaml")
    return Obstacle(
        kind="list",
        problem=f"platform {name} gave no list of runs: {problem}",
        fix=fix,
        needs_decision=True,
    )


def _of_circuit(name: str, circuit: Circuit | None, now: float) -> Obstacle | None:
    if circuit is None:
        return None
    if circuit.state(now) == "open":
        why = f" ({circuit.reason})" if circuit.reason else ""
        return Obstacle(
            kind="circuit",
            problem=f"platform {name} failed {circuit.failures} times in a row{why}",
            until=circuit.open_until,
        )
    if now < circuit.not_before:
        return Obstacle(
            kind="circuit",
            problem=f"platform {name} asked not to be called",
            until=circuit.not_before,
        )
    return None


def last_list_failure(evidence: JSON) -> tuple[str | None, int | None]:
    """Return the problem and the HTTP status of the last call for the list, if it failed.

    The status is None without an answer; both are None if the call succeeded. The evidence of an
    earlier version has the problem in `why` only.
    """
    seen: Mapping[str, Any] = evidence if isinstance(evidence, dict) else {}
    problem = seen.get("problem")
    status = seen.get("status_code")
    if (
        "problem" not in seen
        and not seen.get("covers")
        and seen.get("listed", MAX_LISTED_RUNS) < MAX_LISTED_RUNS
    ):
        problem = seen.get("why") or "no answer"
        said = re.match(r"HTTP (\d{3})\b", str(problem))
        status = int(said[1]) if said else None
    return (str(problem) if problem else None, status if isinstance(status, int) else None)


def failing_since(evidence: JSON) -> float | None:
    """Return when the present series of failed checks began; None if the last one succeeded."""
    at = evidence.get("failing_since") if isinstance(evidence, dict) else None
    return float(at) if isinstance(at, int | float) else None
