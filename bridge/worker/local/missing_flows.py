"""Missing local flows: those that routes name and flows.py does not have."""

from __future__ import annotations

from collections.abc import Collection

from bridge.routing.model import AbsentFlows, Config
from bridge.system.logs import get_logger

log = get_logger()


class MissingFlows:
    """Finds missing flows once for each configuration and set of flows, and logs changes."""

    def __init__(self) -> None:
        self._seen: tuple[Config, Collection[str]] | None = None
        self._found = AbsentFlows()
        self._logged = AbsentFlows()

    def find(self, config: Config, flows: Collection[str]) -> AbsentFlows:
        """Return the flows that routes name and that are not among `flows`.

        With the same two objects as at the last call, return the last result.
        """
        if self._seen is None or self._seen[0] is not config or self._seen[1] is not flows:
            self._seen = (config, flows)
            self._found = config.absent_flows(flows)
        return self._found

    def log_changes(self, config: Config, flows: Collection[str]) -> None:
        """Log which flows are missing or found since the last call."""
        before = self._logged
        now = self.find(config, flows)
        if now is before:
            return
        self._logged = now
        begun = dict(now.by_route.items() - before.by_route.items())
        over = dict(before.by_route.items() - now.by_route.items())
        if over:
            log.info("flows_found", flows=over)
        if begun:
            log.warning("flows_missing", flows=begun)
