"""The answers of the admin API about trials of a routes.yaml on stored events."""

from __future__ import annotations

from typing import Any, Final

from bridge.core.errors import DecryptionError, InvalidRequest, KeyMissing
from bridge.services.operation_selection import limit_search
from bridge.services.selection import select_named_events
from bridge.services.trials import background
from bridge.services.trials.results import TrialBusy
from bridge.services.trials.trial import TrialEvents, TrialRequest, select_trial_events
from bridge.web.admin.bodies import invalid_body
from bridge.web.admin.body_filters import make_filters, read_filters
from bridge.web.admin.context import AdminContext, AdminRequest, Answer, StatusAnswer
from bridge.web.admin.problems import AdminProblem, BodyError, report_busy
from bridge.web.admin.request_schemas import OPERATION_FILTERS
from bridge.web.admin.request_selection import look_up
from bridge.web.mount_paths import ADMIN_PATH

BUSY_SECONDS: Final = 2


def begin_trial(context: AdminContext, asked: AdminRequest) -> Answer:
    """Select the events of a trial, and begin it."""
    body = asked.body
    _check_request(body)
    chosen = _select(context, asked)
    request = TrialRequest(
        text=body["text"],
        used=context.config(),
        files=body.get("files", {}),
        against=body.get("against", "now"),
        against_text=body.get("against_text"),
        against_files=body.get("against_files", {}),
        ids=chosen.ids,
        complete=chosen.complete,
        explain=body.get("explain", False),
        explain_changed=body.get("explain_changed", False),
        screen=body.get("screen", False),
    )
    try:
        record = background.begin_trial(context.settings, context.database, request)
    except TrialBusy as error:
        raise report_busy(str(error), BUSY_SECONDS) from None
    location = {"Location": f"{ADMIN_PATH}/trials/{record.id}"}
    return StatusAnswer(record.as_json(), 202, location)


def show_trial(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a trial, with its result once it has ended."""
    try:
        found = look_up(
            lambda: background.read_trial(context.settings, context.database, asked.ids["id"])
        )
    except (DecryptionError, KeyMissing):
        raise AdminProblem("not_found", "the result of this trial cannot be decrypted") from None
    return found.as_json()


def _check_request(body: Any) -> None:
    """Raise `AdminProblem` where parts of the body contradict each other."""
    pairs = (
        ("ids", "filters", "pass `ids` or `filters`, not both"),
        ("ids", "limit", "pass `ids` or `limit`, not both"),
        ("against", "against_text", "pass `against` or `against_text`, not both"),
    )
    errors = [BodyError(f"/{other}", text) for one, other, text in pairs if {one, other} <= {*body}]
    if "against_files" in body and "against_text" not in body:
        errors.append(BodyError("/against_files", "these are the files of `against_text`"))
    if errors:
        raise invalid_body(errors)


def _select(context: AdminContext, asked: AdminRequest) -> TrialEvents:
    body = asked.body
    if "ids" in body:
        check = limit_search(context.database.timings.selection_seconds)
        try:
            named = select_named_events(context.database, body["ids"], check)
        except InvalidRequest as error:
            raise invalid_body([BodyError("/ids", str(error))]) from None
        if named.problems:
            raise invalid_body([BodyError("/ids", one) for one in named.problems.values()])
        return TrialEvents(named.ids)
    values = read_filters(asked, body.get("filters", {}), OPERATION_FILTERS, "trials")
    wanted = make_filters(context, context.config(), values)
    try:
        return select_trial_events(context.database, wanted, body.get("limit", 0))
    except InvalidRequest as error:
        raise invalid_body([BodyError("/filters", str(error))]) from None
