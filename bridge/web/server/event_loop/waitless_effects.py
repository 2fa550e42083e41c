"""Effects of a request on the event loop, which give up before they would wait."""

from __future__ import annotations

from typing import Any, NoReturn

from bridge.web.effects import HookEffects


class NeedsThread(Exception):
    """The request has to wait for a network, a disk or a database."""


class WaitlessKeys:
    """Fetches no keys: a request that needs one goes on in a thread."""

    def fetch(self, *_: object, **__: object) -> NoReturn:
        """Raise `NeedsThread`."""
        raise NeedsThread

    def roots(self) -> NoReturn:
        """Raise `NeedsThread`."""
        raise NeedsThread


class WaitlessEffects:
    """The effects of a request, of which those that may wait raise `NeedsThread`.

    See `bridge.ingest.effects.Effects`: nothing lasting has happened by then, so the request can
    be prepared again in a thread, with its own effects.
    """

    keys = WaitlessKeys()

    def __init__(self, effects: HookEffects) -> None:
        self._effects = effects

    def __getattr__(self, name: str) -> Any:
        return getattr(self._effects, name)

    def _wait(self, *_: object) -> NoReturn:
        raise NeedsThread

    confirm = check_submission = store_file = store = _wait
