"""The paths at which the admin API and the console are mounted."""

from __future__ import annotations

from typing import Final

ADMIN_PATH: Final = "/admin/v1"
CONSOLE_PATH: Final = "/console"


def is_admin_path(path: str) -> bool:
    """Return whether the admin API answers a path."""
    return _is_below(path, ADMIN_PATH)


def is_console_path(path: str) -> bool:
    """Return whether the console answers a path."""
    return _is_below(path, CONSOLE_PATH)


def is_reader_path(path: str) -> bool:
    """Return whether the console or the admin API answers a path."""
    return is_console_path(path) or is_admin_path(path)


def _is_below(path: str, mount: str) -> bool:
    return path == mount or path.startswith(f"{mount}/")
