"""Configurations for readers: secrets masked, and two of them compared. Pure.

Their source is the canonical form, in which no `${env:…}` is filled; a secret that is written in
the file itself is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from bridge.core.json_values import escape_step
from bridge.core.masking import MASK
from bridge.core.model import JSON

#: Keys of sources and platforms below which every text may be a secret.
SECRET_KEYS: Final = frozenset(
    {"secret", "secrets", "api_key", "user_id", "headers", "keys", "pins", "token"}
)
#: Keys below them whose values are no secrets.
PLAIN_KEYS: Final = frozenset(
    {"not_after", "name", "flows", "hash", "audience", "topic_arn", "webhook_id"}
)
#: Values of `token` that are no secrets: the modes of the signed token of a form.
PLAIN_TOKENS: Final = frozenset({"optional", "required", "off"})
#: Keys whose value is a URL that may have a secret in its path.
SECRET_URL_KEYS: Final = frozenset({"url"})
SECTIONS: Final = ("sources", "platforms", "api")
MAX_CHANGES: Final = 1000
_PLACEHOLDER = re.compile(r"(?:[A-Za-z]+ )?\$\{(?:env|file):[^{}]*\}")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_PATH = re.compile(r"(?<=://)([^/?#]*)[/?#].+", re.DOTALL)
_NOTHING: Final = object()


def mask_config(document: Mapping[str, Any]) -> dict[str, JSON]:
    """Return a configuration without the secrets that are written in it."""
    return {
        name: _mask_section(value) if name in SECTIONS else _mask_urls(value)
        for name, value in document.items()
    }


def _mask_section(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {
            name: (
                _mask_all(member)
                if name in SECRET_KEYS and not _is_token_mode(name, member)
                else mask_path(member)
                if name in SECRET_URL_KEYS and isinstance(member, str)
                else _mask_section(member)
            )
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_mask_section(element) for element in value]
    return _mask_urls(value)


def _is_token_mode(name: str, value: JSON) -> bool:
    return name == "token" and isinstance(value, str) and value in PLAIN_TOKENS


def _mask_all(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {
            name: _mask_section(member) if name in PLAIN_KEYS else _mask_all(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_mask_all(element) for element in value]
    is_shown = not isinstance(value, str | int | float) or isinstance(value, bool)
    return value if is_shown or _PLACEHOLDER.fullmatch(str(value)) else MASK


def _mask_urls(value: JSON) -> JSON:
    """Mask the credentials in URLs, as in `https://name:password@host`."""
    if isinstance(value, dict):
        return {name: _mask_urls(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_mask_urls(element) for element in value]
    return _CREDENTIALS.sub(MASK, value) if isinstance(value, str) else value


def mask_path(url: str) -> str:
    """Return a URL without its credentials and its path, each of which may be a secret."""
    if _PLACEHOLDER.fullmatch(url):
        return url
    return _PATH.sub(rf"\1/{MASK}", _CREDENTIALS.sub(MASK, url))


# -- comparing


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A difference at one path. The value of a missing side is null, and so is a null."""

    path: str
    kind: str  # added | removed | changed
    before: JSON
    after: JSON


def compare_configs(
    before: Mapping[str, JSON], after: Mapping[str, JSON]
) -> tuple[Sequence[ConfigChange], bool]:
    """Return the differences of two masked configurations, and whether these are all.

    Paths are JSON pointers (RFC 6901), but a route is named instead of counted.
    """
    changes = list(islice(_compare("", _by_name(before), _by_name(after)), MAX_CHANGES + 1))
    return changes[:MAX_CHANGES], len(changes) <= MAX_CHANGES


def _by_name(document: Mapping[str, JSON]) -> dict[str, JSON]:
    routes = document.get("routes")
    named = {
        str(route["name"]): route
        for route in (routes if isinstance(routes, list) else ())
        if isinstance(route, dict) and "name" in route
    }
    return {**document, "routes": {**named}} if isinstance(routes, list) else {**document}


def _compare(path: str, before: Any, after: Any) -> Iterator[ConfigChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _compare(
                f"{path}/{escape_step(name)}", before.get(name, _NOTHING), after.get(name, _NOTHING)
            )
    elif before is _NOTHING:
        yield ConfigChange(path, "added", None, after)
    elif after is _NOTHING:
        yield ConfigChange(path, "removed", before, None)
    elif before != after or type(before) is not type(after):
        yield ConfigChange(path, "changed", before, after)
