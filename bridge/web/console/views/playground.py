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


def show_playground(asked: ConsoleRequest) -> Screen:
    """Return the form, with the present routes.yaml or a stored one."""
    given = {name: texts[0] for name, texts in asked.given.items()}
    config_hash = asked.read_id("config")
    with_hash = asked if config_hash is None else replace(asked, ids={"hash": config_hash})
    start = find_start_text(with_hash, config_hash)
    form = add_source(asked, read_form(given))
    clause = find_clause(asked, form)
    if clause is not None:
        start = add_clause(start, clause)
    events = find_events(asked, form)
    return _screen(asked, form, events, start, clause=clause, status=400 if events.errors else 200)


def try_text(asked: ConsoleRequest) -> Screen | Response:
    """Try the text of the form on the events, or do what its button says."""
    given = asked.http.form
    text = given.get("text", "").replace("\r\n", "\n").replace("\0", "")
    if given.get("do") == "download":
        return make_download(text.encode(), FILE_NAME)
    form = read_form(given)
    events = find_events(asked, form)
    start = StartText(text=text, is_masked=has_masks(text))
    if given.get("do") == "list" or events.errors:
        return _screen(asked, form, events, start, status=400 if events.errors else 200)
    if len(text) > MAX_TRIAL_CHARS:
        return _screen(asked, form, events, start, error=TOO_LONG, status=413)
    try:
        result = _evaluate(asked, form, events, text)
    except TrialBusy:
        return _screen(asked, form, events, start, error=BUSY, status=503)
    except (NotFound, TrialFailed) as error:
        return _screen(asked, form, events, start, error=f"The trial failed: {error}.")
    return _screen(asked, form, events, start, result=result)


def _evaluate(
    asked: ConsoleRequest, form: PlaygroundForm, events: OfferedEvents, text: str
) -> Mapping[str, Any]:
    request = TrialRequest(
        text=text,
        ids=[one["id"] for one in events.items],
        against=form.against,
        used=asked.context.config(),
        details=TrialDetails(event_id=events.chosen or None, expression=form.expression or None),
    )
    return evaluate_now(asked.context.settings, asked.context.database, request)


def _screen(
    asked: ConsoleRequest,
    form: PlaygroundForm,
    events: OfferedEvents,
    start: StartText,
    *,
    result: Mapping[str, Any] | None = None,
    clause: EventClause | None = None,
    error: str | None = None,
    status: int = 200,
) -> Screen:
    known = {one["id"]: one for one in events.items}
    values: dict[str, Any] = {
        "form": form,
        "fields": list_fields(asked, form),
        "events": events,
        "first_step": suggest_first_step(asked.context.config()),
        "start": start,
        "routes": add_chosen(list_names(asked.context.config())["route"], form.route),
        "against": AGAINST,
        "install": f"{INSTALL} {shlex.quote(str(asked.context.settings.config))}",
        "file_name": FILE_NAME,
        "functions": [
            (one.signature, one.doc, one.example, orjson.dumps(one.result).decode())
            for one in FUNCTIONS.values()
        ],
        "error": error,
        "clause": clause,
        "chosen": known.get(events.chosen),
        **_describe(form, start, known, result),
    }
    return Screen(template="playground.html", title="Playground", values=values, status=status)


def _describe(
    form: PlaygroundForm,
    start: StartText,
    known: Mapping[str, Mapping[str, Any]],
    result: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the parts of a result; without one they are empty."""
    if result is None:
        return {"problems": (), "result": None, "explanation": None, "value": None}
    problems = list_problems(result["problems"], start.text, ROUTES_NAME)
    is_usable = all(one.level != "error" for one in problems)
    explained = result["explanation"]
    return {
        "problems": problems,
        "result": describe_result(result, known) if is_usable else None,
        "explanation": explained and describe_explanation(explained, form.route or None),
        "value": result["expression"],
    }
