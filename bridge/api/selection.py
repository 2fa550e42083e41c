"""Reads the selection of a request: a page of a list, its filters, those of a body, or a record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from bridge.api.context import ApiContext, ApiRequest
from bridge.api.parameters import MAX_NAME_CHARS, Parameter, read_parameters
from bridge.api.problems import (
    ApiProblem,
    body_error,
    invalid_body,
    parameter_error,
    report_missing_scope,
    to_pointer,
)
from bridge.core.errors import AmbiguousId, NotFound, UnknownName
from bridge.core.scopes import Scope
from bridge.core.typos import suggest
from bridge.services.lists import (
    DEFAULT_PAGE_ITEMS,
    PageRequest,
    WrongCursor,
    digest_filters,
    parse_start,
)
from bridge.services.where_filters import make_event_test
from bridge.store.queries.event_lookup import EventHistory
from bridge.store.queries.filters import Filters

T = TypeVar("T")
#: Parameters that are no filters.
PAGE_PARAMETERS: Final = ("limit", "before", "screen", "after", "wait", "in_flight", "order")


def read_page_request(context: ApiContext, list_name: str, request: ApiRequest) -> PageRequest:
    """Return the page of a list that is asked for, with the digest of the filters."""
    limit = request.values.get("limit", DEFAULT_PAGE_ITEMS)
    return PageRequest(limit, read_start(context, list_name, request), _digest(list_name, request))


def read_start(context: ApiContext, list_name: str, request: ApiRequest) -> int | None:
    """Return the number that a list goes on from: that of its cursor, or of its last record."""
    digest = _digest(list_name, request)
    try:
        return parse_start(context.database, list_name, request.values["before"], digest)
    except WrongCursor as error:
        raise wrong_cursor("before", error) from None


def wrong_cursor(parameter: str, error: WrongCursor) -> ApiProblem:
    """Return the problem of a cursor of another list."""
    errors = [parameter_error(parameter, str(error))]
    return ApiProblem("cursor_of_another_list", str(error), errors=errors)


def _digest(list_name: str, request: ApiRequest) -> str:
    filters = {
        name: list(texts) for name, texts in request.texts.items() if name not in PAGE_PARAMETERS
    }
    return digest_filters(list_name, filters)


def read_filters(context: ApiContext, request: ApiRequest) -> Filters:
    """Return the filters of a list of events or deliveries."""
    check_known_names(context, request)
    values = {name: value for name, value in request.values.items() if name not in PAGE_PARAMETERS}
    return _make_filters(context, values)


def check_known_names(context: ApiContext, request: ApiRequest) -> None:
    """Raise `ApiProblem` for a name that is neither in routes.yaml nor stored."""
    names = {name: request.values.get(name) for name in ("source", "route", "platform")}
    try:
        context.check_names(**names)
    except UnknownName as error:
        errors = [parameter_error(error.what, str(error), error.near, error.allowed)]
        raise ApiProblem("invalid_parameter", str(error), errors=errors) from None


def read_body_filters(
    request: ApiRequest, filters: Mapping[str, Any], allowed: Sequence[Parameter], owner: str
) -> dict[str, Any]:
    """Return the values of the filters in a body. Raises `ApiProblem` with every error.

    `allowed` are those that `owner` has.
    """
    texts = {
        name: [value] if isinstance(value, str) else list(value) for name, value in filters.items()
    }
    names = [parameter.name for parameter in allowed]
    for name in texts:
        if name not in names:
            detail = f"`{owner}` has no such filter"
            raise invalid_body([body_error(to_pointer("filters", name), detail, None, names)])
    for parameter in allowed:
        is_used = parameter.name in texts
        if parameter.reads_contents and is_used and Scope.BODIES not in request.scopes:
            subject = f"the filter `{parameter.name}`"
            raise report_missing_scope(subject, Scope.BODIES, request.scopes)
    try:
        return read_parameters(texts, allowed)
    except ApiProblem as problem:
        raise invalid_body(
            [
                body_error(
                    to_pointer("filters", error.parameter), error.detail, error.near, error.allowed
                )
                for error in problem.errors
                if error.parameter is not None
            ]
        ) from None


def make_filters(context: ApiContext, values: Mapping[str, Any]) -> Filters:
    """Return the filters of a body as the store takes them.

    Raises `ApiProblem` for an unknown name.
    """
    names = {name: values.get(name) for name in ("source", "route")}
    try:
        context.check_names(**names)
    except UnknownName as error:
        place = to_pointer("filters", error.what)
        raise invalid_body([body_error(place, str(error), error.near, error.allowed)]) from None
    return _make_filters(context, values)


def _make_filters(context: ApiContext, values: Mapping[str, Any]) -> Filters:
    clauses = values.get("where")
    where = make_event_test(clauses, context.load_sources()) if clauses else None
    return Filters(**{**values, "where": where})


def find_event(context: ApiContext, request: ApiRequest) -> EventHistory:
    """Return the event that an id, or that of a delivery, names. Raises `ApiProblem`."""
    from bridge.services.events.event_details import find_record  # lists are read without it

    record = look_up(lambda: find_record(context.database, request.ids["id"]))
    if record.found is None:
        raise missing_record(request)
    return record.found


def look_up(find: Callable[[], T]) -> T:
    """Return what a function finds. Raises `ApiProblem` if that is nothing or not unique."""
    try:
        return find()
    except AmbiguousId as error:
        raise ApiProblem("ambiguous_id", str(error)) from None
    except NotFound as error:
        raise ApiProblem("not_found", str(error)) from None


def missing_record(request: ApiRequest) -> ApiProblem:
    """Return the problem of an id that names no record."""
    return ApiProblem(
        "not_found", f"there is no such record with the id {request.ids['id'][:100]!r}"
    )


def find_name(request: ApiRequest, what: str, names: Collection[str]) -> str:
    """Return the name in the path. Raises `ApiProblem` with the nearest one if it is unknown."""
    name = request.ids["name"]
    if name not in names:
        near = suggest(name[:MAX_NAME_CHARS], list(names))
        hint = f"; {near.rstrip()}" if near else ""
        raise ApiProblem("not_found", f"there is no {what} {name[:100]!r}{hint}")
    return name
