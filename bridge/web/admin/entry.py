"""The entry of the admin API. Its modules are imported at the first request, to save memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.web.late_app import WsgiApp, create_late

if TYPE_CHECKING:
    from bridge.web.admin.api import AdminApi
    from bridge.web.admin.context import ReaderContext


def admin_app(context: ReaderContext) -> WsgiApp:
    """Return the WSGI application of the paths below /admin/v1."""

    def create() -> AdminApi:
        from bridge.web.admin.api import AdminApi

        return AdminApi(context)

    return create_late(create, context.late_use)
