"""Check of routes against the local platform's flows: missing flows and inputs, and inputs that the
sender of a form chooses.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from bridge.core.errors import ConfigProblem
from bridge.core.local_runs import READY_MADE
from bridge.core.typos import find_typo, suggest
from bridge.services.config_checks.written_routes import WrittenRoutes, read_routes

if TYPE_CHECKING:
    from bridge.config.problems import Report
    from bridge.core.local_runs import LocalFlow
    from bridge.routing.model import Config, Route

#: Inputs of ready-made flows that the sender of a form should not choose, and their meaning.
SENDER_CHOICES = {
    "append_csv": {"file": "the file that is written to"},
    "append_jsonl": {"file": "the file that is written to"},
    "http_request": {"url": "the URL that is called"},
    "send_email": {"to": "the recipient of mail in your name"},
    "slack_message": {"channel": "the channel"},
}
#: Settings that ready-made flows need, each with the input that can replace it, or an empty text.
REQUIRED_SETTINGS = {
    "send_email": (("FLOWBRIDGE_SMTP_URL", ""), ("FLOWBRIDGE_SMTP_FROM", "from_")),
    "slack_message": (("FLOWBRIDGE_SLACK_WEBHOOK_URL", "webhook_url"),),
}
#: Annotations that the text of a form's field does not fit, each with the type of a schema that
#: converts the text.
CONVERTED_TYPES = {
    f"{before}{annotation}{after}": kind
    for annotation, kind in (("int", "integer"), ("float", "number"), ("bool", "boolean"))
    for before, after in (("", ""), ("", " | None"), ("Optional[", "]"))
}
_FIELD = re.compile(r"\s*\$\{\s*(?:form|body)\.(\w+)\s*\}\s*")
_WHOLE = re.compile(r"\s*\$\{\s*(?:form|body)\s*\}\s*")  # of a form, the two are the same object


@dataclass(frozen=True, slots=True)
class _LocalRoute:
    """A route to the local platform, with its `inputs` in the file, None if it has none."""

    index: int
    route: Route
    inputs: Any

    @property
    def path(self) -> tuple[str | int, ...]:
        return ("routes", self.index)


def find_missing_flows(config: Config, flows: Collection[str]) -> list[ConfigProblem]:
    """Return an error for each route whose flow the local platform does not have."""
    all_routes = read_routes(config)
    report = all_routes.report
    _check_flows(_local_routes(config, all_routes), config, flows, report)
    return report.problems


def warn_of_misfits(
    config: Config,
    flows: Mapping[str, LocalFlow],
    environ: Mapping[str, str],
    written: WrittenRoutes,
) -> None:
    """Report an error for each route whose flow is missing, and warnings for misfits.

    Misfits are inputs that a local flow does not have or does not get, inputs that the sender of a
    form may choose, settings of a ready-made flow that are not in `environ`, and numbers that a
    form sends as text.
    """
    report = written.report
    routes = _local_routes(config, written)
    _check_flows(routes, config, flows, report)
    for local_route in routes:
        flow = flows.get(local_route.route.flow.saved_item_id)
        if flow is None:
            continue
        if isinstance(local_route.inputs, Mapping):
            _check_inputs(
                local_route, flow, _taken_by_siblings(local_route.route, config, flows), report
            )
        elif local_route.inputs is None or (
            isinstance(local_route.inputs, str) and _WHOLE.fullmatch(local_route.inputs)
        ):
            _check_form(local_route, flow, config, report)
        if flow.workbook == READY_MADE:
            _check_settings(local_route, flow, environ, report)
        else:
            _check_field_types(local_route, flow, config, report)


def _check_flows(
    written: Sequence[_LocalRoute], config: Config, flows: Collection[str], report: Report
) -> None:
    for local_route in written:
        flow = local_route.route.flow
        if flow.saved_item_id in flows:
            continue
        flow_id = flow.saved_item_id
        file = config.platforms[flow.platform].flows
        if file is not None and flow_id in _list_plain_functions(Path(file)):
            hint = f"put `@flow` above the function `{flow_id}` in {Path(file).name}"
        else:
            hint = f"{suggest(flow_id, flows)}it has: {', '.join(flows)}"
        message = f"the platform `{flow.platform}` has no flow `{flow_id}`; {hint}"
        where = (
            ("flows", flow.name, "saved_item_id")
            if flow.name in config.flows
            else (*local_route.path, "flow")
        )
        before = len(report.problems)
        report.add(where, message)
        report.problems[before:] = [
            replace(
                problem,
                path=f"routes.{local_route.index}.flow",
                shown=f"routes[{local_route.route.name}].flow",
            )
            for problem in report.problems[before:]
        ]


def _list_plain_functions(file: Path) -> list[str]:
    """Return the names of a flows.py's functions without a decorator. It was loaded before."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, ValueError, SyntaxError):
        return []  # changed meanwhile
    functions = (node for node in body if isinstance(node, ast.FunctionDef))
    return [function.name for function in functions if not function.decorator_list]


