"""`/operations`: what people did to stored records, and the page that asks before it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api.bodies import check_body
from bridge.api.parameters import BEFORE, LIMIT, OUTCOME, SINCE, UNFINISHED
from bridge.api.problems import ApiProblem
from bridge.api.resources import operations
from bridge.core.model import JSON
from bridge.core.operations import Operation
from bridge.services.events.delivery_states import describe_status
from bridge.services.operations.commands import COMMANDS, OperationWords, count_items, find_words
from bridge.services.operations.control import (
    OperationConflict,
    agree_to_operation,
    are_starts_held,
)
from bridge.services.operations.pacing import parse_rate
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.operation_records import count_expected
from bridge.store.queries.selection_counts import read_deliveries
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link
from bridge.web.console.lists import ListKind, read_list
from bridge.web.console.login import find_next_page
from bridge.web.console.operation_forms import NOTHING_TICKED, lacks_records, read_proposal
from bridge.web.console.operation_words import (
    describe_request,
    list_ids,
)
from bridge.web.console.record_links import link_record

OPERATIONS: Final = ListKind(
    path="/operations",
    answer=operations.list_operations,
    parameters=(SINCE, UNFINISHED, LIMIT, BEFORE),
    presets=(("unfinished", {"unfinished": "true"}), ("today", {"since": "1d"})),
)
#: Items beyond which a person types the number, so that a click alone does not do it.
MAX_UNTYPED_ITEMS: Final = 100
MAX_RATE_CHARS: Final = 20
PROPOSED: Final = ("proposed", "expired")


def list_operations(console_request: ConsoleRequest) -> Screen:
    """Return a page of operations."""
    console_list = read_list(console_request, OPERATIONS)
    return Screen(
        template="operations.html",
        title="Operations",
        values={
            "list": console_list,
            "about": {operation["id"]: _describe(operation) for operation in console_list.items},
        },
        status=console_list.status,
    )


def propose(console_request: ConsoleRequest) -> Response:
    """Count and store the items of an operation, and lead to the page that asks about it.

    Where no row was ticked, lead back to the list, which says so.
    """
    form = console_request.http.form
    if lacks_records(form):
        return redirect(f"{find_next_page(console_request.http)}#{NOTHING_TICKED}", 303)
    return propose_operation(console_request, read_proposal(form))


def propose_operation(console_request: ConsoleRequest, body: Mapping[str, Any]) -> Response:
    """Propose an operation that a body of the admin API describes, and lead to its page."""
    check_body(body, operations.OPERATION_BODY)
    request = replace(console_request.ask(), body=body)
    counted = operations.count_request(console_request.context, request)
    operation = operations.store_request(console_request.context, request, counted)
    return redirect(
        make_link(f"/operations/{operation.id}", {"next": find_next_page(console_request.http)}),
        303,
    )


def show_operation(console_request: ConsoleRequest) -> Screen | Response:
    """Return an operation: what it would do, or how far it is, with the outcome of its items."""
    operation = operations.find_operation(console_request.context, console_request.ask())
    shape = operations.describe_operation(console_request.context, console_request.ask(), operation)
    if shape["state"] in PROPOSED:
        return _ask_about(console_request, operation, shape)
    if "next" in console_request.given:  # of the page that asked
        return redirect(make_link(f"/operations/{operation.id}"), 303)
    return _show_progress(console_request, operation, shape)


def agree(console_request: ConsoleRequest) -> Screen | Response:
    """Agree to a proposed operation: a worker carries out exactly its items."""
    operation = operations.find_operation(console_request.context, console_request.ask())
    shape = operations.describe_operation(console_request.context, console_request.ask(), operation)
    errors = _find_errors(console_request, shape)
    if errors and shape["state"] in PROPOSED:
        return _ask_about(console_request, operation, shape, errors)
    rate = console_request.http.form.get("rate", "").strip() or None
    try:
        agreed = agree_to_operation(
            console_request.context.database, operation, console_request.session.key, rate
        )
    except OperationConflict as error:
        raise ApiProblem("operation_conflict", str(error)) from None
    return redirect(make_link(f"/operations/{agreed.id}"), 303)


def stop(console_request: ConsoleRequest) -> Response:
    """Stop an operation after the batch that a worker is at, or withdraw a proposal."""
    operation = operations.find_operation(console_request.context, console_request.ask())
    operations.stop_operation(console_request.context, console_request.ask())
    if not operation.is_agreed:
        return redirect(find_next_page(console_request.http), 303)
    return redirect(make_link(f"/operations/{console_request.ids['id']}"), 303)


def resume(console_request: ConsoleRequest) -> Response:
    """Let a worker carry out the rest of a stopped operation."""
    operations.resume_operation(console_request.context, console_request.ask())
    return redirect(make_link(f"/operations/{console_request.ids['id']}"), 303)


# -- before it is done


def _ask_about(
    console_request: ConsoleRequest,
    operation: Operation,
    shape: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
) -> Screen:
    is_own = operation.token == console_request.session.key
    is_open = shape["state"] == "proposed"
    back = (
        find_next_page(console_request.http)
        if "next" in console_request.http.values
        else make_link("/operations")
    )
    return Screen(
        template="proposal.html",
        title=_ask(shape) if is_open else f"{_title(shape)}: not agreed to",
        values={
            "one": shape,
            "about": _describe(shape),
            "examples": _describe_examples(console_request, shape),
            "may_agree": is_own and is_open and count_expected(shape) > 0,
            "is_own": is_own,
            "is_open": is_open,
            "expected": count_expected(shape),
            "must_type": _must_type(shape),
            "is_held": are_starts_held(console_request.context.database),
            "errors": errors or {},
            "given": console_request.http.form,
            "back": back,
        },
        status=400 if errors else 200,
    )


def _must_type(shape: Mapping[str, Any]) -> bool:
    """Return whether a person has to type the number of items."""
    is_second_start = shape["command"] == "replay" and bool(shape["went_already"])
    return count_expected(shape) > MAX_UNTYPED_ITEMS or is_second_start


def _find_errors(console_request: ConsoleRequest, shape: Mapping[str, Any]) -> dict[str, str]:
    """Return the errors of the form that agrees, by field."""
    form = console_request.http.form
    errors = {}
    typed = form.get("typed", "").replace(",", "").strip()
    if _must_type(shape) and typed != str(count_expected(shape)):
        errors["typed"] = f"Type {count_expected(shape)} to agree: nothing was done yet."
    rate = form.get("rate", "").strip()
    try:
        if len(rate) > MAX_RATE_CHARS:
            raise ValueError("it is too long")
        if rate:
            parse_rate(rate)
    except ValueError as error:
        errors["rate"] = f"{str(error)[:1].upper()}{str(error)[1:]}."
    return errors


def _describe_examples(
    console_request: ConsoleRequest, shape: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the examples of a count, each with its link, and with its delivery if it is one."""
    ids = [str(example) for example in shape["examples"] or ()]
    deliveries = read_deliveries(console_request.context.database, ids)
    with_contents = console_request.may_read_contents
    return [
        {
            "id": record_id,
            "url": link_record(record_id),
            "delivery": DELIVERY.write(deliveries[record_id], with_contents=with_contents)
            if record_id in deliveries
            else None,
            "status": describe_status(deliveries[record_id]) if record_id in deliveries else None,
        }
        for record_id in ids
    ]


