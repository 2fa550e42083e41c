"""Problems of a configuration, each with its position in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bridge.core.errors import CompileError, ConfigProblem

Path = tuple[str | int, ...]
# the path of a problem of the file as a whole; its keys were not checked
WHOLE_FILE = "(file)"
_ROUTE_NAME = re.compile(r"[a-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a value and of its key, 1-based.

    `empty`: the value is missing. `cut`: a comment with a `${` follows the `${…}` of the value.
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
    """Collects problems by path; `places` has the position of each path."""

    file: str
    places: dict[Path, Position] = field(default_factory=dict)
    problems: list[ConfigProblem] = field(default_factory=list)
    settled: set[Path] = field(
        default_factory=set
    )  #: paths whose further problems are not reported
    #: paths of values that came from the environment or a file
    filled: set[Path] = field(default_factory=set)
    routes: dict[int, str] = field(default_factory=dict)  #: the names of the routes, by their index
    #: the first `_known_count` problems; a copy begins with none
    _known: set[ConfigProblem] = field(default_factory=set, init=False)
    _known_count: int = field(default=0, init=False)

    def describe_first(self) -> str:
        """Return the first problem with its position; there must be one."""
        first = self.sorted()[0]
        return f"{self.file}:{first.line}:{first.column}: {first.message}"

    def name_routes(self, document: object) -> None:
        """Remember the names of the routes, to show them in problems."""
        listed = document.get("routes") if isinstance(document, dict) else None
        for index, route in enumerate(listed if isinstance(listed, list) else ()):
            name = route.get("name") if isinstance(route, dict) else None
            if isinstance(name, str) and _ROUTE_NAME.fullmatch(name):
                self.routes[index] = name

    def add(self, path: Path, message: str, *, key: bool = False, level: str = "error") -> None:
        """Report a problem at `path`; with `key`, at the position of the key, not of the value."""
        if any(path[:end] in self.settled for end in range(len(path) + 1)):
            return
        nearest = path
        while nearest and nearest not in self.places:
            nearest = nearest[:-1]
        place = self.places.get(nearest)
        at_key = key or nearest != path
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
        problem = ConfigProblem(
            file, line, column, format_path(path), message, level, self._shown(path)
        )
        if not self._is_known(problem):
            self.problems.append(problem)

    def _is_known(self, problem: ConfigProblem) -> bool:
        """Return whether a problem is reported already, without comparing it with all of them."""
        self._known.update(self.problems[self._known_count :])
        self._known_count = len(self.problems)
        return problem in self._known

    def line_of(self, path: Path, beside: Path) -> str:
        """Return the line of a value, for a message about the value `beside`.

        The text includes the file if the two values are in different files.
        """
        place = self.places.get(path)
        other = self.places.get(beside)
        if place is None:
            return self.file
        is_same_file = other is not None and other.file == place.file
        return f"line {place.line}" if is_same_file else f"line {place.line} of {place.file}"

    def _shown(self, path: Path) -> str:
        """Return a path with the name of its route, like `routes[triage].inputs.title`, or ""."""
        name = (
            self.routes.get(path[1])
            if path[:1] == ("routes",) and len(path) > 1 and isinstance(path[1], int)
            else None
        )
        return "" if name is None else format_path((f"routes[{name}]", *path[2:]))

    def settle(self, path: Path, message: str) -> None:
        """Report a problem at `path`, and ignore later problems there or below."""
        self.add(path, message)
        self.settled.add(path)

    def add_all(self, path: Path, error: CompileError, prefix: str = "") -> None:
        """Report the problems of the part at `path`."""
        for below, message in error.problems:
            self.add((*path, *below), prefix + message)

    def is_filled(self, path: Path) -> bool:
        """Return whether a value at or below `path` was filled in: no message may show it."""
        return any(filled_path[: len(path)] == path for filled_path in self.filled)

    def copy(self) -> Report:
        """Return a copy that collects further problems separately."""
        return replace(
            self,
            problems=list(self.problems),
            settled=set(self.settled),
            filled=set(self.filled),
            routes=dict(self.routes),
        )

    @property
    def failed(self) -> bool:
        """Whether there is a problem that is not a warning."""
        return any(problem.level == "error" for problem in self.problems)

    def sorted(self) -> list[ConfigProblem]:
        """Return the problems by position, those of the main file first."""
        return sorted(self.problems, key=lambda p: (p.file != self.file, p))


def format_path(path: Path) -> str:
    """Return a path as text: `routes.0.inputs.title`."""
    return ".".join(map(str, path)) or WHOLE_FILE


def describe_type(value: object) -> str:
    """Return the type of a value in the words of YAML, such as `a mapping`."""
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
