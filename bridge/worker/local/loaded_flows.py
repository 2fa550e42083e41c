"""The flows of flows.py in a worker: loaded when the file changes, stored for the others, and
missing where a route names one that the file does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from sqlalchemy import Connection

from bridge.core.local_runs import LocalFlow
from bridge.routing.model import AbsentFlows, Config
from bridge.store.local import flows as stored_flows
from bridge.system.logs import get_logger
from bridge.worker.local.executor import Executor

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


class LoadedFlows:
    """Loads flows.py with an executor, again after each change, and stores its flows.

    `report_error` shares the reason why flows.py could not be loaded, None once it is loaded.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        executor: Executor,
        report_error: Callable[[str | None], object],
    ) -> None:
        self._config = config
        self._executor = executor
        self._report_error = report_error
        self._missing = MissingFlows()
        self._flows: dict[str, LocalFlow] | None = None  # None until they are loaded
        self._unwritten: list[LocalFlow] | None = None  # loaded, and not stored yet
        self._seen: object = None  # flows.py as it was when it was loaded last
        self._load_again = True
        self._is_loading = False
        self._is_awaited = False
        self._is_broken = False
        self.load_changes()

    # -- results of the executor

    def note_loaded(self, flows: list[LocalFlow]) -> None:
        """Use these flows from now on."""
        log.info("flows_loaded", flows=len(flows), valid_again=self._is_broken)
        self._report_error(None)
        self._is_broken = False
        self._flows = {flow.id: flow for flow in flows}
        self._unwritten = flows
        self._is_loading = False

    def note_broken(self, why: str, *, for_good: bool) -> None:
        """Report that flows.py could not be loaded. `for_good`: until the file changes."""
        log.error("flows_not_loaded", error=why, kept=self._executor.ready)
        self._report_error(why)
        self._is_broken = True
        self._load_again = not for_good
        self._is_loading = False

    # -- the flows

    @property
    def is_loaded(self) -> bool:
        """Whether flows were loaded since this worker started."""
        return self._flows is not None

    @property
    def is_stored(self) -> bool:
        """Whether the store has the flows that were loaded last."""
        return self._unwritten is None

    def get(self, id_: str) -> LocalFlow | None:
        """Return a flow that was loaded."""
        return (self._flows or {}).get(id_)

    def ids(self, connection: Connection) -> Collection[str]:
        """Return the ids of the loaded flows; until there are any, those of the stored ones."""
        return (
            self._flows
            if self._flows is not None
            else [flow.id for flow in stored_flows.list_flows(connection)]
        )

    def find_absent(self, config: Config, flows: Collection[str]) -> AbsentFlows:
        """Return the local flows that routes name and that are not among `flows`."""
        return self._missing.find(config, flows)

    def log_missing(self) -> None:
        """Log which flows that routes name are missing, after the configuration or the flows have
        changed.
        """
        if self._flows is not None and not self._is_loading:
            self._missing.log_changes(self._config(), self._flows)

    # -- loading

    def note_new_config(self) -> None:
        """Load flows.py if it has changed: the new configuration may name flows that it now has."""
        self.load_changes()
        self._is_awaited = self._is_loading

    @property
    def is_awaited(self) -> bool:
        """Whether flows that the configuration may name are being loaded.

        A start of such a flow would be refused.
        """
        self._is_awaited = self._is_awaited and (self._is_loading or not self.is_stored)
        return self._is_awaited

    def load_changes(self) -> None:
        """Load flows.py where it has changed, or has to be tried again."""
        platform = self._config().local_platform
        if platform is None:
            return
        seen = platform.flows, _stamp(platform.flows)
        if self._load_again or seen != self._seen:
            self._seen = seen
            self._load_again = False
            self._is_loading = True
            self._executor.load(platform.flows)

    def store(self, connection: Connection, now: float) -> list[LocalFlow] | None:
        """Store the flows that are not stored yet, and return them."""
        if self._unwritten is not None:
            stored_flows.replace(connection, self._unwritten, now)
        return self._unwritten

    def note_stored(self, flows: list[LocalFlow] | None) -> None:
        """Note that these flows are on disk."""
        if flows is self._unwritten:
            self._unwritten = None


def _stamp(path: str | None) -> object:
    """Return a value that changes when the file does."""
    try:
        status = None if path is None else Path(path).stat()
    except OSError as error:
        return error.errno
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)
