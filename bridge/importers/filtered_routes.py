"""A route with filters: its conditions, and the rules that are not carried. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.errors import CompileError
from bridge.importers.hook_references import NotCarried
from bridge.importers.model import FindingLog, ImportResult, choose_name, make_name
from bridge.importers.rule_clauses import FALSE, Condition, both, write_match
from bridge.importers.verified_sources import ImportedSource

MAX_RETRIES: Final = 999  # of a route
MAX_COUNT: Final = 10**9


@dataclass(slots=True)
class FilteredRoute:
    """A route that is being read. `is_open`: a rule is not carried, so that it would start more.

    `types`: the event types of `on`. `keys`: further keys of the route.
    """

    result: ImportResult
    name: str
    source: str
    log: FindingLog
    conditions: list[Condition] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    is_open: bool = False
    is_stopped: bool = False  # there, it did not run

    @classmethod
    def begin(
        cls, result: ImportResult, name: str, source: ImportedSource, log: FindingLog
    ) -> FilteredRoute:
        """Return a route of a source, which is paused if the source has to be."""
        route = cls(result, name or source.name, source.name, log)
        route.is_open = source.is_open
        route.is_stopped = source.is_stopped
        return route

    def read(self, log: FindingLog, read: Callable[[], Condition]) -> bool:
        """Add a condition; where it cannot be carried, the route is open.

        No part of it is then reported as carried. Return whether it is.
        """
        before = len(self.result.findings)
        try:
            self.conditions.append(read())
        except (NotCarried, CompileError) as error:
            del self.result.findings[before:]
            self.refuse(log, str(error))
            return False
        return True

    def read_parts(
        self,
        log: FindingLog,
        read: Callable[[], Condition],
        parts: Sequence[tuple[FindingLog, Callable[[], Condition]]],
    ) -> None:
        """Add a condition; where it cannot be carried as a whole, add those parts that can be."""
        before = len(self.result.findings)
        if self.read(log, read):
            return
        refused = self.result.findings[before:]
        del self.result.findings[before:]
        done = [self.read(at, read_part) for at, read_part in parts]
        if all(done):  # each by itself, and not together
            self.result.findings += refused

    def refuse(self, log: FindingLog, message: str) -> None:
        """Add that a rule which decides about events is not carried."""
        self.is_open = True
        log.refuse(message)

    def add(self, work: FindingLog, advice: str) -> None:
        """Add the route to the result, with a placeholder for its flow."""
        taken = {route["name"] for route in self.result.routes}
        name = choose_name(make_name(self.name, self.source).lower(), taken)
        self.log.carry(f"the route {name}")
        on = f"{self.source} {', '.join(self.types)}" if self.types else self.source
        route: dict[str, Any] = {"name": name, "on": on}
        try:
            condition = both(self.conditions)
            if condition == FALSE:
                self.refuse(self.log, "its filters never match")
            elif (match := write_match(condition)) is not None:
                route["match"] = match
        except (CompileError, NotCarried) as error:
            self.refuse(
                self.log, f"the filters have no counterpart, so the route has no `match`: {error}"
            )
        flow = choose_name(make_name(name, "flow"), self.result.flows)
        self.result.add_placeholder(flow)
        route |= {"inputs": {"body": "${body}"}, "flow": flow, **self.keys}
        if self.is_open or self.is_stopped:
            route["mode"] = "paused"
        if self.is_open:
            self.log.doubt(
                f"the route {name} is paused, since a rule is not carried: check what it lets"
                " through, then remove `mode: paused`"
            )
        self.result.routes.append(route)
        work.fill_in(flow, advice)


def read_count(value: Any) -> int | None:
    """Return a number above 0 that a route can have, or None."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_COUNT
    return value if is_count else None
