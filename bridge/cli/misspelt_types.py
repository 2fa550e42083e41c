"""Whether the event types of the routes are such as their senders send: misspelt ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.cli.samples.events import sample_events
from bridge.cli.written_routes import WrittenRoute
from bridge.core.typos import find_typo

if TYPE_CHECKING:
    from bridge.config.problems import Report
    from bridge.routing.model import Route, Source


def check_types(route: Route, source: Source, written: WrittenRoute, report: Report) -> None:
    """Warn of each event type that is near to one of a sample and fits none."""
    key = ("match", "event") if "event" in (written.keys.get("match") or {}) else ("on",)
    for type_ in route.types:
        message = _beside_samples(type_, source)
        if message is not None:
            report.add((*written.path, *key), message, level="warning")


def _beside_samples(type_: str, source: Source) -> str | None:
    known = [each for each, _ in sample_events(source) if each is not None]
    near = None if "*" in type_ else find_typo(type_, known)
    if near is None:
        return None
    provider = source.provider
    see = f"Samples are only examples (`flowbridge providers {provider.name}` lists their types)."
    return (
        f"no sample of {provider.title} has the event type `{type_}`; did you mean `{near}`? {see}"
    )
