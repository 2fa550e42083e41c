"""Endpoints for upkeep: tokens, audit log, hold, learned secrets, runs by hand, checking a file."""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.web.admin import audit_answers, config_answers, upkeep_answers
from bridge.web.admin.endpoint_row import Endpoint
from bridge.web.admin.limits import RateKind
from bridge.web.admin.parameters import ACTION, BEFORE, LIMIT, SINCE

UPKEEP_ENDPOINTS: Final = (
    Endpoint(
        path="/tokens",
        summary="The access tokens, without their secrets.",
        answer=upkeep_answers.list_tokens,
        schema="Tokens",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="POST",
        path="/tokens",
        summary="Creates an access token. The answer has its secret, which is not shown again.",
        answer=upkeep_answers.add_token,
        body="TokenRequest",
        status=201,
        schema="NewToken",
        scope=Scope.ADMIN,
        rate=RateKind.OPERATIONS,
    ),
    Endpoint(
        path="/tokens/{id}",
        summary="One access token, without its secret.",
        answer=upkeep_answers.show_token,
        schema="Token",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="DELETE",
        path="/tokens/{id}",
        summary="Removes an access token, by its whole id.",
        answer=upkeep_answers.delete_token,
        status=204,
        schema=None,
        scope=Scope.ADMIN,
        rate=RateKind.OPERATIONS,
    ),
    Endpoint(
        path="/audit",
        summary="Logins, changes, exports and downloads, newest first, as `flowbridge audit`.",
        answer=audit_answers.list_audit,
        schema="AuditEntryPage",
        scope=Scope.ADMIN,
        parameters=(SINCE, ACTION, LIMIT, BEFORE),
        has_contents=True,
        stream=audit_answers.stream_audit,
    ),
    Endpoint(
        path="/hold",
        summary="The hold of starts, and how many deliveries wait.",
        answer=upkeep_answers.show_hold,
        schema="Hold",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="POST",
        path="/hold",
        summary="Stops starting flows, as `flowbridge db hold`.",
        answer=upkeep_answers.begin_hold,
        body="HoldRequest",
        schema="Hold",
        scope=Scope.ADMIN,
        rate=RateKind.OPERATIONS,
    ),
    Endpoint(
        method="POST",
        path="/hold/release",
        summary="Releases the starts, as `flowbridge db release`.",
        answer=upkeep_answers.release_hold,
        schema="Hold",
        scope=Scope.ADMIN,
        rate=RateKind.OPERATIONS,
    ),
    Endpoint(
        path="/sources/{name}/learn",
        summary="Until when a source may receive its secret.",
        answer=upkeep_answers.show_learning,
        schema="Learning",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="POST",
        path="/sources/{name}/learn",
        summary="Lets a source receive its secret from the sender, once, for a limited time.",
        answer=upkeep_answers.allow_learning,
        body="LearnRequest",
        schema="Learning",
        scope=Scope.ADMIN,
        rate=RateKind.OPERATIONS,
    ),
    Endpoint(
        method="POST",
        path="/runs",
        summary="Starts a flow by hand, as `flowbridge flows run`.",
        answer=upkeep_answers.start_run,
        body="RunRequest",
        schema="StartedRun",
        scope=Scope.ACT,
        rate=RateKind.OPERATIONS,
        more_problems=(404,),
    ),
    Endpoint(
        path="/runs/{platform}/{id}",
        summary="A run, as its platform reports it now.",
        answer=upkeep_answers.show_run,
        schema="RunReport",
        has_contents=True,
    ),
    Endpoint(
        method="POST",
        path="/runs/{platform}/{id}/kill",
        summary="Asks a platform to end a run, as `flowbridge flows kill`.",
        answer=upkeep_answers.kill_run,
        schema="KilledRun",
        scope=Scope.ACT,
        rate=RateKind.OPERATIONS,
    ),
    Endpoint(
        method="POST",
        path="/configs/check",
        summary="The problems of a routes.yaml that is sent, as `flowbridge check --json`.",
        answer=config_answers.check_config,
        body="ConfigCheckRequest",
        schema="ConfigCheck",
        scope=Scope.BODIES,
        rate=RateKind.OPERATIONS,
        has_contents=True,
    ),
)
