"""The names that a route refers to: its source, its types of events and its flows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.config.build.platforms import describe_missing_platform
from bridge.config.problems import Path, Report, describe_type, join_names
from bridge.core.model import OWN_SOURCE_NAME
from bridge.core.typos import suggest
from bridge.routing.model import Flow, Platform, Source

if TYPE_CHECKING:
    from bridge.config.schema.routes import RouteSchema

MAX_FLOWS_PER_ROUTE = 20  # of one route


@dataclass(frozen=True, slots=True)
class References:
    """The sources, flows and platforms that routes may refer to.

    `declared`, `flow_names` and `platform_names` include those with problems of their own.
    """

    sources: Mapping[str, Source]
    declared: list[str]
    flows: Mapping[str, Flow]
    flow_names: list[str]
    platforms: Mapping[str, Platform]
    platform_names: list[str]
    providers: Mapping[str, str]  #: provider of every declared source


def find_source(
    model: RouteSchema, path: Path, references: References, report: Report
) -> tuple[str, tuple[str, ...]]:
    """Return the name of the route's source and its patterns for event types."""
    long = _types_in_match(model, path, report)
    if (model.on is None) == (model.source is None) and not any(
        (*path, key) in report.settled for key in ("on", "source")
    ):
        what = (
            "has neither `on` nor `source`; write on: SOURCE TYPE"
            if model.on is None
            else "has both `on` and `source`: one is enough"
        )
        (
            report.add(path, what)
            if model.on is None
            else report.add((*path, "source"), what, key=True)
        )
    key = "on" if model.on is not None else "source"
    name, types = split_on(model.on) if model.on is not None else (model.source or "", ())
    if (model.on is not None or model.source is not None) and name not in (
        *references.declared,
        OWN_SOURCE_NAME,
    ):
        report.add(
            (*path, key),
            f"no source `{name}`; {suggest(name, references.declared)}allowed:"
            f" {join_names(references.declared)}",
        )
    if types and long:
        report.add((*path, "match", "event"), "`on` has the types already", key=True)
    if model.on is not None and any(not event_type for event_type in types):
        report.add((*path, "on"), "a type is empty; types are written SOURCE TYPE, TYPE")
    return name, types or long


def _types_in_match(model: RouteSchema, path: Path, report: Report) -> tuple[str, ...]:
    match = model.match or {}
    if "event" not in match:
        return ()
    value = match["event"]
    texts = [value] if isinstance(value, str) else value
    if (
        not isinstance(texts, list)
        or not texts
        or not all(isinstance(text, str) and text for text in texts)
    ):
        report.add(
            (*path, "match", "event"),
            f"needs a type or a list of types, found {describe_type(value)}",
        )
        return ()
    return tuple(texts)


def find_flows(
    names: tuple[str, ...], path: Path, references: References, report: Report
) -> list[Flow]:
    """Return the flows that the route starts, without those that have problems."""
    if len(names) > MAX_FLOWS_PER_ROUTE:
        report.add(
            path,
            f"found {len(names)} flows; a route starts at most {MAX_FLOWS_PER_ROUTE}",
        )
        return []
    flows_by_id: dict[tuple[str, str], Flow] = {}
    for name in names:
        flow = _find_flow(name, path, references, report)
        if flow is None:
            continue
        if (flow.platform, flow.saved_item_id) in flows_by_id:
            report.add(
                path,
                f"the flow `{name}` is listed twice: one event would start it twice",
            )
        flows_by_id[flow.platform, flow.saved_item_id] = flow
    return list(flows_by_id.values())


def _find_flow(name: str, path: Path, references: References, report: Report) -> Flow | None:
    if name in references.flow_names:
        return references.flows.get(name)
    platform, slash, saved_item_id = name.partition("/")
    if not slash:
        report.add(
            path,
            f"no flow `{name}`; {suggest(name, references.flow_names)}allowed: "
            f"{join_names(references.flow_names)}, or PLATFORM/SAVED_ITEM_ID",
        )
        return None
    if platform not in references.platform_names:
        report.add(path, describe_missing_platform(platform, references.platform_names))
        return None
    if not saved_item_id or re.search(r"\s", saved_item_id):
        report.add(path, "needs PLATFORM/SAVED_ITEM_ID, the id without blanks")
        return None
    return Flow(name=name, platform=platform, saved_item_id=saved_item_id)


def split_on(texts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return (source, types) of `SOURCE TYPE, TYPE`, `SOURCE [TYPE, TYPE]` or a list that begins
    with the source.
    """
    source, _, rest = texts[0].strip().partition(" ")
    rest = rest.strip()
    if rest.startswith("[") and rest.endswith("]"):
        rest = rest[1:-1]
    types = [event_type.strip() for event_type in rest.split(",")] if rest else []
    return source, (*types, *(text.strip() for text in texts[1:]))
