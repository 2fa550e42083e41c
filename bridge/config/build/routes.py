"""`routes` of the document into records: which events, in what shape, to which flow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bridge.config.build.json_schemas import Schemas
from bridge.config.build.platforms import no_platform
from bridge.config.build.waiting import Waits
from bridge.config.problems import Path, Report, found, listed
from bridge.config.schema.routes import RouteSchema
from bridge.core.errors import CompileError
from bridge.core.model import Retry
from bridge.providers.registry import PROVIDERS
from bridge.routing.expressions.roots import near
from bridge.routing.matching.clauses import AllOf, Clause
from bridge.routing.matching.matcher import compile_match, compile_when
from bridge.routing.model import OWN, Flow, Mode, Platform, Route, Source
from bridge.routing.templates import Inputs, compile_inputs

NAME = re.compile(r"[a-z0-9_-]{1,63}")
LINKS = "file_url"
FORM = "form"
MAX_FLOWS = 20  # that a route starts


@dataclass(frozen=True, slots=True)
class Known:
    """What routes may refer to. `declared` and `platform_names` hold also what has problems of its
    own.
    """

    sources: Mapping[str, Source]
    declared: list[str]
    flows: Mapping[str, Flow]
    flow_names: list[str]
    platforms: Mapping[str, Platform]
    platform_names: list[str]
    providers: Mapping[str, str]  #: provider of every declared source


def build_routes(
    written: Iterable[tuple[int, RouteSchema]],
    known: Known,
    schemas: Schemas,
    report: Report,
) -> tuple[tuple[Route, ...], set[str]]:
    """Return the routes in file order, and the names of the sources that they use."""
    routes: list[Route] = []
    used: set[str] = set()
    names: dict[str, int] = {}
    for index, model in written:
        path: Path = ("routes", index)
        if not NAME.fullmatch(model.name):
            report.add(
                (*path, "name"),
                f"`{model.name[:80]}` is not a route's name; allowed: a-z 0-9 _ -, at most 63",
            )
        elif model.name in names:
            name = (*path, "name")
            other = report.line_of(("routes", names[model.name], "name"), name)
            report.add(name, f"two routes are called `{model.name}`; the other is in {other}")
        names.setdefault(model.name, index)
        route = _Builder(model, path, known, schemas, report)
        source, types = route.origin()
        used.add(source)
        routes += route.build(source, types)
    return tuple(routes), used


class _Builder:
    """Builds one route."""

    def __init__(
        self,
        model: RouteSchema,
        path: Path,
        known: Known,
        schemas: Schemas,
        report: Report,
    ) -> None:
        self.model = model
        self.path = path
        self.known = known
        self.schemas = schemas
        self.report = report

    def build(self, source: str, types: tuple[str, ...]) -> list[Route]:
        """Return a record for each flow of the route, none where it has problems."""
        model = self.model
        path = self.path
        flows = self.flows()
        match = self.match()
        inputs = self.inputs(source)
        payload_schema = (
            self.schemas.compile(model.payload_schema, (*path, "payload_schema"))
            if model.payload_schema
            else None
        )
        inputs_schema = (
            self.schemas.compile(model.inputs_schema, (*path, "inputs_schema"))
            if model.inputs_schema
            else None
        )
        retry = self.retry()
        waits = Waits(model, path, self.report)
        ordering = waits.ordering()
        debounce = waits.debounce()
        limits = waits.limits()
        if inputs is None or source not in (*self.known.sources, OWN):
            return []
        on_run_failed, run_retries = model.on_run_failed
        make = partial(
            Route,
            name=model.name,
            source=source,
            reshape=inputs,
            types=types,
            match=match,
            payload_schema=payload_schema,
            inputs_schema=inputs_schema,
            whole_body=inputs.whole is not None,
            links_files=LINKS in inputs.functions,
            has_siblings=len(model.flow) > 1,
            mode=Mode(model.mode),
            drop_reserved=model.reserved == "drop",
            retry=retry,
            on_run_failed=on_run_failed,
            run_retries=run_retries,
            run_timeout=float(model.run_timeout),
            delay=float(model.delay or 0.0),
            debounce=debounce,
            ordering=ordering,
            limits=limits,
        )
        platforms = [self.known.platforms.get(flow.platform) for flow in flows]
        return [
            make(flow=flow, on_unknown="hold" if platform is None else waits.on_unknown(platform))
            for flow, platform in zip(flows, platforms, strict=True)
        ]

    def origin(self) -> tuple[str, tuple[str, ...]]:
        """Return the source's name and the patterns for types."""
        model = self.model
        path = self.path
        long = self.types_of_match()
        if (model.on is None) == (model.source is None) and not self.settled("on", "source"):
            what = (
                "has neither `on` nor `source`; write on: SOURCE TYPE"
                if model.on is None
                else "has both `on` and `source`: one is enough"
            )
            (
                self.report.add(path, what)
                if model.on is None
                else self.report.add((*path, "source"), what, key=True)
            )
        key = "on" if model.on is not None else "source"
        name, types = split_on(model.on) if model.on is not None else (model.source or "", ())
        if (model.on is not None or model.source is not None) and name not in (
            *self.known.declared,
            OWN,
        ):
            self.report.add(
                (*path, key),
                f"no source `{name}`; {near(name, self.known.declared)}allowed:"
                f" {listed(self.known.declared)}",
            )
        if types and long:
            self.report.add((*path, "match", "event"), "the types stand in `on` already", key=True)
        if model.on is not None and any(not each for each in types):
            self.report.add((*path, "on"), "a type is empty; types are written SOURCE TYPE, TYPE")
        return name, types or long

    def settled(self, *keys: str) -> bool:
        """Return whether what was written under one of `keys` has been refused already."""
        return any((*self.path, key) in self.report.settled for key in keys)

    def types_of_match(self) -> tuple[str, ...]:
        value = (self.model.match or {}).get("event")
        if value is None:
            return ()
        texts = [value] if isinstance(value, str) else value
        if (
            not isinstance(texts, list)
            or not texts
            or not all(isinstance(each, str) and each for each in texts)
        ):
            self.report.add(
                (*self.path, "match", "event"),
                f"needs a type or a list of types, found {found(value)}",
            )
            return ()
        return tuple(texts)

    def match(self) -> Clause | None:
        model = self.model
        clauses = []
        document = {key: value for key, value in (model.match or {}).items() if key != "event"}
        if model.match is not None and not model.match:
            self.report.add(
                (*self.path, "match"), "an empty match; leave it out to take every event"
            )
        parts: list[tuple[str, Callable[[Any], Clause], Any]] = [
            ("match", compile_match, document),
            ("when", compile_when, model.when),
        ]
        for key, compiled, written in parts:
            if written in (None, {}):
                continue
            try:
                clauses.append(compiled(written))
            except CompileError as error:
                self.report.add_all((*self.path, key), error)
        return None if not clauses else clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))

    def inputs(self, source: str) -> Inputs | None:
        model = self.model
        path = (*self.path, "inputs")
        written: Any = model.inputs
        if written is None:
            row = PROVIDERS.get(self.known.providers.get(source, ""))
            if (
                "inputs" not in model.model_fields_set
                and row is not None
                and (row.name == FORM or row.fields is not None)
            ):
                return compile_inputs(
                    "${form}" if row.name == FORM else "${fields}", strict=model.strict
                )
            if source in (*self.known.providers, OWN) or "inputs" in model.model_fields_set:
                self.report.add(
                    path,
                    "`inputs` is missing; write a mapping, or inputs: ${body} for the whole payload"
                    " (only forms, and services for forms, have a default)",
                )
            return None
        try:
            inputs = compile_inputs(written, strict=model.strict)
        except CompileError as error:
            self.report.add_all(path, error)
            return None
        provider = self.known.providers.get(source, FORM)
        if LINKS in inputs.functions and provider != FORM:
            self.report.add(
                path,
                f"only files of forms have links ({LINKS}), and the provider of {source} is"
                f" {provider}",
            )
        return inputs

    def flows(self) -> list[Flow]:
        """Return the flows that the route starts; those with problems are left out."""
        names = self.model.flow
        if len(names) > MAX_FLOWS:
            self.report.add(
                (*self.path, "flow"),
                f"{len(names)} flows stand here; a route starts {MAX_FLOWS} at most",
            )
            return []
        found: dict[tuple[str, str], Flow] = {}
        for name in names:
            flow = self.flow(name)
            if flow is None:
                continue
            if (flow.platform, flow.saved_item_id) in found:
                self.report.add(
                    (*self.path, "flow"),
                    f"the flow `{name}` stands twice: one event would start it twice",
                )
            found[flow.platform, flow.saved_item_id] = flow
        return list(found.values())

    def flow(self, name: str) -> Flow | None:
        path = (*self.path, "flow")
        if name in self.known.flow_names:
            return self.known.flows.get(name)
        platform, slash, saved_item_id = name.partition("/")
        if not slash:
            self.report.add(
                path,
                f"no flow `{name}`; {near(name, self.known.flow_names)}allowed: "
                f"{listed(self.known.flow_names)}, or PLATFORM/SAVED_ITEM_ID",
            )
            return None
        if platform not in self.known.platform_names:
            self.report.add(path, no_platform(platform, self.known.platform_names))
            return None
        if not saved_item_id or re.search(r"\s", saved_item_id):
            self.report.add(path, "needs PLATFORM/SAVED_ITEM_ID, the id without blanks")
            return None
        return Flow(name=name, platform=platform, saved_item_id=saved_item_id)

    def retry(self) -> Retry:
        written = self.model.retry
        first = float(written.first)
        most = float(written.max)
        if first > most:
            self.report.add((*self.path, "retry"), "`first` is longer than `max`")
        return Retry(written.attempts, first, most)


def split_on(texts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return (source, types) of `SOURCE TYPE, TYPE`, `SOURCE [TYPE, TYPE]` or a list that begins
    with the source.
    """
    source, _, rest = texts[0].strip().partition(" ")
    rest = rest.strip()
    if rest.startswith("[") and rest.endswith("]"):
        rest = rest[1:-1]
    types = [each.strip() for each in rest.split(",")] if rest else []
    return source, (*types, *(each.strip() for each in texts[1:]))
