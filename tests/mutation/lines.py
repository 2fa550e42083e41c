"""Which tests execute which lines: found by running them once, unchanged, under coverage."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import UnionType

from trees import Tree, digest

SECONDS = 900  # for one test file
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the tests: those that execute a line by file and line, how long each takes,
    and those that need a server.
    """

    by_line: Mapping[str, Mapping[int, frozenset[str]]]
    seconds: Mapping[str, float]
    postgres: frozenset[str]


def trace(
    root: Path,
    scratch: Path,
    trees: Sequence[Tree],
    test_files: Sequence[str],
    files: Sequence[str],
    say: Callable[[str], None],
) -> Known:
    """Run the test files, or read what an earlier run has found of the same code."""
    code = [
        *(root / "bridge").rglob("*.py"),
        root / "tests" / "conftest.py",
        *(root / "tests" / "support").rglob("*.py"),
    ]
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def one(test_file: str) -> dict[str, object]:
        key = digest(root, iter([*code, root / test_file]))
        kept = scratch / "lines" / f"{Path(test_file).stem}-{key}.json"
        if kept.exists():
            known: dict[str, object] = json.loads(kept.read_text())
            if set(known["files"]) >= set(files):  # type: ignore[call-overload]
                return known
        tree = free.get()
        try:
            traced = [str(tree.folder / each) for each in files]
            found = tree.run_unchanged(
                files=[test_file], tests=[], options=[], seconds=SECONDS, trace=traced
            )
        finally:
            free.put(tree)
        short = {
            str(Path(file).relative_to(tree.folder)): lines
            for file, lines in found.get("lines", {}).items()
        }
        known = {"files": list(files), **found, "lines": short}
        say(f"{test_file}: {len(found['seconds_of'])} tests in {found['seconds']} s")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(known))
        return known

    with ThreadPoolExecutor(len(trees)) as pool:
        return _merged(dict(zip(test_files, pool.map(one, test_files), strict=True)))


def _merged(found: Mapping[str, Mapping[str, object]]) -> Known:
    by_line: dict[str, dict[int, set[str]]] = {}
    seconds: dict[str, float] = {}
    for known in found.values():
        good = {name for name, outcome in known.get("outcomes", {}).items() if outcome == "passed"}  # type: ignore[attr-defined]
        seconds |= {
            name: took for name, took in known.get("seconds_of", {}).items() if name in good
        }  # type: ignore[attr-defined]
        for file, lines in known["lines"].items():  # type: ignore[attr-defined]
            for line, tests in lines.items():
                by_line.setdefault(file, {}).setdefault(int(line), set()).update(
                    good.intersection(tests)
                )
    return Known(
        {
            file: {line: frozenset(tests) for line, tests in lines.items()}
            for file, lines in by_line.items()
        },
        seconds,
        frozenset(name for known in found.values() for name in known.get("postgres", ())),  # type: ignore[attr-defined]
    )


def tests_of(known: Known, file: str, text: str, lines: Iterable[int]) -> set[str]:
    """Return the traced tests that execute lines of a file; for what is executed at the import,
    those that execute what uses its names.
    """
    by_line = known.by_line.get(file, {})
    tree = ast.parse(text)
    wanted = set(lines)
    function = _innermost(tree, wanted, FUNCTION)
    if function is not None:
        statement = _innermost(function, wanted, ast.stmt) or function
        near = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        simple = not isinstance(
            statement, FUNCTION | ast.If | ast.For | ast.While | ast.With | ast.Try
        )
        for attempt in (
            wanted,
            near if simple else wanted,
            range(function.lineno + 1, (function.end_lineno or 0) + 1),
        ):
            if found := set().union(*(by_line.get(line, frozenset()) for line in attempt)):
                return found
        return set()
    statement = _innermost(tree, wanted, ast.stmt)
    named = ast.walk(statement) if statement is not None else ()
    names = {
        node.id for node in named if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b") if names else None
    bodies = _function_lines(tree)
    users = [
        line
        for line, code in enumerate(text.splitlines(), 1)
        if line in bodies and pattern is not None and pattern.search(code)
    ]
    found = set().union(*(by_line.get(line, frozenset()) for line in users))
    return found or set().union(*(tests for line, tests in by_line.items() if line in bodies))


def _innermost(tree: ast.AST, lines: set[int], kind: type | UnionType) -> ast.stmt | None:
    """Return the smallest statement of a kind that holds all these lines."""
    fit = [
        node
        for node in ast.walk(tree)
        if isinstance(node, kind)
        and node is not tree
        and node.lineno <= min(lines)
        and max(lines) <= (node.end_lineno or 0)
    ]
    return min(fit, key=lambda node: (node.end_lineno - node.lineno, -node.lineno), default=None)


def _function_lines(tree: ast.AST) -> set[int]:
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTION)]
    return {
        line for node in functions for line in range(node.lineno + 1, (node.end_lineno or 0) + 1)
    }
