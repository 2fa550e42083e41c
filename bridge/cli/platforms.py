"""The flows and runs of the platforms: those of routes.yaml here, or of the bridge at a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.options import wrong_usage
from bridge.core.audit import AuditAction
from bridge.core.model import JSON
from bridge.services import platform_names, platform_queries
from bridge.services.audit import record_command
from bridge.services.flow_access import FlowAccess, StartedFlow
from bridge.services.records.flow_records import FLOW, FLOW_INPUT
from bridge.services.run_owners import describe_owned_runs
from bridge.services.run_waiting import RunPoll, poll_platform
from bridge.services.runs_by_hand import end_run, start_flow
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape
    from bridge.routing.model import Config


@contextmanager
def open_flows(config: str | None) -> Iterator[FlowAccess]:
    """Give the flows of routes.yaml, or of the bridge at a server; a wrong name is wrong usage."""
    server = find_server()
    if server is None:
        with wrong_usage():
            yield ConfiguredFlows(config)
        return
    from bridge.cli.remote.connection import open_remote
    from bridge.cli.remote.remote_flows import RemoteFlows

    with open_remote(server, RemoteFlows) as flows:
        yield flows


def load_config(config: str | None) -> Config:
    """Return routes.yaml, with what calls to the local platform need."""
    from bridge.runtime.loaded_config import load_config

    return load_config(settings_of(config, secrets=True)).config


class ConfiguredFlows:
    """The flows of the platforms of routes.yaml. See `FlowAccess`."""

    def __init__(self, file: str | None) -> None:
        self._file = file
        self._config = load_config(file)

    def list_flows(self, platform: str | None) -> Shape:
        """See `FlowAccess`."""
        asked = (
            [platform_names.find_platform(self._config, platform)]
            if platform
            else platform_queries.platforms_with_flows(self._config)
        )
        listed, problems = platform_queries.list_all_flows(asked)
        return {
            "items": [FLOW.write(flow, platform=one.name) for one, flow in listed],
            "complete": True,
            "problems": [str(one) for one in problems],
        }

    def list_inputs(self, flow: str) -> Sequence[Shape]:
        """See `FlowAccess`."""
        platform, saved_item_id = platform_names.find_flow(self._config, flow)
        nodes = platform_queries.list_inputs(platform, saved_item_id)
        return [
            FLOW_INPUT.write(node, platform=platform.name, saved_item_id=saved_item_id)
            for node in nodes
        ]

    def list_runs(self, flow: str) -> tuple[Sequence[Shape], str]:
        """See `FlowAccess`."""
        platform, saved_item_id = platform_names.find_flow(self._config, flow)
        found = platform_queries.list_runs(platform, saved_item_id)
        hint = "" if found else platform_queries.explain_missing_flow(platform, saved_item_id)
        with open_store(settings_of(self._file)) as database:
            return describe_owned_runs(database, platform.name, found), hint

    def check_runs(self, flow: str) -> None:
        """See `FlowAccess`."""
        platform, _ = platform_names.find_flow(self._config, flow)
        if not platform_queries.platform_type(platform).has_runs:
            raise platform_queries.unsupported(platform, "runs to wait for")

    def start_run(self, flow: str, inputs: Mapping[str, JSON]) -> StartedFlow:
        """See `FlowAccess`."""
        platform, saved_item_id = platform_names.find_flow(self._config, flow)
        return start_flow(platform, saved_item_id, inputs, self._record)

    def find_run(self, name: str) -> tuple[str, str]:
        """See `FlowAccess`."""
        platform, run_id = platform_names.find_run(self._config, name)
        return platform.name, run_id

    def kill_run(self, platform: str, run_id: str) -> Shape:
        """See `FlowAccess`."""
        found = platform_names.find_platform(self._config, platform)
        return end_run(found, run_id, self._record)

    def poll_run(self, platform: str, run_id: str) -> RunPoll:
        """See `FlowAccess`."""
        return poll_platform(platform_names.find_platform(self._config, platform), run_id)

    def _record(self, action: AuditAction, subject: str) -> None:
        record_command(settings_of(self._file), action, subject)
