"""What tests share is in tests/support: no file imports a test module, and neither does a program
that a test runs.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from folders import SUPPORT, TESTS

#: An import in the text of a program that a test runs.
IN_A_PROGRAM = re.compile(r"(?:^|;)[ \t]*(?:from|import)[ \t]+([\w.]+)", re.MULTILINE)
MODULES = {path.stem for path in TESTS.rglob("test_*.py")}


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a file imports, or names as a text: modules, and what is in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # for `__import__`, `import_module` and `pytest_plugins`
            yield from IN_A_PROGRAM.findall(node.value)


def found_in(tree: ast.Module, modules: set[str]) -> set[str]:
    return {name for each in imported(tree) for name in each.split(".")} & modules


def test_no_file_imports_a_test_module() -> None:
    found = {
        str(path.relative_to(TESTS)): names
        for path in TESTS.rglob("*.py")
        if path != Path(__file__) and (names := found_in(ast.parse(path.read_text()), MODULES))
    }
    assert found == {}, "move what they share to a module of tests/support"


def test_no_module_of_support_imports_conftest() -> None:
    """Programs in other processes have tests/support on their path, and no other folder."""
    found = [
        path.name
        for path in SUPPORT.rglob("*.py")
        if found_in(ast.parse(path.read_text()), {"conftest"})
    ]
    assert found == []


def test_each_way_to_import_a_test_module_is_found() -> None:
    program = """
import test_a
import tests.test_b as other
from test_c import *
from fuzz import test_d

def test_something():
    from test_e import name
    __import__("test_f")
    run('''
import sys; from test_g import name
from test_h import *
''')
    run(f"import sys; import test_i; name = {name}")

from support import test_of_another_name
"""
    wanted = {f"test_{letter}" for letter in "abcdefghi"}
    assert found_in(ast.parse(program), wanted) == wanted
    assert found_in(ast.parse(program), {"test_something", "test_j"}) == set()


def test_each_test_file_has_a_name_of_its_own() -> None:
    """pytest imports test files by their names alone, so two of one name cannot both be run."""
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
