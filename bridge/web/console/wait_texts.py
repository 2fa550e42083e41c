"""The reasons why queues wait, as texts that a session may read."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.services.overview.queue_waits import find_queue_waits
from bridge.web.console.console_request import ConsoleRequest


def describe_waits(
    console_request: ConsoleRequest, route: str | None = None
) -> Mapping[tuple[str, str], str]:
    """Return why the oldest delivery of each queue waits, by route and platform.

    `route`: only of its queues. A session without the scope `bodies` gets the kind of a reason.
    """
    context = console_request.context
    waits = find_queue_waits(
        context.database, context.config(), context.overview.get(), route=route
    )
    return {
        key: wait.detail if console_request.may_read_contents else wait.kind
        for key, wait in waits.items()
    }
