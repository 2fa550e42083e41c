"""The parts of the application that an edge on an event loop needs besides Flask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.web.body_reader import BodyReader
from bridge.web.event_storage import EventStorage
from bridge.web.hook_receiver import HookReceiver
from bridge.web.listeners import ListenerPaths

EXTENSION: Final = "flowbridge"  # the key of these parts in `Flask.extensions`


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeParts:
    """The parts of a process that answer requests to /hooks.

    `intake`: the budget of body bytes, which all edges of a process share.
    """

    receiver: HookReceiver
    storage: EventStorage
    faces: ListenerPaths
    intake: BodyReader
