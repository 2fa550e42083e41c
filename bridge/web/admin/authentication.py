"""Authentication of the admin API: a bearer token, and its scopes. Fails closed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import ceil
from typing import Final

from bridge.api.problems import ApiProblem
from bridge.core.client_address import counted_network
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope, expand_scopes
from bridge.services.access_tokens import authenticate_token
from bridge.web.admin import limits
from bridge.web.admin.context import ReaderContext
from bridge.web.bearer import is_admin_token, read_bearer

ADMIN_TOKEN_NAME: Final = "FLOWBRIDGE_ADMIN_TOKEN"  # noqa: S105 - the name of a setting
MAX_TOKEN_CHARS: Final = 1000
MISSING_DETAIL: Final = (
    "pass a token as `Authorization: Bearer TOKEN`; `flowbridge token add` makes one"
)
UNKNOWN_DETAIL: Final = "the token is unknown, has ended or was removed"


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """The holder of a token: its name, a key for rate limits, and what it may do."""

    name: str
    key: str
    scopes: frozenset[Scope]


def authenticate(context: ReaderContext, authorization: str, client: str | None) -> TokenHolder:
    """Return the holder of the token in an `Authorization` header.

    Raises `ApiProblem`: 401 without a valid token, 429 where the address sends too many of them.
    """
    holder = _find_holder(context, authorization)
    if holder is None:
        _count(context, f"admin refused {counted_network(client)}", limits.REFUSED_RATE)
        raise ApiProblem(
            "unauthorized",
            UNKNOWN_DETAIL if authorization else MISSING_DETAIL,
            headers={"WWW-Authenticate": 'Bearer realm="flowbridge admin"'},
        )
    return holder


def count_request(context: ReaderContext, holder: TokenHolder, kind: limits.RateKind) -> None:
    """Count a request of a token. Raises `ApiProblem`: 429 where it sends too many."""
    _count(context, _key_of(holder, kind), limits.rate_of(kind))


def rate_headers(
    context: ReaderContext, holder: TokenHolder, kind: limits.RateKind
) -> dict[str, str]:
    """Return the headers that tell a client its rate and what is left of it.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    """
    rate = limits.rate_of(kind)
    use = context.limiter.read_use(_key_of(holder, kind), rate, time.time())
    return {
        "RateLimit-Policy": f'"{kind}";q={rate.count};w={ceil(rate.per)}',
        "RateLimit": f'"{kind}";r={use.left};t={ceil(use.reset_seconds)}',
    }


def _key_of(holder: TokenHolder, kind: limits.RateKind) -> str:
    return f"admin {kind} {holder.key}"


def _count(context: ReaderContext, key: str, rate: Rate) -> None:
    wait = context.limiter.wait([(key, rate)], time.time())
    if wait > 0:
        seconds = int(wait) + 1
        raise ApiProblem(
            "rate_limited",
            f"at most {rate.count} requests in {rate.per:g} s; wait {seconds} s",
            headers={"Retry-After": str(seconds)},
        )


def _find_holder(context: ReaderContext, authorization: str) -> TokenHolder | None:
    token = read_bearer(authorization)
    if not 0 < len(token) <= MAX_TOKEN_CHARS:
        return None
    if is_admin_token(token, context.settings.admin_token):
        return TokenHolder(ADMIN_TOKEN_NAME, ADMIN_TOKEN_NAME, expand_scopes({Scope.ADMIN}))
    access_token = authenticate_token(context.database, token, time.time())
    if access_token is None:
        return None
    return TokenHolder(access_token.name, access_token.id, access_token.scopes)
