"""The protocol between the authoring commands and a bridge: its store here, or its admin API.

As with `services.bridge_reader`, both ways return the JSON of the admin API.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from bridge.services.bridge_reader import Shape


class AuthoringReader(Protocol):
    """Reads what helps to write routes: event types, schemas, and shadow deliveries."""

    def list_types(self, source: str | None) -> Shape:
        """Return the event types of the newest events, as `GET /types`."""

    def infer_schema(self, source: str, type_: str) -> Shape:
        """Return the schema of the bodies of a type, as `GET /types/schema`.

        `NotFound` where there is no body to make it from.
        """

    def compare_shadow(
        self, new: str, live: str | None, *, since: float, until: float | None
    ) -> Iterator[Shape]:
        """Yield the pages of a comparison, newest first, as `GET /routes/{name}/shadow`.

        `InvalidRequest` for routes that cannot be compared.
        """

    def find_mode_place(self, route: str) -> str | None:
        """Return where `mode` of a route is written, as FILE:LINE; None if it is not known here."""
