"""The answers of the admin API that show operations and their items."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bridge.core.model import JSON
from bridge.core.operations import Operation, OperationStep
from bridge.services import lists
from bridge.services.operation_control import are_starts_held
from bridge.services.records.operation_records import OPERATION, STEP_DETAILS
from bridge.store.operations import operation_records
from bridge.store.queries.selection_counts import read_deliveries
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.request_selection import look_up, page_request


def list_operations(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of operations."""
    page = lists.page_operations(
        context.database,
        page_request(context, "operations", asked),
        since=asked.values["since"],
        unfinished=bool(asked.values["unfinished"]),
    )
    shown = describe_operations(context, asked, page.items)
    return page.as_json_of(shown)


def describe_operations(
    context: AdminContext, asked: AdminRequest, operations: Sequence[Operation]
) -> list[JSON]:
    """Return operations as the token may see them."""
    is_held = are_starts_held(context.database)
    now = time.time()
    return [
        OPERATION.write(
            one, state=one.state(now, is_held=is_held), with_contents=asked.with_contents
        )
        for one in operations
    ]


def show_operation(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one operation, without its items."""
    return describe_operation(context, asked, find_operation(context, asked))


def describe_operation(
    context: AdminContext, asked: AdminRequest, operation: Operation
) -> dict[str, JSON]:
    """Return an operation as the token may see it."""
    state = operation.state(time.time(), is_held=are_starts_held(context.database))
    return OPERATION.write(operation, state=state, with_contents=asked.with_contents)


def list_operation_items(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of an operation's items, in their order."""
    found = find_operation(context, asked)
    page = lists.page_items(
        context.database,
        found,
        page_request(context, f"items of {found.id}", asked),
        outcome=asked.values["outcome"],
    )
    return page.as_json_of(describe_items(context, asked, page.items))


def describe_items(
    context: AdminContext, asked: AdminRequest, items: Sequence[OperationStep]
) -> list[JSON]:
    """Return items of an operation, each with its deliveries, as the token may see them."""
    ids = [id_ for item in items for id_ in item.delivery_ids]
    deliveries = read_deliveries(context.database, ids)
    return [
        STEP_DETAILS.write(
            item,
            with_contents=asked.with_contents,
            deliveries=[deliveries[id_] for id_ in item.delivery_ids if id_ in deliveries],
        )
        for item in items
    ]


def find_operation(context: AdminContext, asked: AdminRequest) -> Operation:
    """Return the operation of the path. Raises `AdminProblem`."""
    return look_up(lambda: operation_records.find(context.database, asked.ids["id"]))
