"""Operations, such as replay and retry: list them, begin one, agree to it, stop and resume it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from bridge.api.bodies import (
    REPLAYED,
    RequestBody,
    body_schema,
    digest_body,
    filters_schema,
    text,
    texts,
)
from bridge.api.context import API_PATH, Answer, ApiContext, ApiRequest, StatusAnswer
from bridge.api.endpoint import Endpoint, ListAnswer, OpenedList, ReadingTool
from bridge.api.parameters import BEFORE, LIMIT, OPERATION_FILTERS, OUTCOME, SINCE, UNFINISHED
from bridge.api.platform_calls import wait_for_platform
from bridge.api.problems import ApiProblem, body_error, invalid_body, to_pointer
from bridge.api.selection import look_up, make_filters, read_body_filters
from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.core.operations import NOW, THEN, ClientRequest, Operation, OperationStep
from bridge.core.scopes import Scope
from bridge.services import lists
from bridge.services.operations import control, execution
from bridge.services.operations.commands import (
    COMMANDS,
    MAX_REASON_CHARS,
    RESOLUTIONS,
    ItemKind,
    OperationCommand,
    OptionError,
    check_options,
)
from bridge.services.operations.control import (
    KeyReused,
    OperationConflict,
    are_starts_held,
    find_repeated,
)
from bridge.services.operations.selection import (
    MAX_IDS,
    MAX_ITEMS,
    OperationSelection,
    SelectionRequest,
    SelectionSupport,
    select_items,
)
from bridge.services.records.json_schema import word
from bridge.services.records.operation_records import OPERATION, OPERATION_COUNT, STEP_DETAILS
from bridge.store.operations import operation_records
from bridge.store.queries.filters import DELIVERIES, EVENTS, NONE
from bridge.store.queries.selection_counts import read_deliveries

T = TypeVar("T")

PROPOSE: Final = "propose"
MODES: Final = ("dry_run", PROPOSE, "do")
STATUS_BY_MODE: Final = {PROPOSE: 201, "do": 202}
OPERATION_BODY: Final = RequestBody(
    "OperationRequest",
    body_schema(
        "command",
        command=word(*COMMANDS),
        mode={**word(*MODES), "default": PROPOSE},
        ids={**texts(MAX_IDS), "minItems": 1},
        filters=filters_schema(OPERATION_FILTERS),
        how=body_schema(
            to=word(*RESOLUTIONS),
            run_id=text(),
            force={"type": "boolean"},
            reason=text(MAX_REASON_CHARS),
            through=text(),
            routes=word(NOW, THEN),
            rate=text(),
        ),
        list={
            **word(EVENTS, DELIVERIES),
            "description": "With filters: the list that they are of, whose times they mean, and"
            " which leaves out flowbridge's own alerts or not. By default that of the items.",
        },
        limit={
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_ITEMS,
            "description": "With filters: only the newest that match.",
        },
        expect={"type": "integer", "minimum": 0, "maximum": MAX_ITEMS},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRequest:
    """A valid request for an operation, with its items. `stored`: the request as it is stored."""

    command: OperationCommand
    items: OperationSelection
    stored: Mapping[str, Any]


@ListAnswer
def list_operations(context: ApiContext, request: ApiRequest) -> OpenedList[Operation]:
    """List operations, newest first."""

    def describe(items: Sequence[Operation]) -> list[JSON]:
        is_held = are_starts_held(context.database)
        now = time.time()
        return [
            OPERATION.write(
                operation,
                state=operation.state(now, is_held=is_held),
                with_contents=request.with_contents,
            )
            for operation in items
        ]

    values = request.values
    items = lists.list_operations(
        context.database, since=values["since"], unfinished=bool(values["unfinished"])
    )
    return OpenedList(name="operations", items=items, describe=describe)


def show_operation(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one operation, without its items."""
    return describe_operation(context, request, find_operation(context, request))


