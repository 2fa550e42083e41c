"""The files of a configuration: routes.yaml, what it includes, schemas and pages, all under one
folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bridge.config.disk import Disk
from bridge.config.problems import Path as Where
from bridge.config.problems import Report, found
from bridge.config.yaml_reader import Source, read
from bridge.core.errors import CompileError

MAX_FILE = 4 * 1024 * 1024
SECTIONS: dict[str, type] = {"platforms": dict, "sources": dict, "flows": dict, "routes": list}


class Folder:
    """The folder of routes.yaml. Remembers what was read; nothing outside is, not through a link
    either.
    """

    def __init__(
        self, path: Path, texts: Mapping[str, str] | None = None, disk: Disk | None = None
    ) -> None:
        self.path = path
        self.disk = disk or Disk()
        #: text of each schema and page, by its path under the folder
        self.texts: dict[str, str] = dict(texts or {})
        self.read: list[str] = []
        self.frozen = texts is not None  #: texts are all there is, the disk is not looked at

    def find(self, name: str) -> Path:
        """Return the file `name` under the folder; CompileError where it leads out of it."""
        try:
            inside = not PurePosixPath(name).is_absolute() and self.disk.holds(self.path, name)
        except (ValueError, OSError, RuntimeError):  # no name of a file; or links in a circle
            raise CompileError("not the name of a file") from None
        if not inside:
            raise CompileError(f"`{name}` leads out of the folder of routes.yaml")
        return self.path / name

    def text(self, file: Path) -> str:
        """Return the text of `file`; CompileError where it cannot be read."""
        try:
            raw = self.disk.read(file, MAX_FILE + 1)
        except OSError as error:
            raise CompileError(
                f"cannot read {file}: {(error.strerror or 'error').lower()}"
            ) from None
        if len(raw) > MAX_FILE:
            raise CompileError(f"{file} is larger than {MAX_FILE} bytes")
        self.read.append(str(file))
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise CompileError(f"{file} is not UTF-8 text") from None

    def schema(self, name: str) -> Any:
        """Return the parsed schema file `name` (a path under the folder); CompileError where there
        is none.
        """
        name = str(PurePosixPath(name))
        return parse_schema(self.part(name), name)

    def part(self, name: str) -> str:
        """Return the text of the file `name` (a path under the folder), which is then part of the
        configuration; else CompileError.
        """
        name = str(PurePosixPath(name))
        if name not in self.texts:
            if self.frozen:
                raise CompileError(f"`{name}` is not part of this configuration")
            self.texts[name] = self.text(self.find(name))
        return self.texts[name]


def parse_schema(text: str, name: str) -> Any:
    """Return the JSON or, by its ending, YAML of a schema file."""
    if name.endswith((".yaml", ".yml")):
        report = Report(name)
        document = read(Source(name, text), report)
        if report.failed:
            first = report.sorted()[0]
            raise CompileError(f"{name}:{first.line}:{first.column}: {first.message}")
        return document
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CompileError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise CompileError(f"{name}: nests too deep") from None


def gather(file: Path, report: Report, disk: Disk | None = None) -> tuple[dict[str, Any], Folder]:
    """Return routes.yaml with everything it includes as one value, and its folder."""
    folder = Folder(file.parent, disk=disk)
    try:
        document = read(Source(str(file), folder.text(file)), report)
    except CompileError as error:
        report.settle((), str(error))
        return {}, folder
    if not isinstance(document, dict):
        if () not in report.settled:
            report.settle(
                (),
                "needs a mapping with version, platforms, sources, flows and routes, found"
                f" {found(document)}",
            )
        return {}, folder
    for where, include in _includes(document.pop("include", None), folder, report):
        _include(document, include, where, folder, report)
    return document, folder


def _includes(value: Any, folder: Folder, report: Report) -> list[tuple[Where, Path]]:
    files: dict[Path, Where] = {}
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list):
        report.add(("include",), f"needs a list of files, found {found(value)}")
        return []
    for index, name in enumerate(names):
        where: Where = ("include", index) if isinstance(value, list) else ("include",)
        if not isinstance(name, str) or not name:
            report.add(where, f"needs the name of a file, found {found(name)}")
            continue
        try:
            folder.find(name)
            matches = (
                folder.disk.names(folder.path, name)
                if any(sign in name for sign in "*?[")
                else [folder.path / name]
            )
            for match in matches:
                files.setdefault(folder.find(str(match.relative_to(folder.path))), where)
        except CompileError as error:
            report.add(where, str(error))
        except (ValueError, OSError, NotImplementedError):
            report.add(where, f"`{name}` is not the name of a file or a pattern for names")
    return [(where, file) for file, where in files.items()]


def _include(
    document: dict[str, Any], file: Path, where: Where, folder: Folder, report: Report
) -> None:
    """Add what `file` says to `document`, and its places and problems to `report`."""
    own = Report(str(file))
    try:
        part = read(Source(str(file), folder.text(file)), own)
    except CompileError as error:
        report.add(where, str(error))
        return
    if own.failed or not isinstance(part, dict):
        if not own.failed:
            own.add(
                (), f"needs a mapping with platforms, sources, flows or routes, found {found(part)}"
            )
        report.problems += own.problems
        return
    for key, value in part.items():
        if key == "version" and value == 1:
            continue
        if key not in SECTIONS:
            own.add(
                (key,),
                f"an included file has only {', '.join(SECTIONS)} (and version: 1)",
                key=True,
            )
        elif value is not None and not isinstance(value, SECTIONS[key]):
            own.add(
                (key,), f"needs a {'list' if key == 'routes' else 'mapping'}, found {found(value)}"
            )
        elif value is not None:
            _merge(document, key, value, own, report)
    report.problems += own.problems


def _merge(document: dict[str, Any], key: str, value: Any, own: Report, report: Report) -> None:
    if document.get(key) is None:
        document[key] = SECTIONS[key]()
    section = document[key]
    if isinstance(section, list) and key == "routes":
        shift = len(section)
        section += value
        for path, place in own.places.items():
            if path[:1] == (key,) and len(path) > 1:
                report.places[(key, int(path[1]) + shift, *path[2:])] = place
    elif isinstance(section, dict) and key != "routes":  # any other is the main file's own problem
        for name, each in value.items():
            if name in section:
                first = report.places.get((key, name))
                where = f", in {first.file}:{first.key_line}" if first else ""
                own.add((key, name), f"`{name}` is defined already{where}", key=True)
                continue
            section[name] = each
            report.places |= {
                path: place for path, place in own.places.items() if path[:2] == (key, name)
            }
