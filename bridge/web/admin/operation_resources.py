"""The answers of the admin API that begin operations, agree to them, stop and resume them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.core.operations import Operation, OperationRequest
from bridge.services import operations
from bridge.services.operation_commands import (
    COMMANDS,
    ItemKind,
    OperationCommand,
    OptionError,
    check_options,
)
from bridge.services.operation_control import (
    KeyReused,
    OperationConflict,
    agree_to_operation,
    find_repeated,
    resume_stopped,
    stop_operation,
)
from bridge.services.operation_selection import (
    OperationSelection,
    SelectionRequest,
    select_items,
)
from bridge.services.records.operation_records import OPERATION_COUNT
from bridge.store.queries.filters import NONE
from bridge.web.admin.bodies import invalid_body, to_pointer
from bridge.web.admin.body_filters import make_filters, read_filters
from bridge.web.admin.context import AdminContext, AdminRequest, Answer, StatusAnswer
from bridge.web.admin.flow_answers import hurry, wait_for_platform
from bridge.web.admin.operation_lists import describe_operation, find_operation
from bridge.web.admin.problems import AdminProblem, BodyError
from bridge.web.admin.request_schemas import OPERATION_FILTERS
from bridge.web.mount_paths import ADMIN_PATH

T = TypeVar("T")
STATUS_BY_MODE: Final = {"propose": 201, "do": 202}
REPLAYED: Final = {"Idempotent-Replayed": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRequest:
    """A valid request for an operation, with its items. `asked`: the request as it is stored."""

    command: OperationCommand
    items: OperationSelection
    asked: Mapping[str, JSON]


def begin_operation(context: AdminContext, asked: AdminRequest) -> Answer:
    """Count the items of an operation; unless it is a dry run, store it with them."""
    counted = count_request(context, asked)
    if asked.body["mode"] == "dry_run":
        shown = OPERATION_COUNT.write(counted.items, with_contents=asked.with_contents)
        return StatusAnswer(shown, 200)
    return _answer(context, asked, store_request(context, asked, counted))


def count_request(context: AdminContext, asked: AdminRequest) -> CountedRequest:
    """Check a request, and count the items of its operation; nothing is stored."""
    body = asked.body
    command = COMMANDS[body["command"]]
    how = {name: value for name, value in body.get("how", {}).items() if value is not False}
    _check_request(command, body, how)
    filters = _read_filters(asked, command, body.get("filters"))
    if command.name == "replay" and "through" not in how and filters and filters.get("route"):
        how["through"] = filters["route"]
    complete = command.complete(how)
    return CountedRequest(
        command=command,
        items=_select(context, command, complete, body, filters),
        asked=operations.describe_request(
            _shown_filters(filters, body), body.get("ids", ()), **complete
        ),
    )


def store_request(context: AdminContext, asked: AdminRequest, counted: CountedRequest) -> Operation:
    """Store an operation with the items that were counted for it, and return it."""
    body = asked.body
    _check_run(asked, counted.items)
    _check_count(body, counted.items.count)
    digest = _digest(body)
    operation = operations.begin_operation(
        context.database,
        counted.command.name,
        counted.items.ids,
        actor=asked.actor,
        asked=counted.asked,
        request=OperationRequest(
            token=asked.token_id,
            key=asked.idempotency_key,
            digest=digest,
            proposed_until=_proposed_until(context) if body["mode"] == "propose" else None,
            counted=OPERATION_COUNT.write(counted.items),
        ),
    )
    if operation.request_digest != digest:  # a rival with the same key and another body
        raise AdminProblem("idempotency_key_reused", "this Idempotency-Key began another request")
    return operation


def repeat_operation(context: AdminContext, asked: AdminRequest) -> Answer | None:
    """Return the answer to a request that was sent before with the same key; null for a new one."""
    if asked.idempotency_key is None or asked.body["mode"] not in STATUS_BY_MODE:
        return None
    try:
        found = find_repeated(
            context.database, asked.token_id, asked.idempotency_key, _digest(asked.body)
        )
    except KeyReused as error:
        raise AdminProblem("idempotency_key_reused", str(error)) from None
    return None if found is None else _answer(context, asked, found, REPLAYED)


def agree(context: AdminContext, asked: AdminRequest) -> Answer:
    """Agree to a proposed operation: a worker carries out exactly its items."""
    one = find_operation(context, asked)
    agreed = _change(lambda: agree_to_operation(context.database, one, asked.token_id))
    return describe_operation(context, asked, agreed)


def stop(context: AdminContext, asked: AdminRequest) -> Answer:
    """Stop an operation after the batch that is being carried out, or withdraw a proposal."""
    one = find_operation(context, asked)
    stopped = _change(lambda: stop_operation(context.database, one, asked.token_id))
    return describe_operation(context, asked, stopped)


def resume(context: AdminContext, asked: AdminRequest) -> Answer:
    """Resume a stopped operation: a worker carries out the items that are left."""
    one = find_operation(context, asked)
    resumed = _change(lambda: resume_stopped(context.database, one, asked.actor))
    return describe_operation(context, asked, resumed)


def _change(change: Callable[[], T]) -> T:
    try:
        return change()
    except OperationConflict as error:
        raise AdminProblem("operation_conflict", str(error)) from None


def _answer(
    context: AdminContext,
    asked: AdminRequest,
    operation: Operation,
    headers: Mapping[str, str] | None = None,
) -> StatusAnswer:
    location = {"Location": f"{ADMIN_PATH}/operations/{operation.id}"}
    return StatusAnswer(
        describe_operation(context, asked, operation),
        STATUS_BY_MODE[asked.body["mode"]],
        {**location, **(headers or {})},
    )


def _proposed_until(context: AdminContext) -> float:
    return time.time() + context.database.timings.proposal_seconds


def _digest(body: Any) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _check_request(
    command: OperationCommand, body: Mapping[str, Any], how: Mapping[str, Any]
) -> None:
    """Raise `AdminProblem` where parts of the body contradict each other."""
    ids = body.get("ids", ())
    filters = body.get("filters")
    if ids and filters is not None:
        raise invalid_body([BodyError("/filters", "pass `ids` or `filters`, not both")])
    if not ids and not filters:
        raise invalid_body([BodyError("/filters", "pass `ids`, or select by a filter")])
    if filters is not None and command.filters == ():
        raise invalid_body([BodyError("/filters", f"`{command.name}` takes `ids` only")])
    try:
        check_options(command, how, len(ids))
    except OptionError as error:
        raise _wrong_option(error) from None
    if body["mode"] == "do" and filters is not None and "expect" not in body:
        raise invalid_body(
            [BodyError("/expect", "it is missing: the number of items that a dry run counted")]
        )


def _wrong_option(error: OptionError) -> AdminProblem:
    place = to_pointer("how", error.option)
    return invalid_body([BodyError(place, str(error), None, error.allowed)])


def _read_filters(
    asked: AdminRequest, command: OperationCommand, filters: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return the values of the filters, with the conditions of `where` as they were given."""
    if filters is None:
        return None
    known = [
        one for one in OPERATION_FILTERS if command.filters is None or one.name in command.filters
    ]
    values = read_filters(asked, filters, known, command.name)
    if command.items is ItemKind.DELIVERIES and filters.get("status") == NONE:
        detail = f"{NONE!r} selects events without deliveries"
        raise invalid_body([BodyError("/filters/status", detail)])
    return values


