"""Parse YAML 1.2 into plain values with their positions.

Reports mistakes that YAML accepts, such as duplicate keys and texts cut off by a comment.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from bridge.config.problems import Path, Position, Report

MAX_NODES = 200_000
MAX_DEPTH = 60
QUOTE_HINT = 'quote it: "${…}"'

_HINTS = (  # a part of ruamel's message, the usual cause
    (
        "cannot start any token",
        "a text that begins with this character needs quotes; indent with spaces",
    ),
    ("mapping values are not allowed", "a text that contains `: ` needs quotes"),
    ("expected alphabetic or numeric", "a text that begins with * or & needs quotes"),
    ("undefined alias", "a text that begins with * needs quotes"),
    ("found unexpected end of stream", "a quote or bracket is not closed"),
    ("could not find expected ':'", "a key without its colon, or a text that needs quotes"),
    ("expected <block end>", "wrong indentation, or a text that needs quotes"),
)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """One YAML file: its name as shown, and its text."""

    name: str
    text: str


def read_yaml(source: YamlFile, report: Report) -> Any:
    """Return the value of the YAML text, or None if it cannot be parsed.

    Adds the positions of all values, and all problems, to `report`.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        parser = YAML(typ="rt", pure=True)
        parser.Scanner = _make_scanner()
        node = parser.compose(source.text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        _syntax(
            report, source, line, column, str(error.problem or error.context or "cannot be read")
        )
        return None
    except (YAMLError, ValueError, RecursionError) as error:
        _syntax(
            report,
            source,
            0,
            0,
            "nests too deep" if isinstance(error, RecursionError) else str(error).splitlines()[0],
        )
        return None
    if node is None:
        return {}
    return _NodeReader(source, report).value(node, ())


@cache
def _make_scanner() -> Any:
    """Return ruamel's scanner with a limit of open brackets: its time grows with their square."""
    from ruamel.yaml.scanner import RoundTripScanner, ScannerError

    class BoundedScanner(RoundTripScanner):
        """Refuses brackets that nest too deep."""

        def fetch_flow_collection_start(self, token: Any, to_push: str) -> None:
            if self.flow_level >= MAX_DEPTH:
                problem = f"brackets nest more than {MAX_DEPTH} deep"
                raise ScannerError(None, None, problem, self.reader.get_mark())
            super().fetch_flow_collection_start(token, to_push)

    return BoundedScanner


def _syntax(report: Report, source: YamlFile, line: int, column: int, problem: str) -> None:
    lines = source.text.splitlines()
    written = lines[line] if line < len(lines) else ""
    if written[max(0, column - 1) : column + 1] == "${":
        problem = f"a ${{…}} inside {{ }} or [ ] needs quotes: {QUOTE_HINT}"
    else:
        hint = next((hint for sign, hint in _HINTS if sign in problem), "")
        problem = f"not YAML: {problem}" + (f" ({hint})" if hint else "")
    report.places[()] = Position(source.name, line + 1, column + 1, line + 1, column + 1)
    report.settle((), problem)


class _NodeReader:
    """Turns nodes into values."""

    def __init__(self, source: YamlFile, report: Report) -> None:
        self.source = source
        self.report = report
        self.lines = source.text.splitlines()
        self.count = 0

    def value(self, node: Any, path: Path, key: Any = None) -> Any:
        """Return the value of `node`, which is at `path` under the node `key`."""
        self._place(node, path, key)
        if self._is_beyond_limits(path):
            return None
        kind = type(node).__name__
        if kind == "MappingNode":
            return self._mapping(node, path)
        if kind == "SequenceNode":
            self._check_tag(node, path, "tag:yaml.org,2002:seq")
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _is_beyond_limits(self, path: Path) -> bool:
        """Count a value that is read, and return whether it is too deep or one too many."""
        self.count += 1
        if self.count <= MAX_NODES and len(path) <= MAX_DEPTH:
            return False
        if self.count <= MAX_NODES + 1:
            self.report.add(
                path, f"more than {MAX_NODES} values, or nested more than {MAX_DEPTH} deep"
            )
        return True

    def _place(self, node: Any, path: Path, key: Any) -> None:
        mark = node.start_mark
        empty = type(node).__name__ == "ScalarNode" and not node.value and _plain(node)
        at = key.start_mark if key is not None else mark
        if empty:  # its mark is at the next token
            mark = at
        cut = self._is_cut(node)
        self.report.places[path] = Position(
            self.source.name, mark.line + 1, mark.column + 1, at.line + 1, at.column + 1, empty, cut
        )

    def _is_cut(self, node: Any) -> bool:
        if type(node).__name__ != "ScalarNode" or not _plain(node) or "${" not in node.value:
            return False
        line = self.lines[node.end_mark.line] if node.end_mark.line < len(self.lines) else ""
        return re.match(r"\s+#\S*\$\{", line[node.end_mark.column :]) is not None

    def _check_tag(self, node: Any, path: Path, plain: str) -> None:
        tag = str(node.tag) if node.tag else plain
        if tag not in (plain, "!"):
            self.report.add(
                path, f"the tag {tag} has no meaning here; a text that begins with ! needs quotes"
            )

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        self._check_tag(node, path, "tag:yaml.org,2002:map")
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if type(key).__name__ != "ScalarNode":
                self._place(key, (*path, "?"), None)
                self.report.add(
                    (*path, "?"), f"a key must be text; if this is a ${{…}}, {QUOTE_HINT}"
                )
            elif key.tag == "tag:yaml.org,2002:merge":
                self._merge(values, value, path)
            elif key.value in lines:
                place = self.report.places[(*path, key.value)]
                self._place(value, (*path, key.value), key)
                self.report.add(
                    (*path, key.value),
                    f"duplicate key; first defined in line {lines[key.value]}",
                    key=True,
                )
                self.report.places[(*path, key.value)] = place
            else:
                lines[key.value] = key.start_mark.line + 1
                values[key.value] = self.value(value, (*path, key.value), key)
        return values

    def _merge(self, values: dict[str, Any], node: Any, path: Path) -> None:
        """Add the keys of `<<: *anchor`; the mapping's own keys override them.

        A key that is there already counts too: a short text can name an anchor very often.
        """
        nodes = node.value if type(node).__name__ == "SequenceNode" else [node]
        for merged in nodes:
            if self._is_beyond_limits(path):
                return
            if type(merged).__name__ != "MappingNode":
                self._place(merged, (*path, "<<"), None)
                self.report.add((*path, "<<"), "<< needs a mapping, like *anchor")
                continue
            for key, value in merged.value:
                if self._is_beyond_limits(path):
                    return
                if type(key).__name__ == "ScalarNode" and key.value not in values:
                    values[key.value] = self.value(value, (*path, key.value), key)

    def _scalar(self, node: Any, path: Path) -> Any:
        text = str(node.value)
        kind = (
            str(node.tag).rpartition(":")[2]
            if str(node.tag).startswith("tag:yaml.org,2002:")
            else "?"
        )
        if not _plain(node) or kind in ("str", "timestamp", "merge"):
            if kind == "?" and str(node.tag) != "!":
                self._check_tag(node, path, "tag:yaml.org,2002:str")
            return text
        try:
            return _SCALAR_READERS[kind](text)
        except KeyError:
            self._check_tag(node, path, "tag:yaml.org,2002:str")
        except ValueError:
            self.report.settle(path, f"{text[:40]} is not a number that JSON can represent")
        return text


def _plain(node: Any) -> bool:
    return node.style not in ("'", '"', "|", ">")


def _integer(text: str) -> int:
    bare = text.replace("_", "")
    sign = -1 if bare.startswith("-") else 1
    digits = bare.lstrip("+-").lower()
    base = {"0o": 8, "0x": 16, "0b": 2}.get(digits[:2], 10)
    if len(digits) > 30:
        raise ValueError(text)
    value = sign * int(digits[2:] if base != 10 else digits, base)
    if not -(2**63) <= value < 2**64:
        raise ValueError(text)
    return value


def _number(text: str) -> float:
    value = float(text.replace("_", ""))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_SCALAR_READERS = {
    "null": lambda _text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _number,
}


def find_traps(data: Any, report: Report) -> None:
    """Report values under `routes` that a comment cuts off or leaves empty."""
    for path, place in list(report.places.items()):
        if path[:1] != ("routes",) or len(path) < 3:
            continue
        if place.cut:
            report.settle(
                path,
                f"the text ends where # begins a comment, found {_value_at(data, path)}; quote it",
            )
        elif place.empty and path[2] in ("inputs", "match", "when"):
            report.settle(
                path,
                "a value is missing: if its text begins with #, quote it; else leave the key out or"
                " write null",
            )


def _value_at(data: Any, path: Path) -> str:
    for step in path:
        data = data[step]
    return str(data)[:60]
