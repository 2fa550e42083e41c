"""A log whose lines a test reads."""

from __future__ import annotations

from typing import Any

from bridge.system.logs import Logger


class Lines(Logger):
    """Remembers what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def write(self, level: int, event: str, exc_info: object, values: dict[str, object]) -> None:
        self.lines.append({"event": event, **values})

    def refusals(self) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in line.items() if name != "event"}
            for line in self.lines
            if line["event"] == "form_refused"
        ]
