"""Interpolation of `${env:NAME}` and `${file:PATH}`, only where credentials are allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from bridge.config.files import FileTracker, NotRegularFile
from bridge.config.problems import Path, Report
from bridge.routing.templates import INTERPOLATION_NOT_ALLOWED

MAX_SECRET_FILE_BYTES = 64 * 1024
INTERPOLATED_KEYS = ("secret", "secrets", "verify")
CAPTCHA_SECRET_PATH = ("spam", "captcha", "secret")

_PART = re.compile(r"\$\$\{|\$\{(?:(env|file):)?([^}]*)(\})?")


def may_fill(path: Path) -> bool:
    """Return whether values at `path` may come from the environment or a file."""
    if path[:1] != ("sources",):
        return path[:1] == ("platforms",)
    return (len(path) > 2 and path[2] in INTERPOLATED_KEYS) or path[2:] == CAPTCHA_SECRET_PATH


class Interpolator:
    """Replaces `${env:NAME}` and `${file:PATH}` by their values.

    With `strict` a missing value is an error, else a warning and an empty text. Under `verify` it
    is always an error, since `verify` decides how requests are checked.

    Where `environ` is null, no value is known: no file is read, and nothing is missing.

    `filled` has the values found, by the text between the braces, and `reasons` why a value is
    missing. `given_values` and `given_reasons` are the same from an earlier load: with them,
    neither the
    environment nor files are read. `missing` has the first reason of each source or platform, by
    `("sources", NAME)`.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None,
        folder: File,
        report: Report,
        strict: bool,
        disk: FileTracker | None = None,
        given_values: Mapping[str, str] | None = None,
        given_reasons: Mapping[str, str] | None = None,
    ) -> None:
        self.environ = environ
        self.folder = folder
        self.report = report
        self.strict = strict
        self.disk = disk or FileTracker()
        self.given_values = given_values
        self.given_reasons = given_reasons or {}
        self.filled: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.read: list[str] = []
        self.missing: dict[Path, str] = {}

    def fill(self, value: Any, path: Path = ()) -> Any:
        """Return `value` with its texts filled in; the values filled in are not parsed again."""
        if isinstance(value, dict):
            return {key: self.fill(member, (*path, key)) for key, member in value.items()}
        if isinstance(value, list):
            return [self.fill(member, (*path, index)) for index, member in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        if may_fill(path):
            self.report.filled.add(path)
            return _PART.sub(lambda match: self._part(match, path), value)
        if re.search(r"(?<!\$)\$\{\s*(env|file):", value):
            self.report.settle(path, INTERPOLATION_NOT_ALLOWED)
        return value

    def _part(self, match: re.Match[str], path: Path) -> str:
        kind, name, closed = match.groups()
        if match[0] == "$${":
            return "${"
        if not closed:
            self.report.settle(path, "a ${ without a closing }")
            return ""
        if not kind:
            reference = f"${{{name}}}" if re.fullmatch(r"\w{1,80}", name) else "a ${…}"
            hint = f"; did you mean ${{env:{name}}}?" if re.fullmatch(r"\w{1,80}", name) else ""
            self.report.settle(
                path,
                f"{reference} has no meaning here{hint} allowed: ${{env:NAME}}, ${{file:PATH}}, and"
                " $${ for a literal ${",
            )
            return ""
        key = f"{kind}:{name}"
        if self.given_values is not None:
            value = self.given_values.get(key, "")
            if not value:
                self._missing(
                    path,
                    key,
                    self.given_reasons.get(key, f"{key[:80]} is not among the given values"),
                )
        else:
            value = self._environment(name, path) if kind == "env" else self._file(name, path)
        self.filled[key] = value
        return value

    def _environment(self, name: str, path: Path) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            self.report.settle(path, f"`{name[:80]}` is not the name of an environment variable")
            return ""
        if self.environ is None:
            return self._unknown(path)
        value = self.environ.get(name)
        if not value:
            self._missing(
                path,
                f"env:{name}",
                f"environment variable {name} is {'not set' if value is None else 'empty'}",
            )
        return value or ""

    def _file(self, name: str, path: Path) -> str:
        if self.environ is None:
            return self._unknown(path)
        file = self.folder / name
        try:
            raw = self.disk.read(file, MAX_SECRET_FILE_BYTES + 1)
            self.read.append(str(file))
            value = raw.decode().rstrip("\r\n")
        except (
            NotRegularFile
        ) as error:  # it was read before and its value is in use, so it is not missing
            self.report.settle(path, f"file {name} cannot be read: {error.strerror}")
            return ""
        except (OSError, ValueError) as error:
            why = (getattr(error, "strerror", None) or "not UTF-8 text").lower()
            self._missing(path, f"file:{name}", f"file {name} cannot be read: {why}")
            return ""
        if len(raw) > MAX_SECRET_FILE_BYTES:
            self.report.settle(path, f"file {name} is larger than {MAX_SECRET_FILE_BYTES} bytes")
        elif not value:
            self._missing(path, f"file:{name}", f"file {name} is empty")
        return value

    def _unknown(self, path: Path) -> str:
        """Return an empty text for a value that is not known here, and so not missing."""
        # all of `verify` decides how requests are checked, and is checked as a whole
        self.report.settled.add(path[:3] if path[2:3] == ("verify",) else path)
        return ""

    def _missing(self, path: Path, key: str, message: str) -> None:
        self.reasons[key] = message
        if self.strict or (path[:1] == ("sources",) and path[2:3] == ("verify",)):
            self.report.settle(path, message)
        else:
            self.report.add(path, message, level="warning")
            self.report.settled.add(path)
            self.missing.setdefault(path[:2], message)