@ListAnswer
def list_operation_items(context: ApiContext, request: ApiRequest) -> OpenedList[OperationStep]:
    """List the items of an operation in their order, each with its deliveries."""
    operation = find_operation(context, request)

    def describe(items: Sequence[OperationStep]) -> list[JSON]:
        ids = [id_ for item in items for id_ in item.delivery_ids]
        deliveries = read_deliveries(context.database, ids)
        return [
            STEP_DETAILS.write(
                item,
                with_contents=request.with_contents,
                deliveries=[deliveries[id_] for id_ in item.delivery_ids if id_ in deliveries],
            )
            for item in items
        ]

    items = lists.OperationItems(context.database, operation, request.values["outcome"])
    return OpenedList(name=f"{lists.ITEMS_OF}{operation.id}", items=items, describe=describe)


def find_operation(context: ApiContext, request: ApiRequest) -> Operation:
    """Return the operation of the path. Raises `ApiProblem`."""
    return look_up(lambda: operation_records.find(context.database, request.ids["id"]))


def describe_operation(
    context: ApiContext, request: ApiRequest, operation: Operation
) -> dict[str, JSON]:
    """Return an operation as the token may see it."""
    state = operation.state(time.time(), is_held=are_starts_held(context.database))
    return OPERATION.write(operation, state=state, with_contents=request.with_contents)


def begin_operation(context: ApiContext, request: ApiRequest) -> Answer:
    """Count the items of an operation; unless it is a dry run, store it with them."""
    counted = count_request(context, request)
    if find_mode(request.body) == "dry_run":
        reply = OPERATION_COUNT.write(counted.items, with_contents=request.with_contents)
        return StatusAnswer(reply, 200)
    return _answer(context, request, store_request(context, request, counted))


def find_mode(body: Mapping[str, Any]) -> str:
    """Return the mode of a request: without one, its operation is proposed."""
    return str(body.get("mode", PROPOSE))


def count_request(context: ApiContext, request: ApiRequest) -> CountedRequest:
    """Check a request, and count the items of its operation; nothing is stored."""
    body = request.body
    command = COMMANDS[body["command"]]
    how = {name: value for name, value in body.get("how", {}).items() if value is not False}
    _check_request(command, body, how)
    filters = _read_filters(request, command, body.get("filters"))
    if command.name == "replay" and "through" not in how and filters and filters.get("route"):
        how["through"] = filters["route"]
    complete = command.complete(how)
    return CountedRequest(
        command=command,
        items=_select(context, command, complete, body, filters),
        stored=execution.describe_request(body, filters, how),
    )


def store_request(context: ApiContext, request: ApiRequest, counted: CountedRequest) -> Operation:
    """Store an operation with the items that were counted for it, and return it."""
    body = request.body
    _check_run(request, counted.items)
    _check_count(body, counted.items.count)
    digest = digest_body(body)
    operation = execution.begin_operation(
        context.database,
        counted.command.name,
        counted.items.ids,
        actor=request.actor,
        request=counted.stored,
        client=ClientRequest(
            token=request.token_id,
            key=request.idempotency_key,
            digest=digest,
            proposed_until=_proposed_until(context) if find_mode(body) == PROPOSE else None,
            counted=OPERATION_COUNT.write(counted.items),
        ),
    )
    if operation.request_digest != digest:  # a rival with the same key and another body
        raise ApiProblem("idempotency_key_reused", "this Idempotency-Key began another request")
    return operation


def repeat_operation(context: ApiContext, request: ApiRequest) -> Answer | None:
    """Return the answer to a request that was sent before with the same key; null for a new one."""
    if request.idempotency_key is None or find_mode(request.body) not in STATUS_BY_MODE:
        return None
    try:
        operation = find_repeated(
            context.database, request.token_id, request.idempotency_key, digest_body(request.body)
        )
    except KeyReused as error:
        raise ApiProblem("idempotency_key_reused", str(error)) from None
    return None if operation is None else _answer(context, request, operation, REPLAYED)