# -- what was done


def _show_progress(
    console_request: ConsoleRequest, operation: Operation, shape: Mapping[str, Any]
) -> Screen:
    kind = ListKind(
        path=f"/operations/{operation.id}",
        answer=operations.list_operation_items,
        parameters=(OUTCOME, LIMIT, BEFORE),
    )
    console_list = read_list(console_request, kind)
    is_ours = operation.command in COMMANDS
    return Screen(
        template="operation.html",
        title=_title(shape),
        values={
            "one": shape,
            "about": _describe(shape),
            "list": console_list,
            "items": [_describe_item(item) for item in console_list.items],
            "tabs": _make_tabs(operation, console_request.given.get("outcome", [""])[0]),
            "left": operation.left,
            "may_stop": shape["state"] in ("waiting", "running") and operation.driver is not None,
            "may_resume": shape["state"] == "stopped" and operation.count is not None and is_ours,
            "is_held": shape["state"] == "waiting"
            and are_starts_held(console_request.context.database),
        },
        status=console_list.status,
    )


def _make_tabs(operation: Operation, outcome: str) -> list[dict[str, Any]]:
    counts = (
        ("", "All", operation.count or 0),
        ("done", "Done", operation.done),
        ("refused", "Refused", operation.refused),
        ("open", "Left", operation.left),
    )
    return [
        {
            "label": label,
            "count": count,
            "is_current": word == outcome,
            "url": make_link(f"/operations/{operation.id}", {"outcome": word} if word else {}),
        }
        for word, label, count in counts
    ]


def _describe_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of an operation with links to what it is, changed or made."""
    deliveries = {
        delivery["id"]: describe_status(DELIVERY.parse(delivery)) for delivery in item["deliveries"]
    }
    return {
        **item,
        "url": link_record(item["id"]),
        "now": deliveries.get(item["id"]),
        "results": [
            {"id": id_, "url": link_record(id_), "status": deliveries.get(id_)}
            for id_ in item["made"]
        ],
    }


# -- both


def _title(shape: Mapping[str, Any]) -> str:
    ids = _find_examples(shape)
    count = count_expected(shape) if shape["state"] in PROPOSED else shape["count"]
    return f"{_find_words(shape).title} {count_items(shape['command'], count or 0, ids)}"


def _find_words(shape: Mapping[str, Any]) -> OperationWords:
    return find_words(
        shape["command"], _find_examples(shape), shape["request"].get("how", {}).get("to")
    )


def _find_examples(shape: Mapping[str, Any]) -> Sequence[str]:
    """Return ids of some items, or of a command's operation the first names that were given."""
    return shape["examples"] or list_ids(shape["request"])


def _ask(shape: Mapping[str, Any]) -> str:
    """Return the question of a proposal, or that it has no items."""
    if count_expected(shape):
        return f"{_title(shape)}?"
    title = _find_words(shape).title
    return f"Nothing to {title[:1].lower()}{title[1:]}"


def _describe(shape: Mapping[str, JSON]) -> dict[str, Any]:
    request = shape["request"]
    ids = list_ids(request)
    count = shape["count"]
    return {
        "title": _title(shape),
        "words": _find_words(shape),
        "request": describe_request(request),
        "ids": [{"id": id_, "url": link_record(id_)} for id_ in ids],
        "more_ids": max(count - len(ids), 0) if ids and isinstance(count, int) else 0,
        "rate": request.get("how", {}).get("rate"),
    }
