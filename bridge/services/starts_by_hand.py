"""Start a flow by hand, after a check of the inputs against those that its platform lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.core.outcomes import Outcome, OutcomeKind
from bridge.services import platform_queries
from bridge.services.given_inputs import check_inputs

if TYPE_CHECKING:
    from bridge.routing.model import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class StartByHand:
    """The outcome of a start by hand.

    `notes`: sentences on inputs that look misspelt. `hint`: what to say where the platform has no
    such flow, with its flows; else empty.
    """

    outcome: Outcome
    notes: tuple[str, ...] = ()
    hint: str = ""


def start_by_hand(
    platform: Platform, saved_item_id: str, inputs: Mapping[str, JSON]
) -> StartByHand:
    """Start a flow, and return the outcome. No event and no delivery is stored.

    `InvalidRequest` where an input is missing that the platform lists as required. `BridgeError`
    where no answer came: a run may exist.
    """
    found = check_inputs(platform, saved_item_id, inputs)
    if found.missing:
        missing = f"the flow {saved_item_id!r} requires {', '.join(found.missing)}"
        raise InvalidRequest("; ".join((missing, *found.notes)))
    outcome = platform_queries.start_run(platform, saved_item_id, inputs)
    is_unknown = outcome.kind is OutcomeKind.REJECTED and outcome.status_code in (400, 404)
    hint = platform_queries.explain_missing_flow(platform, saved_item_id) if is_unknown else ""
    return StartByHand(outcome=outcome, notes=found.notes, hint=hint)
