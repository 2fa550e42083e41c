"""The explanations in the result of a trial. No I/O."""

from __future__ import annotations

from typing import Any, Final

import orjson

from bridge.core.json_values import write_json
from bridge.core.model import Event
from bridge.core.retention import is_content_deleted
from bridge.routing.model import Config
from bridge.services.explain.explanation_screen import describe_explanation
from bridge.services.explain.explanations import explain_by_config
from bridge.services.records.explanation_records import EXPLANATION
from bridge.services.trials.messages import MAX_EXPLAINED_EVENTS, MAX_EXPLANATION_BYTES

NO_EXPLANATIONS: Final = {"explanations": [], "explanations_complete": True}


class TrialExplanations:
    """Explains the first events of a trial, up to a number of events and of bytes.

    `has_screen`: each explanation has what a screen shows.
    """

    def __init__(self, config: Config, *, has_screen: bool = False) -> None:
        self._config = config
        self._has_screen = has_screen
        self._found: list[orjson.Fragment] = []
        self._bytes = 0
        self._is_complete = True

    def add(self, event: Event) -> None:
        """Explain an event. One without a body, or for which there is no room, is left out."""
        written = None
        if not self.is_full and not is_content_deleted(event):
            written = write_explanation(event, self._config, has_screen=self._has_screen)
        if written is None or self._bytes + len(written) > MAX_EXPLANATION_BYTES:
            self.leave_out()
            return
        self._bytes += len(written)
        self._found.append(orjson.Fragment(written))

    @property
    def is_full(self) -> bool:
        """Whether no further event is explained."""
        return len(self._found) >= MAX_EXPLAINED_EVENTS

    def leave_out(self) -> None:
        """Note that an event is not explained."""
        self._is_complete = False

    def as_json(self) -> dict[str, Any]:
        """Return the explanations as parts of a result."""
        return {"explanations": self._found, "explanations_complete": self._is_complete}


def write_explanation(event: Event, config: Config, *, has_screen: bool = False) -> bytes | None:
    """Return the JSON of an explanation, null where it cannot be made."""
    try:
        explanation = explain_by_config(event, config)
        return write_json(
            describe_explanation(explanation) if has_screen else EXPLANATION.write(explanation)
        )
    except Exception:  # as in `compare_event`: a bug must not stop the others
        return None
