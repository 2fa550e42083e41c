"""The size of the product: a budget of tokens for each package.

A commit that needs more raises the number here, and its message says what users get for it. A
commit that needs less lowers it, so that the room is not filled unseen.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

import bridge

ROOT = Path(bridge.__file__).parent
#: Of a package, in tokens. The modules of `bridge` itself are under its name.
BUDGET = {
    "api": 23400,
    "bridge": 1300,
    "cli": 82100,
    "config": 30100,
    "core": 21100,
    "delivery": 18400,
    "flows": 19500,
    "importers": 43700,
    "ingest": 33900,
    "monitoring": 20500,
    "providers": 46800,
    "routing": 35400,
    "runtime": 12400,
    "services": 87900,
    "store": 110500,
    "system": 14800,
    "torture": 25100,
    "web": 103700,
    "worker": 27000,
}
SLACK = 1000  # by which a package may be below its budget
#: Names, operators, numbers and strings; an f-string has parts of its own from Python 3.12 on.
COUNTED = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}


def count_tokens(source: str) -> int:
    """Return the number of tokens of a module, without its comments and docstrings."""
    docstrings = {
        (node.body[0].lineno, node.body[0].col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node, clean=False) is not None
    }
    count = 0
    depth = 0  # of f-strings, which count as one token each in every version of Python
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            depth += 1
            count += depth == 1
        elif name == "FSTRING_END":
            depth -= 1
        elif not depth and token.type in COUNTED and token.start not in docstrings:
            count += 1
    return count


def test_each_package_stays_within_its_budget() -> None:
    counts: Counter[str] = Counter()
    for path in ROOT.rglob("*.py"):
        folders = path.relative_to(ROOT).parts[:-1]
        counts[folders[0] if folders else ROOT.name] += count_tokens(path.read_text())
    above = {name: count for name, count in counts.items() if count > BUDGET.get(name, 0)}
    assert not above, f"more tokens than the budget: {above}"
    below = {name: counts[name] for name, budget in BUDGET.items() if counts[name] < budget - SLACK}
    assert not below, f"far fewer tokens than the budget, so lower it: {below}"


def test_a_docstring_and_a_comment_count_for_nothing() -> None:
    source = 'def f(x):\n    """Return x."""\n    # as it is\n    return f"{x}!"\n'
    assert count_tokens(source) == len(["def", "f", "(", "x", ")", ":", "return", "f-string"])
