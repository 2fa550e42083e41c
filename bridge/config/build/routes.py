"""Build `routes`: which events, in what shape, to which flow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge.config.build.delivery_rules import DeliveryRules
from bridge.config.build.json_schemas import Schemas
from bridge.config.build.references import References, find_flows, find_source
from bridge.config.problems import Path, Report
from bridge.core.errors import CompileError
from bridge.core.model import OWN_SOURCE_NAME, Retry
from bridge.providers.registry import PROVIDERS
from bridge.routing.matching.clauses import AllOf, Clause
from bridge.routing.matching.matcher import compile_match, compile_when
from bridge.routing.model import Mode, Route
from bridge.routing.templates import Inputs, compile_inputs

if TYPE_CHECKING:
    from bridge.config.schema.routes import RouteSchema

NAME_PATTERN = re.compile(r"[a-z0-9_-]{1,63}")
LINK_FUNCTION = "file_url"
FORM_PROVIDER = "form"


def build_routes(
    models: Iterable[tuple[int, RouteSchema]],
    references: References,
    schemas: Schemas,
    report: Report,
) -> tuple[tuple[Route, ...], set[str]]:
    """Return the routes in file order, and the names of the sources that they use."""
    routes: list[Route] = []
    used: set[str] = set()
    names: dict[str, int] = {}
    for index, model in models:
        path: Path = ("routes", index)
        if not NAME_PATTERN.fullmatch(model.name):
            report.add(
                (*path, "name"),
                f"`{model.name[:80]}` is not a route's name; allowed: a-z 0-9 _ -, at most 63",
            )
        elif model.name in names:
            name = (*path, "name")
            other = report.line_of(("routes", names[model.name], "name"), name)
            report.add(name, f"two routes are called `{model.name}`; the other is in {other}")
        names.setdefault(model.name, index)
        route = _RouteBuilder(model, path, references, schemas, report)
        source, types = find_source(model, path, references, report)
        used.add(source)
        routes += route.build(source, types)
    return tuple(routes), used


class _RouteBuilder:
    """Builds one route."""

    def __init__(
        self,
        model: RouteSchema,
        path: Path,
        references: References,
        schemas: Schemas,
        report: Report,
    ) -> None:
        self.model = model
        self.path = path
        self.references = references
        self.schemas = schemas
        self.report = report

    def build(self, source: str, types: tuple[str, ...]) -> list[Route]:
        """Return a record for each flow of the route; none if it has problems."""
        model = self.model
        path = self.path
        flows = find_flows(model.flow, (*path, "flow"), self.references, self.report)
        match = self._build_match()
        inputs = self._build_inputs(source)
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
        retry = self._build_retry()
        rules = DeliveryRules(model, path, self.report)
        ordering = rules.build_ordering()
        debounce = rules.build_debounce()
        limits = rules.build_limits()
        if inputs is None or source not in (*self.references.sources, OWN_SOURCE_NAME):
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
            links_files=LINK_FUNCTION in inputs.functions,
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
        platforms = [self.references.platforms.get(flow.platform) for flow in flows]
        return [
            make(
                flow=flow,
                on_unknown="hold" if platform is None else rules.find_on_unknown(platform),
            )
            for flow, platform in zip(flows, platforms, strict=True)
        ]

    def _build_match(self) -> Clause | None:
        model = self.model
        clauses = []
        document = {key: value for key, value in (model.match or {}).items() if key != "event"}
        if model.match is not None and not model.match:
            self.report.add(
                (*self.path, "match"), "`match` is empty; leave it out to match every event"
            )
        parts: list[tuple[str, Callable[[Any], Clause], Any]] = [
            ("match", compile_match, document),
            ("when", compile_when, model.when),
        ]
        for key, compile_part, part in parts:
            if part in (None, {}):
                continue
            try:
                clauses.append(compile_part(part))
            except CompileError as error:
                self.report.add_all((*self.path, key), error)
        return None if not clauses else clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))

    def _build_inputs(self, source: str) -> Inputs | None:
        model = self.model
        path = (*self.path, "inputs")
        document: Any = model.inputs
        if document is None:
            row = PROVIDERS.get(self.references.providers.get(source, ""))
            if (
                "inputs" not in model.model_fields_set
                and row is not None
                and (row.name == FORM_PROVIDER or row.fields is not None)
            ):
                return compile_inputs(
                    "${form}" if row.name == FORM_PROVIDER else "${fields}", strict=model.strict
                )
            if (
                source in (*self.references.providers, OWN_SOURCE_NAME)
                or "inputs" in model.model_fields_set
            ):
                self.report.add(
                    path,
                    "`inputs` is missing; write a mapping, or inputs: ${body} for the whole payload"
                    " (only forms, and services for forms, have a default)",
                )
            return None
        try:
            inputs = compile_inputs(document, strict=model.strict)
        except CompileError as error:
            self.report.add_all(path, error)
            return None
        provider = self.references.providers.get(source, FORM_PROVIDER)
        if LINK_FUNCTION in inputs.functions and provider != FORM_PROVIDER:
            self.report.add(
                path,
                f"only files of forms have links ({LINK_FUNCTION}), and the provider of {source} is"
                f" {provider}",
            )
        return inputs

    def _build_retry(self) -> Retry:
        model = self.model.retry
        first = float(model.first)
        most = float(model.max)
        if first > most:
            self.report.add((*self.path, "retry"), "`first` is longer than `max`")
        return Retry(model.attempts, first, most)
