"""The endpoints of the admin API: those of the resources, and its root, which leads to them."""

from __future__ import annotations

from typing import Final

from bridge import __version__
from bridge.api import endpoint_table
from bridge.api.context import API_PATH, Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint
from bridge.services.lists import MAX_PAGE_ITEMS
from bridge.services.records.bridge_records import SCOPES
from bridge.services.records.json_record import (
    COUNT,
    NAME,
    NAME_OR_NULL,
    NUMBER,
    TEXT_BY_NAME,
    JsonRecord,
    Key,
    public,
    unparsed,
)
from bridge.web.admin.limits import READ_RATE

#: Each resource that can be read as a whole, by the name in its path.
LINKS: Final = {
    "openapi": f"{API_PATH}/openapi.json",
    **{
        endpoint.path[1:]: API_PATH + endpoint.path
        for endpoint in endpoint_table.ENDPOINTS
        if endpoint.method == "GET" and endpoint.path.count("/") == 1
    },
}

LIMITS: Final[JsonRecord[object]] = JsonRecord(
    "",
    unparsed,
    Key("page_items", COUNT, get=lambda _: MAX_PAGE_ITEMS),
    Key("requests", COUNT, get=lambda _: READ_RATE.count),
    Key("seconds", NUMBER, get=lambda _: READ_RATE.per),
)
API: Final[JsonRecord[ApiRequest]] = JsonRecord(
    "Api",
    unparsed,
    Key("version", NAME, get=lambda _: __version__),
    Key("public_url", NAME_OR_NULL, is_given=True),
    Key("token", NAME),
    Key("scopes", SCOPES),
    Key("limits", LIMITS.type, get=lambda request: request),
    Key("links", public(TEXT_BY_NAME), get=lambda _: LINKS),
)


def describe_api(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the version, the public URL, the token's scopes and the links."""
    return API.write(request, public_url=context.settings.public_url or None)


ENDPOINTS: Final = (
    Endpoint(
        path="/",
        summary="The version, the public URL, the scopes of the token, and links.",
        answer=describe_api,
        schema="Api",
    ),
    *endpoint_table.ENDPOINTS,
)
