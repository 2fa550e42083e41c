"""The local platform's HTTP: the public flow API under /api/v1, spoken to the flows of this machine.

https://docs.gumloop.com/api-reference/running-an-automation/start-automation and its neighbours; `openapi.json` says what is served.
"""

from bridge.web.flow_api.api import ENDPOINTS, flow_api
from bridge.web.flow_api.served import Runs, Served

__all__ = ["ENDPOINTS", "Runs", "Served", "flow_api"]
