"""Checks of the configuration: routes.yaml, flows.py, secrets and credentials. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.status import Overview
from bridge.monitoring.checks.occurrence import Occurrence, find_since

RELOAD_SECONDS: Final = 15.0  # in which a process takes on another configuration, or is restarted
SET_IN_ENV: Final = Advice("set it in .env; no restart is needed")


def find_unusable_config(now: Overview) -> Iterator[Occurrence]:
    """Report errors in the configuration files."""
    config = now.config
    if config.error:
        more = f" (and {len(config.error) - 1} more)" if len(config.error) > 1 else ""
        fallback = "; the last valid configuration stays in use" if config.since is not None else ""
        yield Occurrence(
            f"the configuration is not valid: {config.error[0]}{more}{fallback}",
            advise(name_command("check")),
        )


def find_held_config(now: Overview) -> Iterator[Occurrence]:
    """Report a changed configuration that is not used, since it would lose deliveries."""
    if now.config.held is not None:
        yield Occurrence(
            f"the changed configuration is not used: {now.config.held}",
            advise(name_command("test", since="1h"), "; a restart uses the changed configuration"),
        )


def find_outdated_processes(now: Overview) -> Iterator[Occurrence]:
    """Report processes that still use an older configuration."""
    config = now.config
    if config.since is None or now.at - config.since < RELOAD_SECONDS:
        return
    for process in now.processes:
        if (
            process.config_hash not in (None, config.hash)
            and now.at - process.since > RELOAD_SECONDS
        ):
            yield Occurrence(
                f"process {process.pid} ({process.role}) has not loaded the newest configuration",
                Advice("look at its log; restart it"),
                f"{process.host}:{process.pid}",
            )


def find_unusable_flows(now: Overview) -> Iterator[Occurrence]:
    """Report that flows.py cannot be loaded."""
    if now.flows_error is not None:
        yield Occurrence(
            f"flows.py cannot be loaded: {now.flows_error}. The flows of the last good version"
            " still run; after a restart they would not",
            advise(name_command("check")),
        )


def find_missing_flows(now: Overview) -> Iterator[Occurrence]:
    """Report local flows that routes name and flows.py does not have."""
    for route, flow in now.flows_absent.items():
        oldest = min((lane.oldest_at for lane in now.queue if lane.route == route), default=now.at)
        again = name_command(
            "replay", route=route, status="cancelled", since=find_since(now.at, oldest)
        )
        yield Occurrence(
            f"route {route} names the flow {flow}, which the local platform does not have: its"
            " deliveries wait",
            advise(
                f"put {flow} back into flows.py (",
                name_command("check"),
                " lists the flows). Or name another flow in routes.yaml: waiting deliveries stay"
                f" with {flow}, so ",
                name_command("cancel", route=route),
                ", then ",
                again,
                ", which starts all flows of the route",
            ),
            route,
        )


def find_changed_flows(now: Overview) -> Iterator[Occurrence]:
    """Report flows whose inputs changed since flows.lock was written."""
    for flow, change in now.flow_changes.items():
        yield Occurrence(
            change,
            advise(
                name_command("check", live=True),
                " shows what no longer fits; once the routes fit: ",
                name_command("check", live=True, lock=True),
            ),
            flow,
        )


def find_missing_secrets(now: Overview) -> Iterator[Occurrence]:
    """Report sources whose secret is not set."""
    for source in now.sources:
        if source.missing is not None:
            yield Occurrence(
                f"source {source.name} answers 503 because its secret cannot be read:"
                f" {source.missing}",
                SET_IN_ENV,
                source.name,
            )


def find_missing_credentials(now: Overview) -> Iterator[Occurrence]:
    """Report platforms whose credentials are not set."""
    for platform in now.platforms:
        if platform.missing is not None:
            yield Occurrence(
                f"deliveries wait for platform {platform.name}, which cannot be called:"
                f" {platform.missing}",
                SET_IN_ENV,
                platform.name,
            )
