"""The public API of the local platform: flows are Python functions.

In flows.py::

    from bridge.flows import flow, log

    @flow
    def greet(name: str, greeting: str = "Hello") -> dict:
        "Greet a person."
        log("greeting", name)
        return {"text": f"{greeting}, {name}!"}

The parameters are the Input nodes; the returned mapping holds the outputs.
"""

from bridge.core.local_runs import Input
from bridge.flows.context import current, log, run_flow, save_file
from bridge.flows.errors import FlowError
from bridge.flows.function import FlowFunction, flow
from bridge.flows.types import File, WebhookInput

__all__ = [
    "File",
    "FlowError",
    "FlowFunction",
    "Input",
    "WebhookInput",
    "current",
    "flow",
    "log",
    "run_flow",
    "save_file",
]
