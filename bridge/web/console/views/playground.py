"""`/playground`: a routes.yaml tried on stored events, and expressions. Nothing is saved."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
from werkzeug.wrappers import Response

from bridge.core.errors import NotFound
from bridge.core.units import MIB
from bridge.routing.functions.registry import FUNCTIONS
from bridge.services.trials.foreground import evaluate_now
from bridge.services.trials.messages import ROUTES_NAME, TrialDetails
from bridge.services.trials.results import TrialBusy
from bridge.services.trials.runner import TrialFailed
from bridge.services.trials.trial import MAX_TRIAL_CHARS, TrialRequest
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.file_answers import make_download
from bridge.web.console.lists import add_chosen, list_names
from bridge.web.console.playground_clause import EventClause, add_clause, find_clause
from bridge.web.console.playground_form import (
    AGAINST,
    OfferedEvents,
    PlaygroundForm,
    add_source,
    find_events,
    list_fields,
    read_form,
)
from bridge.web.console.playground_results import (
    describe_explanation,
    describe_result,
    list_problems,
)
from bridge.web.console.playground_text import StartText, find_start_text, has_masks
from bridge.web.console.sample_commands import suggest_first_step

MAX_FORM_BYTES: Final = 2 * MIB  # the text in UTF-8, with the line ends of a form
FILE_NAME: Final = "routes.new.yaml"
#: `cp` leaves the owner and the mode of the file that it overwrites.
INSTALL: Final = f"flowbridge --config {FILE_NAME} check && cp {FILE_NAME}"
BUSY: Final = (
    "Another trial is being evaluated on this machine, and there is one at a time. Your text is"
    " still in the form: send it again in a moment."
)
TOO_LONG: Final = f"The text has more than {MAX_TRIAL_CHARS:,} characters, so it was not tried."


def show_playground(console_request: ConsoleRequest) -> Screen:
    """Return the form, with the present routes.yaml or a stored one."""
    query = {name: texts[0] for name, texts in console_request.given.items()}
    config_hash = console_request.read_id("config")
    with_hash = (
        console_request
        if config_hash is None
        else replace(console_request, ids={"hash": config_hash})
    )
    start = find_start_text(with_hash, config_hash)
    form = add_source(console_request, read_form(query))
    clause = find_clause(console_request, form)
    if clause is not None:
        start = add_clause(start, clause)
    events = find_events(console_request, form)
    return _screen(
        console_request, form, events, start, clause=clause, status=400 if events.errors else 200
    )


def try_text(console_request: ConsoleRequest) -> Screen | Response:
    """Try the text of the form on the events, or do what its button says."""
    fields = console_request.http.form
    text = fields.get("text", "").replace("\r\n", "\n").replace("\0", "")
    if fields.get("do") == "download":
        return make_download(text.encode(), FILE_NAME)
    form = read_form(fields)
    events = find_events(console_request, form)
    start = StartText(text=text, is_masked=has_masks(text))
    if fields.get("do") == "list" or events.errors:
        return _screen(console_request, form, events, start, status=400 if events.errors else 200)
    if len(text) > MAX_TRIAL_CHARS:
        return _screen(console_request, form, events, start, error=TOO_LONG, status=413)
    try:
        result = _evaluate(console_request, form, events, text)
    except TrialBusy:
        return _screen(console_request, form, events, start, error=BUSY, status=503)
    except (NotFound, TrialFailed) as error:
        return _screen(console_request, form, events, start, error=f"The trial failed: {error}.")
    return _screen(console_request, form, events, start, result=result)


def _evaluate(
    console_request: ConsoleRequest, form: PlaygroundForm, events: OfferedEvents, text: str
) -> Mapping[str, Any]:
    request = TrialRequest(
        text=text,
        ids=[event["id"] for event in events.items],
        against=form.against,
        used=console_request.context.config(),
        details=TrialDetails(event_id=events.chosen or None, expression=form.expression or None),
    )
    return evaluate_now(console_request.context.settings, console_request.context.database, request)


def _screen(
    console_request: ConsoleRequest,
    form: PlaygroundForm,
    events: OfferedEvents,
    start: StartText,
    *,
    result: Mapping[str, Any] | None = None,
    clause: EventClause | None = None,
    error: str | None = None,
    status: int = 200,
) -> Screen:
    events_by_id = {event["id"]: event for event in events.items}
    values: dict[str, Any] = {
        "form": form,
        "fields": list_fields(console_request, form),
        "events": events,
        "first_step": suggest_first_step(console_request.context.config()),
        "start": start,
        "routes": add_chosen(list_names(console_request.context.config())["route"], form.route),
        "against": AGAINST,
        "install": f"{INSTALL} {shlex.quote(str(console_request.context.settings.config))}",
        "file_name": FILE_NAME,
        "functions": [
            (
                function.signature,
                function.doc,
                function.example,
                orjson.dumps(function.result).decode(),
            )
            for function in FUNCTIONS.values()
        ],
        "error": error,
        "clause": clause,
        "chosen": events_by_id.get(events.chosen),
        **_describe(form, start, events_by_id, result),
    }
    return Screen(template="playground.html", title="Playground", values=values, status=status)


def _describe(
    form: PlaygroundForm,
    start: StartText,
    events_by_id: Mapping[str, Mapping[str, Any]],
    result: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the parts of a result; without one they are empty."""
    if result is None:
        return {"problems": (), "result": None, "explanation": None, "value": None}
    problems = list_problems(result["problems"], start.text, ROUTES_NAME)
    is_usable = all(problem.level != "error" for problem in problems)
    explained = result["explanation"]
    return {
        "problems": problems,
        "result": describe_result(result, events_by_id) if is_usable else None,
        "explanation": explained and describe_explanation(explained, form.route or None),
        "value": result["expression"],
    }
