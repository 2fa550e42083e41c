"""A request to the flow API: the JSON of its body, and ids in the body or the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from bridge.core.errors import Refused
from bridge.core.json_values import exceeds_values
from bridge.core.model import JSON
from bridge.routing.model import Platform
from bridge.web.flow_api.auth import Caller

MAX_ID_LENGTH = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One authenticated request. `raw` is its body; `query` has every value of each name.

    `console_url`: of the console, empty where the client does not reach it.
    """

    caller: Caller
    platform: Platform
    now: float
    method: str = "GET"
    console_url: str = ""
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    idempotency_key: str | None = None
    raw: bytes = b""
    body: JSON = None

    @property
    def fields(self) -> Mapping[str, JSON]:
        """Return the body if it is an object."""
        return self.body if isinstance(self.body, dict) else {}

    def id(self, name: str) -> str:
        """Return an id from the body or the query, or refuse with 400. Both may have the same."""
        identifier = self.maybe_id(name)
        if identifier is None:
            raise bad_request("missing_parameter", f"{name} is required")
        return identifier

    def maybe_id(self, name: str) -> str | None:
        """Return an id that may be missing or null."""
        values = [
            *self.query.get(name, ()),
            *([self.fields[name]] if self.fields.get(name) is not None else ()),
        ]
        if not all(isinstance(value, str) and value for value in values):
            raise bad_request("invalid_parameter", f"{name} must be a non-empty string")
        if any(len(value) > MAX_ID_LENGTH or not value.isprintable() for value in values):
            raise bad_request(
                "invalid_parameter",
                f"{name}: at most {MAX_ID_LENGTH} characters are allowed, all of them printable",
            )
        if len(set(values)) > 1:
            raise bad_request("conflicting_parameters", f"{name} has different values")
        return values[0] if values else None

    def listed(self, name: str, max_entries: int) -> list[JSON]:
        """Return a list of the body, or refuse with 400."""
        value = self.fields.get(name)
        if not isinstance(value, list) or not value:
            raise bad_request(
                "missing_parameter" if value is None else "invalid_parameter",
                f"{name} must be a non-empty list",
            )
        if len(value) > max_entries:
            raise bad_request(
                "invalid_parameter",
                f"{name}: {len(value)} entries; at most {max_entries} are allowed",
            )
        return value


def read_json(raw: bytes, max_values: int | None = None) -> JSON:
    """Return the JSON of a body, or refuse with 400; {} if it is empty: ids are in the query."""
    if max_values is not None and exceeds_values(raw, max_values):
        raise bad_request("invalid_json", f"the body has more than {max_values} values")
    try:
        return orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise bad_request(
            "invalid_json",
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
        ) from None


def bad_request(code: str, message: str) -> Refused:
    """Return a 400."""
    return Refused(400, code, message)


def forbidden(what: str) -> Refused:
    """Return a 403 for a key that is limited to other flows."""
    return Refused(403, "forbidden", f"the API key may not use {what}")
