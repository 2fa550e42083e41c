"""Reads the selection of a request to the admin API: a page of a list, its filters, or a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from bridge.core.errors import AmbiguousId, NotFound, UnknownName
from bridge.services import list_streams
from bridge.services.event_details import find_record
from bridge.services.lists import DEFAULT_PAGE_ITEMS, PageRequest, WrongCursor, digest_filters
from bridge.services.selection import check_names
from bridge.services.where_filters import make_event_test
from bridge.store.queries.event_lookup import EventHistory
from bridge.store.queries.filters import Filters
from bridge.web.admin.context import AdminContext, AdminRequest
from bridge.web.admin.problems import AdminProblem, ParameterError

T = TypeVar("T")
#: Parameters that are no filters.
PAGE_PARAMETERS: Final = ("limit", "before", "screen", "after", "wait", "in_flight", "order")


def page_request(context: AdminContext, list_name: str, asked: AdminRequest) -> PageRequest:
    """Return the page of a list that is asked for, with the digest of the filters."""
    limit = asked.values.get("limit", DEFAULT_PAGE_ITEMS)
    digest = _digest(list_name, asked)
    return PageRequest(limit, _find_start(context, list_name, asked, digest), digest)


def page_start(context: AdminContext, list_name: str, asked: AdminRequest) -> int | None:
    """Return the number that a list goes on from: that of its cursor, or of its last record."""
    return _find_start(context, list_name, asked, _digest(list_name, asked))


def _find_start(
    context: AdminContext, list_name: str, asked: AdminRequest, digest: str
) -> int | None:
    try:
        return list_streams.parse_start(context.database, list_name, asked.values["before"], digest)
    except WrongCursor as error:
        raise AdminProblem(
            "cursor_of_another_list", str(error), errors=[ParameterError("before", str(error))]
        ) from None


def _digest(list_name: str, asked: AdminRequest) -> str:
    given = {name: list(one) for name, one in asked.texts.items() if name not in PAGE_PARAMETERS}
    return digest_filters(list_name, given)


def event_filters(context: AdminContext, asked: AdminRequest) -> Filters:
    """Return the filters of a list of events or deliveries."""
    check_known_names(context, asked)
    values = {name: value for name, value in asked.values.items() if name not in PAGE_PARAMETERS}
    clauses = values.pop("where", None)
    where = make_event_test(clauses, context.config().sources) if clauses else None
    return Filters(**values, where=where)


def check_known_names(context: AdminContext, asked: AdminRequest) -> None:
    """Raise `AdminProblem` for a name that is neither in routes.yaml nor stored."""
    names = {name: asked.values.get(name) for name in ("source", "route", "platform")}
    try:
        check_names(context.settings, context.database, config=context.config(), **names)
    except UnknownName as error:
        found = ParameterError(error.what, str(error), error.near, error.allowed)
        raise AdminProblem("invalid_parameter", str(error), errors=[found]) from None


def find_event(context: AdminContext, asked: AdminRequest) -> EventHistory:
    """Return the event that an id, or that of a delivery, names. Raises `AdminProblem`."""
    record = look_up(lambda: find_record(context.database, asked.ids["id"]))
    if record.found is None:
        raise missing_record(asked)
    return record.found


def look_up(find_one: Callable[[], T]) -> T:
    """Return what a function finds. Raises `AdminProblem` if that is nothing or not unique."""
    try:
        return find_one()
    except AmbiguousId as error:
        raise AdminProblem("ambiguous_id", str(error)) from None
    except NotFound as error:
        raise AdminProblem("not_found", str(error)) from None


def missing_record(asked: AdminRequest) -> AdminProblem:
    """Return the problem of an id that names no record."""
    return AdminProblem(
        "not_found", f"there is no such record with the id {asked.ids['id'][:100]!r}"
    )
