"""Check of routes against the inputs that their flows have on the platforms now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import BridgeError
from bridge.core.typos import find_typo, suggest
from bridge.routing.functions.signature import type_of
from bridge.services.config_checks.value_types import find_value_type
from bridge.services.config_checks.written_routes import WrittenRoute, WrittenRoutes
from bridge.services.platforms.platform_queries import (
    ask_for_inputs,
    explain_missing_flow,
    platform_type,
)

if TYPE_CHECKING:
    from bridge.config.problems import Report
    from bridge.delivery.platforms.model import InputNode
    from bridge.routing.model import Config, Platform, Route, Source

MAX_CALLS_AT_ONCE: Final = 2
FILE_TYPE: Final = "file"
TEXT_TYPE: Final = "string"
#: The names of these types: that of the public API, and annotations of a local flow. The other
#: annotations are not compared with values.
TYPES: Final = {
    "string": TEXT_TYPE,
    "str": TEXT_TYPE,
    "str | None": TEXT_TYPE,
    "Optional[str]": TEXT_TYPE,
    "file": FILE_TYPE,
}
KIND_NAMES: Final = {"object": "an object", "array": "a list"}

FlowKey = tuple[str, str]  # the name of the platform, and the saved_item_id


@dataclass(frozen=True, slots=True)
class LiveFlow:
    """The answer of a platform about one flow.

    `inputs` is null without an answer; `missing`: why the platform says that there is no such flow;
    `unasked`: why there is no answer. `may_take_any`: the flow may take inputs that are not listed,
    as a local one with `**inputs` does.
    """

    platform: str
    saved_item_id: str
    inputs: Sequence[InputNode] | None = None
    missing: str | None = None
    unasked: str | None = None
    may_take_any: bool = False

    @property
    def name(self) -> str:
        """The name of the flow as PLATFORM/FLOW."""
        return f"{self.platform}/{self.saved_item_id}"


def ask_flows(config: Config, refused: Mapping[str, str]) -> dict[FlowKey, LiveFlow]:
    """Ask the platforms for the inputs of every flow of a route, at most two calls at once.

    A flow of a platform without a list of inputs is left out. A platform that did not answer is not
    asked again, and one in `refused` not at all: the text says why.
    """
    keys = dict.fromkeys((route.flow.platform, route.flow.saved_item_id) for route in config.routes)
    askable = [key for key in keys if platform_type(config.platforms[key[0]]).inputs is not None]
    silent = dict(refused)
    with ThreadPoolExecutor(MAX_CALLS_AT_ONCE) as pool:
        answers = pool.map(lambda key: _ask(config.platforms[key[0]], key[1], silent), askable)
        return dict(zip(askable, answers, strict=True))


def warn_of_live_misfits(
    config: Config, flows: Mapping[FlowKey, LiveFlow], written: WrittenRoutes
) -> None:
    """Report an error for each missing flow, and warnings for inputs that do not fit.

    A place that had a problem before gets no second one.
    """
    report = written.report
    problem_paths = {problem.path for problem in report.problems}
    for route in config.routes:
        flow = flows.get((route.flow.platform, route.flow.saved_item_id))
        place = written.routes.get(route.name)
        if flow is None or place is None:
            continue
        before = len(report.problems)
        if flow.missing is not None:
            report.add((*place.path, "flow"), flow.missing)
        elif flow.inputs is not None and isinstance(place.keys.get("inputs"), Mapping):
            siblings = _sibling_inputs(route, config, flows)
            _check_names(place, flow, siblings, report)
            _check_types(place, flow, route, config.sources.get(route.source), report)
        report.problems[before:] = [
            problem for problem in report.problems[before:] if problem.path not in problem_paths
        ]


def _ask(platform: Platform, saved_item_id: str, silent: dict[str, str]) -> LiveFlow:
    if platform.name in silent:
        return LiveFlow(platform.name, saved_item_id, unasked=silent[platform.name])
    try:
        listing = ask_for_inputs(platform, saved_item_id)
    except BridgeError as error:
        silent[platform.name] = str(error)
        return LiveFlow(platform.name, saved_item_id, unasked=str(error))
    if listing.items is not None:
        return LiveFlow(platform.name, saved_item_id, listing.items, may_take_any=listing.takes_any)
    if listing.unknown:
        said = explain_missing_flow(platform, saved_item_id)
        missing = said or f"the platform {platform.name!r} has no flow {saved_item_id!r}"
        return LiveFlow(platform.name, saved_item_id, missing=missing)
    return LiveFlow(platform.name, saved_item_id, unasked=f"{platform.name}: {listing.detail}")


def _sibling_inputs(
    route: Route, config: Config, flows: Mapping[FlowKey, LiveFlow]
) -> set[str] | None:
    """Return the inputs of the route's other flows, None where one of them is not known."""
    names: set[str] = set()
    for other in config.routes:
        if other.name != route.name or other.flow == route.flow:
            continue
        flow = flows.get((other.flow.platform, other.flow.saved_item_id))
        if flow is None or flow.inputs is None:
            return None
        names.update(node.name for node in flow.inputs)
    return names


