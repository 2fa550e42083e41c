"""Write an import as the texts of routes.yaml and .env. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any, Final

from dotenv import dotenv_values

from bridge.core.errors import InvalidRequest
from bridge.core.text import escape_unprintable
from bridge.importers.model import ImportResult
from bridge.services.project.config_text import write_yaml

ROUTES_HEADER: Final = (
    "# yaml-language-server: $schema=.flowbridge/routes.schema.json\nversion: 1\n"
)
_FLOWS_COMMENT: Final = "# To fill in: each is a placeholder that runs local/echo.\n"


def write_routes(result: ImportResult) -> str:
    """Return the text of routes.yaml; `InvalidRequest` where it would be too large."""
    sections: list[tuple[str, Any, str]] = [
        ("platforms", {"local": {"type": "local"}} | result.platforms, ""),
        ("sources", result.sources, ""),
        ("flows", result.flows, _FLOWS_COMMENT),
        ("routes", result.routes, ""),
    ]
    parts = [ROUTES_HEADER]
    for name, value, comment in sections:
        if not value:
            continue
        text, is_whole = write_yaml({name: value})
        if not is_whole:
            raise InvalidRequest("the import is too large for one routes.yaml; import fewer files")
        if name == "routes":
            text = _add_comments(text, result.comments)
        parts.append("\n" + comment + text)
    return "".join(parts)


def _add_comments(text: str, comments: Mapping[str, str]) -> str:
    """Return the section `routes` with each comment above the route of its name."""

    def add(match: re.Match[str]) -> str:
        comment = comments.get(match["name"])
        return match[0] if comment is None else f"  # {escape_unprintable(comment)}\n{match[0]}"

    return re.sub(r"^  - name: '?(?P<name>[\w-]+)'?$", add, text, flags=re.MULTILINE)


def write_environment(secrets: Mapping[str, str | None]) -> tuple[str, list[str]]:
    """Return the text of .env, and the variables that have to be set by hand.

    A value that .env cannot hold is left empty, too.
    """
    lines = []
    missing = []
    for name, value in secrets.items():
        line = None if value is None else _write_variable(name, value)
        if line is None:
            missing.append(name)
        lines.append(line or f"{name}=")
    return "".join(f"{line}\n" for line in lines), missing


def _write_variable(name: str, value: str) -> str | None:
    """Return the line that sets a variable, or None where no form of it reads back the same."""
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    forms = [f"{name}='{quoted}'"]
    if re.fullmatch(r"[A-Za-z0-9_./:=@%+-]+", value):
        forms.insert(0, f"{name}={value}")
    if "\n" in value or "\r" in value:
        return None
    return next((form for form in forms if _reads_as(form, name, value)), None)


def _reads_as(line: str, name: str, value: str) -> bool:
    return dotenv_values(stream=StringIO(line)) == {name: value}
