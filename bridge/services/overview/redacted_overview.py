"""The overview for readers who may not see contents of payloads, which platforms may quote."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.status import Overview, PlatformStatus
from bridge.services.records.delivery_records import ANSWER
from bridge.services.records.flow_records import find_answer_label


def hide_answers(overview: Overview) -> Overview:
    """Return an overview without what platforms answered: a circuit has the cause of its reason."""
    return replace(
        overview,
        platforms=[_hide_circuit(one) for one in overview.platforms],
        stuck=[replace(one, problem=ANSWER.sub("", one.problem)) for one in overview.stuck],
    )


def _hide_circuit(one: PlatformStatus) -> PlatformStatus:
    if one.circuit is None:
        return one
    reason = find_answer_label(one.circuit.reason)
    return replace(one, circuit=replace(one.circuit, reason=reason))
