"""A source as declared in routes.yaml, with its provider and its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.config.problems import Path, Report
from bridge.config.valid_document import ValidDocument
from bridge.providers.model import Provider

if TYPE_CHECKING:
    from bridge.config.schema.sources import SourceSchema


@dataclass(frozen=True, slots=True)
class DeclaredSource:
    """A declared source: its name, keys, provider and document, and the report for its problems."""

    name: str
    model: SourceSchema
    provider: Provider
    document: ValidDocument
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
        """Return whether the value of `key` has a reported problem already."""
        return (*self.path, key) in self.report.settled

    def add(self, name: str, message: str, *, key: bool = False) -> None:
        self.report.add((*self.path, name), message, key=key)