def _shown_filters(filters: Mapping[str, Any] | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters as they are stored: conditions in the words of the request."""
    if filters is None:
        return {}
    where = body["filters"].get("where")
    texts = [where] if isinstance(where, str) else where
    return {**filters, "where": texts} if where else dict(filters)


def _select(
    context: AdminContext,
    command: OperationCommand,
    how: Mapping[str, Any],
    body: Mapping[str, Any],
    filters: Mapping[str, Any] | None,
) -> OperationSelection:
    ids: Sequence[str] = body.get("ids", ())
    config = context.config()
    wanted = None if filters is None else make_filters(context, config, filters)
    request = SelectionRequest(command=command, how=how, ids=ids, filters=wanted)
    # a run that is named is looked up on its platform
    waits = wait_for_platform(context) if "run_id" in how else nullcontext()
    try:
        with waits:
            return select_items(
                context.settings, context.database, config, request, context.keys(), hurry
            )
    except OptionError as error:
        raise _wrong_option(error) from None
    except InvalidRequest as error:
        pointer = "/ids" if "ids" in body else "/filters"
        raise invalid_body([BodyError(pointer, str(error))]) from None


def _check_run(asked: AdminRequest, items: OperationSelection) -> None:
    """Raise `AdminProblem` where the run that the request names is refused."""
    if "run_id" not in asked.body.get("how", {}) or not items.problems:
        return
    shown = OPERATION_COUNT.write(items, with_contents=asked.with_contents)
    detail = str(shown["problems"][0]["problem"] or "it cannot be the run of the delivery")
    raise AdminProblem("invalid_body", detail, errors=[BodyError("/how/run_id", detail)])


def _check_count(body: Mapping[str, Any], count: int) -> None:
    expected = body.get("expect")
    if expected is not None and expected != count:
        detail = f"it was {int(expected)}, but {count} match now"
        raise AdminProblem(
            "count_changed", detail, errors=[BodyError("/expect", detail, None, [str(count)])]
        )
