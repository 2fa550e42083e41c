"""Names that tests give as texts exist where the tests look for them.

`monkeypatch.setattr(module, "name", …)` and helpers like it name a thing by a text. No linter sees
these when a thing moves to another module.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from bridge_imports import imported_from_bridge
from folders import TESTS


def named_by_text(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the local name of a module and the text after it, of each call that is given both."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for first, second in zip(node.args, node.args[1:], strict=False):
            if (
                isinstance(first, ast.Name)
                and isinstance(second, ast.Constant)
                and isinstance(second.value, str)
                and second.value.isidentifier()
            ):
                yield first.id, second.value


def load(package: str, name: str) -> object:
    """Return what `from package import name` binds."""
    found = getattr(importlib.import_module(package), name, None)
    return found or importlib.import_module(f"{package}.{name}")


def find_missing(text: str) -> list[str]:
    tree = ast.parse(text)
    imported = imported_from_bridge(tree)
    found = []
    for local, name in named_by_text(tree):
        value = load(*imported[local]) if local in imported else None
        if isinstance(value, ModuleType) and not hasattr(value, name):
            found.append(f"{value.__name__}.{name}")
    return found


def test_each_name_given_as_text_exists() -> None:
    files = set(TESTS.rglob("*.py")) - {Path(__file__)}
    found = {str(path): find_missing(path.read_text()) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_name_that_moved_is_found() -> None:
    program = """
from bridge.store.inbound import duplicates, events
monkeypatch.setattr(events, "add_duplicate", None)
meet(monkeypatch, duplicates, "add_duplicate")
"""
    assert find_missing(program) == ["bridge.store.inbound.events.add_duplicate"]
