"""A draft of a route with a clause, at the top of the routes of a routes.yaml. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.core.model import JSON
from bridge.services.project.config_text import write_yaml_line
from bridge.web.console.config_texts import SECTION_ORDER, write_in_order

DRAFT_NAME: Final = "draft"
MAX_DRAFTED_CHARS: Final = 64 * 1024  # of a text that is parsed
_FILE: Final = "routes.yaml"
_PLAIN_TYPE: Final = re.compile(r"[\w.:/-]+", re.ASCII)
#: `routes:` with its list below it, and the indentation of the first item.
_ROUTES: Final = re.compile(r"^routes:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*?(?=([ ]*)- )", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftText:
    """A routes.yaml with a draft. `name` is that of the route; `is_rewritten`: without comments."""

    text: str
    name: str
    is_rewritten: bool


def draft_route(
    text: str, source: str, type_: str | None, clause: Mapping[str, JSON]
) -> DraftText | None:
    """Return a routes.yaml with a shadow route for events of a type that fulfil a clause.

    Null where there is no flow that it could start, or the text is too long or no routes.yaml.
    """
    document = _read(text) if len(text) <= MAX_DRAFTED_CHARS else None
    if not isinstance(document, Mapping):
        return None
    routes = [value for value in _as_list(document.get("routes")) if isinstance(value, Mapping)]
    flow = _find_flow(document, routes, source)
    if flow is None:
        return None
    name = _find_name(routes)
    is_plain = type_ is not None and _PLAIN_TYPE.fullmatch(type_)
    with_type = {} if is_plain or type_ is None else {"event.type": type_}
    route = {
        "name": name,
        "on": f"{source} {type_}" if is_plain else source,
        "match": {**with_type, **clause},
        "inputs": {"event_id": "${event.id}"},
        "flow": flow,
        "mode": "shadow",
    }
    drafted = {**document, "routes": [route, *_as_list(document.get("routes"))]}
    changed = _insert(text, route)
    if changed is not None and _read(changed) == drafted:
        return DraftText(text=changed, name=name, is_rewritten=False)
    written, is_whole = write_in_order(drafted, SECTION_ORDER)
    return DraftText(text=written, name=name, is_rewritten=True) if is_whole else None


def _insert(text: str, route: Mapping[str, Any]) -> str | None:
    """Return the text with a route before the first; null where its routes are no plain list."""
    match = _ROUTES.search(text)
    if match is None:
        return None
    lines = [write_yaml_line({name: value}) for name, value in route.items()]
    indent = match[1]
    block = "".join(
        f"{indent}{'  ' if number else '- '}{line}\n" for number, line in enumerate(lines)
    )
    return text[: match.end()] + block + text[match.end() :]


def _find_flow(
    document: Mapping[str, Any], routes: Sequence[Mapping[str, Any]], source: str
) -> str | None:
    """Return a flow that the route can name: one of the source, another, or `echo`."""
    own = [route for route in routes if _source_of(route) == source]
    named = [flow for route in (*own, *routes) for flow in _as_list(route.get("flow"))]
    flows = document.get("flows")
    platforms = document.get("platforms")
    candidates = [
        *named,
        *(flows if isinstance(flows, Mapping) else ()),
        *(
            f"{name}/echo"
            for name, platform in (platforms if isinstance(platforms, Mapping) else {}).items()
            if isinstance(platform, Mapping) and platform.get("type") == "local"
        ),
    ]
    return next((candidate for candidate in candidates if isinstance(candidate, str)), None)


def _source_of(route: Mapping[str, Any]) -> str:
    return str(route.get("source") or str(route.get("on") or "").partition(" ")[0])


def _find_name(routes: Sequence[Mapping[str, Any]]) -> str:
    taken = {route.get("name") for route in routes}
    names = (DRAFT_NAME if number == 1 else f"{DRAFT_NAME}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def _read(text: str) -> Any:
    return read_yaml(YamlFile(_FILE, text), Report(_FILE))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
