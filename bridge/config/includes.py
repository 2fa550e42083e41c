"""routes.yaml with the files that it includes, as one document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.config.files import ConfigFolder, FileTracker
from bridge.config.problems import Path as Where
from bridge.config.problems import Report, describe_type
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.core.errors import CompileError

SECTIONS: dict[str, type] = {"platforms": dict, "sources": dict, "flows": dict, "routes": list}


def read_document(
    file: Path, report: Report, disk: FileTracker | None = None
) -> tuple[dict[str, Any], ConfigFolder]:
    """Return routes.yaml with all its includes as one document, and its folder."""
    folder = ConfigFolder(file.parent, disk=disk)
    try:
        document = read_yaml(YamlFile(str(file), folder.read_text(file)), report)
    except CompileError as error:
        report.settle((), str(error))
        return {}, folder
    if not isinstance(document, dict):
        if () not in report.settled:
            report.settle(
                (),
                "needs a mapping with version, platforms, sources, flows and routes, found"
                f" {describe_type(document)}",
            )
        return {}, folder
    for where, include in _includes(document.pop("include", None), folder, report):
        _include(document, include, where, folder, report)
    return document, folder


def _includes(value: Any, folder: ConfigFolder, report: Report) -> list[tuple[Where, Path]]:
    files: dict[Path, Where] = {}
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list):
        report.add(("include",), f"needs a list of files, found {describe_type(value)}")
        return []
    for index, name in enumerate(names):
        where: Where = ("include", index) if isinstance(value, list) else ("include",)
        if not isinstance(name, str) or not name:
            report.add(where, f"needs the name of a file, found {describe_type(name)}")
            continue
        try:
            folder.find(name)
            matches = (
                folder.disk.find_files(folder.path, name)
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
    document: dict[str, Any], file: Path, where: Where, folder: ConfigFolder, report: Report
) -> None:
    """Add the sections of `file` to `document`, and its positions and problems to `report`."""
    own = Report(str(file))
    try:
        text = folder.read_text(file)
        folder.included[file.relative_to(folder.path).as_posix()] = text
        part = read_yaml(YamlFile(str(file), text), own)
    except CompileError as error:
        report.add(where, str(error))
        return
    if own.failed or not isinstance(part, dict):
        if not own.failed:
            own.add(
                (),
                "needs a mapping with platforms, sources, flows or routes,"
                f" found {describe_type(part)}",
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
                (key,),
                f"needs a {'list' if key == 'routes' else 'mapping'}, found {describe_type(value)}",
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
    elif (
        isinstance(section, dict) and key != "routes"
    ):  # another type is reported as a problem of the main file
        for name, definition in value.items():
            if name in section:
                first = report.places.get((key, name))
                where = f", in {first.file}:{first.key_line}" if first else ""
                own.add((key, name), f"`{name}` is defined already{where}", key=True)
                continue
            section[name] = definition
            report.places |= {
                path: place for path, place in own.places.items() if path[:2] == (key, name)
            }
