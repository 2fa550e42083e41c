"""Collects the reasons that the code can write for a dead delivery, from its source.

The placeholders of a text are filled with `SECRET`, which stands for contents of a payload, unless
the code fills them with something else (`FILLED`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import bridge

SECRET = "Zebra <z@example.com> 'Zebra \"zebra"
ROOT = Path(bridge.__file__).parent
#: what the code fills in, by the source of the placeholder
FILLED = {
    "type_name": "array of null and string",
    "needs": "array of number or array of string",
    "hint": " (use default() for a missing value)",
    "name": "sort_by",
    "what": "order_by",
    "table": "delivery",
    "column": "inputs",
    "SETTING": "FLOWBRIDGE_ENCRYPTION_KEYS",
    "' and '.join(sorted(kinds))": "number and string",
    "_kind(inputs)": "a list",
    "answer.status": "502",
    "outcome.status_code": "202",
    "file.name": SECRET,
}
#: A text that only adds to another error, which is collected by itself.
WRAPPED = "error"


def texts_of_errors(name: str) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of each error of this class that the code raises."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(_parse(path)):
            if isinstance(node, ast.Call) and _name(node.func) == name and node.args:
                text = _read(node.args[0], path)
                if text is not None and not _wraps(node.args[0]):
                    yield _place(path, node), text


def details_of(
    call: str, *, folders: tuple[str, ...], argument: str | int
) -> Iterator[tuple[str, str | None]]:
    """Yield (place, text) of an argument of each call; its source for one that is no text."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(_parse(path)):
                if not isinstance(node, ast.Call) or _name(node.func) != call:
                    continue
                for value in _arguments(node, argument):
                    for each in _branches(value):
                        yield (
                            (
                                _place(path, node)
                                if (text := _read(each, path)) is not None
                                else f"source: {ast.unparse(each)}"
                            ),
                            text,
                        )


def texts_in(module: str, function: str) -> list[str]:
    """Return the sentences in a function."""
    path = ROOT / module
    tree = _parse(path)
    [found] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    inside = {
        id(part)
        for node in ast.walk(found)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    documentation = ast.get_docstring(found, clean=False)
    return [
        text
        for node in ast.walk(found)
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in inside
        if (text := _read(node, path)) is not None
        if text.count(" ") > 1 and text != documentation
    ]


def writers_of_dead_kind() -> set[str]:
    """Return the modules that give a delivery its `dead_kind`."""
    found = set()
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(_parse(path)):
            named = (
                [key.value for key in node.keys if isinstance(key, ast.Constant)]
                if isinstance(node, ast.Dict)
                else [node.slice.value]
                if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
                else [each.arg for each in node.keywords if _name(node.func) == "Delivery"]
                if isinstance(node, ast.Call)
                else []
            )
            if "dead_kind" in named:
                found.add(str(path.relative_to(ROOT)))
    return found


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _place(path: Path, node: ast.expr) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def _arguments(call: ast.Call, argument: str | int) -> list[ast.expr]:
    if isinstance(argument, int):
        return call.args[argument : argument + 1]
    return [each.value for each in call.keywords if each.arg == argument]


def _branches(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.IfExp):
        return _branches(node.body) + _branches(node.orelse)
    return [node]


def _wraps(node: ast.expr) -> bool:
    last = node.values[-1] if isinstance(node, ast.JoinedStr) else node
    return isinstance(last, ast.FormattedValue) and ast.unparse(last.value) == WRAPPED


def _read(node: ast.expr, path: Path) -> str | None:
    """Return a text with its placeholders filled; None for what is no text in the source."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _fill(part) if isinstance(part, ast.FormattedValue) else str(part.value)  # type: ignore[attr-defined]  # else a constant
            for part in node.values
        )
    if isinstance(node, ast.Name) and node.id.isupper():
        return _constant(node.id, path)
    return None


def _fill(part: ast.FormattedValue) -> str:
    source = ast.unparse(part.value)
    if source in FILLED:
        return FILLED[source]
    if source.startswith("pluralize"):
        return "3 runs" if "reruns" in source else "3 attempts"
    return "12" if re.fullmatch(r"-?[A-Z_]+", source) else SECRET


def _constant(name: str, path: Path) -> str | None:
    """Return a constant of the module, or of the module that it is imported from."""
    for node in _parse(path).body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if any(_name(each) == name for each in targets):
            return _read(node.value, path) if node.value is not None else None  # type: ignore[attr-defined]  # both kinds have one
        if isinstance(node, ast.ImportFrom) and any(each.name == name for each in node.names):
            return _constant(name, ROOT.parent / f"{node.module.replace('.', '/')}.py")  # type: ignore[union-attr]  # no relative imports
    return None
