"""Check of the inputs that a person gives to a flow, against those that the platform lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.core.model import JSON
from bridge.core.typos import suggest
from bridge.services.platforms.platform_queries import try_to_list_inputs

if TYPE_CHECKING:
    from bridge.routing.model import Platform


@dataclass(frozen=True, slots=True)
class InputCheck:
    """`notes`: sentences on inputs that look misspelt. `missing`: the required ones not given."""

    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def check_inputs(platform: Platform, saved_item_id: str, inputs: Mapping[str, JSON]) -> InputCheck:
    """Compare the given inputs with those that the platform lists, if it lists any.

    The platform decides which inputs are known and required.
    """
    # only the local platform lists required inputs
    is_of_use = bool(inputs) or platform.type == "local"
    nodes = try_to_list_inputs(platform, saved_item_id) if is_of_use else ()
    names = [node.name for node in nodes]
    notes = tuple(
        f"the flow has no input {name!r}; {hint}it has: {', '.join(names)}"
        for name in inputs
        if name not in names and (hint := suggest(name, names))
    )
    return InputCheck(
        notes, tuple(node.name for node in nodes if node.required and node.name not in inputs)
    )
