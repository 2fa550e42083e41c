"""The JSON types of the values in a sender's samples, by path: where a value is never a list."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

import orjson

from bridge.core.locators import URLENCODED
from bridge.core.model import JSON
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample
from bridge.routing.functions.signature import type_of

_MOMENT: Final = 1_772_366_400.0


@dataclass(frozen=True, slots=True)
class PayloadShapes:
    """The types of the values in the bodies of a sender, by path; without any, nothing is known.

    Values inside of lists are not among them.
    """

    types: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)

    def is_single(self, path: tuple[str, ...]) -> bool:
        """Return whether the value is known, and no list."""
        types = self.types.get(path, frozenset[str]()) - {"null"}
        return bool(types) and "array" not in types

    def is_list(self, path: tuple[str, ...]) -> bool:
        """Return whether the value is known to be a list."""
        return self.types.get(path, frozenset[str]()) - {"null"} == {"array"}


NO_SHAPES: Final = PayloadShapes()


@lru_cache(maxsize=256)
def find_shapes(provider: str) -> PayloadShapes:
    """Return the shapes of a provider's samples; none where a customer chooses the payload."""
    row = PROVIDERS.get(provider)
    if row is None or row.custom_payload:
        return NO_SHAPES
    types_by_path: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for example in row.samples:
        request = sample(provider, example.type, now=_MOMENT, new_id="sample")
        if request.content_type == URLENCODED:
            for key, _ in parse_qsl(request.body.decode(), keep_blank_values=True):
                types_by_path[key,].add("string")
        elif request.content_type.endswith("json"):
            _collect(orjson.loads(request.body), (), types_by_path)
    return PayloadShapes({path: frozenset(types) for path, types in types_by_path.items()})


def _collect(
    value: JSON, path: tuple[str, ...], types_by_path: defaultdict[tuple[str, ...], set[str]]
) -> None:
    types_by_path[path].add(type_of(value))
    if isinstance(value, dict):
        for key, member in value.items():
            _collect(member, (*path, key), types_by_path)
