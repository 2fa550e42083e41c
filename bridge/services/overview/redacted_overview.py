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
        platforms=[_hide_circuit(platform) for platform in overview.platforms],
        stuck=[
            replace(unresolved, problem=ANSWER.sub("", unresolved.problem))
            for unresolved in overview.stuck
        ],
    )


def _hide_circuit(platform: PlatformStatus) -> PlatformStatus:
    if platform.circuit is None:
        return platform
    reason = find_answer_label(platform.circuit.reason)
    return replace(platform, circuit=replace(platform.circuit, reason=reason))
