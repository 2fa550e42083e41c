"""The report of `test`: what changes between two configurations, and whether the test fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from bridge.cli.ui import output
from bridge.services.trials.messages import MAX_TRIAL_EVENTS

if TYPE_CHECKING:
    from bridge.core.model import JSON
    from bridge.ingest.planned_deliveries import EventComparison

LINES_AT_ONCE: Final = 100  # of JSON that are written together

#: Returns the explanations of the events with these ids, as the result of a trial has them.
Explain = Callable[[Sequence[str]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReport:
    """The options of the output. `fail_on`: a word of `FAIL_COUNTS`."""

    fail_on: str
    as_json: bool
    explain: bool

    def show(self, comparisons: Iterable[EventComparison], which: str, explain: Explain) -> None:
        """Print the changes and the summary, and exit with 1 if the test fails."""
        from bridge.services.comparison.traffic_comparison import TrafficSummary
        from bridge.services.records.comparison_records import ROUTE_CHANGE, TRAFFIC

        summary = TrafficSummary()
        changed: list[str] = []
        lines: list[JSON] = []
        for comparison in comparisons:
            summary.add(comparison)
            if comparison.changes and len(changed) < MAX_TRIAL_EVENTS:
                changed.append(comparison.event_id)
            if self.as_json:
                lines += [ROUTE_CHANGE.write(change) for change in comparison.changes]
                if len(lines) >= LINES_AT_ONCE:
                    output.json_lines(lines)
                    lines.clear()
        output.json_lines(lines)
        self.end(TRAFFIC.write(summary), explain(changed) if self.explain else None, which)

    def end(
        self, report: Mapping[str, Any], explained: Mapping[str, Any] | None, which: str
    ) -> None:
        """Print explanations and the summary, and exit with 1 if the test fails."""
        from bridge.cli.ui.comparison_view import print_summary, say_skipped
        from bridge.services.comparison.traffic_comparison import does_fail

        counts = report["summary"]
        if self.as_json:
            for explanation in () if explained is None else explained["explanations"]:
                shape = {name: value for name, value in explanation.items() if name != "screen"}
                output.json_line({"explanation": shape})
            output.json_line({"summary": counts})
        else:
            print_summary(report, which)
            _print_explanations(() if explained is None else explained["explanations"])
        if explained is not None and not explained["explanations_complete"]:
            count = len(explained["explanations"])
            output.say(f"More events changed than the {count} that are explained.")
        say_skipped(report["skipped"])
        if not does_fail(counts, self.fail_on):
            sys.exit(0)
        failed = ", ".join(
            f"{count} {name}"
            for name, count in counts.items()
            if count and name in ("changed", "new", "lost", "dead")
        )
        output.say(f"The test fails (--fail-on {self.fail_on}): {failed}")
        sys.exit(1)


def _print_explanations(explanations: Iterable[Mapping[str, Any]]) -> None:
    from bridge.cli.ui.explanation_view import print_explanation
    from bridge.services.explain.explanation_screen import parse_explanation

    for explanation in explanations:
        click.echo()
        print_explanation(parse_explanation(explanation))
