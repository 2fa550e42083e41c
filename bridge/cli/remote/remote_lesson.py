"""The lesson of a source of the bridge of another machine. See `cli.lessons`."""

from __future__ import annotations

from bridge.cli.bridge.client import Bridge
from bridge.cli.bridge.request_parts import quote_id
from bridge.cli.remote.client import AdminClient
from bridge.services.records.json_record import expect_shape


class RemoteLesson:
    """A lesson of a bridge, through its admin API. See `Lesson`."""

    def __init__(self, client: AdminClient, source: str) -> None:
        self._client = client
        self._path = f"/sources/{quote_id(source)}/learn"
        found = client.get(self._path)
        with expect_shape():
            self.address = f"{found['path']} of the bridge"
            self.ask = str(found["ask"])

    def allow(self, seconds: float) -> None:
        """See `Lesson`."""
        self._post(round(seconds))

    def find_learned_at(self) -> object:
        """See `Lesson`."""
        found = self._client.get(self._path)
        with expect_shape():
            return found["learned_at"]

    def end(self) -> None:
        """See `Lesson`."""
        self._post(0)

    def read_secret(self) -> None:
        """See `Lesson`: the API refuses a source whose secret the sender must be given."""

    def _post(self, seconds: int) -> None:
        Bridge(self._client).post(self._path, {"seconds": seconds})
