"""The JSON Schemas of routes.yaml, inline or in files, each compiled once."""

from __future__ import annotations

from typing import Any

from bridge.config.files import ConfigFolder
from bridge.config.problems import Path, Report
from bridge.core.errors import CompileError
from bridge.routing.schemas.validator import Schema, compile_schema


class Schemas:
    """Compiles the schemas of one configuration."""

    def __init__(self, folder: ConfigFolder, report: Report) -> None:
        self.folder = folder
        self.report = report
        self._compiled: dict[str, Schema | CompileError] = {}

    def compile(self, schema: Any, path: Path) -> Schema | None:
        """Return the compiled schema, given as a file name or inline; None if it has problems."""
        if isinstance(schema, str):
            return self._file(schema, path)
        try:
            return compile_schema(schema, self.folder.read_schema)
        except CompileError as error:
            self.report.add_all(path, error)
            return None

    def _file(self, name: str, path: Path) -> Schema | None:
        compiled = self._compiled.get(name)
        if compiled is None:
            try:
                compiled = compile_schema(
                    self.folder.read_schema(name), self.folder.read_schema, name
                )
            except CompileError as error:
                compiled = error
            self._compiled[name] = compiled
        if isinstance(compiled, Schema):
            return compiled
        for below, message in compiled.problems:
            self.report.add(
                path,
                (
                    f"{name}: {'.'.join(map(str, below))}: {message}"
                    if below
                    else _named(name, message)
                ),
            )
        return None


def _named(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"
