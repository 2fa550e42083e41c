"""Build `routes`: which events, in what shape, to which flow, in what order and pace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge.config.build.json_schemas import Schemas
from bridge.config.build.references import References, find_flows, find_source
from bridge.config.problems import Path, Report
from bridge.core.errors import CompileError
from bridge.core.model import OWN_SOURCE_NAME, Retry
from bridge.core.rate_limits import Limits
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.providers.registry import PROVIDERS
from bridge.routing.expressions.compile import Expression, compile_expression
from bridge.routing.matching.clauses import AllOf, Clause
from bridge.routing.matching.matcher import compile_match, compile_when
from bridge.routing.model import Debouncing, Mode, Ordering, Platform, Route
from bridge.routing.templates import Inputs, compile_inputs

if TYPE_CHECKING:
    from bridge.config.schema.routes import RouteSchema


class DeliveryRules:
    """Builds the delivery rules of one route, and reports keys that exclude each other."""

    def __init__(self, model: RouteSchema, path: Path, report: Report) -> None:
        self._model = model
        self._path = path
        self._report = report

    def build_ordering(self) -> Ordering | None:
        """Return the rule of `order_by`; null without one."""
        model = self._model
        if model.order_by is None:
            for key in ("order_until", "on_dead"):
                if key in model.model_fields_set:
                    self._note(f"`{key}` needs `order_by`, which is missing", key, at_key=True)
            return None
        if model.debounce is not None:
            self._note(
                "`order_by` cannot be used with `debounce`, which sends only the last event of a"
                " key",
                "order_by",
                at_key=True,
            )
        by = self._expression(model.order_by, "order_by")
        return (
            None
            if by is None
            else Ordering(key=by, until=model.order_until, blocks=model.on_dead == "block")
        )

    def build_debounce(self) -> Debouncing | None:
        """Return the rule of `debounce`; null without one."""
        model = self._model.debounce
        if model is None:
            return None
        if self._model.delay is not None:
            self._note(
                "`delay` cannot be used with `debounce`, which waits already", "delay", at_key=True
            )
        wait = float(model.wait)
        max_wait = 10 * wait if model.max is None else float(model.max)
        if wait > max_wait:
            self._note("`wait` is longer than `max`", "debounce")
        key = None if model.key is None else self._expression(model.key, "debounce", "key")
        return Debouncing(wait=wait, max=max_wait, key=key)

    def build_limits(self) -> Limits:
        """Return the limits of concurrent runs and starts."""
        model = self._model
        return Limits(
            max_concurrent_runs=model.max_concurrent_runs,
            rate=model.rate,
            max_runs_per_day=model.max_runs_per_day,
        )

    def find_on_unknown(self, platform: Platform) -> str:
        """Return `on_unknown` for a platform, and report keys that need runs if it has none."""
        model = self._model
        kind = PLATFORMS[platform.type]
        if not kind.has_runs:
            if model.on_unknown == "reconcile":
                self._note(
                    f"the platform `{platform.name}` ({platform.type}) has no runs to search for;"
                    " allowed: hold, retry",
                    "on_unknown",
                )
            if model.on_run_failed[0] != "ignore":
                self._note(
                    f"the platform `{platform.name}` ({platform.type}) has no runs that could fail",
                    "on_run_failed",
                    at_key=True,
                )
        limit = model.max_concurrent_runs
        if limit is not None and limit > platform.max_concurrent_runs:
            says = (
                f"allows {limit} runs at once, but the platform `{platform.name}` allows"
                f" {platform.max_concurrent_runs}"
            )
            self._report.add((*self._path, "max_concurrent_runs"), says, level="warning")
        return model.on_unknown or kind.on_unknown

    def _expression(self, text: str, *path: str) -> Expression | None:
        """Compile an expression, also if it is written as `${…}`."""
        lone = text.strip()
        bare = lone[2:-1] if lone.startswith("${") and lone.endswith("}") else text
        try:
            return compile_expression(bare)
        except CompileError as error:
            self._report.add_all((*self._path, *path), error)
            return None

    def _note(self, problem: str, *path: str, at_key: bool = False) -> None:
        self._report.add((*self._path, *path), problem, key=at_key)


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
        max_wait = float(model.max)
        if first > max_wait:
            self.report.add((*self.path, "retry"), "`first` is longer than `max`")
        return Retry(model.attempts, first, max_wait)