def _local_routes(config: Config, written: WrittenRoutes) -> list[_LocalRoute]:
    """Return the routes to the local platform as they are written."""
    routes = [
        _LocalRoute(written_route.index, route, written_route.keys.get("inputs"))
        for route in config.routes
        for written_route in (written.routes[route.name],)
    ]
    return [
        local_route
        for local_route in routes
        if config.platforms[local_route.route.flow.platform].type == "local"
    ]


def _taken_by_siblings(
    route: Route, config: Config, flows: Mapping[str, LocalFlow]
) -> Collection[str] | None:
    """Return the inputs that the other flows of the route take, None where one may take any."""
    names: set[str] = set()
    for other in config.routes:
        if other.name != route.name or other.flow == route.flow:
            continue
        flow = (
            flows.get(other.flow.saved_item_id)
            if config.platforms[other.flow.platform].type == "local"
            else None
        )
        if flow is None or flow.takes_any or any(node.kind == "body" for node in flow.inputs):
            return None
        names.update(node.name for node in flow.inputs)
    return names


def _check_inputs(
    written: _LocalRoute, flow: LocalFlow, taken: Collection[str] | None, report: Report
) -> None:
    """Warn of inputs that no flow of the route has, and of required ones that the route lacks.

    `taken`: the inputs of the route's other flows.
    """
    names = [node.name for node in flow.inputs]
    for name in written.inputs:
        becomes = (
            None
            if name in names or taken is None or name in taken
            else _describe_fate(name, flow, written.inputs)
        )
        if becomes is not None:
            has = f"it has: {', '.join(names)}" if names else "it takes no inputs"
            message = (
                f"the flow `{flow.id}` has no input `{name}`, so it {becomes};"
                f" {_near(name, names)}{has}"
            )
            report.add((*written.path, "inputs", name), message, key=True, level="warning")
    lacking = [
        f"`{node.name}`"
        for node in flow.inputs
        if node.required and node.kind != "body" and node.name not in written.inputs
    ]
    if lacking:
        message = (
            f"the flow `{flow.id}` needs {', '.join(lacking)}, which the route does not give: every"
            " run will fail"
        )
        report.add((*written.path, "inputs"), message, key=True, level="warning")


def _describe_fate(name: str, flow: LocalFlow, route_inputs: Collection[str]) -> str | None:
    """Return what happens to an input that a flow does not name, None where it may be intended.

    It may be where the flow takes any input, and it is no typo.
    """
    if any(node.kind == "body" for node in flow.inputs):
        return None
    if not flow.takes_any:
        return "is left out"
    return (
        "is passed as an extra one"
        if find_typo(name, [node.name for node in flow.inputs if node.name not in route_inputs])
        else None
    )


