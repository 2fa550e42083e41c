"""The value at a place of an event's body, as its source reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from bridge.api.problems import ApiProblem, parameter_error
from bridge.core.json_values import MissingPlace, follow_pointer, write_pointer
from bridge.core.model import JSON, Event
from bridge.core.retention import is_content_deleted
from bridge.core.typos import find_typo
from bridge.routing.functions.signature import shorten, type_of
from bridge.services.usable_config import body_reader

if TYPE_CHECKING:
    from bridge.routing.model import Source

MAX_SHOWN_CHARS: Final = 200  # of a place or a name in a message
#: Of one object, the names that a missing one is compared with, and the characters of each.
MAX_COMPARED_NAMES: Final = 1000
MAX_COMPARED_CHARS: Final = 60


def read_value(event: Event, sources: Mapping[str, Source], pointer: Sequence[str]) -> JSON:
    """Return the value at a parsed pointer. Raises `ApiProblem`."""
    if is_content_deleted(event):
        raise ApiProblem(
            "not_found", f"{event.id}: the `retention` of its source has deleted its body"
        )
    body = body_reader(sources)(event)
    if body.problem is not None and body.value is None:
        raise ApiProblem("not_acceptable", f"the body has no value: {body.problem}")
    try:
        return follow_pointer(body.value, pointer)[1]
    except MissingPlace as missing:
        detail = _explain(missing)
        errors = [parameter_error("at", detail, _find_near(missing))]
        raise ApiProblem("not_found", detail, errors=errors) from None


def _explain(missing: MissingPlace) -> str:
    """Return up to which part the path exists."""
    place = shorten(write_pointer(missing.steps), MAX_SHOWN_CHARS) or "the body"
    name = repr(shorten(missing.name, MAX_SHOWN_CHARS))
    around = missing.around
    if isinstance(around, Mapping):
        return f"{place} has no member {name}"
    if isinstance(around, list):
        has = f"its items are 0 to {len(around) - 1}" if around else "it is empty"
        return f"{place} has no item {name}: {has}"
    return f"{place} has no members: its type is {type_of(around)}"


def _find_near(missing: MissingPlace) -> str | None:
    """Return the pointer to the member that was probably meant."""
    around = missing.around
    if not isinstance(around, Mapping) or len(missing.name) > MAX_COMPARED_CHARS:
        return None
    near = find_typo(missing.name, islice(around, MAX_COMPARED_NAMES))
    return None if near is None else write_pointer((*missing.steps, near))
