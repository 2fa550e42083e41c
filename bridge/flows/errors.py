"""The error of flows.py."""

from __future__ import annotations

from bridge.core.errors import BridgeError


class FlowError(BridgeError):
    """flows.py, or a flow in it, is invalid. The text says where."""
