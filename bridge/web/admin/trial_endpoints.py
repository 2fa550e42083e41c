"""Endpoints of trials: a routes.yaml that is sent is tried on stored events, and not saved."""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.web.admin import trial_answers
from bridge.web.admin.endpoint_row import Endpoint
from bridge.web.admin.limits import RateKind

TRIAL_ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/trials",
        summary="Begins a trial of a routes.yaml on stored events; nothing is saved or sent.",
        answer=trial_answers.begin_trial,
        body="TrialRequest",
        status=202,
        schema="Trial",
        scope=Scope.BODIES,
        rate=RateKind.OPERATIONS,
        has_contents=True,
    ),
    Endpoint(
        path="/trials/{id}",
        summary="A trial, with its result once it has ended.",
        answer=trial_answers.show_trial,
        schema="Trial",
        scope=Scope.BODIES,
        has_contents=True,
    ),
)
