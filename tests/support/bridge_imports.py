"""Reads what a file imports of bridge from its syntax tree."""

from __future__ import annotations

import ast


def imported_from_bridge(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Return by local name what a file imports of bridge: the package, and the name in it."""
    return {
        each.asname or each.name: (str(node.module), each.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bridge")
        for each in node.names
    }
