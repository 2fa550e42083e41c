"""Next steps for an event, beside those for its deliveries. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.model import Event

#: For an event of flowbridge itself that no route subscribes to.
SUBSCRIBE: Final = advise(
    "alerts go to routes with `on: flowbridge alert.*`: ", name_command("alerts", help=True)
)


def find_file_step(event: Event) -> Advice | None:
    """Return how to save the files of an event, None where it has none."""
    return advise(name_command("show", event.id, save="DIR")) if event.files else None


def find_spam_step(event: Event) -> Advice | None:
    """Return how to release an event that is marked as spam, None where it is not."""
    return advise(name_command("spam release", event.id)) if event.spam else None


def find_unmatched_step(event: Event) -> Advice:
    """Return how to plan an event again that no route matched."""
    return advise("fix routes.yaml, then ", name_command("replay", event.id))
