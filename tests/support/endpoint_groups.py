"""The endpoints of the admin API by the tests that send them; each is in exactly one group."""

from __future__ import annotations

from bridge.api.endpoint import Endpoint
from bridge.web.admin.endpoints import ENDPOINTS

BY_HAND = {("POST", "/runs"), ("POST", "/configs/check")}
CONFIGURED = {
    "alerts",
    "sources",
    "routes",
    "platforms",
    "flows",
    "runs",
    "configs",
    "submissions",
    "tail",
}


def _find_group(endpoint: Endpoint) -> str:
    path = endpoint.path
    resource = path.split("/")[1]
    if resource == "trials":
        return "trials"
    if resource == "types" or path.endswith("/shadow"):
        return "authoring"
    if (
        resource in ("tokens", "audit", "hold")
        or path.endswith("/learn")
        or path.startswith("/runs/")
        or (endpoint.method, path) in BY_HAND
    ):
        return "upkeep"
    if resource in CONFIGURED or path.endswith("/evidence"):
        return "parts"
    return "records"


def _select(group: str) -> list[Endpoint]:
    return [endpoint for endpoint in ENDPOINTS if _find_group(endpoint) == group]


RECORDS = _select("records")
PARTS = _select("parts")
UPKEEP = _select("upkeep")
AUTHORING = _select("authoring")
