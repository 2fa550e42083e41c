"""The reasons why queues wait, as texts that a session may read."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.services.overview.queue_waits import find_queue_waits
from bridge.web.console.console_request import ConsoleRequest


def describe_waits(
    asked: ConsoleRequest, route: str | None = None
) -> Mapping[tuple[str, str], str]:
    """Return why the oldest delivery of each queue waits, by route and platform.

    `route`: only of its queues. A session without the scope `bodies` gets the kind of a reason.
    """
    context = asked.context
    waits = find_queue_waits(
        context.database, context.config(), context.overview.get(), route=route
    )
    return {key: one.detail if asked.may_read_contents else one.kind for key, one in waits.items()}
