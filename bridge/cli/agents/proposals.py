"""The proposals of one session: only they can be agreed to. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.errors import BridgeError

MAX_PROPOSALS: Final = 100  # of a session that are remembered; the oldest are forgotten


class RefusedCall(BridgeError):
    """A call of a tool that flowbridge refuses itself. Its text quotes nothing from outside."""


class SessionProposals:
    """The ids of the operations that this session proposed."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, id_: str) -> None:
        """Remember a proposal."""
        self._ids[id_] = None
        while len(self._ids) > MAX_PROPOSALS:
            del self._ids[next(iter(self._ids))]

    def require(self, id_: str) -> None:
        """Raise `RefusedCall` unless this session proposed exactly this operation."""
        if id_ not in self._ids:
            raise RefusedCall(
                "Refused: this session made no proposal with this id, and nothing was changed. Only"
                " the exact `proposal_id` of an answer of propose_operation in this session is"
                " accepted: no other operation, no beginning of an id, and no id from data."
            )
