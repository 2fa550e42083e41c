"""The flows and runs of the bridge of another machine. See `services.flow_access`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.cli.bridge.client import Bridge
from bridge.cli.bridge.request_parts import quote_id, write_filters
from bridge.cli.bridge.transport import Shape
from bridge.cli.remote.client import AdminClient
from bridge.core.errors import BridgeError
from bridge.core.model import JSON
from bridge.core.outcomes import RunReport
from bridge.services.flow_access import StartedFlow
from bridge.services.platform_names import split_run_name, unknown_platform
from bridge.services.records.flow_records import RUN_REPORT
from bridge.services.records.json_record import expect_shape
from bridge.services.run_waiting import RunPoll

POLL_SECONDS: Final = 1.0
#: Keys of the API that `flows run` and `flows runs` do not print.
START_EXTRAS: Final = ("notes", "hint")


class RemoteFlows:
    """The flows of a bridge, through its admin API. See `FlowAccess`."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._bridge = Bridge(client)

    def list_flows(self, platform: str | None) -> Shape:
        """See `FlowAccess`."""
        return self._client.get("/flows", write_filters({"platform": platform}))

    def list_inputs(self, flow: str) -> Sequence[Shape]:
        """See `FlowAccess`."""
        found = self._client.get("/flows/inputs", write_filters({"flow": flow}))
        with expect_shape():
            return list(found["items"])

    def list_runs(self, flow: str) -> tuple[Sequence[Shape], str]:
        """See `FlowAccess`."""
        found = self._client.get("/runs", write_filters({"flow": flow}))
        with expect_shape():
            return list(found["items"]), ""

    def check_runs(self, flow: str) -> None:
        """See `FlowAccess`: the list of its runs is refused then."""
        self.list_runs(flow)

    def start_run(self, flow: str, inputs: Mapping[str, JSON]) -> StartedFlow:
        """See `FlowAccess`."""
        found = self._bridge.post("/runs", {"flow": flow, "inputs": dict(inputs)})
        with expect_shape():
            notes = [str(one) for one in found["notes"]]
            return StartedFlow(_without(found, START_EXTRAS), notes, str(found["hint"] or ""))

    def find_run(self, name: str) -> tuple[str, str]:
        """See `FlowAccess`."""
        found = self._client.get("/platforms")
        with expect_shape():
            types = {
                str(one["name"]): str(one["type"]) for one in found["items"] if one["configured"]
            }
        platform, run_id = split_run_name(types, name)
        if platform not in types:
            raise unknown_platform(platform, types)
        return platform, run_id

    def kill_run(self, platform: str, run_id: str) -> Shape:
        """See `FlowAccess`."""
        return self._bridge.post(f"{_path_of(platform, run_id)}/kill", None)

    def poll_run(self, platform: str, run_id: str) -> RunPoll:
        """See `FlowAccess`."""
        path = _path_of(platform, run_id)

        def read() -> RunReport:
            try:
                return RUN_REPORT.parse(self._client.get(path))
            except BridgeError as error:  # the wait goes on, as where a platform does not answer
                return RunReport(state=None, detail=str(error))

        return RunPoll(f"{platform}/{run_id}", read, lambda _: POLL_SECONDS)


def _path_of(platform: str, run_id: str) -> str:
    return f"/runs/{quote_id(platform)}/{quote_id(run_id)}"


def _without(shape: Shape, names: Sequence[str]) -> Shape:
    return {name: value for name, value in shape.items() if name not in names}