def agree_operation(context: ApiContext, request: ApiRequest) -> Answer:
    """Agree to a proposed operation: a worker carries out exactly its items."""
    operation = find_operation(context, request)
    agreed = _change(
        lambda: control.agree_to_operation(context.database, operation, request.token_id)
    )
    return describe_operation(context, request, agreed)


def stop_operation(context: ApiContext, request: ApiRequest) -> Answer:
    """Stop an operation after the batch that is being carried out, or withdraw a proposal.

    A token withdraws its own, a command on the bridge's own machine any.
    """
    operation = find_operation(context, request)
    token = request.token_id or None
    stopped = _change(lambda: control.stop_operation(context.database, operation, token))
    return describe_operation(context, request, stopped)


def resume_operation(context: ApiContext, request: ApiRequest) -> Answer:
    """Resume a stopped operation: a worker carries out the items that are left."""
    operation = find_operation(context, request)
    resumed = _change(lambda: control.resume_stopped(context.database, operation, request.actor))
    return describe_operation(context, request, resumed)


def _change(change: Callable[[], T]) -> T:
    try:
        return change()
    except OperationConflict as error:
        raise ApiProblem("operation_conflict", str(error)) from None


def _answer(
    context: ApiContext,
    request: ApiRequest,
    operation: Operation,
    headers: Mapping[str, str] | None = None,
) -> StatusAnswer:
    location = {"Location": f"{API_PATH}/operations/{operation.id}"}
    return StatusAnswer(
        describe_operation(context, request, operation),
        STATUS_BY_MODE[find_mode(request.body)],
        {**location, **(headers or {})},
    )


def _proposed_until(context: ApiContext) -> float:
    return time.time() + context.database.timings.proposal_seconds


def _check_request(
    command: OperationCommand, body: Mapping[str, Any], how: Mapping[str, Any]
) -> None:
    """Raise `ApiProblem` where parts of the body contradict each other."""
    ids = body.get("ids", ())
    filters = body.get("filters")
    if ids and filters is not None:
        raise invalid_body([body_error("/filters", "pass `ids` or `filters`, not both")])
    if not ids and not filters:
        raise invalid_body([body_error("/filters", "pass `ids`, or select by a filter")])
    if ids and "limit" in body:
        raise invalid_body([body_error("/limit", "pass `ids` or `limit`, not both")])
    if "list" in body and (ids or command.items is ItemKind.REJECTS):
        raise invalid_body([body_error("/list", "pass it with filters of events or deliveries")])
    if filters is not None and command.filters == ():
        raise invalid_body([body_error("/filters", f"`{command.name}` takes `ids` only")])
    try:
        check_options(command, how, len(ids))
    except OptionError as error:
        raise _wrong_option(error) from None
    if find_mode(body) == "do" and filters is not None and "expect" not in body:
        raise invalid_body(
            [body_error("/expect", "it is missing: the number of items that a dry run counted")]
        )


def _wrong_option(error: OptionError) -> ApiProblem:
    place = to_pointer("how", error.option)
    return invalid_body([body_error(place, str(error), None, error.allowed)])