def _check_settings(
    written: _LocalRoute, flow: LocalFlow, environ: Mapping[str, str], report: Report
) -> None:
    for setting, instead in REQUIRED_SETTINGS.get(flow.id, ()):
        if environ.get(setting) or (
            setting == "FLOWBRIDGE_SMTP_FROM"
            and _is_user_address(environ.get("FLOWBRIDGE_SMTP_URL", ""))
        ):
            continue
        if not instead or (isinstance(written.inputs, Mapping) and instead not in written.inputs):
            otherwise = f" and the route gives no `{instead}`" if instead else ""
            message = (
                f"the flow `{flow.id}` needs {setting}, which is not set{otherwise}: every run will"
                " fail"
            )
            report.add((*written.path, "flow"), message, level="warning")


def _is_user_address(url: str) -> bool:
    """Return whether the user of a mail server's URL is an address: the default sender."""
    try:
        return "@" in unquote(urlsplit(url).username or "")
    except ValueError:
        return False


def _near(name: str, names: Collection[str]) -> str:
    """Return the hint for a name, also for one with an underscore since Python reserves it."""
    return f"did you mean `{name}_`? " if f"{name}_" in names else suggest(name, names)


def _check_form(written: _LocalRoute, flow: LocalFlow, config: Config, report: Report) -> None:
    """Warn where all fields of a form become inputs of a ready-made flow: the sender chooses their
    names.
    """
    source = config.sources[written.route.source]
    if source.provider.name != "form" or flow.workbook != READY_MADE:
        return
    schema = source.form.schema_document if source.form is not None else None
    choices = [
        (name, what)
        for name, what in SENDER_CHOICES.get(flow.id, {}).items()
        if _may_be_sent(name, schema)
    ]
    for name, what in choices:
        lead = (
            "without `inputs`"
            if written.inputs is None
            else f"with `inputs: {written.inputs.strip()}`"
        )
        message = (
            f"{lead}, the sender of the form chooses `{name}`, {what}: list the inputs one by one"
        )
        where = "flow" if written.inputs is None else "inputs"
        report.add((*written.path, where), message, level="warning")


def _check_field_types(
    written: _LocalRoute, flow: LocalFlow, config: Config, report: Report
) -> None:
    """Warn of inputs that are annotated as numbers or booleans, and get the text of a field."""
    source = config.sources[written.route.source]
    if source.provider.name != "form":
        return
    schema = source.form.schema_document if source.form is not None else None
    listed = written.inputs if isinstance(written.inputs, Mapping) else None
    for node in flow.inputs:
        kind = CONVERTED_TYPES.get(node.type)
        field = node.name if listed is None else _read_field(listed.get(node.name))
        if kind is None or field is None or not _is_text(field, schema):
            continue
        is_number = listed is not None and kind != "boolean"
        message = (
            f"the flow `{flow.id}` takes `{node.name}` as {node.type}, but a form sends text:"
            f" convert it with `schema: {{properties: {{{field}: {{type: {kind}}}}}}}` in the"
            f" source `{source.name}`"
            + (f", or with `${{to_number(form.{field})}}` here" if is_number else "")
        )
        where = ("flow",) if written.inputs is None else ("inputs", node.name)[: 1 + bool(listed)]
        report.add((*written.path, *where), message, level="warning")


def _read_field(value: Any) -> str | None:
    """Return the field of a form that is the whole value, else None."""
    match = _FIELD.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else match[1]


def _is_text(field: str, schema: Mapping[str, Any] | None) -> bool:
    """Return whether a form's field certainly stays text."""
    properties = schema.get("properties") if schema is not None else None
    if not isinstance(properties, Mapping) or field not in properties:
        return True
    described = properties[field]
    return isinstance(described, Mapping) and described.get("type") == "string"


def _may_be_sent(name: str, schema: Mapping[str, Any] | None) -> bool:
    """Return whether a form may have a field: always, unless its schema allows no others."""
    if schema is None or schema.get("additionalProperties") is not False:
        return True
    properties = schema.get("properties")
    return bool(schema.get("patternProperties")) or (
        isinstance(properties, Mapping) and name in properties
    )
