"""Access tokens."""

from __future__ import annotations

import time
from typing import Final

from bridge.api.bodies import RequestBody, body_schema, text
from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import NO_CONTENT, Endpoint
from bridge.api.problems import ApiProblem
from bridge.api.selection import look_up
from bridge.core.audit import AuditAction
from bridge.core.errors import InvalidRequest
from bridge.core.scopes import Scope
from bridge.services.access_tokens import create_token, remove_token
from bridge.services.lists import write_list
from bridge.services.records.bridge_records import NEW_TOKEN, TOKEN
from bridge.services.records.json_schema import word
from bridge.store.operations import tokens

TOKEN_BODY: Final = RequestBody(
    "TokenRequest",
    body_schema(
        "name",
        "scopes",
        name=text(),
        scopes={
            "type": "array",
            "items": word(*(scope.value for scope in Scope)),
            "minItems": 1,
            "maxItems": len(Scope),
        },
        expires=text(),
    ),
)


def list_tokens(context: ApiContext, _request: ApiRequest) -> Answer:
    """Return the tokens, the oldest first, without their secrets."""
    stored = tokens.list_tokens(context.store) if context.store is not None else ()
    return write_list(TOKEN.write(token) for token in stored)


def show_token(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one token, by its id or name."""
    if context.store is None:
        raise ApiProblem("not_found", "there is no token: there is no database yet")
    return TOKEN.write(look_up(lambda: tokens.find(context.database, request.ids["id"])))


def add_token(context: ApiContext, request: ApiRequest) -> Answer:
    """Store a new token, and return it with its secret, which cannot be read again."""
    body = request.body
    try:
        token, secret = create_token(
            context.database,
            body["name"],
            body["scopes"],
            body.get("expires"),
            now=time.time(),
            by=request.by,
        )
    except InvalidRequest as error:
        raise ApiProblem("invalid_body", str(error)) from None
    context.log_change(request, AuditAction.TOKEN_ADDED, token.id)
    return NEW_TOKEN.write(token, token=secret)


def delete_token(context: ApiContext, request: ApiRequest) -> Answer:
    """Remove a token by its id; every process refuses it from then on."""
    id_ = request.ids["id"]
    if id_ not in {token.id for token in tokens.list_tokens(context.database)}:
        raise ApiProblem("not_found", "no token has exactly this id")
    removed = look_up(lambda: remove_token(context.database, id_, request.by))
    context.log_change(request, AuditAction.TOKEN_REMOVED, removed.id)
    return {}


ENDPOINTS: Final = (
    Endpoint(
        path="/tokens",
        summary="The access tokens, without their secrets.",
        answer=list_tokens,
        schema="TokenList",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="POST",
        path="/tokens",
        summary="Creates an access token. The answer has its secret, which is not shown again.",
        answer=add_token,
        body=TOKEN_BODY,
        status=201,
        schema="NewToken",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        path="/tokens/{id}",
        summary="One access token, without its secret.",
        answer=show_token,
        schema="Token",
        scope=Scope.ADMIN,
    ),
    Endpoint(
        method="DELETE",
        path="/tokens/{id}",
        summary="Removes an access token, by its whole id.",
        answer=delete_token,
        status=NO_CONTENT,
        schema=None,
        scope=Scope.ADMIN,
    ),
)
