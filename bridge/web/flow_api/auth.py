"""Authentication of the flow API: a known API key, and the user id of that key. Fails closed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.core.errors import Refused
from bridge.core.model import JSON
from bridge.routing.model import LocalKey
from bridge.web.bearer import read_bearer

BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of an API key. `key` is its name; `flows`: the saved_item_ids that it may use, None
    for all.

    `built_in`: it is the key with which the bridge itself starts runs. The name alone is no proof:
    another key may have the same.
    """

    key: str
    user_id: str
    flows: frozenset[str] | None = None
    built_in: bool = False

    def may_use(self, saved_item_id: str) -> bool:
        """Return whether the key may start and see this flow."""
        return self.flows is None or saved_item_id in self.flows


def caller_of(sent_key: str, credentials: tuple[str, str], keys: Sequence[LocalKey]) -> Caller:
    """Return the caller with the key `sent_key`, or refuse with 401.

    All keys are compared by their hashes, each in constant time, so that the response time reveals
    nothing about a key.
    """
    api_key, user_id = credentials
    built_in = LocalKey(name=BUILT_IN, hash=_hash(api_key))
    valid_keys = [built_in, *keys] if api_key and user_id else list(keys)
    mine = _hash(sent_key)
    matching_key = None
    for key in valid_keys:
        if hmac.compare_digest(mine, key.hash):
            matching_key = key
    user = user_id if matching_key is None or matching_key.user_id is None else matching_key.user_id
    if matching_key is None or not sent_key or not user:
        raise Refused(
            401,
            "unauthorized",
            "the API key is missing or unknown",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return Caller(matching_key.name, user, matching_key.flows, matching_key is built_in)


def key_in(authorization: str | None, api_keys: Sequence[str]) -> str:
    """Return the key of a request: `Authorization: Bearer`, else `api_key` of the query.

    It is empty without one, with another kind of Authorization, and with two keys in the query.
    """
    if authorization is None:
        return api_keys[0] if len(api_keys) == 1 else ""
    return read_bearer(authorization)


def check_user(caller: Caller, users: Iterable[JSON], projects: Iterable[JSON]) -> None:
    """Refuse a request with 403 if its user id is missing, or is not that of the key.

    There are no projects here: a project id is ignored beside a user id, and must be the user id
    otherwise.
    """
    said = list(users) or [project for project in projects if project is not None]
    if not said:
        raise Refused(
            403,
            "forbidden",
            "the user id is missing: x-auth-key, or user_id in the body or the query",
        )
    if not all(isinstance(user_id, str) and _same(user_id, caller.user_id) for user_id in said):
        raise Refused(403, "forbidden", "the API key does not match the user id")


def _hash(key: str) -> str:
    return hashlib.sha256(_bytes(key)).hexdigest()


def _same(first: str, other: str) -> bool:
    return hmac.compare_digest(_bytes(first), _bytes(other))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
