"""The answers of the admin API that explain what routes do with an event or a reject."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.services import explanations
from bridge.services.explanation_screen import describe_explanation
from bridge.services.explanations import EventExplanation, RouteChoice
from bridge.store.inbound import rejects
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.problems import AdminProblem, ParameterError
from bridge.web.admin.request_selection import find_event, look_up


def explain_event(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return what each route does with an event, as `explain --json`."""
    event = find_event(context, asked).event

    def explain(choice: RouteChoice) -> list[EventExplanation]:
        return [
            explanations.explain_event(
                context.database, context.settings, event, choice, context.config
            )
        ]

    (found,) = _describe(asked, explain)
    return found


def explain_reject(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return what each route would do with each event in a reject."""
    reject = look_up(lambda: rejects.get(context.database, asked.ids["id"]))

    def explain(choice: RouteChoice) -> Iterable[EventExplanation]:
        return explanations.explain_reject(context.settings, reject, choice, context.config)

    return {"items": [*_describe(asked, explain)]}


def _describe(
    asked: AdminRequest, explain: Callable[[RouteChoice], Iterable[EventExplanation]]
) -> list[dict[str, JSON]]:
    """Return explanations as JSON. Raises `AdminProblem` for a choice that is not possible."""
    choice = RouteChoice(when=asked.values["routes"], route=asked.values["route"])
    describe = describe_explanation if asked.values["screen"] else EventExplanation.as_json
    try:
        return look_up(lambda: [describe(one) for one in explain(choice)])
    except InvalidRequest as error:
        errors = [] if choice.route is None else [ParameterError("route", str(error))]
        raise AdminProblem("invalid_parameter", str(error), errors=errors) from None
