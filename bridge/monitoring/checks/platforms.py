"""Checks of the platforms: their circuits, credentials and capacity. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.circuit_state import Circuit
from bridge.core.status import Overview, PlatformStatus
from bridge.core.text import pluralize
from bridge.monitoring.checks.occurrence import Occurrence, format_clock, format_deliveries

# that a delivery waits for a platform that others have filled before that is a problem
FULL_SECONDS: Final = 300.0


def find_refused_credentials(now: Overview) -> Iterator[Occurrence]:
    """Report platforms that refuse the credentials of a start, or of their list of runs."""
    refusing = set()
    for platform in now.platforms:
        if platform.circuit is not None and platform.circuit.is_unauthorized:
            refusing.add(platform.name)
            yield _describe_refusal(platform, platform.circuit, now.at)
    for stuck in now.stuck:
        if stuck.kind == "refused" and stuck.platform not in refusing:
            wait = "waits" if stuck.count == 1 else "wait"
            many = (
                f"{format_deliveries(stuck.count, now.counted_to)} with an unknown outcome {wait}"
            )
            yield Occurrence(
                f"{stuck.problem}: {many}",
                advise(stuck.fix or "", "; the rest happens automatically"),
                stuck.platform,
            )


def _describe_refusal(platform: PlatformStatus, circuit: Circuit, at: float) -> Occurrence:
    why = f" ({circuit.reason})" if circuit.reason else ""
    again = f"at {format_clock(circuit.open_until)}" if circuit.state(at) == "open" else "now"
    return Occurrence(
        f"platform {platform.name} refused its {platform.credentials}{why}: its deliveries wait,"
        f" none is lost; one is tried {again}",
        Advice(
            "set the right value in .env; no restart is needed, and one delivery is tried at once"
        ),
        platform.name,
    )


def find_open_circuits(now: Overview) -> Iterator[Occurrence]:
    """Report platforms that are not called because their calls failed."""
    for platform in now.platforms:
        circuit = platform.circuit
        if circuit is None or circuit.is_unauthorized or circuit.state(now.at) == "closed":
            continue
        if circuit.has_answered:  # the next start shows whether starts succeed too
            continue
        until = (
            f" until {format_clock(circuit.open_until)}"
            if circuit.open_until and circuit.open_until > now.at
            else ", except for a probe"
        )
        why = f": {circuit.reason}" if circuit.reason else ""
        yield Occurrence(
            f"platform {platform.name} is not called{until}{why}",
            Advice("check whether it is up; it is called again automatically"),
            platform.name,
        )


def find_full_platforms(now: Overview) -> Iterator[Occurrence]:
    """Report platforms that others have filled while deliveries wait."""
    waiting = {
        lane.platform: lane
        for lane in now.queue
        if lane.state == "live" and now.at - lane.due_at > FULL_SECONDS
    }
    for platform in now.platforms:
        if platform.fits is None or platform.name not in waiting:
            continue
        runs = (
            pluralize(platform.fits, "run")
            if platform.cap is None
            else f"{platform.fits} of {pluralize(platform.cap, 'run')}"
        )
        yield Occurrence(
            f"platform {platform.name} reports that it is full at {runs}, and deliveries wait"
            " for it",
            advise(
                "check what else uses it; ", name_command("show", waiting[platform.name].oldest_id)
            ),
            platform.name,
        )
