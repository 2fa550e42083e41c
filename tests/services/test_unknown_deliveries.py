"""The commands that settle a delivery whose call has no known outcome."""

from __future__ import annotations

from records import NOW, make_delivery, make_event

from bridge.core.model import Status
from bridge.services.unknown_deliveries import UnknownDelivery


def test_the_commands_quote_what_a_platform_chose() -> None:
    event = make_event("a")
    evidence = {"candidates": [{"run_id": "r1;id"}]}
    delivery = make_delivery(event, status=Status.UNKNOWN, evidence=evidence, on_unknown="hold")
    one = UnknownDelivery(
        event=event,
        delivery=delivery,
        lost=None,
        near=None,
        wait=None,
        at=NOW,
        confirm_seconds=0.0,
        has_runs=True,
    )
    [first, *_] = [command for command, _ in one.commands]
    assert first == f"flowbridge resolve {delivery.id} --as delivered --run-id 'r1;id'"
