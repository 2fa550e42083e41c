"""Trials: a routes.yaml that is sent is tried on stored events, and not saved."""

from __future__ import annotations

from typing import Any, Final

from bridge.api.bodies import CONFIG_FILES, RequestBody, body_schema, filters_schema, texts
from bridge.api.context import API_PATH, Answer, ApiContext, ApiRequest, StatusAnswer
from bridge.api.endpoint import Endpoint
from bridge.api.parameters import OPERATION_FILTERS
from bridge.api.problems import ApiProblem, body_error, invalid_body, report_busy
from bridge.api.selection import look_up, make_filters, read_body_filters
from bridge.core.errors import DecryptionError, InvalidRequest, KeyMissing
from bridge.core.operations import NOW, THEN
from bridge.core.scopes import Scope
from bridge.services.operations.selection import limit_search
from bridge.services.records.config_records import TRIAL
from bridge.services.records.json_schema import Schema, word
from bridge.services.selection import select_named_events
from bridge.services.trials import background
from bridge.services.trials.messages import MAX_EXPLAINED_EVENTS, MAX_TRIAL_EVENTS
from bridge.services.trials.results import TrialBusy
from bridge.services.trials.trial import (
    MAX_TRIAL_CHARS,
    MAX_TRIAL_IDS,
    TrialEvents,
    TrialRequest,
    select_trial_events,
)

BUSY_SECONDS: Final = 2
_ROUTES_TEXT: Final[Schema] = {"type": "string", "maxLength": MAX_TRIAL_CHARS}
TRIAL_BODY: Final = RequestBody(
    "TrialRequest",
    body_schema(
        "text",
        text=_ROUTES_TEXT,
        files=CONFIG_FILES,
        ids=texts(MAX_TRIAL_IDS),
        filters=filters_schema(OPERATION_FILTERS),
        limit={"type": "integer", "minimum": 1, "maximum": MAX_TRIAL_EVENTS},
        against=word(NOW, THEN),
        against_text=_ROUTES_TEXT,
        against_files=CONFIG_FILES,
        explain={
            "type": "boolean",
            "description": f"Also explain the newest {MAX_EXPLAINED_EVENTS} events by `text`.",
        },
        explain_changed={
            "type": "boolean",
            "description": f"The same for the newest {MAX_EXPLAINED_EVENTS} that changed instead.",
        },
        screen={
            "type": "boolean",
            "description": "Explanations have the key `screen`, with what commands print.",
        },
    ),
)


def begin_trial(context: ApiContext, request: ApiRequest) -> Answer:
    """Select the events of a trial, and begin it."""
    body = request.body
    _check_request(body)
    events = _select(context, request)
    trial = TrialRequest(
        text=body["text"],
        used=context.config(),
        files=body.get("files", {}),
        against=body.get("against", "now"),
        against_text=body.get("against_text"),
        against_files=body.get("against_files", {}),
        ids=events.ids,
        complete=events.complete,
        explain=body.get("explain", False),
        explain_changed=body.get("explain_changed", False),
        screen=body.get("screen", False),
    )
    try:
        record = background.begin_trial(context.settings, context.database, trial)
    except TrialBusy as error:
        raise report_busy(str(error), BUSY_SECONDS) from None
    location = {"Location": f"{API_PATH}/trials/{record.id}"}
    return StatusAnswer(TRIAL.write(record), 202, location)


def show_trial(context: ApiContext, request: ApiRequest) -> Answer:
    """Return a trial, with its result once it has ended."""
    try:
        trial = look_up(
            lambda: background.read_trial(context.settings, context.database, request.ids["id"])
        )
    except (DecryptionError, KeyMissing):
        raise ApiProblem("not_found", "the result of this trial cannot be decrypted") from None
    return TRIAL.write(trial)


def _check_request(body: Any) -> None:
    """Raise `ApiProblem` where parts of the body contradict each other."""
    pairs = (
        ("ids", "filters", "pass `ids` or `filters`, not both"),
        ("ids", "limit", "pass `ids` or `limit`, not both"),
        ("against", "against_text", "pass `against` or `against_text`, not both"),
    )
    errors = [
        body_error(f"/{other}", detail) for key, other, detail in pairs if {key, other} <= {*body}
    ]
    if "against_files" in body and "against_text" not in body:
        errors.append(body_error("/against_files", "these are the files of `against_text`"))
    if errors:
        raise invalid_body(errors)


def _select(context: ApiContext, request: ApiRequest) -> TrialEvents:
    body = request.body
    if "ids" in body:
        check = limit_search(context.database.timings.selection_seconds)
        try:
            named = select_named_events(context.database, body["ids"], check)
        except InvalidRequest as error:
            raise invalid_body([body_error("/ids", str(error))]) from None
        if named.problems:
            errors = [body_error("/ids", problem) for problem in named.problems.values()]
            raise invalid_body(errors)
        return TrialEvents(named.ids)
    values = read_body_filters(request, body.get("filters", {}), OPERATION_FILTERS, "trials")
    filters = make_filters(context, values)
    try:
        return select_trial_events(context.database, filters, body.get("limit", 0))
    except InvalidRequest as error:
        raise invalid_body([body_error("/filters", str(error))]) from None


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/trials",
        summary="Begins a trial of a routes.yaml on stored events; nothing is saved or sent.",
        answer=begin_trial,
        body=TRIAL_BODY,
        status=202,
        schema="Trial",
        scope=Scope.BODIES,
        has_contents=True,
    ),
    Endpoint(
        path="/trials/{id}",
        summary="A trial, with its result once it has ended.",
        answer=show_trial,
        schema="Trial",
        scope=Scope.BODIES,
        has_contents=True,
    ),
)
