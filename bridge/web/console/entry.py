"""The entry of the console. Its modules are imported at the first request, to save memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.web.late_app import WsgiApp, create_late

if TYPE_CHECKING:
    from bridge.web.admin.context import ReaderContext
    from bridge.web.console.application import Console


def console_app(context: ReaderContext) -> WsgiApp:
    """Return the WSGI application of the paths below /console."""

    def create() -> Console:
        from bridge.web.console.application import Console

        return Console(context)

    return create_late(create, context.late_use)
