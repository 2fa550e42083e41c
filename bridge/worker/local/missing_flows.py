"""Says in the log which routes name a local flow that there is not, when that begins and when it is
over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bridge.routing.model import Config
from bridge.system.logs import get_logger

log = get_logger()


class MissingFlows:
    """Remembers what was said, so that each change is said once."""

    def __init__(self) -> None:
        self._seen: tuple[Config, Collection[str]] | None = None
        self._missing: Mapping[str, str] = {}  # by route, the flow

    def tell(self, config: Config, flows: Collection[str]) -> None:
        """Compare a configuration with the flows that there are; nothing is done where both are the
        objects of the last time.
        """
        if self._seen is not None and self._seen[0] is config and self._seen[1] is flows:
            return
        before = self._missing
        self._missing = config.absent_flows(flows)
        self._seen = (config, flows)
        begun = dict(self._missing.items() - before.items())
        over = dict(before.items() - self._missing.items())
        if over:
            log.info("flows_found", flows=over)
        if begun:
            log.warning("flows_missing", flows=begun)
