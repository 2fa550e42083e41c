"""Check of routes for event types that their senders do not send: misspelt, or with an action."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from bridge.core.typos import find_typo
from bridge.providers.event_types.loader import documented_types
from bridge.providers.model import EventTypes
from bridge.routing.matching.matcher import match_type
from bridge.services.config_checks.written_routes import WrittenRoute
from bridge.services.samples.events import sample_events

if TYPE_CHECKING:
    from bridge.config.problems import Report
    from bridge.routing.model import Route, Source


def check_types(route: Route, source: Source, written: WrittenRoute, report: Report) -> None:
    """Warn of each event type that the source's provider does not document.

    Where there is no list of types, warn of one that is close to the type of a sample.
    """
    key = ("match", "event") if "event" in (written.keys.get("match") or {}) else ("on",)
    provider = source.provider
    documented = provider.event_types if source.event_type == provider.event_type else None
    for type_ in route.types:
        if documented is None:
            message = _beside_samples(type_, source)
        else:
            known_types = documented_types(provider.name) | {row.type for row in provider.samples}
            message = _beside_list(type_, source, known_types, documented)
        if message is not None:
            report.add((*written.path, *key), message, level="warning")


def _beside_samples(type_: str, source: Source) -> str | None:
    known_types = [
        sample_type for sample_type, _ in sample_events(source) if sample_type is not None
    ]
    near = None if "*" in type_ else find_typo(type_, known_types)
    if near is None:
        return None
    provider = source.provider
    see = f"Samples are only examples (`flowbridge providers {provider.name}` lists their types)."
    return (
        f"no sample of {provider.title} has the event type `{type_}`; did you mean `{near}`? {see}"
    )


def _beside_list(
    type_: str, source: Source, known_types: Collection[str], documented: EventTypes
) -> str | None:
    """Return the message for a type that is not among the documented ones, else None."""
    if any(match_type((type_,), known_type) for known_type in known_types):
        return None
    title = source.provider.title
    base, _, detail = type_.partition(".")
    base = base if base in known_types else find_typo(base, known_types) or ""
    if documented.detail is not None and detail and base:
        right = f"`on: {source.name} {base}`"
        if "*" not in detail:
            right += f" with `match: {{{documented.detail}: {detail}}}`"
        return (
            f"{title} sends no event type `{type_}`: its type is `{base}`, and"
            f" `{documented.detail}` says the rest; write {right}"
        )
    near = _near(type_, known_types)
    if near is not None:
        return (
            f"{title} documents no event type `{type_}`; did you mean `{near}`? All types:"
            f" {documented.docs}"
        )
    return f"{title} documents no event type `{type_}`, unless it is a new one: {documented.docs}"


def _near(type_: str, known_types: Collection[str]) -> str | None:
    """Return the type, or the pattern such as `invoice.*`, that was probably meant."""
    if "*" not in type_:
        return find_typo(type_, known_types)
    start, _, rest = type_.partition("*")
    if rest or not start.endswith("."):
        return None
    starts = {
        ".".join(known_type.split(".")[: start.count(".")])
        for known_type in known_types
        if known_type.count(".") >= start.count(".")
    }
    near = find_typo(start[:-1], starts)
    return None if near is None else f"{near}.*"
