"""The answers of the admin API that help to write routes: event types, schemas, shadow routes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bridge.core.errors import InvalidRequest, UnknownName
from bridge.routing.schemas.drift import compare_schemas
from bridge.services import event_types
from bridge.services.event_types import InferredSchema
from bridge.services.selection import check_names
from bridge.services.shadow_comparison import ShadowComparison
from bridge.services.shadow_pairs import ShadowPair, default_since, pair_routes
from bridge.store.queries.filters import Filters
from bridge.web.admin.bodies import invalid_body
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.problems import AdminProblem, BodyError, ParameterError, report_busy
from bridge.web.admin.request_selection import check_known_names, look_up, page_request

TURN_NAME: Final = "types"  # of the lock for one search at once


def list_types(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the event types of the newest events, the latest first, as `types --json`."""
    check_known_names(context, asked)
    source = asked.values["source"]
    with _take_turn(context) as seconds:
        found = event_types.list_types(context.database, source, seconds=seconds)
    return event_types.types_json(found)


def show_schema(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the schema of the bodies of a type, as `types --schema`."""
    check_known_names(context, asked)
    return _infer(context, asked.values["source"], asked.values["type"]).as_json()


def compare_schema(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return what is new or gone since a schema that is sent, as `types --drift`."""
    body = asked.body
    try:
        check_names(
            context.settings, context.database, source=body["source"], config=context.config()
        )
    except UnknownName as error:
        found = BodyError("/source", str(error), error.near, error.allowed)
        raise invalid_body([found]) from None
    now = _infer(context, body["source"], body["type"])
    changes = compare_schemas(body["schema"], now.schema)
    whole = now.as_json()
    del whole["schema"]
    return {"items": [one.as_json() for one in changes], **whole}


def compare_shadow(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of the comparison of a shadow route with a live one, newest first."""
    pair = _pair_routes(context, asked)
    since = asked.values["since"]
    wanted = Filters(
        since=default_since(time.time()) if since is None else since, until=asked.values["until"]
    )
    request = page_request(context, f"shadow of {pair.new}", asked)
    comparison = ShadowComparison(context.database, pair)
    page = comparison.read_page(wanted, request.before, limit=request.limit)
    return comparison.describe_page(
        page, request.make_cursor(page.before), with_contents=asked.with_contents
    )


def _infer(context: AdminContext, source: str, type_: str) -> InferredSchema:
    sources = context.config().sources

    def infer(seconds: float) -> InferredSchema:
        return event_types.infer_schema(context.database, sources, source, type_, seconds=seconds)

    with _take_turn(context) as seconds:
        return look_up(lambda: infer(seconds))


@contextmanager
def _take_turn(context: AdminContext) -> Iterator[float]:
    """Take the only place for a search through event types, and yield its time limit."""
    with context.locks.hold(TURN_NAME) as is_held:
        if not is_held:
            raise report_busy("another request for event types is being answered on this machine")
        yield context.settings.timings.type_search_seconds


def _pair_routes(context: AdminContext, asked: AdminRequest) -> ShadowPair:
    """Return the routes to compare. Raises `AdminProblem` where one of them does not exist."""
    config = context.config()
    new = asked.ids["name"]
    try:
        check_names(context.settings, context.database, route=new, config=config)
    except UnknownName as error:
        raise AdminProblem("not_found", str(error)) from None
    try:
        pair = pair_routes(config, new, asked.values["live"])
        check_names(context.settings, context.database, route=pair.live, config=config)
    except UnknownName as error:
        wrong = ParameterError("live", str(error), error.near, error.allowed)
        raise AdminProblem("invalid_parameter", str(error), errors=[wrong]) from None
    except InvalidRequest as error:
        wrong = ParameterError("live", str(error))
        raise AdminProblem("invalid_parameter", str(error), errors=[wrong]) from None
    return pair
