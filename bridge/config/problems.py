"""Every problem of a configuration, with the place in the file where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.core.errors import CompileError, Problem

Path = tuple[str | int, ...]
# the path of a problem that belongs to no key: nothing else of the file was looked at
WHOLE_FILE = "(file)"
_NAME = re.compile(r"[a-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a value and its key stand, 1-based.

    `empty`: no value is written. `cut`: a comment that begins with `#${` follows its `${…}`.
    """

    file: str
    line: int
    column: int
    key_line: int
    key_column: int
    empty: bool = False
    cut: bool = False


@dataclass(slots=True)
class Report:
    """Collects problems by path; `places` says where each path stands."""

    file: str
    places: dict[Path, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    settled: set[Path] = field(default_factory=set)  #: paths that have been complained of for good
    #: paths of what came from the environment or a file
    filled: set[Path] = field(default_factory=set)
    routes: dict[int, str] = field(default_factory=dict)  #: the names of the routes, by their index

    def name_routes(self, document: object) -> None:
        """Note what the routes of a document are called, so that problems name them."""
        listed = document.get("routes") if isinstance(document, dict) else None
        for index, route in enumerate(listed if isinstance(listed, list) else ()):
            name = route.get("name") if isinstance(route, dict) else None
            if isinstance(name, str) and _NAME.fullmatch(name):
                self.routes[index] = name

    def add(self, path: Path, message: str, *, key: bool = False, level: str = "error") -> None:
        """Note a problem at `path`; `key`: it is the key that is wrong, not the value."""
        if any(path[:end] in self.settled for end in range(len(path) + 1)):
            return
        known = path
        while known and known not in self.places:
            known = known[:-1]
        place = self.places.get(known)
        at_key = key or known != path
        if place is None:
            line = 1
            column = 1
            file = self.file
        elif at_key:
            line = place.key_line
            column = place.key_column
            file = place.file
        else:
            line = place.line
            column = place.column
            file = place.file
        problem = Problem(file, line, column, format_path(path), message, level, self._shown(path))
        if problem not in self.problems:
            self.problems.append(problem)

    def line_of(self, path: Path, beside: Path) -> str:
        """Return the line of a value for a message about the value `beside`, with the file where
        they are in two files.
        """
        place = self.places.get(path)
        other = self.places.get(beside)
        if place is None:
            return self.file
        is_same_file = other is not None and other.file == place.file
        return f"line {place.line}" if is_same_file else f"line {place.line} of {place.file}"

    def _shown(self, path: Path) -> str:
        """Return a path with the name of its route: `routes[triage].inputs.title`; empty where it
        has none.
        """
        name = (
            self.routes.get(path[1])
            if path[:1] == ("routes",) and len(path) > 1 and isinstance(path[1], int)
            else None
        )
        return "" if name is None else format_path((f"routes[{name}]", *path[2:]))

    def settle(self, path: Path, message: str) -> None:
        """Note a problem at `path` and none after it there or below."""
        self.add(path, message)
        self.settled.add(path)

    def add_all(self, path: Path, error: CompileError, prefix: str = "") -> None:
        """Note the problems of a part that stands at `path`."""
        for below, message in error.problems:
            self.add((*path, *below), prefix + message)

    def is_filled(self, path: Path) -> bool:
        """Return whether something at or below `path` was filled in, so that no message may show
        it.
        """
        return any(each[: len(path)] == path for each in self.filled)

    @property
    def failed(self) -> bool:
        """True where there is a problem that is not a warning."""
        return any(problem.level == "error" for problem in self.problems)

    def sorted(self) -> list[Problem]:
        """Return the problems, the main file's first, by place."""
        return sorted(self.problems, key=lambda p: (p.file != self.file, p))


def format_path(path: Path) -> str:
    """Return a path as it is shown: `routes.0.inputs.title`."""
    return ".".join(map(str, path)) or WHOLE_FILE


def describe_type(value: object) -> str:
    """Return what a value is, in the words of YAML and JSON."""
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
    }
    return "nothing" if value is None else names.get(type(value), "something else")


def join_names(names: Iterable[str]) -> str:
    """Return the allowed names as text."""
    return ", ".join(names) or "none yet"
