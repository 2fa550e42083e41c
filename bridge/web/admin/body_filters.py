"""The filters in the body of a request: read as those of the lists, with errors by pointer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.core.errors import UnknownName
from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.services.selection import check_names
from bridge.services.where_filters import make_event_test
from bridge.store.queries.filters import Filters
from bridge.web.admin.bodies import invalid_body, to_pointer
from bridge.web.admin.context import AdminContext, AdminRequest
from bridge.web.admin.parameter_reader import Parameter, read_parameters
from bridge.web.admin.problems import AdminProblem, BodyError, report_missing_scope


def read_filters(
    asked: AdminRequest, filters: Mapping[str, Any], known: Sequence[Parameter], owner: str
) -> dict[str, Any]:
    """Return the values of the filters in a body. Raises `AdminProblem` with every error.

    `known` are those that `owner` has.
    """
    given = {
        name: [value] if isinstance(value, str) else list(value) for name, value in filters.items()
    }
    allowed = [one.name for one in known]
    for name in given:
        if name not in allowed:
            detail = f"`{owner}` has no such filter"
            raise invalid_body([BodyError(to_pointer("filters", name), detail, None, allowed)])
    for one in known:
        if one.reads_contents and one.name in given and Scope.BODIES not in asked.scopes:
            raise report_missing_scope(f"the filter `{one.name}`", Scope.BODIES, asked.scopes)
    try:
        return read_parameters(given, known)
    except AdminProblem as problem:
        raise invalid_body(
            [
                BodyError(
                    to_pointer("filters", error.parameter), error.detail, error.near, error.allowed
                )
                for error in problem.errors
                if not isinstance(error, BodyError)
            ]
        ) from None


def make_filters(context: AdminContext, config: Config, values: Mapping[str, Any]) -> Filters:
    """Return filters as the store takes them. Raises `AdminProblem` for an unknown name."""
    names = {name: values.get(name) for name in ("source", "route")}
    try:
        check_names(context.settings, context.database, config=config, **names)
    except UnknownName as error:
        place = to_pointer("filters", error.what)
        found = BodyError(place, str(error), error.near, error.allowed)
        raise invalid_body([found]) from None
    clauses = values.get("where")
    where = make_event_test(clauses, config.sources) if clauses else None
    return Filters(**{**values, "where": where})