def _read_filters(
    request: ApiRequest, command: OperationCommand, filters: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return the values of the filters, with the conditions of `where` as they were given."""
    if filters is None:
        return None
    parameters = [
        parameter
        for parameter in OPERATION_FILTERS
        if command.filters is None or parameter.name in command.filters
    ]
    values = read_body_filters(request, filters, parameters, command.name)
    is_of_deliveries = DELIVERIES in (request.body.get("list"), command.items.value)
    if is_of_deliveries and filters.get("status") == NONE:
        detail = f"{NONE!r} selects events without deliveries"
        raise invalid_body([body_error("/filters/status", detail)])
    return values


def _select(
    context: ApiContext,
    command: OperationCommand,
    how: Mapping[str, Any],
    body: Mapping[str, Any],
    filters: Mapping[str, Any] | None,
) -> OperationSelection:
    ids: Sequence[str] = body.get("ids", ())
    search_filters = None if filters is None else make_filters(context, filters)
    if search_filters is not None:
        search_filters = replace(search_filters, list=body.get("list"))
        search_filters = (
            search_filters.without_own if search_filters.list == EVENTS else search_filters
        )
        context.note_search(search_filters, of_deliveries=command.items is ItemKind.DELIVERIES)
    request = SelectionRequest(
        command=command, how=how, ids=ids, filters=search_filters, limit=body.get("limit", 0)
    )
    support = SelectionSupport(
        load_routes=context.load_routes,
        load_platforms=context.load_platforms,
        make_review=partial(context.make_reject_review, fetches_keys=True),
        is_bounded=context.is_bounded,
        track=context.track,
    )
    # a run that is named is looked up on its platform
    waits = wait_for_platform(context) if "run_id" in how else nullcontext()
    try:
        with waits:
            return select_items(context.settings, context.database, request, support)
    except OptionError as error:
        raise _wrong_option(error) from None
    except InvalidRequest as error:
        pointer = "/ids" if "ids" in body else "/filters"
        raise invalid_body([body_error(pointer, str(error))]) from None


def _check_run(request: ApiRequest, items: OperationSelection) -> None:
    """Raise `ApiProblem` where the run that the request names is refused."""
    if "run_id" not in request.body.get("how", {}) or not items.problems:
        return
    written = OPERATION_COUNT.write(items, with_contents=request.with_contents)
    detail = str(written["problems"][0]["problem"] or "it cannot be the run of the delivery")
    raise ApiProblem("invalid_body", detail, errors=[body_error("/how/run_id", detail)])


def _check_count(body: Mapping[str, Any], count: int) -> None:
    expected = body.get("expect")
    if expected is not None and expected != count:
        detail = f"it was {int(expected)}, but {count} match now"
        raise ApiProblem(
            "count_changed", detail, errors=[body_error("/expect", detail, None, [count])]
        )


ENDPOINTS: Final = (
    Endpoint(
        path="/operations",
        summary="Operations that people ran, newest first.",
        answer=list_operations,
        tool=ReadingTool("Operations", rest="A smaller `limit` shows more of each."),
        schema="OperationList",
        parameters=(SINCE, UNFINISHED, LIMIT, BEFORE),
        has_contents=True,
        streams=True,
    ),
    Endpoint(
        path="/operations/{id}",
        summary="One operation and its progress.",
        answer=show_operation,
        tool=ReadingTool(
            "One operation", advice="Ask for it until `state` is `done` or `stopped`."
        ),
        schema="Operation",
        has_contents=True,
    ),
    Endpoint(
        path="/operations/{id}/items",
        summary="The items of an operation, in their order, each with its outcome.",
        answer=list_operation_items,
        tool=ReadingTool(
            "Items of an operation",
            advice="`outcome=refused` lists what was not done, and why.",
            rest="A smaller `limit` shows more of each.",
        ),
        schema="OperationItemList",
        parameters=(OUTCOME, LIMIT, BEFORE),
        has_contents=True,
        streams=True,
    ),
    Endpoint(
        method="POST",
        path="/operations",
        summary="Counts the items of an operation, proposes it, or begins it.",
        answer=begin_operation,
        repeat=repeat_operation,
        body=OPERATION_BODY,
        status=201,
        schema="Operation",
        more_answers={200: "OperationCount", 202: "Operation"},
        scope=Scope.ACT,
        has_contents=True,
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/operations/{{id}}/{word}",
            summary=summary,
            answer=answer,
            status=status,
            schema="Operation",
            scope=Scope.ACT,
            has_contents=True,
        )
        for word, status, answer, summary in (
            ("agree", 202, agree_operation, "Agrees to a proposed operation."),
            ("stop", 200, stop_operation, "Stops an operation."),
            ("resume", 202, resume_operation, "Resumes a stopped operation."),
        )
    ),
)