def _check_names(
    written: WrittenRoute, flow: LiveFlow, siblings: set[str] | None, report: Report
) -> None:
    """Warn of inputs that the flow does not have, and of required ones that the route lacks."""
    nodes = flow.inputs or ()
    names = [node.name for node in nodes]
    route_inputs = written.keys["inputs"]
    for name in route_inputs:
        if name in names or siblings is None or name in siblings:
            continue
        if (
            flow.may_take_any
            and find_typo(
                name, [input_name for input_name in names if input_name not in route_inputs]
            )
            is None
        ):
            continue
        has = f"it has: {', '.join(names)}" if names else "it takes no inputs"
        message = f"the flow `{flow.name}` has no input `{name}`; {suggest(name, names)}{has}"
        report.add((*written.path, "inputs", name), message, key=True, level="warning")
    lacking = [
        f"`{node.name}`" for node in nodes if node.required and node.name not in route_inputs
    ]
    if lacking:
        message = (
            f"the route does not give {', '.join(lacking)} of the flow `{flow.name}`, which it"
            " requires"
        )
        report.add((*written.path, "inputs"), message, key=True, level="warning")


def _check_types(
    written: WrittenRoute, flow: LiveFlow, route: Route, source: Source | None, report: Report
) -> None:
    """Warn of values whose type is known, and that the flow's input does not take."""
    route_inputs = written.keys["inputs"]
    for node in flow.inputs or ():
        kind = TYPES.get(node.type if node.annotation is None else node.annotation)
        if kind is None or node.name not in route_inputs:
            continue
        wrong = _find_wrong_type(kind, route_inputs[node.name], route, source)
        if wrong is not None:
            message = f"the input `{node.name}` of the flow `{flow.name}` is a {kind}; {wrong}"
            report.add((*written.path, "inputs", node.name), message, level="warning")


def _find_wrong_type(
    input_type: str, value: Any, route: Route, source: Source | None
) -> str | None:
    """Return why a written value does not fit, None where it does, or its type is not known."""
    is_lone = isinstance(value, str) and value.startswith("${") and value.endswith("}")
    known_type = find_value_type(value, route, source) if is_lone else None
    if is_lone and known_type is None:
        return None
    kind = known_type.type if known_type is not None else _kind_of(value)
    if kind in ("object", "array"):
        hint = ": ${json(…)} makes it text" if input_type == TEXT_TYPE else ""
    elif input_type == FILE_TYPE:
        hint = ", and not a file"
    else:
        return None
    kind_name = KIND_NAMES.get(kind, "text")
    if known_type is None:
        return f"the route gives {kind_name}{hint}"
    return f"`{value[2:-1].strip()}` is {kind_name} {known_type.origin}{hint}"


def _kind_of(value: Any) -> str:
    """Return the JSON type of a written value."""
    if isinstance(value, Mapping):
        return "object"
    return "array" if isinstance(value, list) else type_of(value)
