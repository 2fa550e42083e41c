"""Parts of a configuration as texts for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.services.project.config_text import write_yaml

#: The order of the sections of routes.yaml.
SECTION_ORDER: Final = ("version", "platforms", "sources", "flows", "routes")
#: The keys of a route in the order of the documentation.
ROUTE_KEYS: Final = (
    "name",
    "on",
    "match",
    "when",
    "payload_schema",
    "inputs",
    "inputs_schema",
    "flow",
    "mode",
)
MAX_SCHEMA_CHARS: Final = 64 * 1024


def write_in_order(document: Mapping[str, JSON], first: Sequence[str]) -> tuple[str, bool]:
    """Return an object as YAML, these keys `first`, and whether this is all of it.

    The canonical form of a configuration has all keys by the alphabet.
    """
    return write_yaml(put_first(document, first))


def write_config(document: Mapping[str, JSON]) -> tuple[str, bool]:
    """Return a configuration as YAML, ordered as the documentation, and whether this is all."""
    routes = document.get("routes")
    in_order = [
        put_first(route, ROUTE_KEYS) if isinstance(route, Mapping) else route
        for route in (routes if isinstance(routes, list) else ())
    ]
    return write_in_order({**document, "routes": in_order}, SECTION_ORDER)


def put_first(document: Mapping[str, JSON], first: Sequence[str]) -> dict[str, JSON]:
    """Return an object with these keys `first`, as far as it has them."""
    present_keys = [name for name in first if name in document]
    return {name: document[name] for name in dict.fromkeys((*present_keys, *document))}


def write_value(value: JSON, max_chars: int = MAX_SCHEMA_CHARS) -> str:
    """Return a text as it is, and another value as indented JSON, of at most so many characters."""
    return _cut(value, max_chars) if isinstance(value, str) else write_as_json(value, max_chars)


def write_as_json(value: JSON, max_chars: int) -> str:
    """Return a value as indented JSON, so that the text "1" is not shown as the number."""
    return _cut(write_json(value, is_indented=True).decode(), max_chars)


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}…"
