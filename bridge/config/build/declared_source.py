"""One source as it was written, on its way to a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.config.problems import Path, Report
from bridge.config.schema.sources import SourceSchema
from bridge.providers.model import Provider


@dataclass(frozen=True, slots=True)
class DeclaredSource:
    """One source on its way: what was written, where, and where to complain."""

    name: str
    model: SourceSchema
    provider: Provider
    report: Report

    @property
    def path(self) -> Path:
        return ("sources", self.name)

    def has(self, key: str) -> bool:
        return ("schema_" if key == "schema" else key) in self.model.model_fields_set and self.get(
            key
        ) is not None

    def get(self, key: str) -> Any:
        return getattr(self.model, "schema_" if key == "schema" else key)

    def is_settled(self, key: str) -> bool:
        """Return whether what was written under `key` has been refused already."""
        return (*self.path, key) in self.report.settled

    def add(self, name: str, message: str, *, key: bool = False) -> None:
        self.report.add((*self.path, name), message, key=key)
