"""What routes do with an event or a reject: two resources answer that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.problems import ApiProblem, parameter_error
from bridge.api.selection import find_event, look_up
from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.services.lists import write_list

if TYPE_CHECKING:
    from bridge.services.explain.explanations import EventExplanation, RouteChoice


def explain_event(context: ApiContext, request: ApiRequest) -> Answer:
    """Return what each route does with an event, as `explain --json`."""
    from bridge.services.explain import explanations  # lists of events are read without it

    event = find_event(context, request).event

    def explain(choice: RouteChoice) -> list[EventExplanation]:
        return [
            explanations.explain_event(
                context.database, context.settings, event, choice, context.config
            )
        ]

    (explanation,) = _describe(request, explain)
    return explanation


def explain_reject(context: ApiContext, request: ApiRequest) -> Answer:
    """Return what each route would do with each event in a reject."""
    from bridge.services.explain import explanations
    from bridge.store.inbound import rejects

    reject = look_up(lambda: rejects.get(context.database, request.ids["id"]))

    def explain(choice: RouteChoice) -> Iterable[EventExplanation]:
        return explanations.explain_reject(context.settings, reject, choice, context.config)

    return write_list(_describe(request, explain))


def _describe(
    request: ApiRequest, explain: Callable[[RouteChoice], Iterable[EventExplanation]]
) -> list[dict[str, JSON]]:
    """Return explanations as JSON. Raises `ApiProblem` for a choice that is not possible."""
    from bridge.services.explain.explanation_screen import describe_explanation
    from bridge.services.explain.explanations import RouteChoice
    from bridge.services.records.explanation_records import EXPLANATION

    choice = RouteChoice(when=request.values["routes"], route=request.values["route"])
    describe = describe_explanation if request.values["screen"] else EXPLANATION.write
    try:
        return look_up(lambda: [describe(explanation) for explanation in explain(choice)])
    except InvalidRequest as error:
        errors = [] if choice.route is None else [parameter_error("route", str(error))]
        raise ApiProblem("invalid_parameter", str(error), errors=errors) from None
