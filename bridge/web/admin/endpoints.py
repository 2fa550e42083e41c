"""The endpoints of the admin API: those of the resources, and its root, which leads to them."""

from __future__ import annotations

from typing import Final

from bridge import __version__
from bridge.api import endpoint_table
from bridge.api.context import API_PATH, Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint
from bridge.core.scopes import list_scopes
from bridge.services.lists import MAX_PAGE_ITEMS
from bridge.web.admin.limits import READ_RATE

#: The resources with a link in the root.
LINKED: Final = (
    "status",
    "events",
    "deliveries",
    "rejects",
    "operations",
    "causes",
    "trends",
    "types",
    "find",
    "alerts",
    "sources",
    "routes",
    "platforms",
    "flows",
    "runs",
    "configs",
    "tail",
    "audit",
)


def describe_api(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the version, the public URL, the token's scopes and the links."""
    return {
        "version": __version__,
        "public_url": context.settings.public_url or None,
        "token": request.token,
        "scopes": list_scopes(request.scopes),
        "limits": {
            "page_items": MAX_PAGE_ITEMS,
            "requests": READ_RATE.count,
            "seconds": READ_RATE.per,
        },
        "links": {
            "openapi": f"{API_PATH}/openapi.json",
            **{name: f"{API_PATH}/{name}" for name in LINKED},
        },
    }


ENDPOINTS: Final = (
    Endpoint(
        path="/",
        summary="The version, the public URL, the scopes of the token, and links.",
        answer=describe_api,
        schema="Api",
    ),
    *endpoint_table.ENDPOINTS,
)
