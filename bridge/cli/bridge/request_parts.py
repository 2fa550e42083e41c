"""Parts of requests to the admin API: ids in paths, filters and page sizes in queries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from bridge.cli.bridge.transport import Query
from bridge.core.errors import NotFound
from bridge.core.units import iso

LAST_TIME: Final = "9999-12-31T23:59:59Z"


def quote_id(id_: str) -> str:
    """Return an id as a part of a path. `NotFound` where it cannot be one."""
    if not id_ or id_ in (".", ".."):
        raise NotFound(f"no record has the id {id_!r}")
    return quote(id_, safe="", errors="surrogateescape")


def write_filters(filters: Mapping[str, Any]) -> Query:
    """Return filters as query parameters: the names of a command's arguments, and their values."""
    query: Query = []
    for name, value in filters.items():
        for element in value if isinstance(value, list | tuple) else [value]:
            if element is not None:
                query.append((name.rstrip("_"), _write_value(name, element)))
    return query


def _write_value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in ("since", "until"):
        return iso(value) or LAST_TIME
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
