"""The parts of the application that an edge on an event loop needs besides Flask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bridge.web.listeners import ListenerPaths
from bridge.web.receiving.body_reader import BodyReader
from bridge.web.receiving.event_storage import EventStorage
from bridge.web.receiving.hook_receiver import HookReceiver

EXTENSION: Final = "flowbridge"  # the key of these parts in `Flask.extensions`


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeParts:
    """The parts of a process that answer requests to /hooks.

    `intake`: the budget of body bytes, which all edges of a process share. `takes_body` returns
    whether the application reads the body of a request, by its WSGI environment.
    """

    receiver: HookReceiver
    storage: EventStorage
    faces: ListenerPaths
    intake: BodyReader
    takes_body: Callable[[dict[str, Any]], bool]
