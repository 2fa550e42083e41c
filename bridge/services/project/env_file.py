"""The `.env` beside routes.yaml: variables are set without changing other lines."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path


def secret_variable(source: str) -> str:
    """Return the name of the variable that holds a source's secret: `GITHUB_WEBHOOK_SECRET`."""
    name = re.sub(r"[^A-Z0-9]", "_", source.upper())
    return f"{'_' if name[0].isdigit() else ''}{name}_WEBHOOK_SECRET"


def set_variables(path: Path, values: Mapping[str, str]) -> None:
    """Set variables: replace the lines that set them, and append the others.

    Only its owner can read a new file.
    """
    text = path.read_text("utf-8") if path.exists() else ""
    for name, value in values.items():
        line = f"{name}={value}"
        text, count = re.subn(
            rf"(?m)^[ \t]*(?:export[ \t]+)?{re.escape(name)}[ \t]*=.*$",
            lambda _, line=line: line,  # type: ignore[misc]  # mypy infers no lambda with defaults
            text,
        )
        if not count:
            text += ("\n" if text and not text.endswith("\n") else "") + line + "\n"
    replace_file(path, text, 0o600)


def replace_file(path: Path, text: str, mode: int) -> None:
    """Replace a file atomically, or create it with `mode`.

    A symbolic link stays a link, and an existing file keeps its mode.
    """
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    mode = path.stat().st_mode & 0o777 if path.exists() else mode
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
