"""The conditions that are about one source, route or platform, for its page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.core.advice import Advice
from bridge.core.status import IdleKind, Overview
from bridge.monitoring.conditions import CRITICAL, HealthProblem, find_problems
from bridge.routing.idle_routes import describe_placeholder
from bridge.web.console.advice import AdvicePart, split_advice
from bridge.web.console.condition_links import link_condition, split_condition_key

#: The conditions whose subject is one of a kind, by the kind.
CONDITIONS_OF: Final = {
    "source": (
        "no_secret",
        "files_full",
        "daily_bytes_full",
        "rejects",
        "silence",
    ),
    "route": ("flow_missing", "platform_missing", "queue_late", "runs_failing"),
    "platform": (
        "no_credentials",
        "credentials_refused",
        "circuit_open",
        "platform_full",
        "unknown",
    ),
}


NOTHING: Final = Advice("")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectNote:
    """A remark with its next step. `link`: the URL and label of a page that shows more."""

    kind: str
    word: str
    text: str
    do: Advice = NOTHING
    link: tuple[str, str] | None = None

    @property
    def parts(self) -> Sequence[AdvicePart]:
        """The next step with its commands apart."""
        return split_advice(self.do)


def list_notes(overview: Overview, of: str) -> Mapping[str, Sequence[SubjectNote]]:
    """Return the conditions of the sources, routes or platforms (`of`), by name."""
    notes: dict[str, list[SubjectNote]] = defaultdict(list)
    for problem in find_problems(overview):
        _, subject = split_condition_key(problem.key)
        if problem.condition in CONDITIONS_OF[of] and subject:
            notes[subject].append(_describe(problem))
    if of == "route":
        for idle in overview.idle_routes:
            if idle.kind is IdleKind.PLACEHOLDER:  # that a route is paused is a status of its own
                text = describe_placeholder(idle.flow)
                notes[idle.route].append(SubjectNote(kind="warn", word=idle.kind, text=text))
    return notes


def _describe(problem: HealthProblem) -> SubjectNote:
    return SubjectNote(
        kind="bad" if problem.severity == CRITICAL else "warn",
        word=problem.condition.replace("_", " "),
        text=problem.what,
        do=problem.do,
        link=link_condition(problem.key),
    )
