"""Effects of a request on the event loop, which give up before they would wait."""

from __future__ import annotations

from typing import NoReturn

from bridge.ingest.effects import Effects


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

    def __init__(self, effects: Effects) -> None:
        self.note_submission = effects.note_submission
        self.mark_verified = effects.mark_verified
        self.new_id = effects.new_id

    def _wait(self, *_: object) -> NoReturn:
        raise NeedsThread

    confirm = check_submission = store_file = _wait
