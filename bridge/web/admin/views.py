"""The entry of the admin API. Its modules are imported at the first request, to save memory."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, request

if TYPE_CHECKING:
    from bridge.web.admin.api import AdminApi
    from bridge.web.admin.context import AdminContext

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def admin_api(context: AdminContext) -> Blueprint:
    """Return the blueprint of /admin/v1, which answers any method and path below it."""
    pages = Blueprint("admin_api", __name__)

    @cache
    def load() -> AdminApi:
        from bridge.web.admin.api import AdminApi

        return AdminApi(context)

    def answer(**_path: str) -> Response:
        return load()(request)

    for rule in ("/admin/v1", "/admin/v1/<path:rest>"):
        pages.add_url_rule(
            rule,
            "answer",
            answer,
            methods=METHODS,
            provide_automatic_options=False,
            strict_slashes=False,
        )
    return pages
